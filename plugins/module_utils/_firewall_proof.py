# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall policy held against what iptables-save shows of the kernel: findings, from pure functions."""

from __future__ import annotations

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall, _firewall_kernel
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall_eval as evaluator
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._findings import verdict

# How many problems a finding names.
SHOWN = 3


# The ways of a packet: what it is called, and the table and chain in which it is judged. To containers each of two
# chains must close the ports by itself: the first is always passed, the second is where Docker's users look.
WAYS = (
    ("to the host", "filter", "INPUT"),
    ("to containers", "mangle", "FORWARD"),
    ("to containers, by DOCKER-USER", "filter", "DOCKER-USER"),
)


def prove(policy, family, text):
    """Return the findings on one family; text is the output of iptables-save."""
    rulesets = {table: evaluator.parse(text, table) for table in _firewall.TABLES}
    ports = ", ".join(_firewall.port_words(policy.ports))
    closed = "connections to %s from sources that are not named are dropped" % ports
    name = "IPv%d " % family
    findings = [
        _finding("RH-NET-03", name + way, closed, open_doors(policy, family, rulesets[table], chain))
        for way, table, chain in WAYS
    ]
    order = _firewall_kernel.jump_differences(_firewall_kernel.parse_save(text))
    shut_out = [
        "%s: %s" % (way, problem)
        for way, table, chain in WAYS
        for problem in closed_doors(policy, family, rulesets[table], chain)
    ]
    return [
        *findings,
        _finding("RH-NET-03", name + "order of the rules", "the Redis chains come first", order),
        _finding(
            *("RH-NET-02", name + "named sources", "the rules let them in", shut_out),
            remediation="Run site.yml; its firewall role puts the rules back.",
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


def open_doors(policy, family, ruleset, hook):
    """Return in words which guarded ports let somebody in whom the policy does not name."""
    found = []
    for port in policy.ports:
        named = policy.named(port, family, containers=hook != "INPUT")
        for interface in outer_interfaces(policy, ruleset, hook):
            way = "any interface" if interface == evaluator.ELSEWHERE else interface
            # New connections, and those that a source has kept from when it was named.
            for state, note in (("NEW", ""), ("ESTABLISHED", ", to connections that exist already")):
                tried = packets(policy, port, hook, interface, state)
                sources = [_let_in(ruleset, packet, hook, family, named) for packet in tried]
                source = next((one for one in sources if one), None)
                if source:
                    found.append("%d is open to %s by %s%s" % (port, source, way, note))
                    break
    return found


def outer_interfaces(policy, ruleset, hook):
    """Return the interfaces by which somebody else's packets come in. Containers' own are left alone on their way to
    other places, not on their way to the host."""
    return [
        name
        for name in ruleset.interfaces()
        if name != "lo"
        and not (hook != "INPUT" and any(_firewall.matches_interface(one, name) for one in policy.bridges))
    ]


def _let_in(ruleset, packet, hook, family, named):
    """Return the first source outside the named ones whose packet is not surely dropped."""
    chains = evaluator.specialise(ruleset, packet, hook)
    for source in evaluator.strangers(chains, family, named):
        if evaluator.verdicts(ruleset, chains, hook, source) != {evaluator.DROP}:
            return source
    return None


def closed_doors(policy, family, ruleset, hook):
    """Return in words which named sources the rules may drop. What comes after our chains is Docker's business."""
    found = []
    for port in policy.ports:
        packet = packets(policy, port, hook, evaluator.ELSEWHERE, "NEW")[0]
        chains = evaluator.specialise(ruleset, packet, hook)
        for network in policy.named(port, family, containers=hook != "INPUT"):
            verdicts = evaluator.verdicts(ruleset, chains, hook, network[0])
            if evaluator.DROP in verdicts:
                found.append("%d is closed to %s" % (port, network))
    return found
