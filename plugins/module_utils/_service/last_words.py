# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that did not start said last, from its log and from the journal.

Both are text of the server's: no link is followed to it, its size is bounded, what could be a secret is left out.
"""

from __future__ import annotations

import os
import re

from .._errors import Refused
from .._host.files import opened

LINES = 20
WIDTH = 300
_BYTES = 64 * 1024
_SECRET = re.compile(r"(\b(?:requirepass|masterauth|primaryauth|[\w-]+-pass)\b|(?:^|(?<=['\"]))user ).*")


def last_words(run_command, unit, log_file, since):
    """Return the last lines of a unit as text for a message, '' when it said nothing.

    run_command: the module's. log_file: the server's log, None when it has none. since: when it was told to start
    (seconds of the clock); what was said before is not meant.
    """
    log, note = of_log(log_file, since) if log_file else ([], "")
    _code, out, _error = run_command(
        ["journalctl", "--unit", unit, "--since", "@%d" % since, "--lines", str(LINES), "--no-pager", "--output", "cat"]
    )
    parts = []
    for title, lines in (("%s ends with:" % log_file, log), ("journalctl --unit %s:" % unit, plain(out))):
        parts += [title, *("    " + line for line in lines)] if lines else []
    return "\n".join(parts + [note] * bool(note))


def of_log(path, since):
    """Return (the last lines of a log, why it was not read)."""
    try:
        with opened(path) as handle:
            status = os.fstat(handle) if handle is not None else None
            # Clocks of files are coarse.
            if status is None or status.st_mtime < since - 1:
                return [], ""
            return plain(os.pread(handle, _BYTES, max(0, status.st_size - _BYTES)).decode("utf-8", "replace")), ""
    except (Refused, OSError):
        return [], "%s was not read: it is no plain file, has a second name, or is reached by a link." % path


def plain(text):
    """Return the last lines of a text, printable, short, and without what could be a secret."""
    lines = ["".join(char if char.isprintable() else "?" for char in line).rstrip() for line in text.split("\n")]
    return [_without_secrets(line)[:WIDTH] for line in lines if line][-LINES:]


def _without_secrets(line):
    """Take values of directives and ACL rules away: Redis quotes the line of its file that it does not understand."""
    quoted = re.match(r">>> *['\"]?(\S+)", line)
    if quoted:
        return ">>> %s (the rest is not shown)" % quoted[1]
    line = re.sub(r"\b[0-9a-fA-F]{64}\b", "(hash)", line)
    line = _SECRET.sub(r"\1 (the rest is not shown)", line)
    return re.sub(r"(^|['\" ])[><#!](?! )[^\s'\"]+", r"\1(rule)", line)
