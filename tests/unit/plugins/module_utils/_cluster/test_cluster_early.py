from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import mark_leaving
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.plan import impossible, plan
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.preflight import assemble_early
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.state import (
    NodeReply,
    Problem,
    assemble,
)
from test_cluster_state import cluster

SILENT = Problem("no answer", silent=True)
STOPPED = Problem("refused", silent=True, stopped=True)
NO_LOGIN = Problem("refused the login")


def missing(name, problem=STOPPED, **more):
    return NodeReply(name, name, True, frozenset(["127.0.0.1"]), 7000 + ord(name), problem=problem, **more)


def with_missing(asked, *others):
    """The same cluster, but these can't be asked."""
    instead = {one.name: one for one in others}
    return [instead.pop(one.name, one) for one in asked] + list(instead.values())


def test_before_the_first_run_there_is_a_plan_for_all():
    state, problems = assemble_early([missing(name, NO_LOGIN) for name in "abcdef"])
    assert not problems and not impossible(state, 1)
    steps, after = plan(state, 1)
    assert [step.action for step in steps].count("meet") == 5
    assert sorted(len(node.slots) for node in after.nodes.values()) == [0, 0, 0, 5461, 5461, 5462]
    assert "2 masters" in impossible(assemble_early([missing(name) for name in "abcd"])[0], 1)[0]


@pytest.mark.parametrize("problem", [SILENT, STOPPED, NO_LOGIN])
def test_a_newcomer_need_not_be_there(problem):
    state, problems = assemble_early([missing("n", problem), *cluster()])
    assert not problems and [node.name for node in state.nodes.values()] == ["n", "a", "b", "c"]
    assert [step.action for step in plan(state, 0)[0]] == ["meet", "move", "move", "move"]
    # Afterwards it must be.
    assert assemble([missing("n", problem), *cluster()])[1]


def test_a_newcomer_with_keys_is_refused():
    (problem,) = assemble_early([*cluster(), missing("n", NO_LOGIN, keys=5)])[1]
    assert "n is to join and holds 5 keys" in problem.text and not problem.passing


@pytest.mark.parametrize(("problem", "fine"), [(SILENT, False), (STOPPED, True), (NO_LOGIN, True)])
def test_a_member_that_is_to_be_started(problem, fine):
    lines = {name: {"r": ("slave,fail", "a", "")} for name in "abc"}
    state, problems = assemble_early(with_missing(cluster(lines, r=("slave", "a", "")), missing("r", problem)))
    assert bool(problems) != fine
    if fine:
        assert state.nodes["r"].master == "a" and not state.nodes["r"].reachable and plan(state, 0)[0] == []


def test_a_master_that_was_replaced_may_be_down():
    view = {"a": ("master,fail", "-", ""), "r": ("master", "-", "0-5460")}
    asked = with_missing(cluster({name: view for name in "bcr"}, r=("master", "-", "")), missing("a"))
    assert not assemble_early(asked)[1]


@pytest.mark.parametrize("flags", ["master", "master,fail?", "master,fail"])
def test_a_master_that_is_to_be_replaced_is_waited_for(flags):
    view = {"a": (flags, "-", "0-5460")}
    asked = with_missing(cluster({name: view for name in "bcr"}, r=("slave", "a", "")), missing("a"))
    problems = assemble_early(asked)[1]
    assert problems and all(problem.passing for problem in problems)
    assert any("owns 5461 slots, and its replica has not taken over" in problem.text for problem in problems)


def test_a_master_without_a_replica_is_to_be_started():
    view = {"a": ("master,fail", "-", "0-5460")}
    asked = with_missing(cluster({name: view for name in "bc"}), missing("a"))
    for one in asked[1:]:
        one.info["cluster_state"] = "fail"
    state, problems = assemble_early(asked)
    assert not problems and len(state.nodes["a"].slots) == 5461


def test_whoever_answers_is_judged_as_ever():
    asked = [*cluster(x=("master", "-", ""))[:3], missing("n")]
    assert "(id x) is a member that nodes does not name" in assemble_early(asked)[1][0].text
    loading = dataclasses.replace(STOPPED, passing=True)
    assert assemble_early([*cluster(), missing("n", loading)])[1] == [loading]


def test_only_who_leaves_is_there():
    leaver = dataclasses.replace(cluster()[0], stays=False)
    state, problems = assemble_early([leaver, missing("x"), missing("y"), missing("z")])
    assert not problems and [node.name for node in state.nodes.values()] == ["x", "y", "z"]


def node(host, port, **more):
    return dict(dict(host=host, port=port, address=None, zone=None, state="present"), **more)


def test_leaving():
    nodes = [node("10.0.0.7", 7000), node("10.0.0.7", 7001), node("fd00::7", 7000), node("10.0.0.8", 7000, zone="db8")]
    given = [dict(one) for one in nodes]
    marked, problems = mark_leaving(nodes, ["10.0.0.7:7001", "[fd00::7]:7000", "db8:7000", "10.0.0.9:7000"])
    assert not problems and nodes == given
    assert [one["state"] for one in marked] == ["present", "absent", "absent", "absent", "absent"]
    assert (marked[4]["host"], marked[4]["port"]) == ("10.0.0.9", 7000)


@pytest.mark.parametrize("name", ["10.0.0.7", "7000", ":7000", "10.0.0.7:", "10.0.0.7:x", " :1", ""])
def test_leaving_without_a_port_or_a_host(name):
    nodes, problems = mark_leaving([node("10.0.0.7", 7000)], [name])
    assert repr(name) in problems[0] and nodes[0]["state"] == "present" and len(nodes) == 1
