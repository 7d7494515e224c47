# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a server of a group may be restarted."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import parse_nodes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover import rules as handover_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rules import (
    ReplicaRow,
    ServerInfo,
    Watch,
)
from hypothesis import given, strategies as st

MASTER_INFO = """# Server
run_id:aaaa
# Replication
role:master
connected_slaves:2
slave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=0
slave1:ip=10.0.0.3,port=6380,state=wait_bgsave,offset=0,lag=0,type=replica
slave_priority_of_nobody:1
master_failover_state:no-failover
master_replid:feed
master_repl_offset:1000
# Cluster
cluster_enabled:0
"""
REPLICA_INFO = """run_id:bbbb
role:slave
master_host:10.0.0.1
master_port:6379
master_link_status:down
master_sync_in_progress:1
slave_repl_offset:77
slave_priority:0
master_replid:feed
master_repl_offset:99
cluster_enabled:1
"""


def test_info_of_a_master():
    said = handover_rules.parse_server_info(MASTER_INFO.replace("\n", "\r\n"))
    assert said == ServerInfo(
        run_id="aaaa",
        offset=1000,
        stream="feed",
        attached=(ReplicaRow("10.0.0.2", 6379, "online", 900), ReplicaRow("10.0.0.3", 6380, "wait_bgsave", 0)),
    )


def test_info_of_a_replica():
    said = handover_rules.parse_server_info(REPLICA_INFO)
    assert (said.master, said.link, said.syncing, said.offset) == (("10.0.0.1", 6379), "down", True, 77)
    assert (said.priority, said.cluster, said.attached) == (0, True, ())


FOLLOWER = ServerInfo("b", master=("10.0.0.1", 6379), offset=100, stream="feed")
LEADER = ServerInfo("a", offset=100, stream="feed", attached=(ReplicaRow("10.0.0.2", 6379, "online", 100),))


@pytest.mark.parametrize(
    ("said", "members", "watched", "part"),
    [
        (ServerInfo("a"), 0, False, "none"),
        (ServerInfo("a", cluster=True), 1, False, "none"),
        (ServerInfo("a", cluster=True), 2, False, "master"),
        (ServerInfo("a"), 0, True, "master"),
        (LEADER, 0, False, "master"),
        (FOLLOWER, 0, False, "replica"),
        # A replica with replicas of its own.
        (dataclasses.replace(FOLLOWER, attached=LEADER.attached), 6, True, "replica"),
    ],
)
def test_part(said, members, watched, part):
    assert handover_rules.part_of(said, members, watched) == part


def test_whose_turn_it_is():
    due = {(part, role): handover_rules.is_due(part, role) for part in ("none", "replica", "master") for role in ROLES}
    assert {key for key, yes in due.items() if not yes} == {
        *(("replica", "any"), ("master", "any"), ("master", "replica")),
    }


ROLES = ("any", "replica", "master")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"offset": 101}, ""),
        ({"offset": 99}, "1 bytes behind"),
        ({"link": "down"}, "link"),
        ({"syncing": True}, "loading"),
        ({"stream": "f00d"}, "history"),
        ({"master": None}, "no replica"),
    ],
)
def test_in_step(change, reason):
    found = handover_rules.behind(dataclasses.replace(FOLLOWER, **change), 100, "feed")
    assert reason in found and bool(reason) == bool(found)


def passing(call, *arguments):
    with pytest.raises(Refused) as told:
        call(*arguments)
    return str(told.value), told.value.passing


def test_a_replica_that_gets_its_data_is_waited_for():
    handover_rules.check_attached("m", LEADER)
    syncing = dataclasses.replace(LEADER, attached=(ReplicaRow("10.0.0.9", 6379, "send_bulk", 0),))
    text, waits = passing(handover_rules.check_attached, "m", syncing)
    assert "10.0.0.9:6379" in text and waits
    text, waits = passing(handover_rules.check_attached, "m", dataclasses.replace(LEADER, failover="waiting-for-sync"))
    assert "failover" in text and waits


def row(number, runid, flags="slave", port=6379):
    return {"ip": f"10.0.0.{number}", "port": str(port), "flags": flags, "runid": runid}


def watch(number=1, replicas=(), **change):
    master = {**row(1, "a", "master"), **change}
    return Watch(f"s{number}", master, tuple(replicas) or (row(2, "b"), row(3, "c")))


ATTACHED = {("10.0.0.2", 6379), ("10.0.0.3", 6379)}


def check(watches, own="b", found="a", attached=frozenset(ATTACHED)):
    handover_rules.check_watches(watches, ("10.0.0.1:6379", "a"), own, attached, found)


def test_sentinels_that_agree():
    check([watch(1), watch(2)])
    # They have not asked a server again that was restarted: who it is at that address says that server itself.
    check([watch(1, runid="old")], found="a")
    check([watch(1)], found="")
    # The server to restart may be down for them.
    check([watch(1, [row(2, "b", "slave,s_down"), row(3, "c")])], own="b")


@pytest.mark.parametrize(
    ("watches", "words", "waits"),
    [
        ([watch(1), watch(2, ip="10.0.0.3")], "disagree", True),
        ([watch(1, flags="master,failover_in_progress")], "under way", True),
        ([watch(1, flags="master,o_down")], "for down", True),
        ([watch(1, [row(2, "b"), row(3, "c", "slave,disconnected")])], "10.0.0.3:6379.*disconnected", True),
        ([watch(1, [row(2, "b"), row(3, "c"), row(4, "d")])], "10.0.0.4:6379.*not connected to the master", True),
        ([watch(1, [row(2, "b", port=6380), row(3, "c")])], "10.0.0.2:6380", True),
    ],
)
def test_sentinels_that_do_not(watches, words, waits):
    with pytest.raises(Refused, match=words) as told:
        check(watches)
    assert told.value.passing == waits


def test_sentinels_that_mean_another():
    for found, watches in (("c", [watch(1)]), ("", [watch(1, runid="c")])):
        with pytest.raises(Refused, match="the servers say it is 10.0.0.1:6379") as told:
            check(watches, found=found)
        assert told.value.passing


def test_a_replica_that_is_listed_by_its_old_port_too():
    rows = [row(2, "b"), row(3, "c"), row(3, "c", "slave,s_down", port=6380)]
    check([watch(1, rows)], own="a")
    # Who was never heard of at its old port may be another server.
    rows[0]["runid"] = rows[2]["runid"] = ""
    with pytest.raises(Refused, match="10.0.0.3:6380"):
        check([watch(1, rows)], own="a")


def test_who_watches():
    nothing, unknown = Watch("s1", problem="refused", absent=True), Watch("s2", elsewhere={"x": "other"})
    assert handover_rules.watching([], ["a"]) == []
    assert handover_rules.watching([nothing, unknown], ["a", "b"]) == []
    assert handover_rules.watching([nothing, unknown, watch(3)], ["a", "b"]) == [watch(3)]


def test_who_might_watch():
    text, waits = passing(handover_rules.watching, [watch(1), Watch("s2", problem="no answer")], ["a"])
    assert "no answer" in text and waits
    text, waits = passing(handover_rules.watching, [Watch("s2", elsewhere={"b": "shop"})], ["a", "b"])
    assert "s2 calls this group shop" in text and not waits
    # By both names.
    assert handover_rules.watching([Watch("s1", watch().master, elsewhere={"a": "shop"})], ["a"])


NODES = """m1 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460
m2 10.0.0.2:7000@17000 master - 0 0 2 connected 5461-10922
m3 10.0.0.3:7000@17000 master - 0 0 3 connected 10923-16383
r1 10.0.0.2:7001@17001 slave m1 0 0 1 connected
r2 10.0.0.3:7001@17001 slave m2 0 0 2 connected
e1 10.0.0.4:7000@17000 master - 0 0 4 connected
h1 10.0.0.5:7000@17000 handshake - 0 0 0 disconnected
"""


def test_shard_of_a_master_and_of_a_replica():
    shard = handover_rules.shard_of(parse_nodes(NODES), "ok")
    assert shard.me is shard.master and [entry.id for entry in shard.replicas] == ["r1"]
    assert [entry.id for entry in shard.voters] == ["m1", "m2", "m3"]
    other = NODES.replace("myself,", "").replace("slave m2", "myself,slave m2")
    shard = handover_rules.shard_of(parse_nodes(other), "ok")
    assert (shard.me.id, shard.master.id) == ("r2", "m2")


@pytest.mark.parametrize(
    ("nodes", "state", "words"),
    [
        (NODES.replace("r2 10.0.0.3:7001@17001 slave", "r2 10.0.0.3:7001@17001 slave,fail?"), "ok", "10.0.0.3:7001"),
        (NODES.replace("m3 10.0.0.3:7000@17000 master", "m3 10.0.0.3:7000@17000 master,fail"), "ok", "10.0.0.3:7000"),
        (NODES.replace("2 connected\n", "2 disconnected\n"), "ok", "no connection to 10.0.0.3:7001"),
        (NODES, "fail", "cluster_state is fail"),
        (NODES.replace("myself,master -", "myself,slave gone"), "ok", "whom this node belongs to"),
    ],
)
def test_a_cluster_that_is_not_whole(nodes, state, words):
    text, waits = passing(handover_rules.shard_of, parse_nodes(nodes), state)
    assert words in text and waits


def test_votes_need_connections_both_ways():
    views = {name: parse_nodes(NODES) for name in ("r1", "m1", "m2", "m3")}
    assert handover_rules.unlinked(views, "r1", ["m1", "m2", "m3"]) is None
    views["m3"] = parse_nodes(NODES.replace("1 connected\n", "1 disconnected\n"))
    assert handover_rules.unlinked(views, "r1", ["m1", "m2", "m3"]) == "m3"
    views["m3"], views["r1"] = parse_nodes(NODES), parse_nodes(NODES.replace("2 connected 5461", "2 disconnected 5461"))
    assert handover_rules.unlinked(views, "r1", ["m1", "m2", "m3"]) == "m2"
    assert handover_rules.unlinked(views, "m3", ["m3"]) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("port 6379\n", "port 6379\nreplicaof 10.0.0.1 6379\n"),
        ("port 6379", "port 6379\nreplicaof 10.0.0.1 6379\n"),
        ("", "replicaof 10.0.0.1 6379\n"),
        ("replicaof 10.0.0.9 6379\nport 1\n", "port 1\nreplicaof 10.0.0.1 6379\n"),
        ('SLAVEOF "10.0.0.9" 6379\nport 1\n', "port 1\nreplicaof 10.0.0.1 6379\n"),
        # As it is: nothing is written.
        ('replicaof "10.0.0.1" 6379\nport 1\n', 'replicaof "10.0.0.1" 6379\nport 1\n'),
        ("replicaof 10.0.0.1 6379\nreplicaof no one\n", "replicaof 10.0.0.1 6379\n"),
        (
            "# replicaof 10.0.0.9 1\nreplica-priority 1\n",
            "# replicaof 10.0.0.9 1\nreplica-priority 1\nreplicaof 10.0.0.1 6379\n",
        ),
    ],
)
def test_following(before, after):
    assert handover_rules.following(before, "10.0.0.1", 6379) == after


LINES = st.lists(
    st.sampled_from(
        ["port 1", "replicaof 10.0.0.9 1", "slaveof h 2", "replicaof 10.0.0.1 6379", "", "# x", "save 60 1"]
    )
)


@given(LINES)
def test_following_names_one_master_and_keeps_the_rest(lines):
    text = "".join(line + "\n" for line in lines)
    found = handover_rules.following(text, "10.0.0.1", 6379)
    assert handover_rules.following(found, "10.0.0.1", 6379) == found
    rest = [line for line in lines if not line.startswith(("replicaof", "slaveof"))]
    assert [line for line in found.splitlines() if not line.startswith("replicaof")] == rest
    assert found.splitlines().count("replicaof 10.0.0.1 6379") == 1
