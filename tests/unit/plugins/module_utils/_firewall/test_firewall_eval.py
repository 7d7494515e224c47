# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a packet."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import evaluate as evaluator, fates
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.evaluate import Packet
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import parse as iptables_parse

SOURCE = ipaddress.ip_address("10.0.0.5")


def verdicts(rules, packet=None, policy="ACCEPT", source=SOURCE):
    text = "*filter\n:INPUT %s [0:0]\n%s\nCOMMIT\n" % (policy, "\n".join("-A " + rule for rule in rules))
    ruleset = iptables_parse.parse(text, "filter")
    chains = evaluator.specialise(ruleset, packet or Packet("eth0", 6379, 6379), "INPUT")
    found = evaluator.verdicts(ruleset, chains, "INPUT", source)
    # All addresses at once, and this one among them.
    assert fates.holds(fates.where(ruleset, chains, "INPUT", 4, lambda outcomes: outcomes == found), source)
    return "/".join(sorted(found))


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


def test_interfaces_behind_a_hook():
    ruleset = iptables_parse.parse(
        "*filter\n-A INPUT -j C\n-A C -i eth1 -j D\n-A D -i eth2 -j DROP\n-A FORWARD -i eth3 -j DROP\n", "filter"
    )
    assert ruleset.interfaces("INPUT") == ["eth1", "eth2", evaluator.ELSEWHERE]
    assert ruleset.interfaces("FORWARD") == ["eth3", evaluator.ELSEWHERE]
    assert ruleset.interfaces("PREROUTING") == [evaluator.ELSEWHERE]
