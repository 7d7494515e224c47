# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that is to be taken over has now, and what the policy would take from it. Pure functions."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .._config import hazards, values
from .._config.declared import OWNED
from .._config.rewritten import as_read
from .present import Client

# What can be allowed by name. Anything else that is found has to be put right.
KINDS = (
    *("eviction", "writes", "persistence", "clients", "events", "renames", "directives", "modules", "users"),
    "replication",
)
# The collection calls these while it takes the server over, so that they must answer to the declared name.
NEEDED = frozenset(("ACL", "BGREWRITEAOF", "BGSAVE", "CLIENT", "COMMAND", "CONFIG", "DBSIZE", "INFO", "MODULE", "PING"))
# Nobody loses anything by these.
_OF_NO_USE = frozenset(("always-show-logo", "set-proc-title", "proc-title-template", "ignore-warnings"))
_LIMITS = "client-output-buffer-limit"
_TOLD = 5


@dataclass(frozen=True)
class Loss:
    """One thing that would be lost. kind: one of KINDS, '' for what has to be put right in any case."""

    kind: str
    text: str


def losses(now, wanted):
    """Return the Losses of taking over what is `now` by what is `wanted`."""
    found = _data(now, wanted) + _memory(now, wanted) + _persistence(now, wanted)
    found += _clients(now, wanted) + _events(now, wanted) + _renames(now, wanted) + _users(now, wanted)
    found += _directives(now, wanted) + _modules(now) + _replication(now, wanted)
    return found


def refusal(found, allowed):
    """Return the Losses that are not allowed."""
    return [loss for loss in found if loss.kind not in allowed]


def _data(now, wanted):
    if not now.running:
        # redis_config compares the files of a server that is stopped.
        return []
    names = ("dir", "dbfilename", "appendonly", "appendfilename", "appenddirname")
    files = {name: now.values.get(name) for name in names}
    return [Loss("", text) for text in hazards.live_hazards(now.keys, files, wanted.settings, True)]


def _memory(now, wanted):
    bound, policy = wanted.text("maxmemory"), wanted.text("maxmemory-policy").lower()
    size, found = values.meaning("maxmemory", [bound or "0"]), []
    total, evicts = sum(now.keys.values()), policy != "noeviction"
    # A tenth is what clients and buffers come and go with.
    if total and size and now.used * 1.1 > size:
        effect = "evict keys at once" if evicts else "refuse writes at once"
        found.append(
            Loss(
                "eviction" if evicts else "writes",
                "%d keys use %s, and redis_maxmemory %s with redis_maxmemory_policy %s would %s: set redis_maxmemory "
                "to %s or more." % (total, spelled(now.used), bound, policy, effect, spelled(room_for(now.used))),
            )
        )
    elif total and now.evicts and not evicts:
        found.append(
            Loss(
                "writes",
                "it makes room by %s, and with redis_maxmemory_policy noeviction would refuse writes when it is full: "
                "set redis_maxmemory_policy: %s." % ((now.value("maxmemory-policy"),) * 2),
            )
        )
    return found


def room_for(used):
    """Return the bound that leaves room for what is used, in bytes: half as much again, in whole megabytes."""
    return ((used + used // 2) // (1 << 20) + 1) << 20


def spelled(size):
    """Return bytes as redis.conf takes them, rounded up to what can be read."""
    return "%dmb" % -(-size // (1 << 20)) if size >= 1 << 20 else "%dkb" % -(-size // 1024)


def _persistence(now, wanted):
    found = []
    if values.meaning("appendonly", [now.value("appendonly") or "no"]):
        if not values.meaning("appendonly", [wanted.text("appendonly") or "no"]):
            found.append(Loss("persistence", "appendonly yes would become no: set redis_appendonly: true."))
        elif now.value("appendfsync") == "always" and wanted.text("appendfsync") != "always":
            found.append(
                Loss(
                    "persistence",
                    "appendfsync always would become %s: set redis_appendfsync: always." % wanted.text("appendfsync"),
                )
            )
    # Of an empty server only what somebody has chosen counts: a package that was just installed saves by default.
    chosen = now.keys or save_points(now.value("save")) != save_points(now.defaults.get("save", ""))
    before, after = (save_points(text) for text in (now.value("save") if chosen else "", wanted.text("save")))
    fewer = [one for one in sorted(before) if not any(new[0] <= one[0] and new[1] <= one[1] for new in after)]
    if fewer:
        points = ['"%d %d"' % one for one in sorted(before, reverse=True)]
        found.append(
            Loss(
                "persistence",
                "it saves after %s, and would not any more: set redis_save: [%s]."
                % (" and ".join("%d s with %d changes" % one for one in fewer), ", ".join(points)),
            )
        )
    return found


def save_points(text):
    """Return {(seconds, changes)} of a text as CONFIG GET prints it; empty for none."""
    words = text.split()
    return {(int(one), int(two)) for one, two in zip(words[::2], words[1::2], strict=False) if (one + two).isdigit()}


def _clients(now, wanted):
    clients, found = now.clients, []
    most, seconds = (int(wanted.text(name) or 0) for name in ("maxclients", "timeout"))
    if most and len(clients) >= most:
        found.append(
            "%d clients are connected, and redis_maxclients is %d: set it to %d or more."
            % (len(clients), most, max(2 * len(clients), 100))
        )
    idle = [client for client in clients if client.timed and seconds and client.idle > seconds]
    if idle:
        found.append(
            "these have been idle for longer than redis_timeout, %d s: %s: set it to more than %d."
            % (
                seconds,
                _listed(idle, lambda one: "%s for %d s" % (one.described(), one.idle)),
                max(c.idle for c in idle),
            )
        )
    ordinary = [client for client in clients if not set(client.flags) & set("SM")]
    nobody = [client for client in ordinary if not _may_log_in(wanted.users.get(client.user))]
    if nobody:
        found.append(
            "these are logged in as users that would be switched off or deleted: %s: declare them in redis_users."
            % _listed(nobody, Client.described)
        )
    strangers = [client for client in ordinary if client.far and not named(client, wanted.sources)]
    if strangers:
        found.append(
            "these come from addresses that redis_allowed_sources does not name: %s: add them."
            % _listed(strangers, Client.described)
        )
    closed = [client for client in ordinary if client.port and client.port not in wanted.ports]
    if closed:
        found.append(
            "these use a port that would be closed: %s: see redis_port, redis_tls and redis_tls_port."
            % _listed(closed, lambda one: "%s at %s" % (one.addr, one.laddr))
        )
    return [Loss("clients", text) for text in found]


def _may_log_in(user):
    return user is not None and user.enabled


def named(client, sources):
    """Return whether a client comes from one of the sources, see Wanted."""
    if sources is None:
        return True
    try:
        address = ipaddress.ip_address(client.address)
    except ValueError:
        return True
    address = getattr(address, "ipv4_mapped", None) or address
    named = sources.get(client.port) if client.port else [one for nets in sources.values() for one in nets]
    return any(address in ipaddress.ip_network(one, strict=False) for one in named or ())


def _listed(entries, describe):
    told = ", ".join(dict.fromkeys(map(describe, entries[:_TOLD])))
    return told + (" and %d more" % (len(entries) - _TOLD) if len(entries) > _TOLD else "")


def _events(now, wanted):
    before, after = (
        values.meaning("notify-keyspace-events", [text])
        for text in (now.value("notify-keyspace-events"), wanted.text("notify-keyspace-events"))
    )
    if before <= after:
        return []
    return [
        Loss(
            "events",
            "notify-keyspace-events %s would become %s: set redis_notify_keyspace_events: %s."
            % (now.value("notify-keyspace-events"), wanted.text("notify-keyspace-events") or '""',
               now.value("notify-keyspace-events")),
        )
    ]  # fmt: skip


def _renames(now, wanted):
    found = []
    for command, new in sorted(now.renames.items()):
        declared = wanted.renamed.get(command, command)
        if new.upper() == declared.upper():
            continue
        line = "%s: %s" % (command, new or '""')
        if command in NEEDED and not new:
            text = (
                "%s is disabled, and a server can't be taken over without it: take rename-command %s out of its "
                "configuration, and restart it." % (command, command)
            )
        else:
            text = "%s, and the policy says otherwise: add %s to redis_renamed_commands." % (
                "%s is called %s" % (command, new) if new else "%s is disabled" % command,
                line,
            )
        found.append(Loss("" if command in NEEDED else "renames", text))
    return found


def _users(now, wanted):
    gone = sorted(name for name in now.users or {} if name != "default" and name not in wanted.users)
    if not gone:
        return []
    return [Loss("users", "users that would be deleted: %s: declare them in redis_users." % ", ".join(gone))]


def undeclared(now, wanted):
    """Return {directive as the server calls it: text} of what differs from the default and is nobody's."""
    found = {}
    for name, text in sorted(now.values.items()):
        default = now.defaults.get(name)
        if name in OWNED or name in wanted.settings or name in _OF_NO_USE or default is None:
            continue
        if not values.same(name, values.live_arguments(name, default), text):
            found[now.called.get(name, name)] = text
    limits, default = (one.get(_LIMITS) for one in (now.values, now.defaults))
    if limits and default and _LIMITS in wanted.settings:
        # Those of a class that is not declared are the default's.
        after = as_read([(_LIMITS, default.split()), (_LIMITS, wanted.settings[_LIMITS])])[_LIMITS]
        if not values.same(_LIMITS, after, limits):
            found[_LIMITS] = limits
    return found


def _directives(now, wanted):
    found = undeclared(now, wanted)
    texts = []
    if found:
        texts.append(
            "directives that would be dropped: %s: declare them in redis_settings."
            % ", ".join("%s %s" % (name, text or '""') for name, text in found.items())
        )
    if now.value("tls-port") not in ("", "0") and not int(wanted.text("tls-port") or 0):
        texts.append("it serves TLS at port %s, and would not any more: set redis_tls." % now.value("tls-port"))
    return [Loss("directives", text) for text in texts]


def _modules(now):
    if not now.modules:
        return []
    return [Loss("modules", "modules that would not be loaded any more: %s." % ", ".join(sorted(now.modules)))]


def _replication(now, wanted):
    found = []
    if now.cluster and wanted.topology != "cluster":
        found.append("it is a node of a cluster: set redis_topology: cluster.")
    others = [one for one in now.replicas if wanted.topology == "standalone" or one not in wanted.nodes]
    if others:
        found.append(
            "these replicas would be cut off: %s: declare the group by redis_topology and redis_group_hosts."
            % ", ".join(sorted(others))
        )
    if now.master and wanted.topology == "standalone":
        found.append(
            "it is a replica of %s: declare the group by redis_topology and redis_group_hosts, or promote it first "
            "(REPLICAOF NO ONE)." % now.master
        )
    return [Loss("replication", text) for text in found]
