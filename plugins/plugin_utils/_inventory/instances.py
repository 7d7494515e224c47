# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the variables of a host to its instances: files, unit, ports, users and settings of each. Pure functions."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import BUS_OFFSET

# The instance that the package brings; the others are instances of its template unit.
DEFAULT = "default"
# Variables of the role redis that hold for the whole host; an instance may have its own value for all others.
OF_HOST = frozenset(
    """
    admin_password admin_user allow_no_hosts allow_untested_system credentials_dir credentials_owner engine hold_package
    instances manage_sysctl other_variables package_version previous_admin_password previous_credentials_owner
    purged_instances remove_data remove_open_ports require_firewall sysctl unit_hardening
    """.split()  # noqa: SIM905
)
# What a topology needs under its own name, although hardening disables it elsewhere.
NEEDED = {"standalone": (), "replication": ("REPLICAOF", "SLAVEOF"), "cluster": ("MIGRATE",)}
# Variables whose defaults make a password, for the groups that need it.
OF_GROUPS = ("redis_replica_password", "redis_sentinel_password")
REPLICA_RULES = ("+psync", "+replconf", "+ping")
# What the start guard asks the other members (roles/redis/files/start_guard), by the topology.
GUARD_RULES = {"replication": ("+info",), "cluster": ("+cluster|nodes",)}
SENTINEL_RULES = tuple(
    "+" + rule
    for rule in """
    multi slaveof ping exec subscribe config|rewrite role publish info client|setname client|kill script|kill
    """.split()  # noqa: SIM905
)
SENTINEL_CHANNEL = "__sentinel__:hello"


@dataclass(frozen=True)
class Peer:
    """Another host of the inventory, as far as it counts here.

    name: in the inventory. address: where the others reach it. instances: its values(), None where nothing is known.
    """

    name: str
    address: str
    instances: tuple = ()


def values(settings):
    """Return what the variables say of each instance, as {variable without its prefix: value}.

    settings: all variables of the role, or those that count; an instance's own value stands above the host's.
    """
    found = []
    for own in settings.get("redis_instances", [{"name": DEFAULT}]):
        merged = {**common(settings), **own}
        if own["name"] != DEFAULT:
            _own_places(merged, own)
        _of_topology(merged)
        found.append(merged)
    return found


def variable_of(value, settings, name):
    """Return the variable that gives an instance this value, as the operator has written it."""
    for at, own in enumerate(settings.get("redis_instances") or []):
        if own["name"] == value["name"] and name in own:
            return "redis_instances[%d].%s" % (at, name)
    return "redis_" + name


def common(settings):
    """Return what the variables say of all instances, as {variable without its prefix: value}."""
    names = [name for name in settings if name.startswith("redis_")]
    return {name.removeprefix("redis_"): settings[name] for name in names if name[6:] not in OF_HOST}


def _of_topology(merged):
    """Fill in what follows from the topology where the operator said nothing, chosen as docs/groups.md tells."""
    topology, members = merged.get("topology", "standalone"), merged.get("group_hosts") or []
    if "appendonly" in merged and merged["appendonly"] is None:
        merged["appendonly"] = topology != "standalone"
    if "min_replicas_to_write" in merged and merged["min_replicas_to_write"] is None:
        # With a single replica its restart would keep the master from taking writes.
        merged["min_replicas_to_write"] = 1 if topology == "replication" and len(members) > 2 else 0


def _own_places(merged, own):
    """Give an instance its own directory and log below those of the host."""
    if "dir" in merged and "dir" not in own:
        merged["dir"] = posixpath.join(merged["dir"], merged["name"])
    if "logfile" in merged and "logfile" not in own:
        stem, end = posixpath.splitext(merged["logfile"])
        merged["logfile"] = "%s-%s%s" % (stem, merged["name"], end)


def has_tls(value):
    """Return whether the instance takes TLS. YAML takes a bare off for false."""
    return str(value.get("tls", "off")).lower() not in ("off", "false")


def group_port(value):
    """Return the port that the other servers of a group use: the one for TLS where there is one."""
    return value.get("tls_port", 6380) if has_tls(value) else value.get("port", 6379)


def served(value):
    """Return [(variable without prefix, port, purpose), ...] that the instance listens on."""
    ports = []
    if str(value.get("tls", "off")).lower() != "required":
        ports.append(("port", value.get("port", 6379), "data"))
    if has_tls(value):
        ports.append(("tls_port", value.get("tls_port", 6380), "tls"))
    if value.get("topology") == "cluster":
        ports.append((ports[-1][0], group_port(value) + BUS_OFFSET, "bus"))
    return ports


def closed_port(value, settings):
    """Return the port for plain text that stays closed because of TLS alone, or None.

    An instance that names only its port for TLS has none.
    """
    port = value.get("port", 6379)
    if value["name"] != DEFAULT and port == settings.get("redis_port", 6379):
        return None
    return None if port in [other for _name, other, _purpose in served(value)] else port


def plaintext_port(value, settings):
    """Return the port at which the server is found as long as it does no TLS yet, or None."""
    ports = [port for _name, port, purpose in served(value) if purpose == "data"]
    return ports[0] if ports else closed_port(value, settings)


def tls_server(value, settings):
    """Return what the role pki is told of the instance, to prove its TLS. auth_clients: as the setting has it."""
    return {
        "name": value["name"],
        "port": value.get("tls_port", 6380),
        "auth_clients": value["tls_auth_clients"],
        "plaintext_port": closed_port(value, settings),
    }


def server(value, address):
    """Return what the module redis_units is told of the instance. address: where its group reaches the host."""
    ports = {purpose: port for _name, port, purpose in served(value)}
    return {
        "unit": value["unit"],
        "topology": value["topology"],
        "port": ports.get("data", 0),
        "tls_port": ports.get("tls", 0),
        "address": address,
        "current_password": value["current_password"],
    }


def nodes(value, peers):
    """Return [{host, port}, ...] of the group that the instance belongs to, in a cluster with its host as zone.

    peers: host name -> Peer.
    """
    topology, found = value.get("topology", "standalone"), []
    if topology == "standalone":
        return found
    for name in value.get("group_hosts") or []:
        for other in peers[name].instances:
            same = other["name"] == value["name"] or topology == "cluster"
            if same and other.get("topology") == topology:
                zone = {"zone": name} if topology == "cluster" else {}
                found.append({"host": peers[name].address, "port": group_port(other), **zone})
    return found


def sentinels(value, peers, port):
    """Return [{host, port}, ...] of the Sentinels that watch the instance's group."""
    return [{"host": peers[name].address, "port": port} for name in value.get("sentinel_hosts") or []]


def renamed_commands(value, default):
    """Return the renamed commands. Those that the topology needs are left alone, unless the operator named them.

    default: the value that the role has of its own.
    """
    renamed = value.get("renamed_commands") or {}
    if renamed != default:
        return renamed
    return {name: new for name, new in renamed.items() if name not in NEEDED[value.get("topology", "standalone")]}


def layout(value, engine):
    """Return where the files of an instance are, and what its unit is called."""
    name, server = value["name"], engine + "-server"
    default = name == DEFAULT
    run = "/run/" + (engine if default else "%s-%s" % (engine, name))
    # Sentinel makes the server rewrite its file after a failover; a directory of its own keeps that from being /etc's.
    rewritten = value.get("topology") == "replication"
    config = "/etc/%s/%s.conf" % (engine, engine if default else "%s-%s" % (engine, name))
    return {
        "unit": server if default else "%s@%s" % (server, name),
        "rewritten": rewritten,
        "config": posixpath.join(value["dir"], "conf", "redis.conf") if rewritten else config,
        "aclfile": "/etc/%s/users%s.acl" % (engine, "" if default else "-" + name),
        "pidfile": "%s/%s.pid" % (run, server),
        "run_dir": run,
        # That of the default instance comes with the package.
        "directories": [
            {"path": path, "owner": engine, "group": engine, "mode": "0700"}
            for path, needed in ((value["dir"], not default), (posixpath.join(value["dir"], "conf"), rewritten))
            if needed
        ],
    }


def needed_passwords(found):
    """Return which of OF_GROUPS the instances need. found: their values(), without these."""
    needed = []
    if any(value["topology"] != "standalone" and "replica_password" not in value for value in found):
        needed.append("redis_replica_password")
    if any(value["sentinel_hosts"] and "sentinel_password" not in value for value in found):
        needed.append("redis_sentinel_password")
    return needed


def users(value, settings):
    """Return all ACL users of an instance: the administrator, those of the group, and the operator's."""
    found = [
        {
            "name": settings["redis_admin_user"],
            "passwords": [settings["redis_admin_password"]],
            "commands": ["+@all"],
            "keys": ["*"],
            "channels": ["*"],
            "allow_scripting": True,
        }
    ]
    if value["topology"] != "standalone":
        found.append(
            _user(value["replica_user"], value["replica_password"], REPLICA_RULES + GUARD_RULES[value["topology"]])
        )
    if value["sentinel_hosts"]:
        found.append(_user(value["sentinel_user"], value["sentinel_password"], SENTINEL_RULES, [SENTINEL_CHANNEL]))
    return found + value["users"]


def _user(name, password, rules, channels=()):
    return {"name": name, "passwords": [password], "commands": list(rules), "keys": [], "channels": list(channels)}
