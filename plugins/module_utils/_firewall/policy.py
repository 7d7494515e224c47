# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall policy, which ports are guarded and who may reach them: its options, its checks, its normal form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._host.networks import PolicyProblem, _network_order, parse_source

# A comment in our rules by which they are told from other people's chains of the same name.
MARK = "redis_hardening"
FAMILIES = (4, 6)
PURPOSES = ("data", "tls", "bus", "sentinel", "reserved")
# What becomes of those who come to a reserved port without being named.
STRANGER_ACTIONS = ("drop", "reject", "notice")
# Where the notice listens, and nothing else. Who may see it is led here from the reserved ports, which themselves
# stay closed: a Redis that gets one of them by accident is never what answers.
NOTICE_PORT = 63790
# Of iptables, and only there where the policy has a notice.
NOTICE_TABLE = "nat"
# The modules' options that make a policy, in the order of build_policy().
OPTIONS = ("ports", "reserved_ports", "docker_bridges", "reserved_action", "reserved_notice")


def policy_spec(required=True, notice=True):
    """Return the module options of OPTIONS (doc fragment `guarded_ports`). required: whether the ports are."""
    port = dict(
        port=dict(type="int", required=True),
        sources=dict(type="list", elements="str", default=[]),
        purpose=dict(type="str", choices=list(PURPOSES), default="data"),
    )
    spec = dict(
        ports=dict(type="list", elements="dict", required=required, options=port),
        reserved_ports=dict(type="list", elements="int", default=[6379, 6380]),
        docker_bridges=dict(type="list", elements="str", default=["docker0", "br-+", "docker_gwbridge"]),
    )
    if notice:
        spec["reserved_action"] = dict(type="str", choices=list(STRANGER_ACTIONS), default="drop")
        spec["reserved_notice"] = dict(type="bool", default=False)
    return spec


@dataclass(frozen=True)
class GuardedPorts:
    """sources: guarded port -> the networks that may reach it, sorted. bridges: names or prefixes of interfaces.

    reserved: the ports that no server is to have, sorted; their sources are those of the notice. stranger_action: what
    others meet there. notice: whether the host has a notice at all; NOTICE_PORT is then one of the ports, sourceless.
    """

    sources: dict
    bridges: tuple
    reserved: tuple = ()
    stranger_action: str = "drop"
    notice: bool = False

    @property
    def ports(self):
        return sorted(self.sources)

    def named(self, port, family, containers=False):
        """Return the networks of a family that may reach a port of the host or of containers. A reserved port's sources
        are for the notice, which the host gives."""
        if containers and port in self.reserved:
            return ()
        return tuple(network for network in self.sources[port] if network.version == family)

    def groups(self, family, containers=False):
        """Yield (ports, networks) for each set of ports that are open to the same networks of this family."""
        return self._grouped(self.ports, family, containers)

    def reader_groups(self, family):
        """The same for the reserved ports, from which these networks are led to the notice."""
        return self._grouped(self.reserved, family)

    def _grouped(self, ports, family, containers=False):
        groups = {}
        for port in ports:
            networks = self.named(port, family, containers)
            if networks:
                groups.setdefault(networks, []).append(port)
        for networks, members in groups.items():
            yield members, networks


def build_policy(ports, reserved_ports, docker_bridges, stranger_action="drop", notice=False):
    """Return the GuardedPorts of these module options, or raise PolicyProblem with all that is wrong with them.

    notice: the sources of any port may see the notice on all reserved ports.
    """
    problems = []
    sources, used = {}, set()
    for index, entry in enumerate(ports):
        where = "ports[%d] (port %s)" % (index, entry["port"])
        if not 1 <= entry["port"] <= 65535:
            problems.append("%s: a port is a number from 1 to 65535" % where)
        if entry["purpose"] != "reserved":
            used.add(entry["port"])
        named = sources.setdefault(entry["port"], set())
        for text in entry["sources"]:
            try:
                network = parse_source(text)
            except PolicyProblem as problem:
                problems.append("%s: %s" % (where, problem))
            else:
                # Loopback is open through the interface; from elsewhere such an address is forged.
                if not network.is_loopback:
                    named.add(network)
    for port in reserved_ports:
        if not 1 <= port <= 65535:
            problems.append("reserved_ports: %s: a port is a number from 1 to 65535" % port)
        sources.setdefault(port, set())
    reserved = sorted(set(sources) - used)
    everyone = set().union(*sources.values()) if notice else set()
    for port in reserved:
        sources[port] |= everyone
    notice = bool(reserved) and (notice or stranger_action == "notice" or any(sources[port] for port in reserved))
    if notice and NOTICE_PORT in sources:
        problems.append("ports: %d is the notice's own; give Redis another port" % NOTICE_PORT)
    if not sources:
        problems.append("ports and reserved_ports are both empty: there is nothing to guard")
    for name in docker_bridges:
        if not re.fullmatch(r"[^\s/+!\"'\\]{1,15}|[^\s/+!\"'\\]{1,14}\+", name):
            problems.append("docker_bridges: '%s' is not the name of an interface, nor a prefix such as br-+" % name)
    if problems:
        raise PolicyProblem(*problems)
    if notice:
        sources[NOTICE_PORT] = set()
    return GuardedPorts(
        sources={port: tuple(sorted(named, key=_network_order)) for port, named in sources.items()},
        bridges=tuple(dict.fromkeys(docker_bridges)),
        reserved=tuple(reserved),
        stranger_action=stranger_action,
        notice=notice,
    )


def matches_interface(pattern, name):
    """Say whether an interface name is meant by a name or prefix with '+', as iptables writes them."""
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


def port_words(ports):
    """Return sorted ports as iptables writes them, neighbours as one range: 7000, 7001, 7002 -> 7000:7002."""
    runs = []
    for port in ports:
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return [str(first) if first == last else "%d:%d" % (first, last) for first, last in runs]
