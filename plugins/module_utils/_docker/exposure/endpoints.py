# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doors of containers, from what Docker's engine says of them: pure functions.

A door is one way by which another host may come to a container: a published port, a port of a swarm's services, a
socket on the host's own network, the container's own address behind a route, or an address of its own on the LAN.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - places that are reported, not bound to
ON_LAN = ("macvlan", "ipvlan")
SWARM_BRIDGE = "docker_gwbridge"
MESH = "gateway_ingress-sbox"
WAYS = {
    "published": "published",
    "ingress": "swarm ingress",
    "host": "on the host's network",
    "direct": "by a route to",
    "lan": "on the LAN as",
}


@dataclass(frozen=True)
class Facts:
    """What the engine and the kernel say.

    containers, networks, services: as the engine's API gives them. activities: container id -> dict(redis: names of
    Redis programs it runs, redis_ports: where they listen, listeners: (address, port) of all of its sockets).
    listeners: the same for the whole host. interfaces: the host's, by name. saves: family -> output of iptables-save.
    nft: the objects of nftables (nftables/evaluate.py, parse()). forwarding: family -> bool.
    """

    version: str
    containers: list
    networks: list
    services: list
    activities: dict
    listeners: list
    interfaces: list
    saves: dict
    nft: list
    forwarding: dict

    @property
    def families(self):
        return sorted(self.saves)


@dataclass(frozen=True)
class Opening:
    """address, port: what a client connects to; a port of None is not known yet. targets: for what is translated or
    routed, (address of the container or None, interface of its bridge). option: what opened it, as docker run has it.
    pending: it is not there yet. walled: its network is internal, and the container can't answer past it."""

    way: str
    protocol: str
    family: int
    address: str
    port: int | None
    container_port: int | None
    targets: tuple = ()
    option: str = ""
    pending: bool = False
    walled: bool = False

    @property
    def is_loopback(self):
        return bool(self.address) and ipaddress.ip_address(self.address).is_loopback

    @property
    def destination(self):
        """Return the address that packets are sent to, None where it may be any of the host."""
        address = ipaddress.ip_address(self.address or ANY[self.family])
        return None if address.is_unspecified else address

    def describe(self):
        """Return the door in words, much like docker ps."""
        address = "[%s]" % self.address if self.family == 6 else self.address
        place = "%s:%s" % (address or "an address", self.port or "a free port")
        inner = "->%s" % self.container_port if self.container_port and self.way in ("published", "ingress") else ""
        return "%s %s%s/%s" % (WAYS[self.way], place, inner, self.protocol)


def family_of(address):
    return ipaddress.ip_address(address).version


def bridge_of(network):
    """Return the interface of a bridge network, None for other kinds."""
    if network["Driver"] != "bridge":
        return None
    return (network.get("Options") or {}).get("com.docker.network.bridge.name") or "br-" + network["Id"][:12]


def places(listener):
    """Yield (family, address) of all under which a socket is reached; one on [::] takes IPv4 as well."""
    address = ipaddress.ip_address(listener)
    mapped = getattr(address, "ipv4_mapped", None)
    yield (4, str(mapped)) if mapped else (address.version, str(address))
    if str(address) == ANY[6]:
        yield 4, ANY[4]


def heard(listeners, family, address):
    """Return the ports on which somebody listens at an address, or at all of its family."""
    wanted = ((family, address), (family, ANY[family]))
    return {port for listener, port in listeners for place in places(listener) if place in wanted}


def is_pending(container):
    """Say whether a container does not run, but may be started again by the engine."""
    policy = (container["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no"
    return not container["State"]["Running"] and policy != "no"


def exposed(container):
    """Return the TCP ports that a container or its image declares."""
    names = [name.partition("/") for name in container["Config"].get("ExposedPorts") or {}]
    return {int(port) for port, _slash, protocol in names if protocol in ("", "tcp") and port.isdigit()}


def doors_of(container, facts):
    """Return the doors of one container."""
    owner = _owner(container, facts.containers)
    if is_pending(container):
        return _pending_doors(container, owner, facts) if owner else []
    if not container["State"]["Running"] or owner is None:
        return []
    listeners = facts.activities.get(container["Id"], {}).get("listeners")
    if owner["HostConfig"]["NetworkMode"] == "host":
        found = {(port, *place) for listener, port in listeners or () for place in places(listener)}
        return [
            Opening("host", "tcp", family, address, port, port, option="--network host")
            for port, family, address in sorted(found)
            if family in facts.families
        ]
    networks = _networks_of(owner, facts)
    published = _published_doors(owner, networks, facts)
    if owner is not container:
        own = {port for _address, port in listeners or ()}
        published = [door for door in published if door.container_port in own]
    return published + list(_address_doors(container, networks, published, listeners, _answering(owner), facts))


def _owner(container, containers):
    """Return the container in whose network one lives, itself in most cases; None where the engine does not know it."""
    for _step in range(len(containers) + 1):
        kind, _colon, other = container["HostConfig"]["NetworkMode"].partition(":")
        if kind != "container":
            return container
        container = _called(other, containers)
        if container is None:
            return None
    return None


def _called(name, containers):
    """Return the container that a name means, None for none: by its id, its name, or the beginning of its id."""
    for is_meant in (
        lambda one: one["Id"] == name,
        lambda one: one["Name"].lstrip("/") == name,
        lambda one: name and one["Id"].startswith(name),
    ):
        for one in filter(is_meant, containers):
            return one
    return None


def _networks_of(container, facts):
    """Return [(network, addresses of the container, name of the network)]."""
    settings = container["NetworkSettings"]
    found = []
    for name, endpoint in (settings.get("Networks") or {}).items():
        same = [one for one in facts.networks if one["Id"] == endpoint.get("NetworkID")]
        same = same or [one for one in facts.networks if one["Name"] == name]
        addresses = [endpoint.get(key) for key in ("IPAddress", "GlobalIPv6Address")]
        found += [(network, [address for address in addresses if address]) for network in same[:1]]
    # Tasks of a swarm are on this bridge too, which the container itself does not tell.
    sandbox = "gateway_" + (settings.get("SandboxID") or "-")[:12]
    return found + [(network, [address]) for network, address in _on_swarm_bridge(facts, sandbox)]


def _on_swarm_bridge(facts, name):
    return [
        (network, endpoint["IPv4Address"].partition("/")[0])
        for network in facts.networks
        if network["Name"] == SWARM_BRIDGE
        for endpoint in (network.get("Containers") or {}).values()
        if endpoint["Name"] == name and endpoint.get("IPv4Address")
    ]


def _bindings(ports, facts):
    """Yield (protocol, container's port, family, host's address, host's port) of what the engine calls Ports."""
    for name, bindings in (ports or {}).items():
        port, _slash, protocol = name.partition("/")
        for binding in bindings or ():
            # Without an address it is published on all of both families.
            for place in [binding["HostIp"]] if binding.get("HostIp") else ANY.values():
                if family_of(place) in facts.families:
                    number = int(binding.get("HostPort") or 0) or None
                    yield protocol or "tcp", int(port), family_of(place), place, number


def _publishing(container, protocol, port, host_port, address):
    """Return the option that publishes a port."""
    bound = (container["HostConfig"].get("PortBindings") or {}).get("%d/%s" % (port, protocol))
    if not bound:
        return "-P"
    words = [] if address in ANY.values() else ["[%s]" % address if ":" in address else address]
    # Without a host's port the engine takes a free one.
    fixed = any(one.get("HostPort") == str(host_port) for one in bound)
    words += [str(host_port)] if fixed else [""] if words else []
    return "-p " + ":".join([*words, str(port)]) + ("" if protocol == "tcp" else "/" + protocol)


def _published_doors(container, networks, facts):
    doors = []
    for protocol, port, family, address, host_port in _bindings(container["NetworkSettings"].get("Ports"), facts):
        targets = tuple(
            (own, bridge_of(network))
            for network, addresses in networks
            for own in addresses
            if bridge_of(network) and family_of(own) == family
        )
        option = _publishing(container, protocol, port, host_port, address)
        doors.append(Opening("published", protocol, family, address, host_port, port, targets, option))
    return doors


def _answering(container):
    """Return the families in which a container has a route to other networks. On internal ones it has none since
    Docker 26."""
    endpoints = (container["NetworkSettings"].get("Networks") or {}).values()
    gateways = {4: "Gateway", 6: "IPv6Gateway"}
    return {family for family, key in gateways.items() if any(endpoint.get(key) for endpoint in endpoints)}


def _address_doors(container, networks, published, listeners, answering, facts):
    """Yield the doors at the container's own addresses: by a route through the host, or on the LAN."""
    declared = {door.container_port for door in published if door.protocol == "tcp"}
    for network, addresses in networks:
        bridge = bridge_of(network)
        for address in addresses:
            family = family_of(address)
            if family not in facts.families or not (bridge or network["Driver"] in ON_LAN):
                continue
            ports = exposed(container) if listeners is None else heard(listeners, family, address)
            for port in sorted(ports | declared if bridge else ports):
                if bridge:
                    walled = bool(network.get("Internal")) and family not in answering
                    yield Opening("direct", "tcp", family, address, port, port, ((address, bridge),), walled=walled)
                else:
                    yield _lan_door(network, family, address, port)


def _lan_door(network, family, address, port, pending=False):
    option, walled = "--network " + network["Name"], bool(network.get("Internal"))
    return Opening("lan", "tcp", family, address, port, port, (), option, pending, walled)


def _pending_doors(container, owner, facts):
    """Return what a stopped container would open, in its own network or in that of another one, the owner."""
    settings = owner["HostConfig"]
    # What the owner's image declares speaks of the owner.
    ports = exposed(container)
    if settings["NetworkMode"] == "host":
        return [
            Opening("host", "tcp", family, ANY[family], port, port, option="--network host", pending=True)
            for port in sorted(ports)
            for family in facts.families
        ]
    networks = [network for network, _addresses in _networks_of(owner, facts)]
    bindings = dict(settings.get("PortBindings") or {})
    if owner is not container and owner["State"]["Running"]:
        bindings = owner["NetworkSettings"].get("Ports") or {}
    elif settings.get("PublishAllPorts"):
        bindings = {**{"%d/tcp" % port: [{}] for port in exposed(owner)}, **bindings}
    if owner is not container:
        bindings = {name: bound for name, bound in bindings.items() if int(name.partition("/")[0]) in ports}
    doors = []
    for protocol, port, family, address, host_port in _bindings(bindings, facts):
        bridges = [bridge_of(one) for one in networks if family == 4 or one.get("EnableIPv6")]
        targets = tuple((None, bridge) for bridge in bridges if bridge)
        option = _publishing(owner, protocol, port, host_port, address)
        doors.append(Opening("published", protocol, family, address, host_port, port, targets, option, pending=True))
    lans = [network for network in networks if network["Driver"] in ON_LAN]
    return doors + [_lan_door(network, 4, "", port, pending=True) for network in lans for port in sorted(ports)]


def service_doors(service, facts):
    """Return the doors that a swarm's routing mesh opens on this host for one service."""
    inner = tuple((address, bridge_of(network)) for network, address in _on_swarm_bridge(facts, MESH))
    return [
        Opening(
            *("ingress", port["Protocol"], 4, ANY[4], port["PublishedPort"], port.get("TargetPort"), inner),
            option="--publish %s:%s" % (port["PublishedPort"], port.get("TargetPort", "")),
        )
        for port in (service.get("Endpoint") or {}).get("Ports") or ()
        if port.get("PublishMode", "ingress") == "ingress" and port.get("PublishedPort")
    ]
