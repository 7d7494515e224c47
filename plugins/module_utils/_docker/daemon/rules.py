# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forward and NAT rules that containers need while the engine makes none. Pure functions.

Rules are written exactly as iptables-save prints them, so that wanted and actual rules are compared as text.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

FORWARD_CHAIN, NAT_CHAIN = "REDIS-DOCKER-FORWARD", "REDIS-DOCKER-NAT"
# Table -> the chain that leads to ours, and ours.
HOOKS = {"filter": ("FORWARD", FORWARD_CHAIN), "nat": ("POSTROUTING", NAT_CHAIN)}
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
_OPTION = "com.docker.network.bridge."
# The engine's own chains. DOCKER-USER belongs to the operator.
_ENGINE_CHAIN = re.compile(r"DOCKER(-ISOLATION-STAGE-[12]|-FORWARD|-BRIDGE|-CT|-INTERNAL)?")


@dataclass(frozen=True)
class Network:
    """One network of the bridge driver. talks: whether its containers may talk to each other.

    families: the versions of IP whose rules the engine would make. The others are left to whoever has them now.
    """

    name: str
    bridge: str
    subnets: tuple
    internal: bool = False
    masquerade: bool = True
    talks: bool = True
    families: tuple = (4,)


def networks(found, families=(4,), masquerade=True):
    """Return the bridge networks out of those that the engine's API lists, sorted by bridge.

    masquerade: whether the default network is to be translated. What the API says of it is void: without iptables the
    engine calls that off by itself.
    """
    result = []
    for one in found:
        if one["Driver"] != "bridge":
            continue
        options = one.get("Options") or {}
        result.append(
            Network(
                name=one["Name"],
                bridge=options.get(_OPTION + "name") or "br-" + one["Id"][:12],
                subnets=tuple(
                    ipaddress.ip_network(part["Subnet"])
                    for part in (one.get("IPAM") or {}).get("Config") or []
                    if part.get("Subnet")
                ),
                internal=bool(one.get("Internal")),
                masquerade=masquerade
                if options.get(_OPTION + "default_bridge") == "true"
                else options.get(_OPTION + "enable_ip_masquerade", "true") != "false",
                talks=options.get(_OPTION + "enable_icc", "true") != "false",
                families=families,
            )
        )
    return sorted(result, key=lambda network: network.bridge)


def published_everywhere(found, address):
    """Return the names of networks made by users whose ports are not published on this address by default."""
    return sorted(
        one["Name"]
        for one in found
        if one["Driver"] == "bridge"
        and one["Name"] != "bridge"
        and (one.get("Options") or {}).get(_OPTION + "host_binding_ipv4") != address
    )


def default_address(found):
    """Return where the engine publishes the ports of its default network, or None when that can't be told."""
    for one in found:
        if one["Name"] == "bridge":
            return (one.get("Options") or {}).get(_OPTION + "host_binding_ipv4")
    return None


def render(wanted, family):
    """Return table -> chain -> rules for the networks of one family; nothing where there is none of them."""
    mine = [(one, [net for net in one.subnets if net.version == family]) for one in wanted if family in one.families]
    mine = [(one, subnets) for one, subnets in mine if subnets]
    if not mine:
        return {}
    bridges = [one.bridge for one, _subnets in mine]
    forward = ["-j DOCKER-USER"]
    forward += ["-i %s -o %s -j %s" % (one.bridge, one.bridge, _verdict(one.talks)) for one, _subnets in mine]
    forward += ["-o %s %s" % (bridge, ESTABLISHED) for bridge in bridges]
    # Published ports come by docker-proxy, from the host itself. All else that is new comes from another network, or
    # from outside by a straight route.
    forward += ["-o %s -j DROP" % bridge for bridge in bridges]
    forward += ["-i %s -j %s" % (one.bridge, _verdict(not one.internal)) for one, _subnets in mine]
    nat = [
        "-s %s ! -o %s -j MASQUERADE" % (subnet, one.bridge)
        for one, subnets in mine
        for subnet in subnets
        # Global IPv6 addresses need no translation.
        if one.masquerade and not one.internal and subnet.is_private
    ]
    return {"filter": {FORWARD_CHAIN: forward}, **({"nat": {NAT_CHAIN: nat}} if nat else {})}


def _verdict(good):
    return "ACCEPT" if good else "DROP"


def rules_file(rendered):
    """Return the chains as the script reads them."""
    lines = ["# Managed by celebrum.redis_hardening; loaded by redis-docker-forward."]
    for table, chains in rendered.items():
        lines.append("*" + table)
        for chain, rules in chains.items():
            lines += [":%s - [0:0]" % chain, *("-A %s %s" % (chain, rule) for rule in rules)]
        lines.append("COMMIT")
    return "\n".join([*lines, ""])


def differences(kernel, rendered):
    """Return in words how the kernel's rules differ. kernel: table -> chain -> rules, as parsed there."""
    found = []
    for table, (hook, chain) in HOOKS.items():
        chains = kernel.get(table, {})
        rules = rendered.get(table, {}).get(chain)
        jump = "-j " + chain
        if rules is None:
            found += ["the chain %s of %s is left over" % (chain, table)] if chain in chains else []
        elif chain not in chains:
            found.append("the chain %s of %s is missing" % (chain, table))
        elif chains[chain] != rules:
            found.append("the chain %s of %s has other rules" % (chain, table))
        elif chains.get(hook, [])[:1] != [jump] or chains[hook].count(jump) != 1:
            found.append("the jump from %s of %s to %s is missing, repeated or not first" % (hook, table, chain))
    return found


def engine_rules(kernel, wanted):
    """Return table -> lines for iptables-restore that take the engine's own rules away, which it leaves behind.

    Only rules of the very form that the engine gives them count as its own.
    """
    bridges = {one.bridge for one in wanted}
    subnets = {str(subnet) for one in wanted for subnet in one.subnets}
    removals = {}
    for table, chains in kernel.items():
        if table not in HOOKS:
            continue
        own = sorted(chain for chain in chains if _ENGINE_CHAIN.fullmatch(chain))
        lines = [
            "-D %s %s" % (chain, rule)
            for chain in ("FORWARD", "PREROUTING", "OUTPUT", "POSTROUTING")
            for rule in chains.get(chain, [])
            if _is_engines(rule, own, bridges, subnets)
        ]
        lines += ["-F " + chain for chain in own] + ["-X " + chain for chain in own]
        if lines:
            removals[table] = lines
    return removals


def _is_engines(rule, own, bridges, subnets):
    target = rule.rpartition("-j ")[2]
    if target in own or rule == "-j DOCKER-USER":
        return True
    bridge = re.search(r"-[io] (\S+)", rule)
    if bridge and (bridge[1] in bridges or re.fullmatch(r"docker0|docker_gwbridge|br-[0-9a-f]{12}", bridge[1])):
        name = bridge[1]
        forms = ["-o %s %s" % (name, ESTABLISHED), "-i %s ! -o %s -j ACCEPT" % (name, name)]
        forms += ["-i %s -o %s -j %s" % (name, name, verdict) for verdict in ("ACCEPT", "DROP")]
        source = re.fullmatch(r"-s (\S+) ! -o \S+ -j MASQUERADE", rule)
        return rule in forms or bool(source and source[1] in subnets)
    # A container's connection to its own published port.
    hairpin = re.fullmatch(r"-s (\S+) -d (\S+) -p (tcp|udp|sctp) -m \3 --dport \d+ -j MASQUERADE", rule)
    return bool(hairpin and hairpin[1] == hairpin[2] and _is_in(hairpin[1], subnets))


def _is_in(address, subnets):
    host = ipaddress.ip_network(address)
    return any(host.version == net.version and host.subnet_of(net) for net in map(ipaddress.ip_network, subnets))


def has_engine_rules(kernel):
    """Say whether the engine's way to published ports is in the kernel."""
    return any(rule.endswith("--dst-type LOCAL -j DOCKER") for rule in kernel.get("nat", {}).get("PREROUTING", []))
