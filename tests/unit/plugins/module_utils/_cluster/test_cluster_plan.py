"""Plans are carried out in a small model, which has a server's rules and knows nothing of the planner's."""

from __future__ import annotations

import collections
import copy

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import SLOTS
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.plan import (
    Node,
    State,
    impossible,
    next_steps,
    plan,
    simulate,
)
from hypothesis import assume, given, settings, strategies as st


class Model:
    """Servers that refuse what Redis refuses."""

    def __init__(self, state):
        self.owner = {slot: node.id for node in state.nodes.values() for slot in node.slots}
        self.master = {node.id: node.master for node in state.nodes.values()}
        self.members = {node.id for node in state.nodes.values() if node.member}
        self.stays = {node.id for node in state.nodes.values() if node.stays}
        self.forgotten, self.reset, self.moved = [], [], 0

    def owned(self, node):
        return [slot for slot, owner in self.owner.items() if owner == node]

    def do(self, step):
        node, other = step.node, step.other
        if step.action == "meet":
            self.members |= {node, other}
        elif step.action == "assign":
            assert node in self.members and self.master[node] is None
            for slot in step.slots:
                assert slot not in self.owner
                self.owner[slot] = node
        elif step.action == "move":
            assert self.master[other] is None and other in self.members
            self.moved += len(step.slots)
            for slot in step.slots:
                assert self.owner[slot] == node
                self.owner[slot] = other
        elif step.action == "promote":
            old = self.master[node]
            assert old is not None
            for slot in self.owned(old):
                self.owner[slot] = node
            for one, master in self.master.items():
                if master == old:
                    self.master[one] = node
            self.master[node], self.master[old] = None, node
        elif step.action == "replicate":
            assert self.master[node] is not None or not self.owned(node), "a master with slots can't follow"
            assert self.master[other] is None, "only masters can be followed"
            assert {node, other} <= self.members
            self.master[node] = other
        elif step.action == "forget":
            assert node not in self.owner.values()
            assert node not in [self.master[one] for one in self.stays], "nobody forgets its master"
            self.forgotten.append(node)
            self.members.discard(node)
            self.master[node] = None
        elif step.action == "reset":
            assert node in self.forgotten or node not in self.members
            self.reset.append(node)
        else:
            raise AssertionError(step.action)


@st.composite
def clusters(draw):
    """Any cluster: masters with any shares of any part of the slots, replicas, newcomers, some of them to leave."""
    masters, replicas, newcomers = (draw(st.integers(*limits)) for limits in ((0, 5), (0, 5), (0, 6)))
    zones, state = st.sampled_from("wxyz"), State({})
    for number in range(masters):
        state.nodes[f"m{number}"] = Node(
            f"m{number}", f"m{number}", draw(zones), stays=draw(st.booleans()) or number < 1
        )
    cuts = sorted(draw(st.lists(st.integers(0, SLOTS), min_size=masters, max_size=masters)))
    for number, (first, last) in enumerate(zip([0, *cuts], cuts, strict=False)):
        state.nodes[f"m{number}"].slots = set(range(first, last))
    for number in range(replicas if masters else 0):
        master = f"m{draw(st.integers(0, masters - 1))}"
        node = Node(f"r{number}", f"r{number}", draw(zones), stays=draw(st.booleans()), master=master)
        state.nodes[node.id] = node
    for number in range(newcomers):
        state.nodes[f"n{number}"] = Node(f"n{number}", f"n{number}", draw(zones), member=draw(st.booleans()))
    return state


@settings(max_examples=100, deadline=None)
@given(clusters(), st.integers(0, 2), st.booleans())
def test_any_cluster_becomes_the_wanted_one(state, replicas, rebalance):
    assume(not impossible(state, replicas))
    before = copy.deepcopy(state)
    steps, after = plan(state, replicas, rebalance)
    assert state == before, "planning changes nothing"
    model = Model(state)
    for step in steps:
        model.do(step)
    staying = [node for node in state.nodes.values() if node.stays]
    assert sorted(model.owner) == list(range(SLOTS)), "every slot has one owner"
    assert model.members == {node.id for node in staying}
    masters = [node.id for node in staying if model.master[node.id] is None]
    counts = collections.Counter(model.master[node.id] for node in staying)
    assert len(masters) >= 3 and all(counts[master] >= replicas for master in masters)
    shares = collections.Counter(model.owner.values())
    assert set(shares) == set(masters)
    if rebalance:
        assert min(shares.values()) >= SLOTS // len(masters)
    # The prediction is what the model came to, and it is stable.
    assert {n.id: n.slots for n in after.nodes.values()} == {n: set(model.owned(n)) for n in after.nodes}
    assert all(after.nodes[node.id].master == model.master[node.id] for node in staying)
    assert plan(after, replicas, rebalance)[0] == []


@settings(max_examples=60, deadline=None)
@given(clusters(), st.integers(0, 1))
def test_no_slot_moves_that_need_not(state, replicas):
    assume(not impossible(state, replicas))
    steps, after = plan(state, replicas)
    moved = sum(len(step.slots) for step in steps if step.action == "move")
    # What a master has in the end beyond what it had, or its successor took over, or nobody had.
    successors = {step.node: state.nodes[step.node].master for step in steps if step.action == "promote"}
    had = {node: len(state.nodes[successors.get(node, node)].slots) for node in after.nodes}
    given_ = collections.Counter()
    for step in steps:
        if step.action == "assign":
            given_[step.node] += len(step.slots)
    gained = sum(max(0, len(n.slots) - had[n.id] - given_[n.id]) for n in after.nodes.values() if n.slots)
    assert moved == gained
    # And nobody gains more than an even share, as long as somebody has to give.
    masters = [node for node in after.nodes.values() if node.slots]
    leaving = sum(had[n] for n in after.nodes if not after.nodes[n].slots and n not in successors.values())
    short = sum(max(0, SLOTS // len(masters) - had[n.id] - given_[n.id]) for n in masters)
    assert moved == max(leaving, short)


@settings(max_examples=50, deadline=None)
@given(clusters(), st.integers(0, 2), st.integers(0, 20))
def test_an_interrupted_plan_is_finished_by_another(state, replicas, done):
    assume(not impossible(state, replicas))
    for _phase in range(done):
        phase = next_steps(state, replicas)
        if not phase:
            break
        simulate(state, phase[0])
    assert not impossible(state, replicas)
    _steps, after = plan(state, replicas)
    assert sum(len(node.slots) for node in after.nodes.values()) == SLOTS
    assert not next_steps(after, replicas)


def fresh(zones):
    return State({f"n{n}": Node(f"n{n}", f"n{n}", zone, member=n == 0) for n, zone in enumerate(zones)})


@pytest.mark.parametrize("zones", ["xyzxyz", "xxyyzz", "xyzxyzxyz", "xyxyxy", "wwxxyyzz"])
def test_even_hosts_share_nothing(zones):
    _steps, after = plan(fresh(zones), 1)
    for node in after.nodes.values():
        assert node.master is None or after.nodes[node.master].zone != node.zone


def whole(masters, replicas=()):
    """Masters 'a', 'b', ... with even shares, and replicas given by their masters' letters."""
    state, names = State({}), "abcdefgh"[:masters]
    for at, name in enumerate(names):
        slots = set(range(SLOTS * at // masters, SLOTS * (at + 1) // masters))
        state.nodes[name] = Node(name, name, f"z{at}", slots=slots)
    for at, master in enumerate(replicas):
        state.nodes[f"r{at}"] = Node(f"r{at}", f"r{at}", f"z{at + 1}", master=master)
    return state


def test_a_failover_changes_nothing():
    state = whole(3, "abc")
    state.nodes["r0"].slots, state.nodes["a"].slots = state.nodes["a"].slots, set()
    state.nodes["r0"].master, state.nodes["a"].master = None, "r0"
    assert plan(state, 1)[0] == []


def test_fewer_replicas_make_no_masters():
    assert plan(whole(3, "abc"), 0)[0] == []


def test_a_leaving_master_is_replaced_by_its_replica_and_nothing_moves():
    state = whole(3, "abc")
    state.nodes["a"].stays = False
    state.nodes["n"] = Node("n", "n", "z9", member=False)
    steps, _after = plan(state, 1)
    assert [step.action for step in steps] == ["meet", "promote", "replicate", "forget", "reset"]


def test_a_master_too_many_gives_up_its_slots_before_it_follows():
    steps, after = plan(whole(4, "abc"), 1)
    assert [step.action for step in steps] == ["move", "move", "move", "replicate"]
    assert sum(len(step.slots) for step in steps) == SLOTS // 4 and after.nodes[steps[-1].node].master


def test_begun_moves_come_first():
    state = whole(4)
    state.open, state.stale = {7: "b"}, [("c", 9)]
    first = next_steps(state, 0)
    assert [(s.action, s.node, s.other, s.slots) for s in first] == [
        ("settle", "c", None, (9,)),
        ("move", "a", "b", (7,)),
    ]
    steps, after = plan(state, 0)
    assert 7 in after.nodes["b"].slots and not after.open and not after.stale
    # One slot less than an even share is made up for.
    assert sum(len(step.slots) for step in steps if step.action == "move") == 2


def test_a_dead_node_without_slots_is_forgotten_and_not_reset():
    state = whole(3)
    state.nodes["x"] = Node("x", "x", "z", stays=False, reachable=False)
    assert [step.action for step in plan(state, 0)[0]] == ["forget"]
    state.nodes["x"].slots = {state.nodes["a"].slots.pop()}
    assert "can't be reached, but owns 1 slots" in impossible(state, 0)[0]


def test_too_few():
    assert "3 nodes with 1 replicas for each master give 1 masters" in impossible(whole(3), 1)[0]
    state = whole(3, "abc")
    for name in "ab":
        state.nodes[name].stays = False
    state.nodes["r0"].master = state.nodes["r1"].master = "c"
    assert "Only 1 of the nodes that stay can be masters" in impossible(state, 0)[0]
