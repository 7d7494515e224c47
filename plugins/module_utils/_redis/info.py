# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running server tells about itself, without data and without secrets."""

from __future__ import annotations

import os
import re

from .._audit.findings import finding
from .._host.versions import FIXES, assess
from .replies import text

SECTIONS = {
    "role": (
        *("role", "connected_slaves", "master_host", "master_port", "master_link_status", "master_sync_in_progress"),
        *("master_repl_offset", "slave_repl_offset", "slave_read_only", "master_failover_state"),
    ),
    "persistence": (
        *("loading", "rdb_changes_since_last_save", "rdb_bgsave_in_progress", "rdb_last_save_time"),
        *("rdb_last_bgsave_status", "aof_enabled", "aof_rewrite_in_progress", "aof_last_bgrewrite_status"),
        *("aof_last_write_status",),
    ),
    "clients": ("connected_clients", "maxclients", "blocked_clients", "rejected_connections"),
    "memory": ("used_memory", "used_memory_rss", "maxmemory", "maxmemory_policy", "evicted_keys"),
}


def release_of(info):
    """Return (kind, version). Valkey gives the Redis version that it is compatible with as redis_version."""
    if "valkey_version" in info:
        return "valkey", info["valkey_version"]
    return "redis", info["redis_version"]


def describe(info, acl_log, users):
    """Return the dict that the module returns. acl_log, users: replies of ACL LOG and ACL USERS, or errors."""
    kind, version = release_of(info)
    result = {
        "kind": kind,
        "version": version,
        "mode": info.get("redis_mode") or info.get("server_mode") or "",
        "uptime": _number(info.get("uptime_in_seconds", "0")),
        "process_id": _number(info.get("process_id", "0")),
        "config_file": info.get("config_file", ""),
        "errorstats": {
            name[len("errorstat_") :]: _number(value.partition("=")[2])
            for name, value in info.items()
            if name.startswith("errorstat_")
        },
        "keyspace": {
            name: {part.partition("=")[0]: _number(part.partition("=")[2]) for part in value.split(",")}
            for name, value in info.items()
            if re.fullmatch(r"db\d+", name)
        },
        "acl_log": acl_entries(acl_log, users),
    }
    for section, fields in SECTIONS.items():
        result[section] = {name: _number(info[name]) for name in fields if name in info}
    result["role"]["replicas"] = [
        dict(part.partition("=")[::2] for part in value.split(","))
        for name, value in sorted(info.items())
        if re.fullmatch(r"slave\d+", name)
    ]
    return result


def acl_entries(reply, users):
    """Return the entries of ACL LOG; None when it can't be read.

    Keys, channels and the names of failed logins are left out: they can be data, or a password in the wrong place.
    """
    if not isinstance(reply, list):
        return None
    known = {text(user) for user in users} if isinstance(users, list) else set()
    entries = []
    for item in reply:
        fields = {text(name): item[at + 1] for at, name in enumerate(item[:-1]) if at % 2 == 0}
        reason, user = text(fields.get("reason", "")), text(fields.get("username", ""))
        client = dict(part.partition("=")[::2] for part in text(fields.get("client-info", "")).split())
        entries.append(
            dict(
                reason=reason,
                context=text(fields.get("context", "")),
                command=text(fields.get("object", "")) if reason == "command" else "",
                user=user if user in known else "(not an ACL user)",
                address=client.get("addr", ""),
                count=_number(text(fields.get("count", 0))),
                age_seconds=float(text(fields.get("age-seconds", 0))),
            )
        )
    return entries


def _number(value):
    return int(value) if re.fullmatch(r"-?\d+", str(value)) else value


def package_of(run_command, pid, kind, name=None):
    """Return {name, version, source, replaced} of the Debian package that the server runs from, None if from none.

    run_command: the module's. pid: the server's process here, None when it runs elsewhere. name: a package to look at
    in any case. replaced: whether the package was upgraded while the server kept running its old program.
    """
    program = _program(pid) if pid else None
    found = _installed(run_command, name) if name else None
    if not name and program:
        code, output, _errors = run_command(["dpkg-query", "--search", program.removesuffix(" (deleted)")])
        owner = _installed(run_command, output.partition(":")[0].split(",")[0].strip()) if code == 0 else None
        # Debian keeps the program in redis-tools; the package that people know is redis-server.
        server = _installed(run_command, kind + "-server") if owner else None
        found = server if server and server["version"] == owner["version"] else owner
    return found and dict(found, replaced=bool(program and program.endswith(" (deleted)")))


def _installed(run_command, name):
    form = "${db:Status-Status}\t${Version}\t${source:Package}\n"
    code, output, _errors = run_command(["dpkg-query", "--show", "--showformat=" + form, name])
    if code != 0 or not output.startswith("installed\t"):
        return None
    _status, version, source = output.splitlines()[0].split("\t")
    return {"name": name, "version": version, "source": source}


def _program(pid):
    """Return the path of the process's program, None when it sees other files than this host (a container)."""
    try:
        if not os.path.samefile("/proc/%d/root" % pid, "/"):
            return None
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return None


def version_findings(info, package, here, instance):
    """Return a finding for each group of faults. here: whether the server's host is this one."""
    kind, release = release_of(info)
    found = []
    for fix in FIXES:
        if package is None and not here:
            status, expected = "skipped", "the fix"
            actual = "runs on another host or in a container, where its package can't be seen"
        else:
            status, expected, actual = assess(fix, kind, release, package)
        if package and package["replaced"] and status == "pass":
            status, actual = "fail", actual + ", but the server was not restarted since it was upgraded"
        found.append(finding("RH-VER-01", status, expected, actual, instance=instance, subject=" ".join(fix["cves"])))
    return found
