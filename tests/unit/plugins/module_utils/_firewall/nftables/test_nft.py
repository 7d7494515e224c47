# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the policy to a table of nftables."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import rules as iptables_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import rules as nftables_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import networks as host_networks
from hypothesis import given, strategies as st
from test_firewall_kernel import POLICY

LED = "tcp dport 63790 ct direction original ct original proto-dst "
LIMITED = LED + "@reserved ct state new update @knocks%d { %s limit rate 20/minute burst 10 packets } counter accept"


def policy(*ports, reserved=(), bridges=(), stranger_action="drop", notice=False):
    entries = [{"port": port, "sources": sources, "purpose": purpose} for port, sources, purpose in ports]
    return firewall_policy.build_policy(entries, list(reserved), list(bridges), stranger_action, notice)


def chain(text, name):
    """Return the rules of a chain."""
    body = text.split("\tchain %s {\n" % name)[1].split("\t}")[0]
    return [line.strip() for line in body.splitlines()][1:]


def test_is_one_replacement_of_the_whole_table():
    lines = nftables_rules.render(POLICY).splitlines()
    assert lines[1:4] == ["table inet redis_ports", "delete table inet redis_ports", "table inet redis_ports {"]
    assert lines[-1] == "}"
    assert sum(line.startswith(("table", "delete", "flush", "add")) for line in lines) == 3


def test_the_rules():
    text = nftables_rules.render(
        policy((6379, ["10.0.0.5", "fd00::/64"], "data"), (7000, [], "data"), bridges=["docker0", "br-+"])
    )
    assert chain(text, "host") == [
        'iifname "lo" accept',
        "tcp dport @ports4_6379 ip saddr @sources4_6379 counter accept",
        "tcp dport @ports6_6379 ip6 saddr @sources6_6379 counter accept",
        "tcp dport @guarded counter drop",
    ]
    original = "meta l4proto tcp ct direction original ct original proto-dst "
    assert chain(text, "containers") == [
        'iifname "docker0" accept',
        'iifname "br-*" accept',
        original + "@ports4_6379 ip saddr @sources4_6379 counter accept",
        original + "@ports6_6379 ip6 saddr @sources6_6379 counter accept",
        original + "@guarded counter drop",
        "tcp dport @guarded counter drop",
    ]
    assert text.count("type filter hook input priority mangle + 10; policy accept;") == 1
    assert text.count("type filter hook forward priority mangle + 10; policy accept;") == 1
    assert "established" not in text


DROPPED = "meta l4proto tcp ct direction original ct original proto-dst @reserved counter drop"


@pytest.mark.parametrize(
    ("stranger_action", "rules"),
    [("drop", [DROPPED]), ("reject", ["tcp dport @reserved counter reject with tcp reset", DROPPED])],
)
def test_reserved_ports_without_a_notice(stranger_action, rules):
    one = policy((6379, ["10.0.0.5"], "data"), reserved=[6380, 7002], stranger_action=stranger_action)
    text = nftables_rules.render(one)
    assert chain(text, "host")[2:] == [*rules, "tcp dport @guarded counter drop"]
    assert "elements = { 6380, 7002 }" in text
    assert "63790" not in text
    assert "chain notice" not in text


@pytest.mark.parametrize("stranger_action", ["drop", "reject", "notice"])
def test_the_notice(stranger_action):
    one = policy(
        (7000, ["10.0.0.5"], "data"),
        reserved=[6379, 6380],
        bridges=["br-+"],
        stranger_action=stranger_action,
        notice=True,
    )
    text = nftables_rules.render(one)
    rules = chain(text, "host")
    named = [LED + "@notice_ports4_6379 ip saddr @readers4_6379 counter accept"]
    world = [LED + "@reserved ct state established accept", LIMITED % (4, "ip saddr")]
    world += [LIMITED % (6, "ip6 saddr & ffff:ffff:ffff:ffff::")]
    # The reserved ports themselves are open to nobody.
    assert rules[1] == "tcp dport @ports4_7000 ip saddr @sources4_7000 counter accept"
    assert rules[2:] == [
        *(named + (world if stranger_action == "notice" else [])),
        *(["tcp dport @reserved counter reject with tcp reset"] if stranger_action == "reject" else []),
        DROPPED,
        "tcp dport @guarded counter drop",
    ]
    assert "elements = { 6379, 6380, 7000, 63790 }" in text
    assert chain(text, "notice") == [
        "fib daddr type != local return",
        'iifname "br-*" return',
        "tcp dport @notice_ports4_6379 ip saddr @readers4_6379 redirect to :63790",
        *(["tcp dport @reserved redirect to :63790"] if stranger_action == "notice" else []),
    ]
    assert ("set knocks4 {" in text) == (stranger_action == "notice")
    # Containers are none of the stranger_action's business, and their reserved ports are open to nobody.
    assert "reserved" not in "".join(chain(text, "containers"))
    assert "redirect" not in "".join(chain(text, "containers"))


def test_the_limit_is_that_of_iptables():
    assert "--hashlimit-upto 20/min --hashlimit-burst 10 " in iptables_rules.NOTICE_RATE
    assert str(nftables_rules.NOTICE_SOURCES) in iptables_rules.NOTICE_TABLE_SIZE


def test_an_action_without_reserved_ports():
    for stranger_action in firewall_policy.STRANGER_ACTIONS:
        assert "reserved" not in nftables_rules.render(policy((6379, [], "data"), stranger_action=stranger_action))


def test_elements_do_not_overlap():
    text = nftables_rules.render(
        policy((6379, ["10.0.0.0/24", "10.0.0.7", "10.0.1.0/25", "10.0.0.0/8", "11.0.0.1"], "data"))
    )
    assert "elements = { 10.0.0.0/8, 11.0.0.1 }" in text


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), min_size=1, max_size=20))
def test_elements_mean_the_same_addresses(pairs):
    networks = {ipaddress.ip_network("10.0.0.%d/%d" % (last, length), strict=False) for last, length in pairs}
    kept = host_networks.outermost(sorted(networks, key=host_networks._network_order))
    assert {int(one) for network in kept for one in network} == {int(one) for network in networks for one in network}
    assert not any(one != other and one.overlaps(other) for one in kept for other in kept)


@pytest.mark.parametrize(
    ("pattern", "written"),
    [("docker0", '"docker0"'), ("br-+", '"br-*"'), ("odd*", '"odd\\*"'), ("o*d", '"o*d"')],
)
def test_interfaces(pattern, written):
    assert (
        chain(nftables_rules.render(policy((6379, [], "data"), bridges=[pattern])), "containers")[0]
        == "iifname %s accept" % written
    )


def test_groups_share_no_set():
    ports = [(6379, ["10.0.0.5"], "data"), (6380, ["10.0.0.5", "fd00::5"], "data"), (7000, ["10.0.0.6"], "data")]
    text = nftables_rules.render(policy(*ports, reserved=[6390], notice=True))
    names = [line.split()[1] for line in text.splitlines() if line.startswith("\tset ")]
    assert names == [
        *("guarded", "reserved", "ports4_6379", "sources4_6379", "ports4_7000", "sources4_7000"),
        *("notice_ports4_6390", "readers4_6390", "ports6_6380", "sources6_6380", "notice_ports6_6390", "readers6_6390"),
    ]
