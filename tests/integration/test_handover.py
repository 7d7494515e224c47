# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of a group are restarted one by one under a client that writes all the time."""

from __future__ import annotations

import threading
import time

import cluster_lab
import pytest
import redis
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _handover_move, _handover_run
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
        wait_for(self.process.client().ping)
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
            except redis.RedisError:
                at = (at + 1) % len(clients)
                time.sleep(0.01)

    def __enter__(self):
        self.start()
        wait_for(lambda: len(self.acknowledged) > 100)
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
    found.update(renamed_commands={"CONFIG": "the-new-config"}, allow_data_loss=False, start_timeout=20)
    found.update(sentinels=[{"host": "127.0.0.1", "port": one.port} for one in group.sentinels])
    found.update(sentinel_master_name="mymaster", sentinel_user="admin", sentinel_password=SECRET)
    return {**found, "handover_timeout": 20, **more}


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
    done = Rolling(options(group, number, **more), unit).run(role, check)
    assert unit.restarts == (done.restarted and not check)
    return done


def test_with_sentinels_no_acknowledged_write_is_lost(group):
    watch(group)
    started = [one.process.pid for one in group.data]
    for one in group.data:
        one.file.write_text(one.file.read_text() + WAITING)
    with Writer(group) as writer:
        t=time.monotonic()
        assert [roll(group, number, "any").pending for number in range(3)] == ["master", "replica", "replica"]
        print("any", time.monotonic()-t); t=time.monotonic()
        assert [roll(group, number, "replica").pending for number in range(3)] == ["master", "none", "none"]
        print("rep", time.monotonic()-t); t=time.monotonic()
        assert roll(group, 0, "master", check=True).restarted
        done = roll(group, 0, "master")
        print("mas", time.monotonic()-t, done)
        assert done.restarted and done.pending == "none"
        time.sleep(0.3)
    ports = [one.port for one in group.data]
    heir = ports.index(int(done.handed_over_to.rpartition(":")[2]))
    print(len(writer.acknowledged), "acknowledged")
    assert heir and writer.lost(group.data[heir].client()) == []
    for one, before in zip(group.data, started, strict=True):
        assert one.process.pid != before
        assert one.ask("the-new-config", "GET", "databases")[1] == b"20"


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
    found.update(lab.options([]), login_port=lab.entry(node)["port"], start_timeout=20, handover_timeout=20)
    found.update(renamed_commands={}, allow_data_loss=False, sentinels=[], config_file=None)
    unit = ClusterUnit(node)
    done = Rolling({**found, **more}, unit).run(role)
    assert unit.restarts == done.restarted
    return done


def test_cluster_is_restarted_and_nothing_is_lost(lab):
    def masters():
        return {at for at, node in enumerate(lab.nodes) if node.client().execute_command("ROLE")[0] == b"master"}

    before, started = masters(), [node.process.pid for node in lab.nodes]
    with cluster_lab.Writer(lab.nodes[0]) as writer:
        pending = [roll_node(lab, node, "any").pending for node in lab.nodes]
        assert {at for at, part in enumerate(pending) if part == "master"} == before
        t=time.monotonic()
        for node in lab.nodes:
            roll_node(lab, node, "replica")
        print("rep", time.monotonic()-t); t=time.monotonic()
        assert masters() == before
        for at in sorted(before):
            done = roll_node(lab, lab.nodes[at], "master")
            assert done.handed_over_to and done.restarted
            print("mas", time.monotonic()-t, done); t=time.monotonic()
        time.sleep(0.3)
    assert not before & masters()
    print(len(writer.acknowledged), "acknowledged", writer.errors[-3:])
    assert writer.lost() == []
    assert all(node.process.pid != pid for node, pid in zip(lab.nodes, started, strict=True))
