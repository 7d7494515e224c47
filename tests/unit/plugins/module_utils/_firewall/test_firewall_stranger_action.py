# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who meets what on the reserved ports: from the policy to rules, and from rules to the proof."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    evaluate as evaluator,
    policy as firewall_policy,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    kernel as iptables_kernel,
    parse as iptables_parse,
    proof as iptables_proof,
    rules as iptables_rules,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import networks as host_networks
from hypothesis import given, strategies as st

FAMILIES = st.sampled_from(firewall_policy.FAMILIES)
STRANGER_ACTIONS = st.sampled_from(firewall_policy.STRANGER_ACTIONS)
NAMED = {4: "10.20.0.5", 6: "fd00:20::5"}
STRANGER = {4: "198.51.100.9", 6: "2001:db8::9"}
BOTH = list(NAMED.values())


def policy(stranger_action="drop", notice=True, reserved_sources=()):
    entries = [
        {"port": 7000, "sources": BOTH, "purpose": "data"},
        {"port": 7100, "sources": [], "purpose": "data"},
        {"port": 6381, "sources": list(reserved_sources), "purpose": "reserved"},
    ]
    return firewall_policy.build_policy(entries, [6379, 6380], ["docker0"], stranger_action, notice)


def saved(one, family):
    """Return what iptables-save shows of a host that is as the policy wants it."""
    lines = []
    for table, chains in iptables_rules.render(one, family).items():
        lines.append("*" + table)
        lines += [":%s - [0:0]" % chain for chain in [*chains, *(["DOCKER-USER"] if table == "filter" else [])]]
        lines += ["-A %s %s" % (chain, rule) for jump, chain, rule in iptables_kernel.JUMPS if jump == table]
        lines += ["-A %s %s" % (chain, rule) for chain, rules in chains.items() for rule in rules]
        lines.append("COMMIT")
    return "\n".join([*lines, ""])


def verdicts(text, packet, source, table="filter", hook="INPUT"):
    rules = iptables_parse.parse(text, table)
    chains = evaluator.specialise(rules, packet, hook)
    return evaluator.verdicts(rules, chains, hook, ipaddress.ip_address(source))


@given(
    STRANGER_ACTIONS,
    FAMILIES,
    st.booleans(),
    st.sampled_from([6379, 6380, 6381]),
    st.sampled_from(["NEW", "ESTABLISHED"]),
)
def test_the_reserved_ports_themselves_are_closed_to_everyone(stranger_action, family, notice, port, state):
    """So that a Redis that gets one of them by accident is reached by nobody."""
    text = saved(policy(stranger_action, notice), family)
    packet = evaluator.Packet("eth0", port, port, state)
    for source in (NAMED[family], STRANGER[family]):
        assert verdicts(text, packet, source) == {evaluator.DROP}


@given(STRANGER_ACTIONS, FAMILIES, st.integers(1, 65535), st.sampled_from(["NEW", "ESTABLISHED"]))
def test_the_notice_is_reached_by_way_of_a_reserved_port_only(stranger_action, family, asked, state):
    text = saved(policy(stranger_action), family)
    packet = evaluator.Packet("eth0", firewall_policy.NOTICE_PORT, asked, state)
    reserved = asked in (6379, 6380, 6381)
    limited = {evaluator.ACCEPT, evaluator.DROP} if state == "NEW" else {evaluator.ACCEPT}
    world = limited if stranger_action == "notice" and reserved else {evaluator.DROP}
    assert verdicts(text, packet, STRANGER[family]) == world
    assert verdicts(text, packet, NAMED[family]) == ({evaluator.ACCEPT} if reserved else {evaluator.DROP})


@pytest.mark.parametrize("family", firewall_policy.FAMILIES)
@pytest.mark.parametrize("stranger_action", firewall_policy.STRANGER_ACTIONS)
def test_only_those_who_may_see_the_notice_are_led_to_it(stranger_action, family):
    text = saved(policy(stranger_action), family)
    for port in (6379, 6380, 6381, 7000, 22):
        packet = evaluator.Packet("eth0", port, port)
        for source, may in ((NAMED[family], True), (STRANGER[family], stranger_action == "notice")):
            led = evaluator.REDIRECT in verdicts(text, packet, source, "nat", "PREROUTING")
            assert led is (may and port in (6379, 6380, 6381))
    # What containers send is theirs.
    packet = evaluator.Packet("docker0", 6379, 6379)
    assert evaluator.REDIRECT not in verdicts(text, packet, NAMED[family], "nat", "PREROUTING")


def test_without_a_notice_nat_is_left_alone():
    for stranger_action in ("drop", "reject"):
        one = policy(stranger_action, notice=False)
        assert not one.notice
        assert "nat" not in iptables_rules.render(one, 4)
        assert firewall_policy.NOTICE_PORT not in one.ports


def test_the_notice_is_not_for_nothing():
    """It comes with the stranger_action, and with the sources of a reserved port, which then are the only ones."""
    assert policy("notice", notice=False).notice
    one = policy(notice=False, reserved_sources=BOTH)
    assert one.notice
    assert one.named(6379, 4) == ()
    assert list(one.reader_groups(4)) == [([6381], (ipaddress.ip_network("10.20.0.5/32"),))]
    assert not firewall_policy.build_policy(
        [{"port": 7000, "sources": [], "purpose": "data"}], [], [], "notice", True
    ).notice


def test_its_port_is_its_own():
    entries = [{"port": firewall_policy.NOTICE_PORT, "sources": [], "purpose": "data"}]
    with pytest.raises(host_networks.PolicyProblem, match="ports: 63790 is the notice's own; give Redis another port"):
        firewall_policy.build_policy(entries, [6379], [], notice=True)
    assert firewall_policy.build_policy(entries, [6379], []).ports == [6379, firewall_policy.NOTICE_PORT]


def test_rejected_are_the_reserved_ports_only():
    rules = iptables_rules.render(policy("reject", notice=False), 4)["filter"]
    assert [rule for rule in rules["REDIS-PORTS"] if "REJECT" in rule] == [
        "-p tcp -m multiport --dports 6379:6381 -j REJECT --reject-with tcp-reset"
    ]
    assert not [rule for rule in rules["REDIS-PORTS-DOCKER"] if "REJECT" in rule]


def proof(one, family, text):
    """Return subject (without the family) -> actual of the findings that are no pass."""
    findings = iptables_proof.prove(one, family, text)
    assert len(findings) == 5
    return {found["subject"][5:]: found["actual"] for found in findings if found["status"] != "pass"}


@pytest.mark.parametrize("family", firewall_policy.FAMILIES)
@pytest.mark.parametrize("notice", [False, True])
@pytest.mark.parametrize("stranger_action", firewall_policy.STRANGER_ACTIONS)
def test_a_kernel_as_it_should_be_passes(stranger_action, notice, family):
    one = policy(stranger_action, notice)
    text = saved(one, family)
    assert proof(one, family, text) == {}
    assert iptables_kernel.differences(iptables_kernel.parse_save(text), iptables_rules.render(one, family)) == []


def test_what_one_action_opened_is_open_to_the_proof_of_another():
    text = saved(policy("notice"), 4)
    assert list(proof(policy("drop"), 4, text)) == ["to the host"]
    assert list(proof(policy("drop", notice=False), 4, text)) == ["order of the rules"]
    assert list(proof(policy("notice"), 4, saved(policy("drop"), 4))) == ["named sources"]


HOST, NAMES, ORDER = "to the host", "named sources", "order of the rules"
INPUT, NAT = "-A INPUT -p tcp -j REDIS-PORTS\n", "-A PREROUTING -p tcp -j REDIS-PORTS\n"
LIMIT = "-m hashlimit %s %s " % (iptables_rules.NOTICE_RATE, iptables_rules.NOTICE_TABLE_SIZE)


@pytest.mark.parametrize(
    ("old", "new", "subjects"),
    [
        (INPUT, INPUT + "-A REDIS-PORTS -p tcp -m tcp --dport 6379 -j ACCEPT\n", [HOST]),
        (INPUT, INPUT + "-A REDIS-PORTS -p tcp -m tcp --dport 63790 -j ACCEPT\n", [HOST]),
        (LIMIT, "", [HOST]),
        (NAT, "", [ORDER, NAMES]),
        ("-A REDIS-PORTS -p tcp -m multiport --dports 6379:6381 -j REDIRECT --to-ports 63790\n", "", [NAMES]),
        (
            ":REDIS-PORTS-6379 - [0:0]\n",
            ":REDIS-PORTS-6379 - [0:0]\n-A REDIS-PORTS-6379 -s 10.20.0.5/32 -j DROP\n",
            [NAMES],
        ),
    ],
)
def test_each_way_to_spoil_it_is_seen(old, new, subjects):
    one = policy("notice")
    text = saved(one, 4)
    changed = text.replace(old, new, 1)
    assert changed != text
    assert list(proof(one, 4, changed)) == subjects


def test_leftovers_in_nat_are_told():
    found = iptables_kernel.differences(
        iptables_kernel.parse_save(saved(policy(), 4)), iptables_rules.render(policy(notice=False), 4)
    )
    assert "the chain REDIS-PORTS of nat is left over" in found
    assert "the chain REDIS-PORTS-6379 of nat is left over" in found
