# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of redis.conf: words as the server reads them, and quoted so that it reads these."""

from __future__ import annotations

import re

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


def quote(word):
    """Return the word so that a server reading a configuration file sees exactly this word."""
    if re.fullmatch(r"[!#-&(-\[\]-~]+", word):
        return word
    quoted = ""
    for character in word.encode("utf-8", "surrogateescape").decode("latin-1"):
        if character in '"\\':
            quoted += "\\" + character
        elif " " <= character <= "~":
            quoted += character
        else:
            quoted += "\\x%02x" % ord(character)
    return '"%s"' % quoted


_WORD = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"'][^\s"']*))(?=\s|$)""",
    re.DOTALL | re.ASCII,
)


def split_line(line):
    """Return the words of a line of a configuration file as the server reads them. Raises ValueError."""
    text = line.encode("utf-8", "surrogateescape").decode("latin-1").strip(" \t\r\n")
    words, position = [], 0
    while position < len(text):
        match = _WORD.match(text, position)
        if not match:
            raise ValueError("unbalanced quotes")
        double, single, bare = match.groups()
        if double is not None:
            word = re.sub(r"\\(x[0-9a-fA-F]{2}|.)", _unescape, double, flags=re.DOTALL)
        elif single is not None:
            word = single.replace("\\'", "'")
        else:
            word = bare
        words.append(word.encode("latin-1").decode("utf-8", "surrogateescape"))
        position = match.end()
    return words


def _unescape(match):
    code = match.group(1)
    if len(code) == 3:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)
