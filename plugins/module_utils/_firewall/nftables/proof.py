# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall policy held against what nft shows of the kernel: findings, from pure functions.

Our table must close the ports by itself. Whether the named sources get in is up to the other tables as well.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..._audit.findings import verdict
from .. import evaluate as evaluator, policy as firewall_policy, proof as firewall_proof
from ..iptables import parse as iptables_parse
from . import evaluate, rules

TABLE = "%s %s" % (rules.FAMILY, rules.TABLE)
# The ways of a packet: what it is called, its hook, our chain there, and what iptables calls that chain. The last also
# tells ../proof.py which way is meant.
WAYS = (
    ("to the host", "input", rules.HOST_CHAIN, "INPUT"),
    ("to containers", "forward", rules.CONTAINER_CHAIN, "FORWARD"),
)
# Where our chains hang: -140 is mangle + 10, -110 dstnat - 10.
PLACES = {
    rules.HOST_CHAIN: ("filter", "input", -140),
    rules.CONTAINER_CHAIN: ("filter", "forward", -140),
    rules.NOTICE_CHAIN: ("nat", "prerouting", -110),
}
# Where iptables may drop what our rules let through.
EARLY = ("raw PREROUTING", "mangle PREROUTING")
IPTABLES_CHAINS = {
    "INPUT": (*EARLY, "mangle INPUT", "filter INPUT"),
    "FORWARD": (*EARLY, "mangle FORWARD", "filter DOCKER-USER"),
}
# The priority at which destinations are translated.
TRANSLATION = -100


def prove(policy, family, text, saved=None):
    """Return the findings on one family.

    text: the output of `nft -j list ruleset`. saved: that of iptables-save, where there is one.
    """
    objects = evaluate.parse(text)
    name = "IPv%d " % family
    ports = ", ".join(firewall_policy.port_words(policy.ports))
    closed = "connections to %s from sources that are not named are dropped" % ports
    closed += firewall_proof.TURNED_AWAY[policy.stranger_action]
    own = {packet_way: own_chain(objects, family, hook, chain, packet_way) for _way, hook, chain, packet_way in WAYS}
    findings = [
        _finding(
            "RH-NET-03", name + way, closed, firewall_proof.open_doors(policy, family, own[packet_way], packet_way)
        )
        for way, _hook, _chain, packet_way in WAYS
    ]
    shut_in = [
        "%s: %s" % (way, problem)
        for way, _hook, _chain, packet_way in WAYS
        for problem in firewall_proof.closed_doors(policy, family, own[packet_way], packet_way)
    ]
    notice = own_chain(objects, family, "prerouting", rules.NOTICE_CHAIN, "PREROUTING", nat=True)
    rulesets = {"filter": own["INPUT"], firewall_policy.NOTICE_TABLE: notice}
    shut_in += firewall_proof.closed_notice(policy, family, rulesets)
    return [
        *findings,
        _finding(
            "RH-NET-03",
            name + "order of the rules",
            "the Redis chains hang at input and forward, behind conntrack and before the filters",
            misplaced(policy, objects),
        ),
        _finding(
            "RH-NET-02",
            name + "named sources",
            "the rules let them in",
            shut_in + shut_out(policy, family, text, saved),
            remediation="Run site.yml; its firewall role puts the table back. A drop of UFW or of another table counts "
            "too: let the named sources in there (docs/nftables.md).",
        ),
    ]


def shut_out(policy, family, text, saved=None, judged=()):
    """Return in words which named sources others drop; arguments as for prove().

    judged: chains of iptables, as in IPTABLES_CHAINS, that are left out because they are ours.
    """
    objects = evaluate.parse(text)
    return [
        "%s: %s" % (way, problem)
        for way, hook, _chain, packet_way in WAYS
        for problem in _shut_by_others(
            policy, family, list(other_chains(family, objects, saved, hook, packet_way, judged)), packet_way
        )
    ]


def _finding(control, subject, expected, problems, remediation=None):
    actual = "; ".join(problems[: firewall_proof.SHOWN]) or "so it is"
    if len(problems) > firewall_proof.SHOWN:
        actual += "; and %d more" % (len(problems) - firewall_proof.SHOWN)
    return verdict(control, not problems, expected, actual, subject=subject, remediation=remediation)


def own_chain(objects, family, hook, chain, packet_way, nat=False):
    """Return the ruleset of our chain, empty where it does not hang at its hook. A table has no flag but one that makes
    it dormant, or that binds it to a process that is not ours."""
    if not evaluate.table_flags(objects, TABLE):
        for base in evaluate.bases(objects, family, hook, packet_way, nat):
            if (base.table, base.chain) == (TABLE, chain):
                return base.ruleset
    return evaluator.Ruleset({packet_way: []}, {packet_way: evaluator.ACCEPT})


def misplaced(policy, objects):
    """Return in words how the places of our chains differ from what they should be."""
    found = []
    flags = evaluate.table_flags(objects, TABLE)
    if flags:
        found.append("the table %s has flags: %s" % (TABLE, flags))
    for name, place in PLACES.items():
        places = [
            (one.get("type"), one.get("hook"), one.get("prio"))
            for kind, one in objects
            if kind == "chain" and (one["family"], one["table"], one["name"]) == (rules.FAMILY, rules.TABLE, name)
        ]
        if not places and (name != rules.NOTICE_CHAIN or policy.notice):
            found.append("the chain %s of %s is missing" % (name, TABLE))
        elif places and places[0] != place:
            found.append("the chain %s of %s is a %s at %s with priority %s" % (name, TABLE, *places[0]))
    return found


def _shut_by_others(policy, family, others, packet_way):
    """Return in words which named sources one of the others surely drops. others: from other_chains()."""
    found = []
    for port, asked, networks in _welcome(policy, family, packet_way):
        for where, ruleset, early in others if networks else ():

            def arriving(interface, asked=asked, early=early):
                packet = asked(interface)
                return replace(packet, port=packet.original_port) if early else packet

            parts = firewall_proof.shut_parts(
                *(policy, family, ruleset, packet_way, networks, arriving),
                lambda outcomes: outcomes == {evaluator.DROP},
            )
            found += ["%d is closed to %s by %s" % (port, part, where) for part in parts]
    return found


def _welcome(policy, family, packet_way):
    """Yield (port, interface -> packet, networks) for each port: how somebody may come, and who."""
    for port in policy.ports:

        def asked(interface, port=port):
            return firewall_proof.packets(policy, port, packet_way, interface, "NEW")[0]

        yield port, asked, policy.named(port, family, containers=True)
    for port in policy.reserved if policy.notice and packet_way == "INPUT" else ():
        yield port, partial(firewall_proof.led_packet, port), policy.named(port, family)


def other_chains(family, objects, saved, hook, packet_way, judged=()):
    """Yield (where, ruleset, whether the packet's destination is not translated yet) of all that a packet passes beside
    our rules. Tables of iptables are read from its own output, because nft can't show its matches."""
    tables_of_iptables = set()
    if saved is not None:
        tables_of_iptables = {line[1:] for line in saved.splitlines() if line.startswith("*")}
        for place in IPTABLES_CHAINS[packet_way]:
            table, chain = place.split()
            if place in judged:
                continue
            ruleset = iptables_parse.parse(saved, table)
            if chain in ruleset.chains:
                renamed = {**ruleset.chains, packet_way: ruleset.chains[chain]}
                policies = {packet_way: ruleset.policies.get(chain, "-")}
                yield "%s of iptables" % place, evaluator.Ruleset(renamed, policies), place in EARLY
    for base in evaluate.bases(objects, family, "prerouting", packet_way) + evaluate.bases(
        objects, family, hook, packet_way
    ):
        own = base.table == TABLE
        xtables = base.table.split()[0] != "inet" and base.table.split(" ", 1)[1] in tables_of_iptables
        if not own and not xtables:
            early = base.hook == "prerouting" and base.priority <= TRANSLATION
            yield "the chain %s of %s" % (base.chain, base.table), base.ruleset, early
