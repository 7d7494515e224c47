# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes after which a restart would lose keys or fail, found before they are made.

Which data a server loads follows from five directives; a server that finds no file there starts empty, without a word.
"""

from __future__ import annotations

import os
import re
import struct

from .._errors import Refused
from .._host.files import opened
from . import values

_DEFAULTS = {
    "appendonly": "no",
    "dbfilename": "dump.rdb",
    "appendfilename": "appendonly.aof",
    "appenddirname": "appendonlydir",
    "databases": "16",
}

# The server writes these by itself into the append-only file and to its replicas, under these names whatever the
# renames are: an expired key as DEL, SET ... EX as SET ... PXAT, any first write as SELECT. Loading then fails.
WRITTEN_BY_THE_SERVER = frozenset(
    """
    DEL EXEC HDEL HMSET HPEXPIREAT HSET LMOVE LPOP LPUSH MULTI PEXPIREAT PERSIST RPOP RPOPLPUSH RPUSH SADD SELECT SET
    SREM UNLINK XADD XCLAIM XGROUP XSETID ZADD ZPOPMAX ZPOPMIN
    """.split()  # noqa: SIM905
)


def rename_hazards(renamed):
    """Return what is wrong with renaming these commands at all."""
    return [
        "renamed_commands: %s can't be renamed or disabled: the server itself writes it into its append-only file and "
        "to its replicas under this name, and could not load that file again." % command
        for command in sorted(WRITTEN_BY_THE_SERVER & {name.upper() for name in renamed or {}})
    ]


def live_hazards(keys, now, wanted, whole_file, can_set=True):
    """Return why a restart with the wanted settings would come up without the running server's keys.

    keys: {database number: number of keys}. now: {directive: text} in force. whole_file: the wanted settings become the
    whole configuration, so what they leave out falls back to its default. can_set: the server takes CONFIG SET.
    """
    total = sum(keys.values())
    if not total:
        return []
    after = _after(wanted, {} if whole_file else now)
    problems = []
    for name in ("dir", *(("appendfilename", "appenddirname") if _has_aof(after) else ("dbfilename",))):
        text = now.get(name)
        if text is not None and not values.same(name, [after[name] or "/"], text):
            problems.append(
                "The server keeps %d keys under %s %s, and a restart would look under %s and come up without them. Set "
                "%s: %s, or stop the server, move its files and run again."
                % (total, name, text, after[name] or "its working directory (dir is not declared)", name, text)
            )
    if _has_aof(now) and whole_file and "appendonly" not in wanted:
        problems.append(
            "The server keeps %d keys in its append-only file, and appendonly is not declared: a restart would not "
            "load it. Set appendonly to yes or no." % total
        )
    elif _has_aof(now) != _has_aof(after) and not can_set:
        problems.append(
            "CONFIG is disabled on this server, so appendonly can't be changed while it runs, and a restart would load "
            "the wrong one of its files. Enable CONFIG first, or leave appendonly as it is."
        )
    if ("databases" in wanted or whole_file) and max(keys) >= int(after["databases"]):
        problems.append(
            "Database %d holds keys, and with databases %s a restart would fail: set databases to at least %d."
            % (max(keys), after["databases"], max(keys) + 1)
        )
    return problems


def memory_hazards(keys, used, now, wanted):
    """Return why a bound on memory would cost keys, or stop clients from writing, at once.

    used: bytes in use. now: {directive: text} in force. A server that evicts keys already is a cache, and may.
    """
    evicts = now["maxmemory"] != "0" and now["maxmemory-policy"] != "noeviction"
    after = {name: values.set_value(wanted.get(name, [now[name]])) for name in ("maxmemory", "maxmemory-policy")}
    bound = values.meaning("maxmemory", [after["maxmemory"]])
    if evicts or not keys or not 0 < bound < used:
        return []
    effect = "it would refuse writes" if after["maxmemory-policy"].lower() == "noeviction" else "it would delete keys"
    return [
        "The server uses %d bytes of memory, and with maxmemory %s and maxmemory-policy %s %s at once: set maxmemory "
        "above that, or make room first." % (used, after["maxmemory"], after["maxmemory-policy"], effect)
    ]


def offline_hazards(old, wanted, names_going):
    """Return the same for a server that does not run, from its files.

    old: {directive: text} of the configuration file as it is, None without one. names_going: the command names that the
    server will no longer know.
    """
    after = _after(wanted, {})
    before = _after({name: [text] for name, text in old.items()}, {}) if old is not None else None
    database = dict(after, appendonly="no")
    problems = []
    if before is not None and _load_path(before) != _load_path(after) and holds_data(before):
        problems.append(
            "%s holds data, and a server started with the new file would not load it. Start the server as it is and "
            "run again, so that it can be changed while it runs; or move the data away." % _load_path(before)
        )
    elif _has_aof(after) and not _aof_files(after) and holds_data(database):
        problems.append(
            "%s holds keys, and a server started with appendonly yes would come up without them: it loads the "
            "append-only file, which is not there. Start the server with appendonly no and run again: this module then "
            "turns it on while the server runs." % _load_path(database)
        )
    if _has_aof(after):
        used = sorted(name for name in names_going if any(mentions(path, name) for path in _aof_files(after)))
        if used:
            problems.append(
                "The append-only file %s holds %s, which the new renamed_commands take away: the server could not load "
                "it. Start the server with the old names and run again." % (_load_path(after), ", ".join(used))
            )
    return problems


def names_going(old, new):
    """Return the command names that a server with the renames `old` knows and one with `new` does not."""
    return {
        name
        for command in {*old, *new}
        for name in [old.get(command, command)]
        if name and name.upper() != new.get(command, command).upper()
    }


def in_force(old):
    """Return {directive: text} of a configuration's values, with what decides about the data where it says nothing."""
    return {**old, **{name: text or "/" for name, text in _after({}, old).items()}}


def _after(wanted, fallback):
    """Return the five directives' texts once the wanted settings are in force; dir may be None."""
    known = {values.canonical(name): values.set_value(words) for name, words in wanted.items()}
    return {name: known.get(name) or fallback.get(name) or _DEFAULTS.get(name) for name in (*_DEFAULTS, "dir")}


def _has_aof(conf):
    return conf["appendonly"].lower() == "yes"


def _load_path(conf):
    # What is relative is so from where systemd starts the server, not from where this runs.
    folder = os.path.realpath(os.path.join("/", conf["dir"] or ""))
    if _has_aof(conf):
        return os.path.join(folder, conf["appenddirname"], conf["appendfilename"])
    return os.path.join(folder, conf["dbfilename"])


def _aof_files(conf):
    """Return the files of the append-only log: several in a directory of their own from 7.0 on, one before."""
    path = _load_path(conf)
    folder, name = os.path.split(path)
    try:
        several = [os.path.join(folder, entry) for entry in sorted(os.listdir(folder)) if entry.startswith(name + ".")]
    except OSError:
        several = []
    single = os.path.join(os.path.dirname(folder), name)
    return [entry for entry in several if not entry.endswith(".manifest")] + [single] * os.path.isfile(single)


def keeps_data(old):
    """Return whether a server started with a configuration file's values {directive: text} would load any key."""
    return holds_data(_after({name: [text] for name, text in old.items()}, {}))


def holds_data(conf):
    """Return whether the files that a server with this configuration loads hold any key."""
    if _has_aof(conf):
        return any(rdb_has_keys(path) if path.endswith(".rdb") else _size(path) for path in _aof_files(conf))
    return rdb_has_keys(_load_path(conf))


def _size(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def rdb_has_keys(path):
    """Return whether an RDB file holds more than its header. Anything that is not understood counts as data."""
    try:
        with opened(path) as handle:
            head = os.read(handle, 65536) if handle is not None else b""
    except Refused:
        return True
    except OSError:
        return False
    if not head:
        return False
    position = 9
    try:
        while head[position] == 0xFA:
            position = _skip_string(head, _skip_string(head, position + 1))
        return head[position] != 0xFF
    except (IndexError, struct.error):
        return bool(head)


def _skip_string(head, position):
    first = head[position]
    form = first >> 6
    if form == 0:
        return position + 1 + (first & 63)
    if form == 1:
        return position + 2 + ((first & 63) << 8 | head[position + 1])
    if first == 0x80:
        return position + 5 + struct.unpack_from(">I", head, position + 1)[0]
    if form == 3 and first & 63 < 3:
        return position + 1 + (1, 2, 4)[first & 63]
    raise IndexError


def mentions(path, name):
    """Return whether an append-only file holds a command of this name."""
    pattern = re.compile(rb"\*\d+\r\n\$\d+\r\n" + re.escape(name.encode()) + rb"\r\n", re.IGNORECASE)
    keep = len(name) + 40
    tail = b""
    try:
        with opened(path) as handle:
            while handle is not None and (chunk := os.read(handle, 1 << 20)):
                if pattern.search(tail + chunk):
                    return True
                tail = (tail + chunk)[-keep:]
    except Refused:
        return True
    except OSError:
        pass
    return False
