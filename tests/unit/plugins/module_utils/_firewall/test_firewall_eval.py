# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a packet."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import evaluate as evaluator
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.evaluate import Packet
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import parse as iptables_parse
from hypothesis import given, strategies as st

SOURCE = ipaddress.ip_address("10.0.0.5")


def verdicts(rules, packet=None, policy="ACCEPT", source=SOURCE):
    text = "*filter\n:INPUT %s [0:0]\n%s\nCOMMIT\n" % (policy, "\n".join("-A " + rule for rule in rules))
    ruleset = iptables_parse.parse(text, "filter")
    chains = evaluator.specialise(ruleset, packet or Packet("eth0", 6379, 6379), "INPUT")
    return "/".join(sorted(evaluator.verdicts(ruleset, chains, "INPUT", source)))


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "-s 10.0.0.0/24",
        "! -s 10.0.1.0/24",
        "-i eth0",
        "-i eth+",
        "! -i lo",
        "-p tcp",
        "-p 6",
        "-p tcp -m tcp --dport 6379",
        "-p tcp -m tcp ! --dport 22",
        "-p tcp -m multiport --dports 22,6000:7000",
        "-m conntrack --ctstate NEW",
        "-m conntrack ! --ctstate RELATED,ESTABLISHED",
        "-m state --state NEW,RELATED",
        "-m conntrack --ctorigdstport 6379 --ctdir ORIGINAL",
        "-m conntrack --ctproto 6",
        '-m comment --comment "not -s 10.9.9.9"',
    ],
)
def test_conditions_that_match(condition):
    assert verdicts(["INPUT %s -j DROP" % condition]) == "DROP"


@pytest.mark.parametrize(
    "condition",
    [
        "-s 10.0.1.0/24",
        "! -s 10.0.0.0/24",
        "-i lo",
        "! -i eth+",
        "-p udp",
        "! -p tcp",
        "-p tcp -m tcp --dport 6380",
        "-p tcp -m tcp ! --dport 6379",
        "-p tcp -m multiport --dports 22,7000:7002",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate INVALID",
        "-m conntrack --ctorigdstport 80",
        "-m conntrack --ctdir REPLY",
    ],
)
def test_conditions_that_do_not_match(condition):
    assert verdicts(["INPUT %s -j DROP" % condition]) == "ACCEPT"


@pytest.mark.parametrize(
    "condition",
    [
        "-d 192.0.2.1",
        "-s 10.0.0.5/255.0.0.255",
        "! -s 10.0.0.5/255.0.0.255",
        "-d 10.0.0.5/255.0.0.255",
        "-o eth1",
        "-m limit --limit 5/min",
        "-m set --match-set friends src",
        "-p tcp -m tcp --sport 1024:65535",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
        "-m mark --mark 0x1",
        "-m conntrack --ctstate DNAT",
        "-p tcp -m multiport --ports 6379",
        "-m limit --limit 5/min -s 10.0.0.0/24",
    ],
)
def test_conditions_that_may_match(condition):
    assert verdicts(["INPUT %s -j DROP" % condition]) == "ACCEPT/DROP"
    assert verdicts(["INPUT %s -j ACCEPT" % condition, "INPUT -j DROP"]) == "ACCEPT/DROP"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "ACCEPT"),
        (["INPUT -j ACCEPT", "INPUT -j DROP"], "ACCEPT"),
        (["INPUT -j REJECT --reject-with tcp-reset"], "DROP"),
        (["INPUT -j LOG --log-prefix x", "INPUT -j DROP"], "DROP"),
        (["INPUT -p tcp", "INPUT -j DROP"], "DROP"),
        (["INPUT -j NFQUEUE --queue-num 1", "INPUT -j DROP"], "ACCEPT/DROP"),
        (["INPUT -j RETURN", "INPUT -j DROP"], "ACCEPT"),
        (["INPUT -j C", "INPUT -j DROP", "C -s 10.0.0.5/32 -j RETURN", "C -j ACCEPT"], "DROP"),
        (["INPUT -j C", "INPUT -j DROP", "C -s 10.0.0.6/32 -j RETURN", "C -j ACCEPT"], "ACCEPT"),
        (["INPUT -j C", "INPUT -j DROP", "C -s 10.0.0.6/32 -j ACCEPT"], "DROP"),
        # goto: RETURN leads past the caller.
        (["INPUT -g C", "INPUT -j DROP", "C -j RETURN"], "ACCEPT"),
        (["INPUT -j B", "INPUT -j DROP", "B -g C", "B -j ACCEPT", "C -j RETURN"], "DROP"),
        (["INPUT -m limit -g C", "INPUT -j DROP", "C -j RETURN"], "ACCEPT/DROP"),
        (["INPUT -m limit -j C", "INPUT -j DROP", "C -j RETURN"], "DROP"),
    ],
)
def test_walk(rules, expected):
    assert verdicts(rules) == expected


def test_policy():
    assert verdicts([], policy="DROP") == "DROP"
    assert verdicts(["INPUT -j RETURN"], policy="DROP") == "DROP"


def test_a_port_of_none_may_be_any():
    rules = ["INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "INPUT -j DROP"]
    assert verdicts(rules, Packet("eth0", None, 6379)) == "ACCEPT/DROP"
    assert verdicts(rules, Packet("eth0", 23, 6379)) == "DROP"


def test_other_tables_are_not_read():
    text = "*mangle\n:INPUT DROP [0:0]\n-A INPUT -j DROP\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
    assert iptables_parse.parse(text, "filter").chains["INPUT"] == []
    assert iptables_parse.parse(text, "mangle").policies["INPUT"] == "DROP"


def test_interfaces_stand_for_all():
    ruleset = iptables_parse.parse("*filter\n-A INPUT -i eth1 -j DROP\n-A INPUT ! -i br-+ -j DROP\n", "filter")
    assert ruleset.interfaces() == ["br-77", "eth1", evaluator.ELSEWHERE]


def test_strangers_stand_for_all():
    ruleset = iptables_parse.parse(
        "*filter\n-A INPUT -s 10.0.0.0/24 -j ACCEPT\n-A INPUT -s 10.9.0.0/24 -j DROP\n", "filter"
    )
    chains = evaluator.specialise(ruleset, Packet("eth0", 1, 1), "INPUT")
    named = [ipaddress.ip_network("10.9.0.0/24"), ipaddress.ip_network("10.0.0.0/25")]
    found = evaluator.strangers(chains, 4, named)
    assert ipaddress.ip_address("10.0.0.128") in found
    assert set(evaluator.STRANGERS[4]) <= set(found)
    assert not any(one in network for one in found for network in named)


# Of 16 addresses, so that all can be tried.
NETWORKS = st.builds(
    lambda first, length: ipaddress.ip_network(("198.51.100.%d" % first, length), strict=False),
    st.integers(0, 15),
    st.integers(28, 32),
)


@given(
    st.lists(st.tuples(NETWORKS, st.booleans(), st.sampled_from(["ACCEPT", "DROP"])), max_size=5),
    st.lists(NETWORKS, max_size=5, unique=True),
)
def test_nobody_fares_unlike_those_who_stand_for_all(rules, named):
    """Whatever becomes of one address becomes of an address that is tried: named or not."""
    lines = ["-A INPUT %s-s %s -j %s" % ("! " * negated, network, target) for network, negated, target in rules]
    ruleset = iptables_parse.parse("\n".join(["*filter", *lines]), "filter")
    chains = evaluator.specialise(ruleset, Packet("eth0", 1, 1), "INPUT")

    def fates(addresses):
        return {frozenset(evaluator.verdicts(ruleset, chains, "INPUT", one)) for one in addresses}

    others = set(ipaddress.ip_network("198.51.100.0/28")).difference(*named)
    assert fates(others) <= fates(evaluator.strangers(chains, 4, named))
    for network in named:
        assert fates(network) == fates(evaluator.spots(network, evaluator.spoken_of(chains)))
