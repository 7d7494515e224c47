# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_settings, the further directives of a server: what may stand there, and whose the others are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from . import directives as table, values

# Directive -> variable without prefix, where one is the other.
DIRECT = {
    "bind": "bind",
    "protected-mode": "protected_mode",
    "tcp-backlog": "tcp_backlog",
    "tcp-keepalive": "tcp_keepalive",
    "timeout": "timeout",
    "maxclients": "maxclients",
    "maxmemory": "maxmemory",
    "maxmemory-policy": "maxmemory_policy",
    "databases": "databases",
    "aclfile": "aclfile",
    "acllog-max-len": "acllog_max_len",
    "loglevel": "loglevel",
    "logfile": "logfile",
    "slowlog-log-slower-than": "slowlog_log_slower_than",
    "slowlog-max-len": "slowlog_max_len",
    "notify-keyspace-events": "notify_keyspace_events",
    "dir": "dir",
    "save": "save",
    "appendonly": "appendonly",
    "appendfsync": "appendfsync",
    "pidfile": "pidfile",
}

_GROUPS = "redis_topology and the variables of groups"
_UNIT = "the systemd unit"
_LOCKS = "RH-CMD-04"
# Canonical directive -> the variable or control that it belongs to.
OWNED = {
    **{values.canonical(directive): "redis_" + name for directive, name in DIRECT.items()},
    **{name: "redis_tls and the role pki" for name in table.KNOWN if name.startswith("tls-")},
    **{name: _GROUPS for name in table.KNOWN if name.startswith("cluster-")},
    **{name: _LOCKS for name in ("enable-debug-command", "enable-module-command", "enable-protected-configs")},
    "aclfile": "redis_users",
    "cluster-node-timeout": "redis_cluster_node_timeout",
    "daemonize": _UNIT,
    "dbfilename": "the role, which keeps it at dump.rdb",
    "min-replicas-max-lag": "redis_min_replicas_max_lag",
    "min-replicas-to-write": "redis_min_replicas_to_write",
    "pidfile": _UNIT,
    "port": "redis_port",
    "primaryauth": "redis_replica_password",
    "primaryuser": "redis_replica_user",
    "rename-command": "redis_renamed_commands",
    "repl-backlog-size": "redis_repl_backlog_size",
    "replica-announce-ip": "redis_announce_address",
    "replica-read-only": _GROUPS,
    "replicaof": _GROUPS,
    "requirepass": "redis_users",
    "supervised": _UNIT,
    "tls-port": "redis_tls_port",
    "user": "redis_users",
}
REFUSED = {
    "import-mode": "it keeps expired keys and lets a client write them anew",
    "include": "the file is written as a whole, and an included one would escape every comparison",
    "loadmodule": "a module runs with the server's rights",
    "lua-enable-deprecated-api": "it opens parts of Lua that were closed for safety",
    "rdma-bind": "the firewall does not see it",
    "rdma-port": "the firewall does not see it",
    "sentinel": "Sentinel keeps its own file",
    "shutdown-on-sigint": "it decides whether the data is saved when the server ends",
    "shutdown-on-sigterm": "it decides whether the data is saved when the server ends",
}
# Quoted, the server would take any; but nobody means a line end.
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f]*")


def settings_problems(settings):
    """Return what is wrong with redis_settings. settings: all variables of the role that have the right type."""
    problems, seen = [], {}
    for name, value in (settings.get("redis_settings") or {}).items():
        directive = values.canonical(str(name))
        where = "redis_settings.%s" % name
        if directive in seen:
            problems.append("%s is the same setting as redis_settings.%s: keep one." % (where, seen[directive]))
        seen[directive] = name
        problem = _name_problem(directive, str(name)) or _value_problem(directive, value, settings)
        problems += ["%s %s" % (where, problem)] if problem else []
    return problems


def _name_problem(directive, name):
    if directive in REFUSED:
        return "is refused: %s." % REFUSED[directive]
    if directive in OWNED:
        return "belongs to %s: set it there." % OWNED[directive]
    if directive not in table.KNOWN:
        close = get_close_matches(name, sorted(table.KNOWN | table.ALIASES.keys()), n=1)
        return "is no directive of Redis or Valkey%s" % (": did you mean %s?" % close[0] if close else ".")
    return None


def _value_problem(directive, value, settings):
    if value is None:
        return 'has no value: set one, "" for an empty text, or remove the line.'
    if isinstance(value, Mapping):
        return "must be a single value or a list, not a dictionary."
    try:
        words = values.arguments(directive, value)
        meant = values.meaning(directive, words)
    except ValueError as error:
        return "%s." % error
    form, hint = table.FORMS.get(directive, (_LINE, "text on one line, without control characters"))
    if not all(form.fullmatch(word) for word in words):
        return "is %r: set %s." % (" ".join(words), hint)
    if (
        directive == "client-output-buffer-limit"
        and settings.get("redis_topology", "standalone") != "standalone"
        and any(limit[0] == "replica" for limit in meant)
    ):
        return "names the class replica, which belongs to redis_replica_output_buffer_limit: set it there."
    return None
