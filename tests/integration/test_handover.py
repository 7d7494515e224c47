# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of a group are restarted one by one under a client that writes all the time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover import (
    failover as handover_failover,
    peers as handover_peers,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rolling import NotDone
from conftest import NAMES
from handover_lab import Writer, masters, number_of, roll, watch
from sentinel_lab import REPLICA, Group, wait_for

# Restart-only, and so in the file alone until the restart.
WAITING = "databases 20\n"


@pytest.fixture(params=NAMES)
def group(request, tmp_path, run_module):
    one = Group(request.param, tmp_path, run_module)
    try:
        yield one.ready()
    finally:
        one.stop()


def test_with_sentinels_no_acknowledged_write_is_lost(group, monkeypatch):
    hand_over = handover_failover.hand_over

    def hand_over_and_rewrite(*arguments):
        done = hand_over(*arguments)
        # As a Sentinel would have it do.
        group.data[0].ask("the-new-config", "REWRITE")
        return done

    monkeypatch.setattr(handover_failover, "hand_over", hand_over_and_rewrite)
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
    candidate = number_of(group, done.handed_over_to)
    assert masters(group) == [candidate] != [0]
    assert writer.lost(group.data[candidate].client()) == []
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
        killed(one_group, handover_failover.Pause, "demote")
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
    monkeypatch.setattr(handover_failover, "GUARDED_SECONDS", 5.0)
    with Writer(one_group) as writer:
        killed(one_group, handover_peers, "fail_over")
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
    fail_over = handover_peers.fail_over

    def order_and_stand_still(sentinel):
        for one in group.data[1:]:
            one.process.send_signal(signal.SIGSTOP)
        fail_over(sentinel)

    monkeypatch.setattr(handover_peers, "fail_over", order_and_stand_still)
    monkeypatch.setattr(handover_failover, "PROMOTION_SECONDS", 1.0)
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
    monkeypatch.setattr(handover_failover, "PROMOTION_SECONDS", 3.0)
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
