# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy held against saves of a real kernel (see test_firewall_kernel)."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    policy as firewall_policy,
    proof as firewall_proof,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    parse as iptables_parse,
    proof as iptables_proof,
)
from test_firewall_kernel import POLICY, save

HOST, CONTAINERS, DOCKER_USER = "to the host", "to containers", "to containers, by DOCKER-USER"
ORDER, NAMED = "order of the rules", "named sources"


def failing(text, family=4):
    """Return subject (without the family) -> actual of the findings that are no pass."""
    findings = iptables_proof.prove(POLICY, family, text)
    assert [one["subject"][:5] for one in findings] == ["IPv%d " % family] * 5
    assert [one["id"] for one in findings] == ["RH-NET-03"] * 4 + ["RH-NET-02"]
    return {one["subject"][5:]: one["actual"] for one in findings if one["status"] != "pass"}


@pytest.mark.parametrize("family", [4, 6])
def test_a_kernel_as_it_should_be(family):
    assert failing(save(family), family) == {}


INPUT, FORWARD = "-A INPUT -p tcp -j REDIS-PORTS\n", "-A FORWARD -p tcp -j REDIS-PORTS-DOCKER\n"
USER = "-A DOCKER-USER -p tcp -j REDIS-PORTS-DOCKER\n"


@pytest.mark.parametrize(
    ("old", "new", "subjects"),
    [
        # UFW's deny is left: it lets connections go on that exist, and shuts clients out.
        (INPUT, "", [HOST, ORDER, NAMED]),
        (INPUT, "-A INPUT -j LOG\n" + INPUT, [ORDER]),
        (INPUT, "-A INPUT -s 10.9.0.0/16 -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        (INPUT, "-A INPUT -s 10.20.0.0/16 -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        (INPUT, "-A INPUT -i eth1 -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        (INPUT, "-A INPUT ! -i eth1 -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        (INPUT, "-A INPUT -p tcp -m tcp --dport 7002 -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        (INPUT, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n" + INPUT, [ORDER]),
        (INPUT, "-A INPUT -m set --match-set friends src -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        (INPUT, "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" + INPUT, [HOST, ORDER]),
        ("-A REDIS-PORTS -p tcp -m multiport --dports 6379:6380,7000:7002 -j DROP\n", "", [HOST]),
        ("-A REDIS-PORTS-6379 -s 10.20.0.5/32 -j ACCEPT\n", "", [NAMED]),
        ("-A REDIS-PORTS-6379 -s 10.20.0.5/32", "-A REDIS-PORTS-6379 -s 10.20.0.4/30", [HOST]),
        (FORWARD, "", [CONTAINERS, ORDER]),
        (FORWARD, "-A FORWARD -j ACCEPT\n" + FORWARD, [CONTAINERS, ORDER]),
        (USER, "", [DOCKER_USER, ORDER]),
        (USER, "-A DOCKER-USER -p tcp -m tcp --dport 80 -j ACCEPT\n" + USER, [DOCKER_USER, ORDER]),
        (
            "-A REDIS-PORTS-DOCKER -p tcp -m conntrack --ctorigdstport 7000:7002 --ctdir ORIGINAL -j DROP\n",
            "",
            [CONTAINERS],
        ),
        ("-A REDIS-PORTS-DOCKER-6379 -j DROP\n", "", [CONTAINERS]),
        ("-A REDIS-PORTS-DOCKER-6379 -s 10.20.0.5/32 -j RETURN\n", "", [NAMED]),
    ],
)
def test_each_way_to_spoil_it_is_seen(old, new, subjects):
    text = save(4)
    changed = text.replace(old, new, 1)
    assert changed != text
    assert list(failing(changed)) == subjects


def test_an_empty_kernel_is_open():
    found = failing("")
    assert list(found) == [HOST, CONTAINERS, DOCKER_USER, ORDER]
    assert found[HOST].startswith("6379 is open to others by any interface (our probe: 10.77.77.77); 6380 is open")
    assert found[HOST].endswith("; and 2 more")


def test_what_is_open_is_told():
    changed = save(4).replace(INPUT, "-A INPUT -i eth1 -s 192.0.2.0/24 -p tcp -m tcp --dport 7001 -j ACCEPT\n" + INPUT)
    assert failing(changed)[HOST] == "7001 is open to others by eth1 (our probe: 192.0.2.0)"


def test_connections_that_exist_are_told():
    rule = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
    assert ", to connections that exist already" in failing(save(4).replace(INPUT, rule + INPUT))[HOST]


def test_what_lies_between_named_networks_is_looked_at():
    """The rule that lets in all of a network begins, ends and has its middle in parts that are named."""
    parts = ["10.9.0.0/25", "10.9.0.128/26", "10.9.0.224/27"]
    policy = firewall_policy.build_policy([{"port": 6379, "sources": parts, "purpose": "data"}], [], [])
    ruleset = iptables_parse.parse("*filter\n-A INPUT -s 10.9.0.0/24 -j ACCEPT\n-A INPUT -j DROP\n", "filter")
    assert firewall_proof.open_doors(policy, 4, ruleset, "INPUT") == [
        "6379 is open to others by any interface (our probe: 10.9.0.192)"
    ]


@pytest.mark.parametrize("named", [["10.9.0.0/24"], ["10.9.0.0/24", "10.9.0.64/32"]])
def test_a_part_of_a_named_network_that_is_dropped_is_told(named):
    policy = firewall_policy.build_policy([{"port": 6379, "sources": named, "purpose": "data"}], [], [])
    ruleset = iptables_parse.parse("*filter\n-A INPUT -s 10.9.0.64/26 -j DROP\n-A INPUT -j ACCEPT\n", "filter")
    found = firewall_proof.closed_doors(policy, 4, ruleset, "INPUT")
    assert found[0] == "6379 is closed to 10.9.0.64 of 10.9.0.0/24"


@pytest.mark.parametrize(
    ("rule", "shut"),
    [
        ("! -i eth1 -j DROP", []),
        ("-i eth0 -j DROP", []),
        ("-i eth0 ! -s 192.0.2.0/24 -j DROP", []),
        ("-j DROP", [NAMED]),
        ("! -i lo -j DROP", [NAMED]),
    ],
)
def test_who_gets_to_containers_by_one_interface_is_let_in(rule, shut):
    """As Docker's documentation closes DOCKER-USER, behind our jump."""
    text = save(4)
    changed = text.replace(USER, USER + "-A DOCKER-USER %s\n" % rule, 1)
    assert changed != text
    assert list(failing(changed)) == shut
