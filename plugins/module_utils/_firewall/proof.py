# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall policy held against what iptables-save shows of the kernel: findings, from pure functions."""

from __future__ import annotations

from .._host import networks as host_networks
from . import evaluate as evaluator, policy as firewall_policy

# How many problems a finding names.
SHOWN = 3


# What becomes of those who are not named, on the reserved ports of the host.
TURNED_AWAY = {
    "drop": "",
    "reject": ", or rejected on reserved ports",
    "notice": ", but get to the notice on reserved ports, limited in rate",
}

# The ways of a packet: what it is called, and the table and chain in which it is judged. To containers each of two
# chains must close the ports by itself: the first is always passed, the second is where Docker's users look.
WAYS = (
    ("to the host", "filter", "INPUT"),
    ("to containers", "mangle", "FORWARD"),
    ("to containers, by DOCKER-USER", "filter", "DOCKER-USER"),
)


def packets(policy, port, hook, interface, state):
    """Return the packets by which a client may try to reach a port: on the host, or of a container, through a published
    port or straight."""
    if hook == "INPUT":
        return [evaluator.Packet(interface, port, port, state)]
    other = next(number for number in range(9, 65536) if number not in policy.sources)
    return [evaluator.Packet(interface, None, port, state), evaluator.Packet(interface, port, other, state)]


def led_packet(port, interface=evaluator.ELSEWHERE, state="NEW"):
    """Return a packet to a reserved port that was led to the notice."""
    return evaluator.Packet(interface, firewall_policy.NOTICE_PORT, port, state)


def open_doors(policy, family, ruleset, hook):
    """Return in words which guarded ports let somebody in whom the policy does not name."""
    found = []
    for port in policy.ports:
        # The sources of a reserved port reach the notice, not the port.
        named = policy.named(port, family, containers=True)
        for interface in outer_interfaces(policy, ruleset, hook):
            way = "any interface" if interface == evaluator.ELSEWHERE else interface
            # New connections, and those that a source has kept from when it was named.
            for state, note in (("NEW", ""), ("ESTABLISHED", ", to connections that exist already")):
                tried = packets(policy, port, hook, interface, state)
                sources = [_let_in(ruleset, packet, hook, family, named) for packet in tried]
                if hook == "INPUT" and policy.notice and port in policy.reserved:
                    sources.append(_let_to_notice(ruleset, led_packet(port, interface, state), family, policy))
                source = next((one for one in sources if one), None)
                if source:
                    found.append("%d is open to others by %s%s (our probe: %s)" % (port, way, note, source))
                    break
    return found


def outer_interfaces(policy, ruleset, hook):
    """Return the interfaces by which somebody else's packets come in. Containers' own are left alone on their way to
    other places, not on their way to the host."""
    return [
        name
        for name in ruleset.interfaces()
        if name != "lo"
        and not (hook != "INPUT" and any(firewall_policy.matches_interface(one, name) for one in policy.bridges))
    ]


def _let_in(ruleset, packet, hook, family, named):
    """Return the first source outside the named ones whose packet is not surely dropped."""
    chains = evaluator.specialise(ruleset, packet, hook)
    for source in evaluator.strangers(chains, family, named):
        if evaluator.verdicts(ruleset, chains, hook, source) != {evaluator.DROP}:
            return source
    return None


def _let_to_notice(ruleset, packet, family, policy):
    """The same for a packet that was led to the notice. Where that is for everyone, new connections must have a limit,
    by which they may be dropped."""
    readers = policy.named(packet.original_port, family)
    if policy.audience != "notice":
        return _let_in(ruleset, packet, "INPUT", family, readers)
    chains = evaluator.specialise(ruleset, packet, "INPUT")
    for source in evaluator.strangers(chains, family, readers) if packet.state == "NEW" else ():
        if evaluator.DROP not in evaluator.verdicts(ruleset, chains, "INPUT", source):
            return "%s without a limit" % source
    return None


def closed_doors(policy, family, ruleset, hook):
    """Return in words which named sources the rules may drop. What comes after our chains is Docker's business."""
    found = []
    for port in policy.ports:
        packet = packets(policy, port, hook, evaluator.ELSEWHERE, "NEW")[0]
        chains = evaluator.specialise(ruleset, packet, hook)
        found += [
            "%d is closed to %s" % (port, part)
            for part, verdicts in fates(policy.named(port, family, containers=True), ruleset, chains, hook)
            if evaluator.DROP in verdicts
        ]
    return found


def fates(named, ruleset, chains, hook):
    """Yield (who, verdicts) for the named networks, and for parts of them that rules tell from the rest."""
    others = evaluator.spoken_of(chains) - set(host_networks.outermost(named))
    for network in named:
        for source in evaluator.spots(network, others):
            part = str(network) if source == network[0] else "%s of %s" % (source, network)
            yield part, evaluator.verdicts(ruleset, chains, hook, source)


def closed_notice(policy, family, rulesets):
    """Return in words from which reserved ports somebody who may see the notice does not get to it."""
    found = []
    for port in policy.reserved if policy.notice else ():
        sources = {str(network): network[0] for network in policy.named(port, family)}
        if policy.audience == "notice":
            sources["others"] = evaluator.STRANGERS[family][0]
        door = evaluator.specialise(rulesets["filter"], led_packet(port), "INPUT")
        way = evaluator.Packet(evaluator.ELSEWHERE, port, port)
        chains = evaluator.specialise(rulesets[firewall_policy.NOTICE_TABLE], way, "PREROUTING")
        for name, source in sources.items():
            verdicts = evaluator.verdicts(rulesets["filter"], door, "INPUT", source)
            # Others are limited in rate, and so may be dropped.
            let_in = evaluator.ACCEPT in verdicts and (name == "others" or evaluator.DROP not in verdicts)
            if not let_in or evaluator.REDIRECT not in evaluator.outcomes(chains, "PREROUTING", source):
                found.append("%d does not lead %s to the notice" % (port, name))
    return found
