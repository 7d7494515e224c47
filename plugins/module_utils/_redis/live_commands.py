# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names by which a running server knows commands."""

from __future__ import annotations

import secrets

from .commands import normalise
from .connection import ConnectionProblem, pipeline


def live_names(client, renamed, commands):
    """Return what the running server answers to: original upper-case name -> name now, or None if there is none.

    The new name where the rename of `renamed` is active, the original where it is not yet. One round trip; two on a
    server whose COMMAND is disabled or denied. Raises ConnectionProblem(permission) when the server can't be asked.
    """
    renamed = normalise(renamed)
    commands = [command.upper() for command in commands]
    choices = {command: [name for name in (command, renamed.get(command)) if name] for command in commands}
    asked = list(dict.fromkeys(name for names in choices.values() for name in names))
    if not asked:
        return {}
    known = _ask_command_info(client, renamed, asked)
    if known is None:
        known = _ask_by_queueing(client, renamed, asked)
    # COMMAND INFO is keyed by the name in use and gives the original one, so a name that meanwhile belongs to another
    # command is not taken for this one. Queueing can't tell whose name it is.
    return {
        command: next((name for name in names if known.get(name) in (command, "?")), None)
        for command, names in choices.items()
    }


def _ask_command_info(client, renamed, asked):
    ways = [name for name in dict.fromkeys(("COMMAND", renamed.get("COMMAND"))) if name]
    for reply in pipeline(client, [[way, "INFO", *asked] for way in ways]):
        if isinstance(reply, list) and len(reply) == len(asked):
            return {
                name: entry[0].decode("ascii", "replace").upper()
                for name, entry in zip(asked, reply, strict=True)
                if isinstance(entry, list) and entry
            }
    return None


def _ask_by_queueing(client, renamed, asked):
    """Ask by queueing the names in a transaction that is discarded: whether a name exists is checked when queueing."""
    multi = [name for name in dict.fromkeys(("MULTI", renamed.get("MULTI"))) if name]
    discard = [name for name in dict.fromkeys(("DISCARD", renamed.get("DISCARD"))) if name]
    if not any(pipeline(client, [[name]])[0] == b"OK" for name in multi):
        raise ConnectionProblem(
            "permission",
            "The server can't be asked which commands it has: grant +command to the user, and don't disable COMMAND.",
        )
    # QUIT closes the connection on servers before 7.2. The random argument makes sure that nothing happens even if the
    # transaction were lost.
    tried = [name for name in asked if name.upper() not in ("QUIT", "EXEC", "DISCARD", *map(str.upper, discard))]
    replies = pipeline(client, [[name, secrets.token_hex(8)] for name in tried] + [[name] for name in discard])
    missing = {
        name
        for name, reply in zip(tried, replies, strict=False)
        if isinstance(reply, Exception) and "unknown command" in str(reply).lower()
    }
    return {name: "?" for name in asked if name not in missing}
