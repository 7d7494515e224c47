# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about the instances of a host and the groups they belong to."""

from __future__ import annotations

import posixpath
import re
from difflib import get_close_matches

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster import nodes as cluster_nodes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.addresses import exposed

from .._inventory import instances as inventory_instances
from . import arguments
from .ranges import range_problems

# It becomes part of the names of units, files and directories.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# Directories that others have in that of the data.
_TAKEN = ("appendonlydir", "conf", "sentinel")
_RANGES = {
    "redis_min_replicas_to_write": (0, 100, "it is a number of servers"),
    "redis_min_replicas_max_lag": (1, 86400, "a replica answers every second"),
    "redis_cluster_node_timeout": (100, 600000, "it is in milliseconds"),
}


def check_types(entries, specs):
    """Check the values in redis_instances as those of the variables are checked; return (entries, problems).

    specs: variable -> its specification, those of the role.
    """
    names = [
        name.removeprefix("redis_") for name in specs if name.removeprefix("redis_") not in inventory_instances.OF_HOST
    ]
    checked, problems = [], []
    for at, entry in enumerate(entries):
        own = {}
        for key, value in entry.items():
            where = "redis_instances[%d].%s" % (at, key)
            if key == "name":
                spec = {"type": "str"}
            elif key in names:
                spec = specs["redis_" + key]
            else:
                close = get_close_matches(str(key), names, n=1)
                problems.append("%s is unknown%s" % (where, ": did you mean %s?" % close[0] if close else "."))
                continue
            own[key], found = arguments.check_value(where, value, spec)
            problems += found
        if "name" not in entry:
            problems.append("redis_instances[%d].name is missing: set it, to default for the package's service." % at)
        checked.append(own)
    return checked, problems


def of_each(check, settings):
    """Return the problems that a check has with the settings, and with those of each instance."""
    problems = check(settings)
    for at, entry in enumerate(settings.get("redis_instances") or []):
        own = {"redis_" + name: value for name, value in entry.items() if name != "name"}
        problems += [
            "redis_instances[%d] (%s): %s" % (at, entry["name"], problem)
            for problem in (check({**settings, **own}) if own else [])
            if problem not in problems
        ]
    return problems


def instance_problems(settings, host="", inventory=(), renamed=None):
    """Return what is wrong with the instances of a host.

    settings: all that have the right type. host: its name. inventory: the names of all hosts. renamed: the default of
    redis_renamed_commands.
    """
    problems = range_problems(settings, _RANGES)
    entries = settings.get("redis_instances")
    if entries is None:
        return problems
    problems += _names(entries, settings.get("redis_purged_instances", []))
    if problems:
        return problems
    values = inventory_instances.values(settings)
    problems += _ports(values)
    problems += _folders(values)
    for value in values:
        where = "" if value["name"] == inventory_instances.DEFAULT else "instance %s: " % value["name"]
        problems += [where + problem for problem in _group(value, settings, host, inventory, renamed)]
    return problems


def unused(settings):
    """Return what the host's variables of unused roles begin with; nothing where that is not known.

    settings: all that have the right type.
    """
    if not {"redis_instances", "redis_topology", "redis_sentinel_hosts"} <= set(settings):
        return ()
    values = inventory_instances.values(settings)
    topologies = {value["topology"] for value in values}
    found = () if "cluster" in topologies or settings.get("cluster_nodes") else ("cluster_",)
    if topologies <= {"standalone"}:
        found += ("redis_replica_password",)
    watched = [settings, *values]
    if not any(value.get(name) for value in watched for name in ("redis_sentinel_hosts", "sentinel_hosts")):
        found += ("redis_sentinel_password", *(() if settings.get("sentinel_members") else ("sentinel_",)))
    return found


def _names(entries, purged):
    problems, seen = [], set()
    for at, entry in enumerate(entries):
        name = entry["name"]
        if not _NAME.fullmatch(name):
            problems.append(
                "redis_instances[%d].name is %r: use up to 32 letters, digits, - and _; it begins with one of the "
                "first two." % (at, name)
            )
        if name in _TAKEN:
            problems.append(
                "redis_instances[%d].name is %s, which is a directory of its own: set another." % (at, name)
            )
        if name in seen:
            problems.append("redis_instances[%d].name is %s, which another one has: set another name." % (at, name))
        seen.add(name)
    return problems + [
        "redis_purged_instances has %s, which is in redis_instances: take it out of one of them." % name
        for name in purged
        if name in seen
    ]


def _ports(values):
    problems, taken = [], {}
    for value in values:
        for variable, port, purpose in inventory_instances.served(value):
            if not 1 <= port <= 65535:
                problems.append(
                    "instance %s: %d, the port of the bus, is no TCP port: set %s to at most %d."
                    % (value["name"], port, variable, 65535 - cluster_nodes.BUS_OFFSET)
                )
            elif port in taken:
                problems.append(
                    "instance %s has port %d (%s), which instance %s has: set another %s."
                    % (value["name"], port, purpose, taken[port], variable)
                )
            taken[port] = value["name"]
    return problems


def _folders(values):
    problems = []
    for what in ("dir", "logfile"):
        taken = {}
        for value in values:
            path = posixpath.normpath(value.get(what, value["name"]))
            if path in taken:
                problems.append(
                    "instance %s has the %s %s, which instance %s has: set another."
                    % (value["name"], what, path, taken[path])
                )
            taken[path] = value["name"]
    return problems


def _group(value, settings, host, inventory, renamed):
    topology, members = value.get("topology", "standalone"), value.get("group_hosts") or []
    watchers = value.get("sentinel_hosts") or []
    problems = [
        "%s has %s, which is no host of the inventory: name its hosts, as in groups.redis_servers." % (name, member)
        for name, hosts in (("redis_group_hosts", members), ("redis_sentinel_hosts", watchers))
        for member in hosts
        if inventory and member not in inventory
    ]
    if watchers and topology != "replication":
        problems.append("redis_sentinel_hosts is set, but redis_topology is %s: set it to replication." % topology)
    if topology == "standalone":
        return problems
    if host and host not in members:
        problems.append(
            "redis_topology is %s, and redis_group_hosts does not name %s: name all hosts of the group, as in "
            '"{{ groups.redis_servers }}".' % (topology, host)
        )
    if "bind" in value and not exposed(value["bind"]):
        problems.append(
            "redis_topology is %s, and redis_bind has loopback only, where the others can't connect: add the host's "
            "address." % topology
        )
    problems += _needed(inventory_instances.renamed_commands(value, renamed), topology)
    if len(members) > 1 and host and settings.get("redis_credentials_owner") == host:
        problems.append(
            "redis_credentials_owner is the host's own name, but the servers of a group share passwords: set a name "
            "for the group, before its first run."
        )
    if 0 < len(members) <= value.get("min_replicas_to_write", 0):
        problems.append(
            "redis_min_replicas_to_write is %d, and the group has %d replicas: no write would be accepted."
            % (value["min_replicas_to_write"], len(members) - 1)
        )
    users = {value.get("replica_user"), value.get("sentinel_user") if watchers else None}
    problems += [
        "redis_users has %s, whom this collection makes for the group: remove it." % user["name"]
        for user in value.get("users", [])
        if user["name"] in users
    ]
    return problems


def _needed(renamed, topology):
    renamed = {str(name).upper(): new for name, new in renamed.items()}
    return [
        "redis_renamed_commands disables %s, which a %s needs: remove it, or give it a new name."
        % (command, "replicated group" if topology == "replication" else topology)
        for command in inventory_instances.NEEDED[topology]
        if renamed.get(command) == ""
    ]
