# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall policy held against what iptables-save shows of the kernel: findings, from pure functions."""

from __future__ import annotations

from .._audit.findings import verdict
from .._host import networks as host_networks
from . import evaluate as evaluator, policy as firewall_policy
from .iptables import kernel as iptables_kernel, rules as iptables_rules

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


def prove(policy, family, text, shut_elsewhere=()):
    """Return the findings on one family.

    text: the output of iptables-save. shut_elsewhere: in words, which named sources other tables drop.
    """
    rulesets = {table: evaluator.parse(text, table) for table in (*iptables_rules.TABLES, iptables_rules.NOTICE_TABLE)}
    ports = ", ".join(iptables_rules.port_words(policy.ports))
    closed = "connections to %s from sources that are not named are dropped" % ports + TURNED_AWAY[policy.audience]
    name = "IPv%d " % family
    findings = [
        _finding("RH-NET-03", name + way, closed, open_doors(policy, family, rulesets[table], chain))
        for way, table, chain in WAYS
    ]
    kernel = iptables_kernel.parse_save(text)
    order = iptables_kernel.jump_differences(kernel, iptables_rules.render(policy, family))
    if not policy.notice and iptables_rules.INPUT_CHAIN in kernel[iptables_rules.NOTICE_TABLE]:
        order.append("clients are led to a notice, which the policy does not have")
    shut_out = [
        "%s: %s" % (way, problem)
        for way, table, chain in WAYS
        for problem in closed_doors(policy, family, rulesets[table], chain)
    ]
    shut_out += closed_notice(policy, family, rulesets)
    return [
        *findings,
        _finding("RH-NET-03", name + "order of the rules", "the Redis chains come first", order),
        _finding(
            *("RH-NET-02", name + "named sources", "the rules let them in", [*shut_out, *shut_elsewhere]),
            remediation="Run site.yml; its firewall role puts the rules back."
            + (" Let the named sources in by the other tables as well." if shut_elsewhere else ""),
        ),
    ]


def _finding(control, subject, expected, problems, remediation=None):
    actual = "; ".join(problems[:SHOWN]) or "so it is"
    if len(problems) > SHOWN:
        actual += "; and %d more" % (len(problems) - SHOWN)
    return verdict(control, not problems, expected, actual, subject=subject, remediation=remediation)


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
        chains = evaluator.specialise(rulesets[iptables_rules.NOTICE_TABLE], way, "PREROUTING")
        for name, source in sources.items():
            verdicts = evaluator.verdicts(rulesets["filter"], door, "INPUT", source)
            # Others are limited in rate, and so may be dropped.
            let_in = evaluator.ACCEPT in verdicts and (name == "others" or evaluator.DROP not in verdicts)
            if not let_in or evaluator.REDIRECT not in evaluator.outcomes(chains, "PREROUTING", source):
                found.append("%d does not lead %s to the notice" % (port, name))
    return found
