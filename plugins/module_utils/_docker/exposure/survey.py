# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which doors of containers the kernel's rules leave open, and what to do about those of Redis: pure functions."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from ..._audit.findings import finding, verdict
from ..._firewall import evaluate as evaluator, fates, policy as firewall_policy
from ..._firewall.iptables import parse as iptables_parse
from ..._firewall.nftables import evaluate as nftables_evaluate
from . import endpoints as doors

CONTROL = "RH-NET-06"
REDIS_PORT = 6379
TABLES = ("raw", "mangle", "nat", "filter")
# Since this version the engine keeps other hosts away from what it publishes on 127.0.0.1.
LOOPBACK_IS_KEPT = 28
# The priority at which nftables translates destinations.
TRANSLATION = -100
# How many doors a finding names.
SHOWN = 3


class Kernel:
    """Judges doors by the rules of the kernel, for clients that the policy does not name."""

    def __init__(self, facts, policy):
        self.facts, self.policy = facts, policy
        self.tables = {
            family: {table: iptables_parse.parse(text or "", table) for table in TABLES}
            for family, text in facts.saves.items()
        }
        bridges = [network for network in facts.networks if doors.bridge_of(network)]
        inner = ["lo", *policy.bridges, *map(doors.bridge_of, bridges)]
        # By which other hosts come in.
        self.interfaces = [
            name for name in facts.interfaces if not any(firewall_policy.matches_interface(one, name) for one in inner)
        ]
        self.subnets = [
            ipaddress.ip_network(block["Subnet"])
            for network in bridges
            for block in (network.get("IPAM") or {}).get("Config") or ()
            if block.get("Subnet")
        ]

    def judge(self, door):
        """Return (reachable, why); reachable is None for what is not judged."""
        if door.protocol != "tcp":
            return None, "only TCP is judged"
        if door.walled:
            return False, "its network is internal"
        if door.way == "lan":
            return True, "the container has an address of its own on the LAN, past this host's firewall"
        if door.way == "direct":
            return self._forwarded(door)
        if door.is_loopback and door.family == 6:
            return False, "the kernel takes no packets to ::1 from other hosts"
        if door.pending and door.is_loopback and int(self.facts.version.partition(".")[0]) >= LOOPBACK_IS_KEPT:
            return False, "this engine keeps other hosts from what it publishes on 127.0.0.1"
        if door.way != "host" and self._is_translated(door):
            return self._forwarded(door)
        if door.is_loopback:
            return False, "it listens on the host's loopback address"
        if not door.pending and door.port not in doors.heard(self.facts.listeners, door.family, door.address):
            return False, "nothing listens there on the host, and no rule translates it"
        return self._to_host(door)

    def _is_translated(self, door):
        """Say whether the kernel leads the door's packets to a container; otherwise docker-proxy takes them."""
        nat = self.tables[door.family]["nat"]
        if door.pending:
            return "DOCKER" in nat.chains and bool(door.targets)
        found = [evaluator.specialise(nat, _arriving(door, name), "PREROUTING") for name in self.interfaces]
        return any(rule.target == "DNAT" for chains in found for rules in chains.values() for _certain, rule in rules)

    def _forwarded(self, door):
        if not self.facts.forwarding.get(door.family):
            return False, "the kernel forwards no IPv%d" % door.family
        if not door.targets:
            return True, "a rule leads it to an address that the engine does not name"
        why = "no other host comes in by any interface"
        for address, bridge in door.targets:
            reachable, why = self._strangers(
                door,
                "FORWARD",
                # The routing mesh keeps the published port until it is inside.
                port=door.port if door.way == "ingress" else door.container_port,
                output=bridge,
                destination=ipaddress.ip_address(address) if address else None,
            )
            if reachable:
                return True, "%s to %s" % (why, address or "the container, once it runs")
        return False, why

    def _to_host(self, door):
        reachable, why = self._strangers(door, "INPUT")
        taker = "the host" if door.way == "host" else "docker-proxy"
        return reachable, "%s to %s" % (why, taker) if reachable else why

    def _strangers(self, door, hook, **behind):
        """Return (whether somebody who is not named gets through, who, or what stops them all).

        behind: how the packet looks once it is translated and routed.
        """
        # Containers' addresses are none that a packet from outside can have: the answer would go to their bridge.
        known = [one for one in [*self.subnets, *named(self.policy, door)] if one.version == door.family]
        stoppers = []
        for interface in self.interfaces:
            arriving = _arriving(door, interface)
            tried = [
                (label, ruleset, chain, evaluator.specialise(ruleset, packet, chain))
                for label, ruleset, chain, packet in self._stages(door, hook, arriving, replace(arriving, **behind))
            ]
            left = fates.without(fates.everyone(door.family), fates.region(known))
            for stage in tried:
                for words, dropped in _dropped(door.family, *stage):
                    if fates.common(left, dropped):
                        left = fates.without(left, dropped)
                        stoppers.append(words)
            if left:
                return True, "%s gets through by %s" % (fates.example(left, door.family), interface)
        return False, "dropped by %s" % " or ".join(dict.fromkeys(stoppers))

    def _stages(self, door, hook, arriving, leaving):
        """Yield (name, ruleset, chain, packet) of all that a packet passes on its way."""
        for table in ("raw", "mangle"):
            yield table, self.tables[door.family][table], "PREROUTING", arriving
        # What Docker adds when a container starts is not there yet; only what stands before it counts.
        last = "DOCKER-USER" if door.pending and hook == "FORWARD" else hook
        for table, chain in (("mangle", hook), ("filter", last)):
            yield table, self.tables[door.family][table], chain, leaving
        # nft shows the tables of iptables too, but not their matches.
        shown = [line[1:] for line in (self.facts.saves[door.family] or "").splitlines() if line.startswith("*")]
        for place in ("PREROUTING", hook):
            for base in nftables_evaluate.bases(self.facts.nft, door.family, place.lower(), place):
                family, name = base.table.split(" ", 1)
                if family == "inet" or name not in shown:
                    early = place == "PREROUTING" and base.priority <= TRANSLATION
                    label = "nft %s %s," % (base.table, base.chain)
                    yield label, base.ruleset, place, arriving if early else leaving


def _arriving(door, interface):
    return evaluator.Packet(interface, door.port, door.port, destination=door.destination)


def _dropped(family, label, ruleset, hook, chains):
    """Yield (what drops packets, from which sources): each chain that a hook's rule leads to, then the hook itself."""
    dropped = fates.where(ruleset, chains, hook, family, _is_drop)
    inner = dict.fromkeys(rule.target for _certain, rule in chains[hook] if rule.target in chains)
    for target in inner:
        there = fates.where(ruleset, chains, target, family, _is_drop)
        yield "%s %s (%s)" % (label, hook, target), fates.common(dropped, there)
    yield "%s %s" % (label, hook), dropped


def _is_drop(outcomes):
    return outcomes == {evaluator.DROP}


def named(policy, door):
    """Return the networks that the policy lets in by a door: by the port that they connect to, else the container's."""
    return policy.sources.get(door.port, policy.sources.get(door.container_port, ()))


def survey(facts, policy):
    """Return one dict for each container and each service of a swarm: what it is, and its doors."""
    kernel = Kernel(facts, policy)
    listed = []
    for container in sorted(facts.containers, key=lambda one: one["Name"]):
        activity = facts.activities.get(container["Id"], {})
        recognised = ["runs " + name for name in sorted(set(activity.get("redis", ())))]
        redis_ports = set(activity.get("redis_ports", ()))
        if REDIS_PORT in doors.exposed(container):
            recognised.append("exposes port %d" % REDIS_PORT)
            redis_ports.add(REDIS_PORT)
        labels = container["Config"].get("Labels") or {}
        compose = [labels.get("com.docker.compose." + key, "") for key in ("service", "project.config_files")]
        listed.append(
            dict(
                name=container["Name"].lstrip("/"),
                id=container["Id"][:12],
                image=container["Config"].get("Image", ""),
                state=container["State"].get("Status", ""),
                pending=doors.is_pending(container),
                networks=sorted(container["NetworkSettings"].get("Networks") or {}),
                recognised=", ".join(recognised),
                compose="service %s in %s" % tuple(compose) if all(compose) else "",
                published=[_entry(door, kernel, redis_ports) for door in doors.doors_of(container, facts)],
            )
        )
    return listed + [_service(service, facts, kernel) for service in [*facts.services, *_unknown_services(facts)]]


def _service(service, facts, kernel):
    template = service["Spec"].get("TaskTemplate") or {}
    return dict(
        name=service["Spec"]["Name"],
        id=service["ID"][:12],
        image=(template.get("ContainerSpec") or {}).get("Image", ""),
        state="service",
        pending=False,
        networks=["ingress"],
        recognised="",
        compose="",
        published=[_entry(door, kernel, {REDIS_PORT}) for door in doors.service_doors(service, facts)],
    )


def _unknown_services(facts):
    """Return the services whose ports this host's kernel leads into the swarm, where no manager tells their names."""
    told = {door.port for service in facts.services for door in doors.service_doors(service, facts)}
    rules = iptables_parse.parse(facts.saves.get(4) or "", "nat").chains.get("DOCKER-INGRESS", [])
    found = {value for rule in rules for option, _negated, value in rule.conditions if option == "--dport"}
    return [
        dict(
            ID="",
            Spec=dict(Name="on port " + port),
            Endpoint=dict(Ports=[dict(Protocol="tcp", PublishedPort=int(port))]),
        )
        for port in sorted(found)
        if int(port) not in told
    ]


def _entry(door, kernel, redis_ports):
    reachable, why = kernel.judge(door)
    on_host = door.way not in ("direct", "lan")
    inner = door.targets[0][0] if door.targets else None
    guarded = {door.port, door.container_port} & set(kernel.policy.ports)
    return dict(
        way=door.way,
        host_address=door.address if on_host else "",
        host_port=door.port if on_host else None,
        container_address=(inner or "") if on_host else door.address,
        container_port=door.container_port,
        protocol=door.protocol,
        family=door.family,
        option=door.option,
        redis=door.protocol == "tcp" and (bool(guarded) or door.container_port in redis_ports),
        reachable=reachable,
        why=why,
        text=door.describe(),
    )


def findings(listed):
    """Return one finding for each container that has to do with Redis, or one that there is none."""
    found = []
    for one in listed:
        own = [door for door in one["published"] if door["redis"]]
        if own or one["recognised"]:
            found.append(_finding(one, own))
    if not found:
        actual = "none of %d containers and services has to do with Redis" % len(listed)
        found.append(finding(CONTROL, "pass", "no way in", actual, subject="containers"))
    return found


def _finding(one, own):
    is_open = [door for door in own if door["reachable"]]
    shown = ["%s: %s" % (door["text"], door["why"]) for door in (is_open or own)]
    actual = "; ".join(shown[:SHOWN]) or "no port of it leads out of the engine's networks"
    if len(shown) > SHOWN:
        actual += "; and %d more" % (len(shown) - SHOWN)
    if one["pending"]:
        actual = "stopped; when it starts again, %s" % actual
    expected = "closed to all but the named sources"
    fixes = dict.fromkeys(_fix(one, door) for door in is_open)
    kind = "service" if one["state"] == "service" else "container"
    details = dict(subject="%s %s" % (kind, one["name"]), remediation=" ".join(fixes) or None)
    return verdict(CONTROL, not is_open, expected, actual, **details)


def _fix(one, door):
    """Say how one door is closed."""
    option, where = door["option"], one["compose"] or "Compose"
    close = "close port %s by site.yml (firewall_ports)" % (door["host_port"] or door["container_port"])
    if door["way"] == "direct":
        return "Let the host's rules stop what is routed to containers: %s." % close
    if door["way"] == "lan":
        return "Put %s on a bridge network in place of %s (%s: networks)." % (one["name"], option.split()[-1], where)
    if door["way"] == "ingress" and not one["id"]:
        return "Find the service by 'docker service ls' on a manager of the swarm, or %s." % close
    if door["way"] == "ingress":
        return "Run 'docker service update --publish-rm %s %s', or %s." % (option.split()[-1], one["name"], close)
    if door["way"] == "host":
        return "Start %s without %s (%s: network_mode: host), or %s." % (one["name"], option, where, close)
    line = '"%s" under ports' % option.split()[-1] if option != "-P" else "ports"
    text = "Start %s without %s (%s: %s); clients on its networks need no published port."
    return text % (one["name"], option, where, line) + (" Or %s." % close if door["host_port"] else "")
