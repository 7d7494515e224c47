# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy held against what nft shows of a real kernel (see test_nft_kernel)."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import proof as nftables_proof
from test_firewall_kernel import POLICY, save
from test_nft_kernel import LISTINGS, NOTICE, SYSTEMS

HOST, CONTAINERS, ORDER, NAMED = "to the host", "to containers", "order of the rules", "named sources"


def ruleset(system="bookworm"):
    return json.loads((LISTINGS / (system + ".json")).read_text())


def failing(objects, family=4, policy=NOTICE, saved=None):
    """Return subject (without the family) -> actual of the findings that are no pass."""
    findings = nftables_proof.prove(policy, family, json.dumps(objects), saved)
    assert [one["subject"] for one in findings] == [
        "IPv%d %s" % (family, one) for one in (HOST, CONTAINERS, ORDER, NAMED)
    ]
    assert [one["id"] for one in findings] == ["RH-NET-03"] * 3 + ["RH-NET-02"]
    return {one["subject"][5:]: one["actual"] for one in findings if one["status"] != "pass"}


def find(objects, kind, name=None, chain=None, end=None):
    """Return the objects of a kind: by name, or rules by chain and last statement."""
    return [
        entry[kind]
        for entry in objects["nftables"]
        if kind in entry
        and (name is None or entry[kind]["name"] == name)
        and (chain is None or entry[kind]["chain"] == chain)
        and (end is None or end in entry[kind]["expr"][-1])
    ]


def remove(objects, one):
    objects["nftables"] = [entry for entry in objects["nftables"] if one not in entry.values()]


def insert(objects, chain, *statements):
    """Put a rule in front of a chain of our table."""
    rule = {"family": "inet", "table": "redis_ports", "chain": chain, "expr": list(statements)}
    place = next(i for i, entry in enumerate(objects["nftables"]) if entry.get("rule", {}).get("chain") == chain)
    objects["nftables"].insert(place, {"rule": rule})


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("family", [4, 6])
def test_a_kernel_as_it_should_be(system, family):
    assert failing(ruleset(system), family) == {}


def test_what_is_expected_of_reserved_ports():
    finding = nftables_proof.prove(NOTICE, 4, json.dumps(ruleset()))[0]
    assert finding["expected"].startswith("connections to 6379:6380, 7000:7002, 63790 from sources that are not named")
    assert finding["expected"].endswith("dropped, but get to the notice on reserved ports, limited in rate")
    # What only the notice's stranger_action may do is a hole for the others.
    closed = dataclasses.replace(NOTICE, stranger_action="drop")
    assert failing(ruleset(), policy=closed) == {
        HOST: "7002 is open to others by any interface (our probe: 10.77.77.77)"
    }


ACCEPT = {"accept": None}
WIDER = {"prefix": {"addr": "10.20.0.0", "len": 15}}
FROM_ETH1 = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth1"}}
STATE = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}


def without(kind, **how):
    return lambda objects: remove(objects, find(objects, kind, **how)[-1])


def change(kind, name, **values):
    return lambda objects: find(objects, kind, name)[0].update(values)


def limited(objects):
    """Return the rule by which IPv4 strangers get to the notice."""
    return next(one for one in find(objects, "rule", chain="host") if "@knocks4" in str(one))


def add(chain, *statements):
    return lambda objects: insert(objects, chain, *statements)


SPOILT = {
    "no drop on the host": (without("rule", chain="host", end="drop"), [HOST]),
    "no drop of a container's own port": (without("rule", chain="containers", end="drop"), [CONTAINERS]),
    "accept for all": (add("host", ACCEPT), [HOST]),
    "accept on an interface": (add("host", FROM_ETH1, ACCEPT), [HOST]),
    "accept of what is established": (add("host", STATE, ACCEPT), [HOST]),
    "perhaps an accept": (add("containers", {"limit": {"rate": 1, "per": "day"}}, ACCEPT), [CONTAINERS]),
    "harmless rule": (add("host", {"counter": {}}), []),
    "drop for all": (add("host", {"drop": None}), [NAMED]),
    "source added": (change("set", "sources4_6379", elem=[WIDER]), [HOST, CONTAINERS]),
    "source removed": (change("set", "sources4_6379", elem=["10.20.0.5"]), [NAMED]),
    "port opened to others": (change("set", "ports4_6379", elem=[6379, 6380, 7001]), [HOST, CONTAINERS]),
    "port forgotten": (change("set", "guarded", elem=[6379, 6380, 7000, 7002, 63790]), [HOST, CONTAINERS]),
    "another hook": (change("chain", "host", hook="output"), [HOST, ORDER]),
    "another priority": (change("chain", "containers", prio=-400), [ORDER]),
    "a chain for nat": (change("chain", "host", type="nat"), [HOST, ORDER]),
    "dormant": (change("table", "redis_ports", flags="dormant"), [HOST, CONTAINERS, ORDER, NAMED]),
    "dormant, as nft 1.0.6 shows it": (
        change("table", "redis_ports", flags="Lester Gooch"),
        [HOST, CONTAINERS, ORDER, NAMED],
    ),
    "no limit for the notice": (
        lambda objects: limited(objects)["expr"].pop(4),
        [HOST],
    ),
    "nobody is led to the notice": (without("chain", name="notice"), [ORDER, NAMED]),
    "readers are not led to the notice": (change("set", "readers4_7002", elem=[]), [NAMED]),
    "another port for the notice": (change("chain", "notice", prio=0), [ORDER]),
    "no door to the notice": (change("set", "reserved", elem=[]), [NAMED]),
    "the notice's port is open": (change("set", "guarded", elem=[6379, 6380, 7000, 7001, 7002]), [HOST, CONTAINERS]),
}


@pytest.mark.parametrize(("spoil", "subjects"), SPOILT.values(), ids=SPOILT.keys())
def test_each_way_to_spoil_it_is_seen(spoil, subjects):
    objects = ruleset()
    spoil(objects)
    assert list(failing(objects)) == subjects


def test_an_empty_kernel_is_open():
    found = failing({"nftables": [{"metainfo": {}}]}, policy=POLICY)
    assert list(found) == [HOST, CONTAINERS, ORDER]
    assert found[HOST].startswith("6379 is open to others by any interface (our probe: 10.77.77.77); 6380 is open")
    assert found[ORDER].startswith("the chain host of inet redis_ports is missing; the chain containers")


def other_table(*statements, policy="accept", hook="input", family="inet", name="filter"):
    """Return a ruleset with somebody else's chain beside our table."""
    place = {"family": family, "table": name}
    chain = {**place, "name": "theirs", "type": "filter", "hook": hook, "prio": 0, "policy": policy}
    objects = ruleset()
    objects["nftables"] += [{"table": {"family": family, "name": name}}, {"chain": chain}]
    objects["nftables"] += [{"rule": {**place, "chain": "theirs", "expr": list(one)}} for one in statements]
    return objects


SSH = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}
FRIENDS = {
    "match": {
        "op": "==",
        "left": {"payload": {"protocol": "ip", "field": "saddr"}},
        "right": {"prefix": {"addr": "10.20.0.0", "len": 16}},
    }
}


def test_what_another_table_drops_is_told():
    shut = failing(other_table([STATE, ACCEPT], [SSH, ACCEPT], policy="drop"))
    assert list(shut) == [NAMED]
    assert shut[NAMED].startswith("to the host: 6379 is closed to 10.20.0.5/32 by the chain theirs of inet filter; ")
    assert shut[NAMED].endswith("and 4 more")
    assert "to containers" in failing(other_table([{"drop": None}], hook="forward"))[NAMED]
    assert NAMED in failing(other_table([{"drop": None}], hook="prerouting"))
    # Somebody who lets them in, or perhaps does; who speaks of another family; who comes later than the packet's way.
    assert failing(other_table([FRIENDS, ACCEPT], policy="drop")) == {}
    assert failing(other_table([{"limit": {"rate": 1, "per": "day"}}, ACCEPT], policy="drop")) == {}
    assert failing(other_table(policy="drop", family="ip6")) == {}
    assert failing(other_table(policy="drop", hook="output")) == {}


def test_nobody_elses_accept_opens_anything():
    assert failing(other_table([ACCEPT])) == {}
    objects = other_table([ACCEPT])
    objects["nftables"] = [entry for entry in objects["nftables"] if "redis_ports" not in str(entry)]
    assert list(failing(objects)) == [HOST, CONTAINERS, ORDER, NAMED]


UFW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:ufw-user-input - [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m addrtype --dst-type MULTICAST -j RETURN
-A INPUT -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
%sCOMMIT
"""


def test_what_ufw_drops_is_told():
    # nft shows the same table, but can't tell what the matches of iptables mean.
    objects = other_table([{"xt": {"type": "match", "name": "addrtype"}}, ACCEPT], policy="drop", family="ip")
    shut = failing(objects, saved=UFW % "")
    assert shut[NAMED].startswith("to the host: 6379 is closed to 10.20.0.5/32 by filter INPUT of iptables")
    assert "theirs" not in failing(other_table(policy="drop", family="ip"), saved=UFW % "")[NAMED], "told twice"
    allowed = "-A ufw-user-input -s 10.20.0.0/16 -p tcp -j ACCEPT\n"
    assert failing(objects, saved=UFW % allowed) == {}
    assert list(failing(objects, saved=UFW % (allowed + "-A DOCKER-USER -j DROP\n"))) == [NAMED]
    # The rules of the other backend let the same sources in, and come first.
    assert nftables_proof.shut_out(POLICY, 4, json.dumps(ruleset()), save(4)) == []
    # Where nothing can be known, nothing is claimed.
    assert failing(objects) == {}


def test_a_notice_that_others_drop_is_told():
    everyone_but = [{"match": {"op": "!=", "left": SSH["match"]["left"], "right": 63790}}, {"accept": None}]
    assert failing(other_table(everyone_but, policy="drop"))[NAMED].startswith(
        "to the host: 7002 is closed to 10.20.0.5/32 by the chain theirs"
    )
    # Without a notice there is nothing to let in.
    assert nftables_proof.shut_out(POLICY, 4, json.dumps(other_table(everyone_but, policy="drop"))) == []


BY = "-A ufw-user-input -i %s -s 10.20.0.0/16 -p tcp -j ACCEPT\n"
FROM = "-A ufw-user-input %s-s 10.20.0.0/16 -p tcp -j ACCEPT\n"


@pytest.mark.parametrize(
    ("rules", "let_in"),
    [
        (BY % "eth1", True),
        (BY % "wg+", True),
        (BY % "docker0", True),
        (FROM % "! -i eth0 ", True),
        ("-A ufw-user-input -i eth1 -j trusted\n-A trusted -s 10.20.0.0/16 -j ACCEPT\n", True),
        ("-A ufw-user-input -i eth0 -j DROP\n" + FROM % "", True),
        # By no interface from elsewhere, by one for which the rule comes too late, or somebody else.
        ("", False),
        (BY % "lo", False),
        ("-A ufw-user-input -i eth1 -j DROP\n" + BY % "eth1", False),
        ("-A ufw-user-input -i eth1 -s 10.99.0.0/16 -p tcp -j ACCEPT\n", False),
        ("-A ufw-user-input -i eth1 -p tcp -m tcp --dport 22 -j ACCEPT\n", False),
    ],
)
def test_who_gets_in_by_one_interface_is_in(rules, let_in):
    found = failing(other_table(policy="drop", family="ip"), saved=UFW % rules)
    assert (NAMED not in found) is let_in
    assert list(found) == ([] if let_in else [NAMED])


def test_who_gets_in_by_an_interface_of_nftables_is_in():
    assert failing(other_table([FROM_ETH1, FRIENDS, ACCEPT], policy="drop")) == {}
    assert list(failing(other_table([FROM_ETH1, {"drop": None}], [FRIENDS, ACCEPT]))) == []
    assert list(failing(other_table([FROM_ETH1, SSH, ACCEPT], policy="drop"))) == [NAMED]


def test_a_part_that_gets_in_nowhere_is_told():
    """Each half of the network by another interface, but for one address."""
    policy = firewall_policy.build_policy([{"port": 6379, "sources": ["10.20.0.0/24"], "purpose": "data"}], [], [])
    rules = "-A ufw-user-input -s 10.20.0.77 -j DROP\n"
    rules += "-A ufw-user-input -i eth1 -s 10.20.0.0/25 -j ACCEPT\n"
    rules += "-A ufw-user-input -i eth2 -s 10.20.0.128/25 -j ACCEPT\n"
    (found,) = nftables_proof.shut_out(policy, 4, '{"nftables": []}', UFW % rules)
    assert found == "to the host: 6379 is closed to 10.20.0.77 of 10.20.0.0/24 by filter INPUT of iptables"
