from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import parse_nodes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.state import (
    NodeReply,
    Problem,
    assemble,
)

SHARES = {"a": "0-5460", "b": "5461-10921", "c": "10922-16383"}


def say(me, lines, **more):
    """What node `me` says. lines: name -> (flags, master, slots)."""
    text = "".join(
        f"{name} 127.0.0.1:{7000 + ord(name)}@1 {'myself,' * (name == me)}{flags} {master} 0 0 0 connected {slots}\n"
        for name, (flags, master, slots) in lines.items()
    )
    return NodeReply(me, me, True, port=7000 + ord(me), entries=parse_nodes(text), info={"cluster_state": "ok"}, **more)


def cluster(change=None, **lines):
    """All members of a cluster of three, and what else they all see. change: what one of them sees otherwise."""
    common = {name: ("master", "-", slots) for name, slots in SHARES.items()} | lines
    return [say(name, {**common, **(change or {}).get(name, {})}) for name in common]


def texts(asked):
    state, problems = assemble(asked)
    assert (state is None) == bool(problems)
    return [(problem.text, problem.passing) for problem in problems]


def test_a_whole_cluster():
    state, problems = assemble(cluster(r=("slave", "a", "")))
    assert not problems and list(state.nodes) == ["a", "b", "c", "r"]
    assert state.nodes["r"].master == "a" and len(state.nodes["c"].slots) == 5462
    assert all(node.member and node.stays for node in state.nodes.values()) and not state.open and not state.stale


def test_new_nodes():
    lone = say("x", {"x": ("master", "-", "")})
    state, _none = assemble([*cluster(), lone])
    assert [node.id for node in state.nodes.values() if not node.member] == ["x"]
    nobody = [say(name, {name: ("master", "-", "")}) for name in "xyz"]
    state, _none = assemble(nobody)
    assert [node.member for node in state.nodes.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("asked", "text", "passing"),
    [
        (cluster({"b": {"c": ("master", "-", "10922-16382")}}), "a and b disagree: only one of them gives c the", True),
        (cluster({"b": {"c": ("slave", "a", "")}}), "c follows nobody for the one and a for the other", True),
        (cluster({"b": {"c": ("master,fail?", "-", "10922-16383")}}), "c counts as failed for b", True),
        ([*cluster(), say("x", {"x": ("master", "-", "")}, keys=3)], "x is to join and holds 3 keys", False),
        (cluster(x=("master", "-", ""))[:3], "(id x) is a member that nodes does not name", False),
        ([*cluster(), say("x", {"x": ("master", "-", "0-16383")})], "different clusters: a b c; x.", False),
        (
            [*cluster(), say("x", {"x": ("master", "-", ""), "q": ("master", "-", "")})],
            "x belongs to another cluster, with 127.0.0.1:7113",
            False,
        ),
        ([*cluster(), NodeReply("x", "x", True, problem=Problem("x is silent"))], "x is silent", False),
        ([*cluster(), say("a", {"a": ("master", "-", "0-5460")})], "a and a are the same server", False),
    ],
)
def test_refused(asked, text, passing):
    found = texts(asked)
    assert any(text in problem and waits == passing for problem, waits in found), found


def test_a_node_that_is_not_ready_is_waited_for():
    asked = cluster()
    asked[1].info["cluster_state"] = "fail"
    assert texts(asked) == [("b says that the cluster is down (cluster_state fail).", True)]


def test_a_bus_that_differs():
    asked = cluster()
    for one, kind in zip(asked, ("yes", "yes", "no"), strict=True):
        one.settings["tls-cluster"] = kind
    assert "tls-cluster differs: no on c; yes on a b" in texts(asked)[0][0]


def test_a_handshake_is_no_member():
    asked = cluster({"a": {"x": ("handshake", "-", "")}})
    assert "x" not in assemble(asked)[0].nodes


def test_a_half_forgotten_node_is_forgotten_by_the_rest():
    asked = cluster(x=("master", "-", ""))
    asked[3].stays = False
    asked[1].entries = [entry for entry in asked[1].entries if entry.id != "x"]
    asked[3].entries = parse_nodes("x 127.0.0.1:1@1 myself,master - 0 0 0 connected\n")
    state, problems = assemble(asked)
    assert not problems and state.nodes["x"].member and not state.nodes["x"].stays
    # Forgotten by all, it still knows them: then it is reset.
    asked = [*cluster(), say("x", {"x": ("master", "-", ""), "a": ("master", "-", "0-5460")})]
    asked[3].stays = False
    node = assemble(asked)[0].nodes["x"]
    assert (node.member, node.knows) == (False, True)


def test_a_leaver_elsewhere_is_left_alone():
    asked = [*cluster(), say("x", {"x": ("master", "-", "0-16383")}, keys=9)]
    asked[3].stays = False
    assert "x" not in assemble(asked)[0].nodes


def test_a_dead_leaver_is_found_by_its_address():
    asked = cluster(x=("master,fail", "-", ""))[:3]
    gone = NodeReply("x", "x", False, frozenset(["127.0.0.1"]), 7000 + ord("x"), problem=Problem("x is silent"))
    state, problems = assemble([*asked, gone])
    assert not problems and state.nodes["x"].member and not state.nodes["x"].reachable


def test_open_slots():
    asked = cluster(
        {
            "a": {"a": ("master", "-", "0-5460 [7->-b] [8->-r] [9000->-c]")},
            "c": {"c": ("master", "-", "10922-16383 [9-<-a]")},
        },
        r=("slave", "b", ""),
    )
    state, problems = assemble(asked)
    # Slot 8 goes where the replica's master has the keys; slot 9000 is not a's.
    assert not problems and state.open == {7: "b", 8: "b", 9: "c"} and state.stale == [("a", 9000)]
