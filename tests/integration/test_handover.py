# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of a group are restarted one by one under a client that writes all the time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import cluster_lab
import pytest
import redis
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _handover_ask, _handover_move
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._connection import redis_argument_spec
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover_run import NotDone, Rolling
from conftest import NAMES
from sentinel_lab import REPLICA, SECRET, WATCHER, Group, wait_for

# Restart-only, and so in the file alone until the restart.
WAITING = "databases 20\n"


class Unit:
    """Restarts a server on loopback as systemd would."""

    def __init__(self, process):
        self.process, self.restarts = process, 0

    def ports(self):
        return [self.process.port]

    def restart(self):
        self.process.process.terminate()
        self.process.process.wait(timeout=20)
        self.process.start()
        wait_for(self.process.client().ping, 60)
        self.restarts += 1


class Writer(threading.Thread):
    """A client that writes new keys where it is let, and remembers those that were acknowledged."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.acknowledged, self.going = group, [], True

    def run(self):
        clients = [one.client() for one in self.group.data]
        number = at = 0
        while self.going:
            number += 1
            try:
                clients[at].execute_command("SET", f"k{number}", number)
                self.acknowledged.append(number)
                # Others need the processor, too.
                time.sleep(0.001)
            except redis.RedisError:
                at = (at + 1) % len(clients)
                time.sleep(0.01)

    def __enter__(self):
        self.start()
        wait_for(lambda: len(self.acknowledged) > 100, 60)
        return self

    def __exit__(self, *_what):
        self.going = False
        self.join(timeout=20)

    def lost(self, client):
        """Return the acknowledged keys that this server has not."""
        found = client.execute_command("MGET", *(f"k{number}" for number in self.acknowledged))
        return [number for number, value in zip(self.acknowledged, found, strict=True) if value is None]


def options(group, number, **more):
    own = group.data[number]
    found = {name: option.get("default") for name, option in redis_argument_spec().items()}
    found.update(login_port=own.port, login_user="admin", login_password=SECRET, config_file=str(own.file))
    found.update(renamed_commands={"CONFIG": "the-new-config"}, allow_data_loss=False, start_timeout=60)
    found.update(sentinels=[{"host": "127.0.0.1", "port": one.port} for one in group.sentinels])
    found.update(nodes=[{"host": "127.0.0.1", "port": one.port} for one in group.data])
    found.update(sentinel_master_name="mymaster", sentinel_user="admin", sentinel_password=SECRET)
    return {**found, "handover_timeout": 60, **more}


def watch(group):
    """Make the Sentinels watch the group."""
    for one in group.sentinels:
        one.ask("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", group.data[0].port, 2)
        for words in (
            *(("down-after-milliseconds", 5000), ("auth-user", "sentinel"), ("auth-pass", WATCHER)),
            *(("failover-timeout", 20000), ("rename-command", "CONFIG", "the-new-config")),
        ):
            one.ask("SENTINEL", "SET", "mymaster", *words)
    group.know_each_other()


@pytest.fixture(params=NAMES)
def group(request, tmp_path, run_module):
    one = Group(request.param, tmp_path, run_module)
    try:
        yield one.ready()
    finally:
        one.stop()


def roll(group, number, role, check=False, **more):
    unit = Unit(group.data[number])
    done = Rolling(options(group, number, **more), unit, check).run(role)
    assert unit.restarts == (done.restarted and not check)
    return done


def number_of(group, name):
    return [f"127.0.0.1:{one.port}" for one in group.data].index(name)


def masters(group):
    there = [number for number, one in enumerate(group.data) if one.process.poll() is None]
    return [number for number in there if group.data[number].ask("ROLE")[0] == b"master"]


def test_with_sentinels_no_acknowledged_write_is_lost(group, monkeypatch):
    hand_over = _handover_move.hand_over

    def hand_over_and_rewrite(*arguments):
        done = hand_over(*arguments)
        # As a Sentinel would have it do.
        group.data[0].ask("the-new-config", "REWRITE")
        return done

    monkeypatch.setattr(_handover_move, "hand_over", hand_over_and_rewrite)
    watch(group)
    started = [one.process.pid for one in group.data]
    for one in group.data:
        one.file.write_text(one.file.read_text() + WAITING)
    with Writer(group) as writer:
        assert [roll(group, number, "any").pending for number in range(3)] == ["master", "replica", "replica"]
        assert roll(group, 1, "replica", check=True).restarted
        assert [roll(group, number, "replica").pending for number in range(3)] == ["master", "none", "none"]
        assert masters(group) == [0]
        predicted = roll(group, 0, "master", check=True)
        assert predicted.restarted and predicted.handed_over_to and masters(group) == [0]
        done = roll(group, 0, "master")
        assert (done.restarted, done.pending) == (True, "none") and 0 < done.gap < 10
        time.sleep(0.3)
    heir = number_of(group, done.handed_over_to)
    assert masters(group) == [heir] != [0]
    assert writer.lost(group.data[heir].client()) == []
    for one, before in zip(group.data, started, strict=True):
        assert one.process.pid != before
        # What was waiting in the file for the restart must survive that.
        assert one.ask("the-new-config", "GET", "databases")[1] == b"20"
        assert one.file.stat().st_mode & 0o777 == 0o644


@pytest.fixture
def one_group(tmp_path, run_module):
    """A group of one kind only, for what does not differ between kinds."""
    one = Group("redis-8.0", tmp_path, run_module)
    try:
        yield one.ready()
    finally:
        one.stop()


def killed(group, place, name):
    """Run in a process of its own, which is killed after this function."""

    def run():
        function = getattr(place, name)

        def do_and_die(*arguments):
            function(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(place, name, do_and_die)
        roll(group, 0, "master")

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_run_that_is_killed_loses_nothing_and_can_be_repeated(one_group):
    watch(one_group)
    with Writer(one_group) as writer:
        killed(one_group, _handover_move.Pause, "demote")
        before = one_group.data[0].process.pid
        assert roll(one_group, 0, "master").restarted
        written = len(writer.acknowledged)
        wait_for(lambda: len(writer.acknowledged) > written + 100, 60)
    (master,) = masters(one_group)
    assert master != 0 and one_group.data[0].process.pid != before
    assert writer.lost(one_group.data[master].client()) == []


def test_when_the_pause_of_a_run_that_was_killed_ends_before_the_demotion(one_group, monkeypatch):
    """The old master takes no write that would be thrown away when the Sentinels make it a replica at last."""
    watch(one_group)
    # Sentinels take 8 s at least.
    monkeypatch.setattr(_handover_move, "DEMOTION_SECONDS", -7.0)
    with Writer(one_group) as writer:
        killed(one_group, _handover_ask, "fail_over")
        wait_for(lambda: len(masters(one_group)) == 2, 60)
        wait_for(lambda: len(masters(one_group)) == 1, 60)
        written = len(writer.acknowledged)
        wait_for(lambda: len(writer.acknowledged) > written + 100, 60)
    (master,) = masters(one_group)
    assert master != 0 and writer.lost(one_group.data[master].client()) == []


def test_replicas_that_stand_still_after_the_order(one_group, monkeypatch):
    """They do as they were told when they go on, and by then clients have written to the old master again."""
    group = one_group
    watch(group)
    fail_over = _handover_ask.fail_over

    def order_and_stand_still(sentinel):
        for one in group.data[1:]:
            one.process.send_signal(signal.SIGSTOP)
        fail_over(sentinel)

    monkeypatch.setattr(_handover_ask, "fail_over", order_and_stand_still)
    monkeypatch.setattr(_handover_move, "PROMOTION_SECONDS", 1.0)
    with Writer(group) as writer:
        with pytest.raises(NotDone, match="took the order and promoted nobody"):
            roll(group, 0, "master", login_timeout=0.5)
        written = len(writer.acknowledged)
        wait_for(lambda: len(writer.acknowledged) > written + 100, 60)
        for one in group.data[1:]:
            one.process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(masters(group)) == 2, 60)
        wait_for(lambda: len(masters(group)) == 1, 60)
    assert masters(group) == [0] and writer.lost(group.data[0].client()) == []
    assert {one.row("MASTER", "mymaster")["failover-timeout"] for one in group.sentinels} == {"20000"}
    assert group.data[0].ask("the-new-config", "GET", "min-replicas-to-write")[1] == b"0"


def test_without_sentinels_a_master_is_restarted_in_place_with_its_data(one_group):
    """The Sentinels run and watch nothing: nobody would fail over."""
    for number in range(500):
        one_group.data[0].ask("SET", f"k{number}", number)
    before = one_group.data[0].process.pid
    assert [roll(one_group, number, "replica").pending for number in range(3)] == ["master", "none", "none"]
    done = roll(one_group, 0, "master")
    assert done.restarted and not done.handed_over_to
    assert one_group.data[0].process.pid != before and masters(one_group) == [0]
    assert [one.ask("DBSIZE") for one in one_group.data] == [500] * 3
    # One did not come back: the others stay as they are.
    one_group.data[2].kill()
    refused(one_group, 0, f"127.0.0.1:{one_group.data[2].port} can't be reached")
    refused(one_group, 1, f"127.0.0.1:{one_group.data[2].port} can't be reached", role="replica")


def refused(group, number, words, role="master", **more):
    before = [one.process.pid for one in group.data], masters(group)
    with pytest.raises(NotDone, match=words) as told:
        roll(group, number, role, **{"handover_timeout": 1, **more})
    assert not told.value.facts["restarted"]
    assert ([one.process.pid for one in group.data], masters(group)) == before


def test_refused_while_the_group_is_not_whole(one_group, monkeypatch):
    group = one_group
    watch(group)
    refused(group, 0, "config_file is not set", config_file=None)
    # A replica that does not get in.
    group.data[1].ask("the-new-config", "SET", "masterauth", "wrong")
    group.data[1].ask("CLIENT", "KILL", "TYPE", "master")
    refused(group, 0, f"127.0.0.1:{group.data[1].port}, a replica .* not connected to the master")
    refused(group, 1, "not connected to the master|link to the master is down", role="replica")
    refused(group, 2, f"127.0.0.1:{group.data[1].port}, a replica", role="replica")
    group.data[1].ask("the-new-config", "SET", "masterauth", REPLICA)
    wait_for(lambda: b"connected_slaves:2" in group.data[0].ask("INFO", "replication"), 60)

    # A replica that would not end, because it can't save.
    group.data[0].ask("SET", "k", "v")
    file = group.data[1].folder / "dump.rdb"
    file.unlink(missing_ok=True)
    file.mkdir()
    group.data[1].ask("the-new-config", "SET", "save", "3600 1")
    group.data[1].ask("BGSAVE")
    wait_for(lambda: b"rdb_last_bgsave_status:err" in group.data[1].ask("INFO", "persistence"))
    refused(group, 1, "data that it can't save", role="replica")
    file.rmdir()
    group.data[1].ask("the-new-config", "SET", "save", "")

    # Sentinels whose user lacks a right on the replicas: they take the order, and nothing comes of it.
    for one in group.data[1:]:
        one.ask("ACL", "SETUSER", "sentinel", "-config|rewrite")
    monkeypatch.setattr(_handover_move, "PROMOTION_SECONDS", 3.0)
    with Writer(group) as writer:
        refused(group, 0, "promoted nobody", handover_timeout=20)
        written = len(writer.acknowledged)
        wait_for(lambda: len(writer.acknowledged) > written + 100, 60)
    assert writer.lost(group.data[0].client()) == []

    # A Sentinel that does not answer, one that knows the group by another name, and one that thinks otherwise.
    group.sentinels[2].process.send_signal(signal.SIGSTOP)
    refused(group, 0, f"a Sentinel can't be asked: 127.0.0.1:{group.sentinels[2].port}", login_timeout=0.5)
    group.sentinels[2].kill()
    two = [{"host": "127.0.0.1", "port": one.port} for one in group.sentinels[:2]]
    refused(group, 0, "calls this group mymaster", sentinel_master_name="other")
    group.sentinels[1].ask("SENTINEL", "REMOVE", "mymaster")
    group.sentinels[1].ask("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", group.data[1].port, 2)
    refused(group, 0, "the Sentinels disagree", sentinels=two)
    # None of this counts for who says so.
    assert roll(group, 2, "replica", sentinels=two, allow_data_loss=True, handover_timeout=0).restarted


class ClusterUnit(Unit):
    def ports(self):
        return [self.process.port, self.process.tls_port]

    def restart(self):
        self.process.stop()
        self.process.start()
        self.restarts += 1


@pytest.fixture(params=NAMES)
def lab(request, certificates, tmp_path, run_module):
    """A cluster, whose servers of Redis 8 are asked over TLS."""
    one = cluster_lab.Lab(request.param, tmp_path, certificates, tls=request.param == "redis-8.0")
    try:
        nodes = one.add(6)
        entries = [one.entry(node, zone=str(at % 3)) for at, node in enumerate(nodes)]
        assert run_module("redis_cluster", one.options(entries, replicas=1)).get("changed")
        yield one
    finally:
        one.stop()


def roll_node(lab, node, role, **more):
    found = {name: option.get("default") for name, option in redis_argument_spec().items()}
    found.update(lab.options([]), login_port=lab.entry(node)["port"], start_timeout=60, handover_timeout=60)
    found.update(renamed_commands={}, allow_data_loss=False, nodes=[], sentinels=[], config_file=None)
    unit = ClusterUnit(node)
    done = Rolling({**found, **more}, unit).run(role)
    assert unit.restarts == done.restarted
    return done


def test_cluster_is_restarted_and_nothing_is_lost(lab):
    def leading():
        return {at for at, node in enumerate(lab.nodes) if node.client().execute_command("ROLE")[0] == b"master"}

    before, started = leading(), [node.process.pid for node in lab.nodes]
    with cluster_lab.Writer(lab.nodes[0]) as writer:
        pending = [roll_node(lab, node, "any").pending for node in lab.nodes]
        assert {at for at, part in enumerate(pending) if part == "master"} == before
        for node in lab.nodes:
            roll_node(lab, node, "replica")
        assert leading() == before
        for at in sorted(before):
            done = roll_node(lab, lab.nodes[at], "master")
            # A failed election would keep writes waiting for 4 s.
            assert done.restarted and done.handed_over_to and done.gap < 2
        time.sleep(0.3)
    assert not before & leading()
    assert writer.lost() == []
    assert all(node.process.pid != pid for node, pid in zip(lab.nodes, started, strict=True))
    other = lab.nodes[max(leading())]
    if lab.tls:
        # A replica that announces a port at which it is not. The port of the login is tried there, too: another server.
        heir = next(
            node for node in lab.nodes if cluster_lab.members(node)[node.cluster("MYID")][1] == other.cluster("MYID")
        )
        for name in ("cluster-announce-port", "cluster-announce-tls-port"):
            heir.client().execute_command("CONFIG", "SET", name, "9")
        wait_for(lambda: ":9@" in other.cluster("NODES"))
        with pytest.raises(NotDone, match="127.0.0.1:9 is not in step with .*: it is no replica"):
            roll_node(lab, other, "master", handover_timeout=2)
    # One of a shard is down: neither its master nor any other is restarted.
    lab.nodes[min(before)].stop()
    with pytest.raises(NotDone, match="has no connection to|can't be reached"):
        roll_node(lab, other, "master", handover_timeout=0)
