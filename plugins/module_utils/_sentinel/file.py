# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of a Sentinel's file that only a restart changes; all others are its own. Pure functions."""

from __future__ import annotations

import hashlib

from .._config import desired as config, values
from .._errors import Refused

# What belongs to the Sentinel itself, or to redis_sentinel and redis_acl, which change it live.
_NOT_HERE = ("sentinel", "user", "include", "rename-command", "requirepass")


def wanted_lines(settings):
    """Return {directive: its lines} from the option. Raises Refused naming all that is wrong."""
    wanted, problems = {}, []
    for name in settings:
        directive = str(name).lower()
        try:
            if directive in _NOT_HERE:
                raise ValueError("does not belong here")
            words = values.arguments(directive, settings[name])
            values.meaning(directive, words)
            wanted[directive] = words
        except ValueError as error:
            problems.append("settings: %s %s." % (name, error))
    if problems:
        raise Refused(" ".join(problems))
    return dict(sorted(wanted.items()))


def first_text(wanted, user, password):
    """Return the text of a file that is not there yet: nobody gets in but this user, known by the password's hash."""
    lines = [line for directive, words in wanted.items() for line in values.file_lines(directive, words)]
    digest = hashlib.sha256(password.encode()).hexdigest()
    lines += ["user default off resetpass -@all", "user %s on #%s ~* &* +@all" % (user, digest)]
    return "".join(line + "\n" for line in lines)


def drift(text, wanted):
    """Return the names of those directives that the file has differently."""
    present = {name: words for name, words in config.parse(text) if name in wanted}
    return [name for name, words in wanted.items() if not _same(name, words, present.get(name))]


def _same(name, wanted, present):
    if present is None:
        # A Sentinel leaves out what is empty.
        return wanted == [""]
    try:
        return values.meaning(name, wanted) == values.meaning(name, present)
    except ValueError:
        return False


def replaced(text, wanted, names):
    """Return the text with the lines of these directives as wanted, and everything else as it is."""
    lines, placed = [], set()
    for line in text.split("\n"):
        name = _directive(line)
        if name not in names:
            lines.append(line)
        elif name not in placed:
            placed.add(name)
            lines += values.file_lines(name, wanted[name])
    missing = [line for name in names if name not in placed for line in values.file_lines(name, wanted[name])]
    return "\n".join(missing + lines)


def _directive(line):
    found = config.parse(line)
    return found[0][0] if found else ""


def move_problem(text, wanted):
    """Return why a Sentinel that watches a group can't be given these settings, '' where it can.

    The address that it watches belongs to TLS, or to plain text; with the other setting it would find nobody there,
    take the master for down, and tell clients the wrong port.
    """
    parsed = config.parse(text)
    watched = [words[1] for name, words in parsed if name == "sentinel" and words[:1] == ["monitor"] and len(words) > 4]
    present = dict(parsed)
    tls = [words.get("tls-replication", ["no"])[0].lower() for words in (present, wanted)]
    if not watched or tls[0] == tls[1] or "tls-replication" not in wanted:
        return ""
    return (
        "the Sentinel watches %s %s TLS, and is to do so %s: make all Sentinels forget the group first (redis_sentinel "
        "with state: absent), then run this again."
        % (watched[0], *(("with", "without") if tls[0] == "yes" else ("without", "with")))
    )


def shown(wanted, names=None):
    """Return the lines for a diff."""
    return "".join(
        line + "\n"
        for name, words in wanted.items()
        if names is None or name in names
        for line in values.file_lines(name, words)
    )


def shown_now(text, names):
    """Return what the file has of these directives, for a diff."""
    found = {name: words for name, words in config.parse(text) if name in names}
    return config.printable(shown(dict(sorted(found.items()))))
