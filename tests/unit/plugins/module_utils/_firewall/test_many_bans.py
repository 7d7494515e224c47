# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Months of bans: what a proof takes grows with their number, not with its square."""

from __future__ import annotations

import ipaddress
import json
import random
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    policy as firewall_policy,
    proof as firewall_proof,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    parse as iptables_parse,
    proof as iptables_proof,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import proof as nftables_proof
from test_firewall_kernel import POLICY, save

FEW, MANY = 400, 3200
# Eight times as many take eight times as long, or sixty-four times where each is held against each.
LIMIT = 32


def banned(family, count):
    numbers = random.Random(1)
    kind, bits = (ipaddress.IPv4Address, 32) if family == 4 else (ipaddress.IPv6Address, 128)
    return [kind(numbers.getrandbits(bits)) for _ in range(count)]


def bans(rule, count, family=4, before="INPUT"):
    """Return what iptables-save shows with bans in front of our rules."""
    first = "-A %s -p tcp -j REDIS-PORTS%s\n" % (before, "" if before == "INPUT" else "-DOCKER")
    lines = [rule.format(one, number) for number, one in enumerate(banned(family, count))]
    text = save(family)
    assert first in text
    return text.replace(first, "-A %s -j bans\n%s%s\n-A bans -j RETURN\n" % (before, first, "\n".join(lines)), 1)


def seconds(work, times=1):
    """Return the least processor time of some runs."""
    took = []
    for _again in range(times):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


def assert_grows_evenly(work):
    few, took = seconds(lambda: work(FEW), 3), seconds(lambda: work(MANY), 2)
    assert took < LIMIT * max(few, 0.005), "%.2f s, %.2f s" % (few, took)


RULES = {
    "rejected": "-A bans -s {0} -j REJECT --reject-with icmp-port-unreachable",
    "let in": "-A bans -s {0} -j ACCEPT",
    "for a time": "-A bans -s {0} -m recent --rcheck --seconds 60 -j DROP",
    "by an interface": "-A bans -s {0} -i eth1 -j DROP",
    "all but one": "-A bans ! -s {0} -m limit --limit 5/min -j DROP",
    "with a comment": '-A bans -s {0} -m comment --comment "as of yesterday" -j DROP',
    "a chain for each": "-A bans -s {0} -j ban-{1}\n-A ban-{1} -j LOG\n-A ban-{1} -j DROP",
    "a jump for each": "-A bans -j ban-{1}\n-A ban-{1} -s {0} -j DROP",
    "without a source": "-A bans -m set --match-set ban-{1} src -j DROP",
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_iptables(rule):
    assert_grows_evenly(lambda count: iptables_proof.prove(POLICY, 4, bans(rule, count)))


def test_ipv6_and_containers():
    assert_grows_evenly(lambda count: iptables_proof.prove(POLICY, 6, bans(RULES["rejected"], count, 6)))
    text = {count: bans(RULES["rejected"], count, before="DOCKER-USER") for count in (FEW, MANY)}
    assert_grows_evenly(lambda count: iptables_proof.prove(POLICY, 4, text[count]))


def test_many_sources_and_a_notice():
    named = ["%s/32" % one for one in banned(4, 1000) if not one.is_multicast and one.is_global]

    def work(count):
        ports = [{"port": 7000, "sources": named[: count // 8], "purpose": "data"}]
        policy = firewall_policy.build_policy(ports, [6379], [], "notice", True)
        iptables_proof.prove(policy, 4, bans(RULES["rejected"], count))

    assert_grows_evenly(work)


def test_an_answer_in_time():
    """10,000 bans took a quarter of an hour."""
    ruleset = iptables_parse.parse(bans(RULES["rejected"], 10000), "filter")
    assert seconds(lambda: firewall_proof.open_doors(POLICY, 4, ruleset, "INPUT")) < 4


def nft(count, by_set):
    """Return a table of nftables with bans, as fail2ban and CrowdSec make them."""
    place = {"family": "inet", "table": "bans"}
    addresses = [str(one) for one in banned(4, count)]

    def rule(right):
        match = {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": right}
        return {"rule": {**place, "chain": "input", "expr": [{"match": match}, {"drop": None}]}}

    chain = {**place, "name": "input", "type": "filter", "hook": "input", "prio": -1, "policy": "accept"}
    some = [{"set": {**place, "name": "banned", "elem": addresses}}, rule("@banned")]
    return json.dumps({"nftables": [{"chain": chain}, *(some if by_set else map(rule, addresses))]})


@pytest.mark.parametrize("by_set", [True, False])
def test_nftables(by_set):
    text = {count: nft(count, by_set) for count in (FEW, MANY)}
    assert_grows_evenly(lambda count: nftables_proof.prove(POLICY, 4, text[count], save(4)))
