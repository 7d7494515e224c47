# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is the master, and who has to follow it."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication.plan import (
    Node,
    lagging,
    plan,
    told_node,
    where_masters_are,
)
from hypothesis import given, strategies as st


def node(number, follows=None, **more):
    return Node(
        name=f"r{number}",
        addresses=frozenset({(f"10.0.0.{number}", 6379), (f"10.0.0.{number}", 6380)}),
        master=None if follows is None else (f"10.0.0.{follows}", 6379),
        **more,
    )


def test_a_new_group_follows_its_first_member():
    found = plan([node(1), node(2), node(3)])
    assert (found.master.name, found.follow, found.new) == ("r1", ("r2", "r3"), True)


def test_a_new_group_follows_the_one_with_data():
    found = plan([node(1), node(2, keys=5), node(3)])
    assert (found.master.name, found.follow) == ("r2", ("r1", "r3"))


def test_after_a_failover_nothing_is_to_do():
    found = plan([node(1, follows=3, keys=5), node(2, follows=3, keys=5), node(3, keys=5)])
    assert (found.master.name, found.follow, found.new) == ("r3", (), False)


def test_a_newer_replica_and_an_older_one_that_follows_already_are_left_alone():
    old, new = {"version": (7, 0)}, {"version": (8, 0)}
    assert plan([node(1, **old), node(2, **new)]).follow == ("r2",)
    # In the middle of an upgrade, after the hand-over.
    assert plan([node(1, follows=2, **old), node(2, **new)]).follow == ()
    assert plan([node(1), node(2, **new)]).follow == ("r2",)


def test_an_old_master_that_comes_back_empty_follows_the_new_one():
    assert plan([node(1), node(2, follows=3), node(3, keys=9)]).follow == ("r1",)


def test_a_replica_of_a_replica_is_led_to_the_master():
    assert plan([node(1), node(2, follows=1), node(3, follows=2)]).follow == ("r3",)


def test_the_tls_port_is_the_same_server():
    other = dataclasses.replace(node(2), master=("10.0.0.1", 6380))
    assert plan([node(1), other]).follow == ()


@pytest.mark.parametrize(
    ("nodes", "words", "passing"),
    [
        ([node(1, version=(8, 0)), node(2, version=(7, 0))], "r2 is compatible with Redis 7.0 and can't load", False),
        ([node(1, keys=1), node(2, keys=1)], "r1 (1 keys) and r2 (1 keys) are masters with data of their own", False),
        ([node(1), node(2, follows=1), node(3), node(4, follows=3)], "two masters with replicas, r1 and r3", True),
        ([node(1), node(2, follows=9)], "r2 is a replica of 10.0.0.9:6379, which is no member", False),
        ([node(1), node(2, follows=1), node(3, keys=7)], "r3 is a master with 7 keys, and would lose them", False),
        ([node(1, follows=2), node(2, follows=1)], "r1 follows r2, r2 follows r1", True),
        ([node(1, failover="waiting-for-sync"), node(2, follows=1)], "r1 is in a failover", True),
    ],
)
def test_refused(nodes, words, passing):
    with pytest.raises(Refused) as refused:
        plan(nodes)
    assert words in str(refused.value)
    assert refused.value.passing is passing


def test_sentinels_must_agree():
    nodes = [node(1), node(2, follows=1)]
    assert plan(nodes, ("10.0.0.1", 6379)).master.name == "r1"
    with pytest.raises(Refused, match="Sentinels hold 10.0.0.2:6379") as refused:
        plan(nodes, ("10.0.0.2", 6379))
    assert refused.value.passing


def test_lagging():
    nodes = [node(1), node(2, follows=1), node(3, follows=1, link="down"), node(4, follows=2)]
    assert lagging(nodes[0], nodes) == ["r3", "r4"]


groups = st.integers(2, 5).flatmap(
    lambda size: st.tuples(
        *(
            st.builds(
                lambda follows, keys, number=number: node(
                    number, follows=follows if follows != number else None, keys=keys
                ),
                st.none() | st.integers(1, size),
                st.integers(0, 2),
            )
            for number in range(1, size + 1)
        )
    )
)


@given(groups)
def test_nobody_loses_data_and_a_second_plan_is_empty(nodes):
    try:
        found = plan(list(nodes))
    except Refused:
        return
    for one in nodes:
        assert not (one.name in found.follow and one.master is None and one.keys), "its keys would be erased"
    master = next(iter(sorted(found.master.addresses)))
    after = [dataclasses.replace(one, master=master) if one.name in found.follow else one for one in nodes]
    again = plan(after)
    assert (again.master.name, again.follow) == (found.master.name, ())
    assert lagging(found.master, after) == []


def missing(number):
    return frozenset({(f"10.0.0.{number}", 6379)})


def test_a_master_that_does_not_answer_is_waited_for_where_sentinels_can_replace_it():
    with pytest.raises(Refused, match="the master 10.0.0.1:6379 does not answer") as refused:
        plan([node(2, follows=1), node(3, follows=1)], ("10.0.0.1", 6379), missing(1))
    assert refused.value.passing


def test_a_master_that_does_not_answer_stays_the_master_where_nobody_can_replace_it():
    found = plan([node(2, follows=1), node(3, follows=1)], None, missing(1))
    assert (found.master.name, found.follow) == ("10.0.0.1:6379", ())


def test_a_former_master_that_came_back_is_left_to_the_sentinels():
    with pytest.raises(Refused, match="r1 is a master with 5 keys") as refused:
        plan([node(1, keys=5), node(2, keys=5), node(3, follows=2)], ("10.0.0.2", 6379))
    assert refused.value.passing
    with pytest.raises(Refused, match="are masters with data of their own") as refused:
        plan([node(1, keys=5), node(2, keys=5)], ("10.0.0.2", 6379))
    assert refused.value.passing


def test_a_master_that_does_not_take_the_login_yet_counts_by_what_its_host_found():
    told = told_node({"host": "10.0.0.2", "port": 6379, "keys": 5}, [("10.0.0.2", 6379)])
    assert plan([node(1), told]).master.name == "10.0.0.2:6379"
    with pytest.raises(Refused, match="masters with data of their own"):
        plan([node(1, keys=3), told])


def test_a_replica_is_told_the_new_port_of_its_master():
    ports = {"r1": {"r2": 6380, "r3": 6380}}
    moved = dataclasses.replace(node(1, stream="a"), addresses=frozenset({("10.0.0.1", 6380)}))
    nodes, astray = where_masters_are([moved, node(2, follows=1, stream="a")], ports)
    assert astray == ("r2",)
    assert nodes[1].master == ("10.0.0.1", 6380)
    assert plan(nodes).follow == ()
    # Also while the master has both.
    assert where_masters_are([node(1), node(2, follows=1)], ports)[1] == ("r2",)
    assert where_masters_are([node(1), node(2, follows=1)], {"r1": {"r2": 6379}})[1] == ()


def test_another_server_on_the_masters_host_is_not_taken_for_it():
    moved = dataclasses.replace(node(1, stream="a"), addresses=frozenset({("10.0.0.1", 6380)}))
    nodes, astray = where_masters_are([moved, node(2, follows=1, stream="b")], {"r1": {"r2": 6380}})
    assert astray == ()
    with pytest.raises(Refused, match="no member of this group"):
        plan(nodes)
