# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the policy to rules."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import rules as iptables_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.policy import build_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import networks as host_networks
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.networks import PolicyProblem


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
    assert host_networks.parse_source(text) == ipaddress.ip_network(network)


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
        host_networks.parse_source(text)


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
    for family in firewall_policy.FAMILIES:
        assert iptables_rules.render(one, family) == iptables_rules.render(other, family)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("docker0", "docker0", True), ("docker0", "docker01", False), ("br-+", "br-1", True), ("br-+", "br1", False)],
)
def test_interfaces(pattern, name, expected):
    assert firewall_policy.matches_interface(pattern, name) is expected


def test_a_port_with_a_use_is_not_reserved():
    entries = [entry(6379, purpose="reserved"), entry(6379, "10.0.0.1")]
    assert build_policy(entries, [6379, 6380], []).reserved == (6380,)
