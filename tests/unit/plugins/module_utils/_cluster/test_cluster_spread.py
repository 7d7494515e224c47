from __future__ import annotations

import itertools

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.placement import choose_by_zone, place
from hypothesis import given, settings, strategies as st

ZONES = st.sampled_from("xyz")


@st.composite
def placements(draw):
    masters = [(f"m{n}", draw(ZONES)) for n in range(draw(st.integers(1, 3)))]
    current = st.sampled_from([None, "gone", *(name for name, _zone in masters)])
    replicas = [(f"r{n}", draw(ZONES), draw(current)) for n in range(draw(st.integers(0, 5)))]
    return replicas, masters


def badness(placed, replicas, masters, wanted):
    """What matters, in this order: replicas that a master lacks, replicas in their master's zone."""
    zones = {name: zone for name, zone, *_more in [*replicas, *masters]}
    lacking = sum(max(0, wanted - list(placed.values()).count(name)) for name, _zone in masters)
    return lacking, sum(zones[replica] == zones[master] for replica, master in placed.items())


@settings(max_examples=150, deadline=None)
@given(placements(), st.integers(0, 2))
def test_no_other_placement_is_better(given_, wanted):
    replicas, masters = given_
    placed = place(replicas, masters, wanted)
    assert set(placed) == {name for name, *_more in replicas}
    others = itertools.product([name for name, _zone in masters], repeat=len(replicas))
    names = [name for name, *_more in replicas]
    best = min(badness(dict(zip(names, one, strict=True)), replicas, masters, wanted) for one in others)
    assert badness(placed, replicas, masters, wanted) == best


@settings(max_examples=150, deadline=None)
@given(placements(), st.integers(0, 2))
def test_a_placement_that_was_made_stays(given_, wanted):
    replicas, masters = given_
    placed = place(replicas, masters, wanted)
    assert place([(name, zone, placed[name]) for name, zone, _old in replicas], masters, wanted) == placed


def test_replicas_that_stand_well_are_left_alone():
    masters = [("m0", "x"), ("m1", "y")]
    # After a failover both masters may stand in one zone, and a master may have more than it needs.
    replicas = [("r0", "y", "m0"), ("r1", "z", "m0"), ("r2", "z", "m0"), ("r3", "x", "m1")]
    assert place(replicas, masters, 1) == {"r0": "m0", "r1": "m0", "r2": "m0", "r3": "m1"}


def test_siblings_stand_in_different_zones():
    masters, replicas = [("m0", "x"), ("m1", "x")], [(f"r{n}", zone, None) for n, zone in enumerate("yyzz")]
    placed = place(replicas, masters, 2)
    for master, _zone in masters:
        assert {zone for name, zone, _old in replicas if placed[name] == master} == {"y", "z"}


def test_masters_from_different_zones():
    nodes = [(f"n{n}", zone) for n, zone in enumerate("xxyyzz")]
    assert choose_by_zone(nodes, 3, []) == ["n0", "n2", "n4"]
    assert choose_by_zone(nodes, 2, ["x", "y"]) == ["n4", "n0"]
    assert choose_by_zone(nodes, 0, []) == [] and len(choose_by_zone(nodes, 9, [])) == 6
