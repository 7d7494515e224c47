# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a TCP packet in a table that iptables-save shows: pure functions.

Conditions that can't be judged from the packet alone (a rate, a set, a mark, a destination) may match or not. An answer
is therefore a set of all that may happen, out of ACCEPT, DROP, RETURN and (in nat) REDIRECT, and a proof takes the
worst of it.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass

ACCEPT, DROP, RETURN, REDIRECT = "ACCEPT", "DROP", "RETURN", "REDIRECT"
# Targets after which the next rule has its turn.
PASSING = frozenset(
    ["AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "DSCP", "LOG", "MARK", "NFLOG", "RATEEST", "SECMARK"]
    + ["SET", "TCPMSS", "TEE", "TOS", "TRACE"]
)
JUDGED_MODULES = frozenset(("tcp", "multiport", "conntrack", "state", "comment"))
# Addresses that may knock although no rule speaks of them: the Internet, private networks, the link.
STRANGERS = {
    4: [ipaddress.ip_address(text) for text in ("198.51.100.77", "203.0.113.77", "10.77.77.77", "172.30.77.77")],
    6: [ipaddress.ip_address(text) for text in ("2001:db8:77::77", "2600::77", "fd77:77::77", "fe80::77")],
}
ELSEWHERE = "eth77"


@dataclass(frozen=True)
class Packet:
    """All but the source. original_port is the port before any address translation, output the interface by which the
    packet leaves. What is None may be any."""

    interface: str
    port: int | None
    original_port: int | None
    state: str = "NEW"
    output: str | None = None
    destination: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None


@dataclass(frozen=True)
class Rule:
    """sources: (network, its address, its mask, negated). conditions: all others, as (option, negated, value)."""

    sources: tuple
    conditions: tuple
    target: str
    goto: bool


@dataclass(frozen=True)
class Ruleset:
    chains: dict
    policies: dict

    @functools.cached_property
    def known(self):
        """What has been found out of these rules already, for who asks again."""
        return {}

    def interfaces(self, hook=None):
        """Return the interfaces that rules behind a hook (or all rules) speak of, and one of which none does: all
        others fare like it."""
        if hook not in self.known:
            names = {ELSEWHERE}
            for chain in self.chains if hook is None else self._behind(hook):
                for rule in self.chains[chain]:
                    names.update(
                        value[:-1] + "77" if value.endswith("+") else value
                        for option, _negated, value in rule.conditions
                        if option == "-i"
                    )
            self.known[hook] = sorted(names)
        return self.known[hook]

    def _behind(self, hook):
        found, waiting = set(), {hook}
        while waiting:
            found |= waiting
            waiting = {rule.target for chain in waiting for rule in self.chains.get(chain, ())}
            waiting = {chain for chain in waiting if chain in self.chains and chain not in found}
        return found & set(self.chains)


def parse_network(text):
    """Return a network; None for a mask with holes in it, such as 10.0.0.5/255.0.0.255."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _in_ports(port, value):
    if port is None:
        return None
    for word in value.split(","):
        first, _colon, last = word.partition(":")
        if int(first) <= port <= int(last or first):
            return True
    return False


def _in_states(packet, value):
    states = value.split(",")
    if packet.state in states:
        return True
    # Whether an address was translated is not part of our packet.
    return None if {"DNAT", "SNAT"} & set(states) else False


def _is_interface(name, value):
    if name is None:
        return None
    return name.startswith(value[:-1]) if value.endswith("+") else name == value


def _to(packet, value):
    network = parse_network(value)
    return None if packet.destination is None or network is None else packet.destination in network


JUDGES = {
    "-p": lambda packet, value: value in ("tcp", "6", "all"),
    "-i": lambda packet, value: _is_interface(packet.interface, value),
    "-o": lambda packet, value: _is_interface(packet.output, value),
    "-d": _to,
    "--dport": lambda packet, value: _in_ports(packet.port, value),
    "--dports": lambda packet, value: _in_ports(packet.port, value),
    "--ctorigdstport": lambda packet, value: _in_ports(packet.original_port, value),
    "--ctproto": lambda packet, value: value in ("tcp", "6"),
    "--ctdir": lambda packet, value: value == "ORIGINAL",
    "--ctstate": _in_states,
    "--state": _in_states,
}


def specialise(ruleset, packet, hook):
    """Return the chains that this packet may come through from a hook, with the rules that may match it.

    chain -> [(certain, rule)]; certain means that nothing but the rule's sources is left to be judged.
    """
    chains, waiting = {}, [hook]
    while waiting:
        name = waiting.pop()
        if name in chains or (name not in ruleset.chains and name != hook):
            continue
        chains[name] = list(_relevant(ruleset.chains.get(name, []), packet))
        waiting += {rule.target for _certain, rule in chains[name]}
    return chains


def _relevant(rules, packet):
    for rule in rules:
        certain = True
        for option, negated, value in rule.conditions:
            judge = JUDGES.get(option)
            matches = judge(packet, value) if judge else None
            if matches is None:
                certain = False
            elif matches == negated:
                break
        else:
            yield certain, rule


def outcomes(chains, chain, source):
    """Return the set of what may become of a packet from this address in a chain of specialise()."""
    address = int(source)
    found = set()
    for certain, rule in chains[chain]:
        if not _from(address, rule.sources):
            continue
        if rule.target in chains:
            results = outcomes(chains, rule.target, source)
            left = results if rule.goto else results - {RETURN}
            passes = not rule.goto and RETURN in results
        else:
            left, passes = effect(rule.target)
        found |= left
        if certain and not passes:
            return found
    return found | {RETURN}


def _from(address, sources):
    for _network, value, mask, negated in sources:  # noqa: SIM110 (this is the innermost loop)
        if (address & mask == value) == negated:
            return False
    return True


def effect(target):
    """Return (what a target that is no chain may do to a packet, whether the next rule has its turn)."""
    if target in PASSING or not target:
        return set(), True
    if target in (ACCEPT, RETURN, REDIRECT):
        return {target}, False
    # A target that is not known here may let the packet through.
    return {DROP} if target in (DROP, "REJECT") else {ACCEPT, DROP}, False


def verdicts(ruleset, chains, hook, source):
    """Return what may become of the packet in a chain and, where the chain has a policy, by that."""
    return with_policy(ruleset, hook, outcomes(chains, hook, source))


def with_policy(ruleset, hook, found):
    if RETURN in found and ruleset.policies.get(hook) in (ACCEPT, DROP):
        return found - {RETURN} | {ruleset.policies[hook]}
    return found
