# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the policy to rules."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall_eval as evaluator
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import PolicyProblem, build_policy
from hypothesis import given
from hypothesis import strategies as st


def entry(port, *sources, purpose="data"):
    return {"port": port, "sources": list(sources), "purpose": purpose}


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.5", "10.0.0.5/32"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
        ("FD00:1:0::/64", "fd00:1::/64"),
        ("fe80::1", "fe80::1/128"),
    ],
)
def test_sources(text, network):
    assert _firewall.parse_source(text) == ipaddress.ip_network(network)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.5/24", "write 10.0.0.0/24 for the network, or 10.0.0.5 for the one address"),
        ("fd00::1/64", "write fd00::/64 for the network, or fd00::1"),
        ("10.0.0.256", "neither an address nor a network"),
        ("10.0.0", "neither"),
        ("10.0.0.010", "neither"),
        ("", "neither"),
        (" 10.0.0.5", "neither"),
        ("app.example.com", "makes addresses of groups, hosts and names"),
        ("0.0.0.0/0", "is everyone"),
        ("::/0", "is everyone"),
        ("::ffff:10.0.0.5", "write it as IPv4"),
        ("fe80::1%eth0", "names an interface"),
        ("224.0.0.1", "can't be the source"),
        ("0.0.0.0", "can't be the source"),
    ],
)
def test_refused_sources(text, message):
    with pytest.raises(PolicyProblem, match="(?s).*" + message.replace("(", r"\(")):
        _firewall.parse_source(text)


def test_all_problems_are_told_at_once():
    with pytest.raises(PolicyProblem) as refused:
        build_policy(
            [entry(0), entry(6379, "here")],
            [65536],
            ["", "+", "br 1", "br-+x", "a" * 16],
        )
    text = str(refused.value)
    for part in (
        "ports[0] (port 0): a port",
        "ports[1] (port 6379): 'here'",
        "reserved_ports: 65536",
        "docker_bridges: ''",
        "'+'",
        "'br 1'",
        "'br-+x'",
        "'aaaaaaaaaaaaaaaa'",
    ):
        assert part in text


def test_nothing_to_guard_is_refused():
    with pytest.raises(PolicyProblem, match="nothing to guard"):
        build_policy([], [], [])


def test_entries_of_one_port_are_merged():
    policy = build_policy(
        [entry(6379, "10.0.0.2", "10.0.0.1"), entry(6379, "fd00::/64", "10.0.0.2"), entry(7000)], [6379, 6380], []
    )
    assert policy.ports == [6379, 6380, 7000]
    assert [str(network) for network in policy.sources[6379]] == ["10.0.0.1/32", "10.0.0.2/32", "fd00::/64"]
    assert policy.sources[6380] == policy.sources[7000] == ()


def test_loopback_needs_no_rule():
    policy = build_policy([entry(6379, "127.0.0.1", "::1", "127.0.0.0/8", "10.0.0.1")], [], [])
    assert [str(network) for network in policy.sources[6379]] == ["10.0.0.1/32"]


def test_order_of_the_policy_does_not_matter():
    one = build_policy([entry(1, "10.0.0.1", "fd00::1"), entry(2, "10.0.0.0/24")], [3, 4], ["docker0"])
    other = build_policy([entry(2, "10.0.0.0/24"), entry(1, "fd00::1", "10.0.0.1")], [4, 3], ["docker0"])
    for family in _firewall.FAMILIES:
        assert _firewall.render(one, family) == _firewall.render(other, family)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("docker0", "docker0", True), ("docker0", "docker01", False), ("br-+", "br-1", True), ("br-+", "br1", False)],
)
def test_interfaces(pattern, name, expected):
    assert _firewall.matches_interface(pattern, name) is expected


def test_port_words():
    assert _firewall.port_words([1, 3, 4, 6, 7, 8]) == ["1", "3:4", "6:8"]
    assert _firewall.port_words([]) == []


PORTS = st.sets(st.integers(1, 65535) | st.integers(1, 40), min_size=1, max_size=60).map(sorted)


@given(PORTS)
def test_multiports_say_the_same_in_legal_pieces(ports):
    found = []
    for value in _firewall.multiports(ports):
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
    text = _firewall.rules_file(_firewall.render(policy, family))
    jumps = {"filter": "-A INPUT -p tcp -j REDIS-PORTS", "mangle": "-A FORWARD -p tcp -j REDIS-PORTS-DOCKER"}
    return evaluator.parse(text.replace("*%s\n" % table, "*%s\n%s\n" % (table, jumps[table])), table)


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
    for chains in _firewall.render(policy, family).values():
        used = {rule.split()[-1] for rules in chains.values() for rule in rules if rule.split()[-2] in ("-j", "-g")}
        assert used - {"ACCEPT", "DROP", "RETURN"} == set(chains) - {"REDIS-PORTS", "REDIS-PORTS-DOCKER"}
        assert all(len(chain) < 29 for chain in chains)


def test_sources_of_a_reserved_port_reach_the_host_but_no_container():
    policy = build_policy([entry(6379, "10.0.0.1", purpose="reserved"), entry(7000, "10.0.0.1")], [6380], [])
    assert policy.reserved == (6379, 6380)
    rules = _firewall.render(policy, 4)["filter"]
    assert [rule for rule in rules["REDIS-PORTS"] if "6379" in rule][0].endswith("-j REDIS-PORTS-6379")
    assert not [rule for rule in rules["REDIS-PORTS-DOCKER"] if "6379" in rule and "-g" in rule.split()]
    assert [rule for rule in rules["REDIS-PORTS-DOCKER"] if "7000" in rule and "-g" in rule.split()]


def test_a_port_with_a_use_is_not_reserved():
    entries = [entry(6379, purpose="reserved"), entry(6379, "10.0.0.1")]
    assert build_policy(entries, [6379, 6380], []).reserved == (6380,)
