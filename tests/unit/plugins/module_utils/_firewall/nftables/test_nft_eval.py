# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following a packet through what `nft -j list ruleset` shows."""

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import evaluate as evaluator
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import (
    evaluate as nftables_evaluate,
)

NEAR, FAR = "10.0.0.5", "192.0.2.1"
TCP = {"payload": {"protocol": "tcp", "field": "dport"}}
ACCEPT, DROP, REDIS = {"accept": None}, {"drop": None}, {"match": {"op": "==", "left": TCP, "right": 6379}}


def match(left, right, op="=="):
    name, _dot, key = left.partition(" ")
    if name == "payload":
        protocol, _space, field = key.partition(" ")
        return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}
    word, _space, direction = key.partition(" ")
    detail = {"key": word, "dir": direction} if direction else {"key": word}
    return {"match": {"op": op, "left": {name: detail}, "right": right}}


def ruleset(*rules, policy="accept", sets=None, chains=None, **chain):
    """Return the JSON text of a table with one chain at input, and of others that are not at a hook."""
    place = {"family": "inet", "table": "t"}
    base = {"type": "filter", "hook": "input", "prio": 0, "policy": policy, **chain}
    entries = [{"metainfo": {"json_schema_version": 1}}, {"table": {"family": "inet", "name": "t"}}]
    entries += [{"set": {**place, "name": name, "elem": elements}} for name, elements in (sets or {}).items()]
    entries += [
        {"chain": {**place, "name": "c", **base}},
        *({"chain": {**place, "name": name}} for name in chains or {}),
    ]
    for name, content in {"c": rules, **(chains or {})}.items():
        entries += [{"rule": {**place, "chain": name, "expr": list(statements)}} for statements in content]
    return json.dumps({"nftables": entries})


def judge(text, source=NEAR, port=6379, interface="eth0", state="NEW", original=None):
    """Return what may become of a packet at input, as a set; None when no chain hangs there."""
    family = ipaddress.ip_address(source).version
    found = nftables_evaluate.bases(nftables_evaluate.parse(text), family, "input", "INPUT")
    if not found:
        return None
    packet = evaluator.Packet(interface, port, original or port, state)
    chains = evaluator.specialise(found[0].ruleset, packet, "INPUT")
    return evaluator.verdicts(found[0].ruleset, chains, "INPUT", ipaddress.ip_address(source))


# A condition; packets that meet it, and that don't.
CONDITIONS = [
    (match("payload tcp dport", 6379), {}, {"port": 6380}),
    (match("payload tcp dport", {"set": [6379, {"range": [7000, 7002]}]}), {"port": 7001}, {"port": 6999}),
    (match("payload tcp dport", {"range": [6379, 6380]}, "!="), {"port": 22}, {"port": 6380}),
    (match("payload tcp dport", "@ports"), {"port": 7002}, {"port": 22}),
    (match("payload th dport", 6379), {}, {"port": 1}),
    (match("payload ip saddr", NEAR), {}, {"source": FAR}),
    (match("payload ip saddr", {"prefix": {"addr": "10.0.0.0", "len": 24}}), {}, {"source": "fd00::5"}),
    (match("payload ip saddr", NEAR, "!="), {"source": FAR}, {}),
    (match("payload ip saddr", "@friends"), {"source": "10.9.0.4"}, {"source": "10.9.0.7"}),
    (match("payload ip saddr", "@friends"), {"source": "10.8.0.77"}, {"source": FAR}),
    (match("payload ip saddr", {"set": [NEAR, FAR]}, "!="), {"source": "10.0.0.6"}, {"source": FAR}),
    (match("payload ip6 saddr", "fd00::5"), {"source": "fd00::5"}, {"source": "fd00::6"}),
    (match("payload ip6 saddr", "fd00::5", "!="), {"source": "fd00::6"}, {"source": NEAR}),
    (match("payload ip protocol", "tcp"), {}, {"source": "fd00::5"}),
    (match("meta iifname", "eth0"), {}, {"interface": "eth1"}),
    (match("meta iifname", "br-*"), {"interface": "br-12"}, {"interface": "br"}),
    (match("meta iifname", "odd\\*"), {"interface": "odd*"}, {"interface": "oddly"}),
    (match("meta iifname", {"set": ["lo", "eth0"]}), {}, {"interface": "eth1"}),
    (match("meta iifname", {"set": ["lo", "eth1"]}, "!="), {}, {"interface": "eth1"}),
    (match("meta nfproto", "ipv4"), {}, {"source": "fd00::5"}),
    (match("meta protocol", {"set": ["ip6"]}), {"source": "fd00::5"}, {}),
    (match("ct state", ["established", "related"], "in"), {"state": "ESTABLISHED"}, {"state": "NEW"}),
    (match("ct state", {"set": ["new", "untracked"]}), {}, {"state": "INVALID"}),
    (match("ct state", "established", "!="), {}, {"state": "ESTABLISHED"}),
    (
        match("ct proto-dst original", {"set": ["0x18eb [invalid type]"]}),
        {"port": 1, "original": 6379},
        {"original": 1},
    ),
]


@pytest.mark.parametrize(("condition", "meets", "fails"), CONDITIONS, ids=[str(one[0]["match"]) for one in CONDITIONS])
def test_conditions(condition, meets, fails):
    sets = {
        "ports": [6379, {"range": [7000, 7002]}],
        "friends": [
            *(NEAR, {"range": ["10.9.0.3", "10.9.0.6"]}, {"prefix": {"addr": "10.8.0.0", "len": 24}}),
            {"elem": {"val": "10.7.0.1", "comment": "one"}},
        ],
    }
    text = ruleset([condition, ACCEPT], policy="drop", sets=sets)
    assert judge(text, **meets) == {"ACCEPT"}
    assert judge(text, **fails) == {"DROP"}


@pytest.mark.parametrize("constant", [match("meta l4proto", "tcp"), match("ct direction", "original")])
def test_what_every_packet_is(constant):
    assert judge(ruleset([constant, DROP])) == {"DROP"}
    assert judge(ruleset([{"match": {**constant["match"], "op": "!="}}, DROP])) == {"ACCEPT"}


def test_an_empty_set():
    for field in ("payload tcp dport", "payload ip saddr"):
        assert judge(ruleset([match(field, "@s"), DROP], sets={"s": []})) == {"ACCEPT"}
        assert judge(ruleset([match(field, "@s", "!="), DROP], sets={"s": []})) == {"DROP"}


@pytest.mark.parametrize(
    "condition",
    [match("payload udp dport", 6379), match("meta l4proto", {"set": ["udp", "icmp"]}), match("payload icmp type", 8)],
)
def test_what_no_packet_is(condition):
    assert judge(ruleset([condition, DROP])) == {"ACCEPT"}


@pytest.mark.parametrize(
    "statement",
    [
        {"limit": {"rate": 1, "per": "second"}},
        {"set": {"op": "update", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@s"}},
        {"xt": {"type": "match", "name": "geoip"}},
        {"xt": None},
        match("meta mark", 7),
        match("payload ip daddr", "10.0.0.1"),
        match("ct status", "dnat", "in"),
        match("ct state", 16, "in"),
        match("meta iif", 3),
        match("payload tcp dport", 7000, "<"),
        match("payload tcp dport", "@nowhere"),
        {"match": {"op": "==", "left": {"concat": [TCP]}, "right": {"set": []}}},
        {"match": {"op": "==", "left": {"&": [{"meta": {"key": "mark"}}, 1]}, "right": 1}},
        {"something new": 1},
    ],
    ids=str,
)
def test_what_cannot_be_told_may_be_or_not(statement):
    assert judge(ruleset([statement, DROP])) == {"ACCEPT", "DROP"}


@pytest.mark.parametrize(
    "end", [{"queue": None}, {"xt": {"type": "target", "name": "SYNPROXY"}}, {"tproxy": {"port": 1}}]
)
def test_ends_that_cannot_be_told(end):
    assert judge(ruleset([end], policy="drop")) == {"ACCEPT", "DROP"}


@pytest.mark.parametrize("statement", [{"counter": {"packets": 1, "bytes": 2}}, {"log": None}, {"notrack": None}])
def test_statements_that_decide_nothing(statement):
    assert judge(ruleset([statement, ACCEPT], policy="drop")) == {"ACCEPT"}
    assert judge(ruleset([statement], policy="drop")) == {"DROP"}


def test_jumps():
    chains = {"near": [[match("payload ip saddr", NEAR), {"return": None}], [DROP]]}
    jumping = ruleset([{"jump": {"target": "near"}}], [ACCEPT], policy="drop", chains=chains)
    assert (judge(jumping), judge(jumping, source=FAR)) == ({"ACCEPT"}, {"DROP"})
    going = ruleset([{"goto": {"target": "near"}}], [ACCEPT], policy="drop", chains=chains)
    assert judge(going) == {"DROP"}, "return from a goto leads to the policy"
    # A chain that is called like a verdict is none.
    trap = ruleset([{"jump": {"target": "ACCEPT"}}], policy="drop", chains={"ACCEPT": [[DROP]]})
    assert judge(trap) == {"DROP"}


def test_reject_is_a_drop():
    assert judge(ruleset([REDIS, {"reject": {"type": "tcp reset"}}])) == {"DROP"}


@pytest.mark.parametrize("named", [True, False])
def test_verdict_maps(named):
    pairs = [[6379, {"drop": None}], [{"range": [7000, 7002]}, {"jump": {"target": "cluster"}}]]
    statement = {"vmap": {"key": TCP, "data": "@ports" if named else {"set": pairs}}}
    chains = {"cluster": [[match("payload ip saddr", NEAR), ACCEPT]]}
    text = ruleset([statement], [match("payload tcp dport", 22), DROP], chains=chains, sets={"ports": pairs})
    assert judge(text) == {"DROP"}
    assert judge(text, port=7001) == {"ACCEPT"}
    assert judge(text, port=22) == {"DROP"}
    assert judge(text, port=80) == {"ACCEPT"}


def test_verdict_map_that_goes_on():
    pairs = [["invalid", {"drop": None}], ["new", {"continue": None}], ["established", {"accept": None}]]
    text = ruleset([{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": pairs}}}], [DROP])
    assert judge(text) == {"DROP"}
    assert judge(text, state="ESTABLISHED") == {"ACCEPT"}


def test_which_chains_count():
    assert judge(ruleset([DROP], hook="output")) is None
    assert judge(ruleset([DROP], type="nat")) is None
    assert judge(ruleset([DROP]).replace('"inet"', '"ip6"')) is None
    assert judge(ruleset([DROP]).replace('"inet"', '"ip6"'), source="fd00::5") == {"DROP"}
    assert judge(ruleset([DROP]).replace('"name": "t"', '"name": "t", "flags": "dormant"')) is None


def test_chains_come_by_priority():
    first, second = (json.loads(ruleset([one], prio=prio))["nftables"] for one, prio in ((DROP, 5), (ACCEPT, -300)))
    second = json.loads(json.dumps(second).replace('"t"', '"u"'))
    found = nftables_evaluate.bases(
        nftables_evaluate.parse(json.dumps({"nftables": first + second})), 4, "input", "INPUT"
    )
    assert [(base.table, base.priority) for base in found] == [("inet u", -300), ("inet t", 5)]
