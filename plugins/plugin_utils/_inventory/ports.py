# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ports that a host's instances and Sentinel serve, by its variables."""

from __future__ import annotations

from . import instances as inventory_instances

# What default_ports() and served_ports() look at.
PORT_VARIABLES = (
    "inventory_hostname",
    "redis_allowed_sources",
    "redis_group_hosts",
    "redis_instances",
    "redis_port",
    "redis_sentinel_hosts",
    "redis_tls",
    "redis_tls_port",
    "redis_topology",
    "sentinel_port",
)


SENTINEL_PORT = 26379


def served_ports(settings):
    """Return (variable, port, purpose) for each port that a server of the host listens on, as far as is known."""
    return [entry[:3] for entry in _served(settings)]


def _served(settings):
    """Return (variable, port, purpose, values of the instance) for each port."""
    entries = settings.get("redis_instances") or [{}]
    return [
        ("redis_instances[%d].%s" % (at, name) if name in entries[at] else "redis_" + name, port, purpose, value)
        for at, value in enumerate(inventory_instances.values(settings))
        for name, port, purpose in inventory_instances.served(value)
    ]


def default_ports(settings):
    """Return firewall_ports as the other roles have it. settings: those variables of PORT_VARIABLES that there are."""
    ports = []
    for value in inventory_instances.values(settings):
        servers = [*(value.get("group_hosts") or []), *(value.get("sentinel_hosts") or [])]
        for _name, port, purpose in inventory_instances.served(value):
            sources = list(value.get("group_hosts") or []) if purpose == "bus" else _with(value, servers)
            ports.append({"port": port, "sources": sources, "purpose": purpose})
    ports += _sentinel_port(settings)
    known = {entry["port"] for entry in ports}
    closed = (
        {inventory_instances.closed_port(value, settings) for value in inventory_instances.values(settings)}
        - known
        - {None}
    )
    return ports + [{"port": port, "sources": [], "purpose": "reserved"} for port in sorted(closed)]


def _with(value, servers):
    """Return the clients of an instance, and the servers that are its clients as well."""
    clients = value.get("allowed_sources") or []
    return list(dict.fromkeys([*clients, *servers])) if servers else clients


def _sentinel_port(settings):
    """Return the port of the host's Sentinel, if it has one, for clients, servers and the other Sentinels."""
    for value in [*inventory_instances.values(settings), inventory_instances.common(settings)]:
        sentinels = value.get("sentinel_hosts") or []
        if settings.get("inventory_hostname") in sentinels:
            sources = _with(value, [*(value.get("group_hosts") or []), *sentinels])
            port = settings.get("sentinel_port") or SENTINEL_PORT
            return [{"port": port, "sources": sources, "purpose": "sentinel"}]
    return []
