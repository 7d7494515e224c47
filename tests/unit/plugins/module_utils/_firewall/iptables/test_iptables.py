# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""From the policy to iptables rules."""

from __future__ import annotations

import ipaddress

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    evaluate as evaluator,
    policy as firewall_policy,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    parse as iptables_parse,
    rules as iptables_rules,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.policy import build_policy
from hypothesis import given, strategies as st


def entry(port, *sources, purpose="data"):
    return {"port": port, "sources": list(sources), "purpose": purpose}


def test_port_words():
    assert firewall_policy.port_words([1, 3, 4, 6, 7, 8]) == ["1", "3:4", "6:8"]
    assert firewall_policy.port_words([]) == []


PORTS = st.sets(st.integers(1, 65535) | st.integers(1, 40), min_size=1, max_size=60).map(sorted)


@given(PORTS)
def test_multiports_say_the_same_in_legal_pieces(ports):
    found = []
    for value in iptables_rules.multiports(ports):
        words = value.split(",")
        assert sum(2 if ":" in word else 1 for word in words) <= 15
        for word in words:
            first, _colon, last = word.partition(":")
            found += range(int(first), int(last or first) + 1)
    assert found == ports


def networks(version):
    bits, kind = (32, ipaddress.IPv4Network) if version == 4 else (128, ipaddress.IPv6Network)
    base = int(ipaddress.ip_address("10.0.0.0" if version == 4 else "fd00::"))
    # A small corner of the address space, so that networks overlap.
    return st.builds(
        lambda offset, length: kind((base + offset, length), strict=False),
        st.integers(0, 255),
        st.integers(bits - 8, bits),
    )


POLICIES = st.builds(
    lambda entries, reserved: build_policy(
        [entry(port, *map(str, named)) for port, named in entries], reserved, ["br-+"]
    ),
    st.lists(st.tuples(st.integers(7000, 7006), st.lists(networks(4) | networks(6), max_size=4)), max_size=6),
    st.lists(st.integers(7004, 7009), min_size=1, max_size=3),
)


def ruleset(policy, family, table):
    # In mangle and DOCKER-USER our chain is entered by a jump, as in the kernel.
    text = iptables_rules.rules_file(iptables_rules.render(policy, family))
    jumps = {"filter": "-A INPUT -p tcp -j REDIS-PORTS", "mangle": "-A FORWARD -p tcp -j REDIS-PORTS-DOCKER"}
    return iptables_parse.parse(text.replace("*%s\n" % table, "*%s\n%s\n" % (table, jumps[table])), table)


@given(POLICIES, st.sampled_from([4, 6]), st.integers(6999, 7010), st.integers(0, 300), st.data())
def test_rules_let_in_exactly_the_named(policy, family, port, offset, data):
    base = ipaddress.ip_address("10.0.0.0" if family == 4 else "fd00::")
    source = base + offset
    guarded = port in policy.sources
    named = guarded and any(source in network for network in policy.sources[port] if network.version == family)
    state = data.draw(st.sampled_from(["NEW", "ESTABLISHED"]))

    def verdict(table, hook, packet):
        rules = ruleset(policy, family, table)
        return evaluator.verdicts(rules, evaluator.specialise(rules, packet, hook), hook, source)

    expected = {evaluator.ACCEPT} if named or not guarded else {evaluator.DROP}
    assert verdict("filter", "INPUT", evaluator.Packet("eth0", port, port, state)) == expected
    assert verdict("filter", "INPUT", evaluator.Packet("lo", port, port, state)) == {evaluator.ACCEPT}
    # Published as this port, whatever the container calls it; and the container's port, published as another.
    assert verdict("mangle", "FORWARD", evaluator.Packet("eth0", 80, port, state)) == expected
    closed = {evaluator.DROP} if guarded else {evaluator.ACCEPT}
    assert verdict("mangle", "FORWARD", evaluator.Packet("eth0", port, 80, state)) == closed
    assert verdict("mangle", "FORWARD", evaluator.Packet("br-1", port, port, state)) == {evaluator.ACCEPT}


@given(POLICIES, st.sampled_from([4, 6]))
def test_names_and_rules_are_legal(policy, family):
    for chains in iptables_rules.render(policy, family).values():
        used = {rule.split()[-1] for rules in chains.values() for rule in rules if rule.split()[-2] in ("-j", "-g")}
        assert used - {"ACCEPT", "DROP", "RETURN"} == set(chains) - {"REDIS-PORTS", "REDIS-PORTS-DOCKER"}
        assert all(len(chain) < 29 for chain in chains)


def test_sources_of_a_reserved_port_reach_the_host_but_no_container():
    policy = build_policy([entry(6379, "10.0.0.1", purpose="reserved"), entry(7000, "10.0.0.1")], [6380], [])
    assert policy.reserved == (6379, 6380)
    rules = iptables_rules.render(policy, 4)["filter"]
    assert [rule for rule in rules["REDIS-PORTS"] if "6379" in rule][0].endswith("-j REDIS-PORTS-6379")
    assert not [rule for rule in rules["REDIS-PORTS-DOCKER"] if "6379" in rule and "-g" in rule.split()]
    assert [rule for rule in rules["REDIS-PORTS-DOCKER"] if "7000" in rule and "-g" in rule.split()]
