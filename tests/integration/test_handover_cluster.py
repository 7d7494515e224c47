# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes of a cluster are restarted one by one under a client that writes all the time."""

from __future__ import annotations

import time

import cluster_lab
import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rolling import NotDone, Rolling
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import redis_argument_spec
from conftest import NAMES
from handover_lab import Unit
from sentinel_lab import wait_for


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
        candidate = next(
            node for node in lab.nodes if cluster_lab.members(node)[node.cluster("MYID")][1] == other.cluster("MYID")
        )
        for name in ("cluster-announce-port", "cluster-announce-tls-port"):
            candidate.client().execute_command("CONFIG", "SET", name, "9")
        wait_for(lambda: ":9@" in other.cluster("NODES"))
        with pytest.raises(NotDone, match="127.0.0.1:9 is not in step with .*: it is no replica"):
            roll_node(lab, other, "master", handover_timeout=2)
    # One of a shard is down: neither its master nor any other is restarted.
    lab.nodes[min(before)].stop()
    with pytest.raises(NotDone, match="has no connection to|can't be reached"):
        roll_node(lab, other, "master", handover_timeout=0)
