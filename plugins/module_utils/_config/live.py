# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of a running server: reading it, what could be set without a restart, and setting it."""

from __future__ import annotations

import time

from .._errors import Refused
from .._redis.commands import COMMANDS
from .._redis.connection import pipeline
from .._redis.live_commands import live_names
from .._redis.replies import parse_info, raw, text
from . import directives as table, values
from .desired import suggestion

# What decides which data a restart loads; read whether declared or not.
DATA_DIRECTIVES = ("dir", "dbfilename", "appendonly", "appendfilename", "appenddirname")
_ALWAYS_READ = (*DATA_DIRECTIVES, "maxmemory", "maxmemory-policy")


class Live:
    """What one running server says. `values` is {directive: text}, None when the server's CONFIG is disabled."""

    def __init__(self, client, names, info, found, categories):
        self.client = client
        self.names = names
        self.info = info
        self.values = found
        # All commands of this server under their original names, and those worth renaming; empty when ACL is disabled.
        self.commands, self.dangerous = categories

    @property
    def version(self):
        return tuple(int(part) for part in self.info["redis_version"].split(".")[:2])

    @property
    def keys(self):
        """Return {database number: number of keys}."""
        return {
            int(name[2:]): int(text.split(",")[0].partition("=")[2])
            for name, text in self.info.items()
            if name.startswith("db") and name[2:].isdigit() and text.startswith("keys=")
        }

    def value(self, directive):
        """Return the text of a directive by any of its names, None when the server does not have it."""
        return next((self.values[name] for name in values.spellings(directive) if name in self.values), None)


def read(client, directives, renamed, renamed_in_file=None):
    """Return a Live for a connection. directives: what to read besides what is always read.

    renamed: the declared renames. renamed_in_file: those of the file as it is, which the server may have started with.
    """
    names = find_names(client, renamed, renamed_in_file)
    asked = list(dict.fromkeys(name for entry in (*directives, *_ALWAYS_READ) for name in values.spellings(entry)))
    requests = [[names["INFO"]]] if names["INFO"] else []
    if not requests:
        raise Refused("The server's INFO is disabled: which server this is and what it holds can't be told.")
    categories = ("slow", "fast", "dangerous", "scripting") if names["ACL"] else ()
    requests += [[names["ACL"], "CAT", category] for category in categories]
    requests += [[names["CONFIG"], "GET", name] for name in asked] if names["CONFIG"] else []
    replies = pipeline(client, requests)
    info = parse_info(replies[0])
    sets = [
        {text(name).upper() for name in reply if b"|" not in name} if isinstance(reply, list) else set()
        for reply in replies[1 : 1 + len(categories)]
    ] or [set()] * 4
    found = None
    if names["CONFIG"]:
        found = {}
        for name, reply in zip(asked, replies[1 + len(categories) :], strict=True):
            if not isinstance(reply, list):
                raise Refused("CONFIG GET %s: %s. The user needs +config|get." % (name, text(reply)))
            if len(reply) >= 2:
                found[name] = text(reply[1])
    return Live(client, names, info, found, (sets[0] | sets[1], sets[2] | sets[3]))


def find_names(client, renamed, renamed_in_file=None):
    """Return {command: name that it answers to now, or None} of the commands that are needed here."""
    needed = ["CONFIG", "INFO", "ACL", "COMMAND", "BGREWRITEAOF", "DEBUG", "MODULE"]
    names = live_names(client, renamed, needed)
    lost = [command for command in needed if names[command] is None]
    if lost and renamed_in_file and renamed_in_file != renamed:
        names.update(live_names(client, renamed_in_file, lost))
    return names


def resolve(live, wanted):
    """Return the wanted directives under the names that this server knows. Raises Refused for unknown ones."""
    resolved, unknown = {}, []
    for directive, words in wanted.items():
        name = next((name for name in values.spellings(directive) if name in live.values), None)
        if name is None:
            unknown.append(directive + suggestion(directive, table.KNOWN | table.ALIASES.keys()))
        else:
            resolved[name] = words
    if unknown:
        raise Refused("This server (%s) has no directive %s." % (live.info["redis_version"], ", ".join(unknown)))
    return dict(sorted(resolved.items()))


def pending_renames(live, renamed, renamed_in_file):
    """Return {command: name that it answers to now, or None} of the commands that should answer to something else.

    Commands that were renamed or disabled without being declared are among them. Raises Refused for unknown commands.
    """
    asked = sorted({*renamed, *renamed_in_file, *live.dangerous})
    now = live_names(live.client, renamed, asked)
    lost = [command for command in asked if now[command] is None and command in renamed_in_file]
    if lost:
        now.update(live_names(live.client, renamed_in_file, lost))
    known = live.commands if live.commands and live.version >= (7, 0) else live.commands | COMMANDS
    unknown = [name + suggestion(name, known) for name in renamed if now[name] is None and name not in known]
    if unknown:
        raise Refused("renamed_commands: this server has no command %s, and would not start." % ", ".join(unknown))
    return {
        command: name
        for command, name in now.items()
        if (name or "").upper() != renamed.get(command, command).upper()
        and (command in renamed or not live.commands or command in live.commands)
    }


def written_names(live, pending):
    """Return those of the pending commands' present names that an append-only file may hold."""
    names = [name for name in pending.values() if name]
    if not names or live.names["COMMAND"] is None:
        return names
    reply = pipeline(live.client, [[live.names["COMMAND"], "INFO", *names]])[0]
    if not isinstance(reply, list):
        return names
    return [name for name, entry in zip(names, reply, strict=True) if _writes(live, entry)]


def _writes(live, entry):
    if not entry:
        return False
    # Before 7.0 scripts could be logged as such.
    if live.version < (7, 0) and text(entry[0]).upper() in ("EVAL", "EVALSHA", "SCRIPT", "PUBLISH"):
        return True
    subcommands = entry[9] if len(entry) > 9 else []
    return any(b"write" in flags for flags in (entry[2], *(subcommand[2] for subcommand in subcommands)))


def differences(live, wanted):
    """Return the wanted directives whose live value means something else, in the order in which to set them.

    replicaof is not among them: who follows whom is decided by the running servers.
    """
    found = {
        directive: words
        for directive, words in wanted.items()
        if values.canonical(directive) != "replicaof" and not values.same(directive, words, live.values[directive])
    }
    return dict(sorted(found.items(), key=lambda item: (_rank(values.canonical(item[0])), item[0])))


def _rank(name):
    if name in table.FIRST:
        return table.FIRST.index(name)
    return 100 + table.LAST.index(name) if name in table.LAST else 50


def settable(live, directives):
    """Return those of the directives that this server lets change without a restart, in the same order.

    From 7.0 on the server is asked, by a CONFIG SET that names the directive twice: it is refused in any case, for
    being twice there when the directive could be set. Should a server take it, it gets the value that it has.
    """
    if live.version < (7, 0):
        fixed = table.RESTART_ONLY | (table.RESTART_ONLY_BEFORE_6_2 if live.version < (6, 2) else frozenset())
        return [name for name in directives if values.canonical(name) not in fixed]
    asked = [[live.names["CONFIG"], "SET", *raw((name, live.values[name]) * 2)] for name in directives]
    free = []
    for name, reply in zip(directives, pipeline(live.client, asked), strict=True):
        reason = text(reply).rpartition(" - ")[2]
        if "duplicate parameter" in reason:
            free.append(name)
        elif "immutable config" not in reason and "protected config" not in reason:
            raise Refused("CONFIG SET %s: %s. The user needs +config|set." % (name, text(reply)))
    return free


def apply(live, changes, aof_timeout):
    """Set the directives, and wait for the append-only file when it is turned on.

    Addresses and ports come in a command of their own, after that: while a child of the server still has the listening
    socket open, it can't be opened anew. Raises Refused when the server does not take them; nothing is changed then.
    """
    late = {name: words for name, words in changes.items() if values.canonical(name) in table.LAST}
    early = {name: words for name, words in changes.items() if name not in late}
    done = {}
    try:
        for batch in (early, late):
            _set(live, batch, done)
            if values.meaning("appendonly", batch.get("appendonly", ["no"])):
                wait_for_aof(live, aof_timeout)
            _read_back(live, batch)
    except Refused as problem:
        raise Refused("%s %s" % (problem, _put_back(live, done))) from problem


def _set(live, batch, done):
    """Set the directives: in one command, which a server from 7.0 on takes as a whole or not at all."""
    commands = [dict(batch)] if live.version >= (7, 0) else [{name: words} for name, words in batch.items()]
    for command in filter(None, commands):
        pairs = [word for name, words in command.items() for word in (name, values.set_value(words))]
        reply = pipeline(live.client, [[live.names["CONFIG"], "SET", *raw(pairs)]])[0]
        if isinstance(reply, Exception):
            raise Refused("The server refuses %s: %s." % (", ".join(command), text(reply).rstrip(".")))
        done.update(command)


def _put_back(live, done):
    if not done:
        return "No setting was changed."
    replies = pipeline(
        live.client, [[live.names["CONFIG"], "SET", *raw((name, live.values[name]))] for name in reversed(done)]
    )
    lost = [name for name, reply in zip(reversed(done), replies, strict=True) if isinstance(reply, Exception)]
    if lost:
        return "Already changed, and could not be put back: %s." % ", ".join(lost)
    return "What had been changed before (%s) was put back." % ", ".join(done)


def _read_back(live, changes):
    """Raise Refused when the server does not have what it took: it may round or bound a value."""
    replies = pipeline(live.client, [[live.names["CONFIG"], "GET", name] for name in changes])
    for (name, words), reply in zip(changes.items(), replies, strict=True):
        if isinstance(reply, Exception) or not reply or not values.same(name, words, text(reply[1])):
            shown = "a secret" if values.is_secret(name) else text(reply[1]) if isinstance(reply, list) else text(reply)
            raise Refused("The server took %s and made it %s: declare a value that it keeps." % (name, shown))


def wait_for_aof(live, timeout):
    """Wait until no rewrite of the append-only file runs or waits. Raises Refused when the last one failed."""
    if _idle_aof(live, timeout).get("aof_last_bgrewrite_status") != "ok":
        raise Refused("Writing the append-only file failed; the server's log says why (memory, disk, permissions).")


def _idle_aof(live, timeout):
    deadline = time.monotonic() + timeout
    while True:
        info = parse_persistence(pipeline(live.client, [[live.names["INFO"], "persistence"]])[0])
        if info.get("aof_rewrite_in_progress") == "0" and info.get("aof_rewrite_scheduled") == "0":
            return info
        if time.monotonic() > deadline:
            raise Refused(
                "The append-only file is still being written after %s s. Until then a restart may lose keys: wait for "
                "aof_rewrite_in_progress:0 in INFO and run again, or raise aof_timeout." % timeout
            )
        time.sleep(0.1)


def parse_persistence(reply):
    fields = (line.partition(":") for line in text(reply).splitlines())
    return {name: value for name, colon, value in fields if colon}


def rewrite_aof(live, timeout):
    """Have the append-only file rewritten, so that it no longer holds commands by name."""
    _idle_aof(live, timeout)
    reply = pipeline(live.client, [[live.names["BGREWRITEAOF"]]])[0]
    if isinstance(reply, Exception):
        raise Refused("BGREWRITEAOF: %s" % text(reply))
    wait_for_aof(live, timeout)
