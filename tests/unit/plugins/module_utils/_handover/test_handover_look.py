# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting until a server may be restarted. No server."""

from __future__ import annotations

import types

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import parse_nodes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover import (
    group as handover_group,
    peers as handover_peers,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rules import (
    ServerInfo,
    Watch,
    shard_of,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.data_safety import DataAtRisk

PARAMS = dict(login_host="h", login_port=1, login_unix_socket=None, renamed_commands={}, nodes=[], sentinels=[])
PARAMS.update(handover_timeout=10, start_timeout=10, allow_data_loss=False)


@pytest.fixture
def group(monkeypatch):
    clock = types.SimpleNamespace(now=0.0)
    clock.monotonic, clock.sleep = lambda: clock.now, lambda seconds: setattr(clock, "now", clock.now + seconds)
    monkeypatch.setattr(handover_group, "time", clock)
    monkeypatch.setattr(handover_peers, "ask_sentinels", lambda _params: [])
    one = handover_group.Group(dict(PARAMS), ())
    one.clock = clock
    return one


def answers(*given):
    """Return a function that returns or raises one after the other, and the last one for ever."""
    left = list(given)

    def answer(*_arguments):
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    return answer


@pytest.mark.parametrize("first", [Refused("soon", passing=True), ConnectionProblem("unreachable", "restarting")])
def test_what_passes_is_waited_for(group, first):
    group.look = answers(first, first, "well")
    assert group.settle() == "well"
    group.look = answers(first)
    with pytest.raises(type(first)):
        group.settle()
    assert 10 < group.clock.now < 12
    assert group.settle(override=True) is None


@pytest.mark.parametrize("first", [Refused("never"), ConnectionProblem("auth", "wrong password")])
def test_what_does_not_pass_is_not(group, first):
    group.look = answers(first, "well")
    with pytest.raises(type(first)):
        group.settle()
    assert group.clock.now == 0


def test_part_waits_while_it_loads(group):
    group.own.said = answers(ConnectionProblem("loading", "it loads"), ServerInfo("a", master=("h", 1)))
    assert group.part() == "replica" and group.clock.now


def test_part_of_one_that_can_not_be_asked(group):
    group.own.said = answers(ConnectionProblem("auth", "wrong password"))
    with pytest.raises(DataAtRisk, match="redis_current_password"):
        group.part()
    assert group.clock.now == 0
    # Its turn is the last, with nothing else going on.
    group.params["allow_data_loss"] = True
    assert group.part() == "master"


@pytest.mark.parametrize(
    ("watch", "part"),
    [
        (Watch("s", {"runid": "a"}), "master"),
        (Watch("s", {"runid": "b"}), "none"),
        (Watch("s"), "none"),
        (Watch("s", problem="refused", absent=True), "none"),
        (Watch("s", problem="no answer"), "master"),
    ],
)
def test_part_of_one_without_replicas(group, monkeypatch, watch, part):
    monkeypatch.setattr(handover_peers, "ask_sentinels", lambda _params: [watch])
    group.own.said = answers(ServerInfo("a"))
    assert group.part() == part


NODES = """m1 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-8000
m2 10.0.0.2:7000@17000 master - 0 0 2 connected 8001-16383
r1 10.0.0.3:7000@17000 slave m1 0 0 1 connected
"""


def test_votes_are_asked_for_before_the_election(group):
    shard = shard_of(parse_nodes(NODES), "ok")
    told = {("10.0.0.2", 7000): NODES, ("10.0.0.3", 7000): NODES}
    group.own.cluster = answers((parse_nodes(NODES), "ok"))
    group.peer = lambda *address: types.SimpleNamespace(cluster=lambda: (parse_nodes(told[address]), "ok"))
    group.linked(shard, shard.replicas)
    told["10.0.0.2", 7000] = NODES.replace("1 connected\n", "1 disconnected\n")
    with pytest.raises(Refused, match="10.0.0.3:7000 and the master m2") as refused:
        group.linked(shard, shard.replicas)
    assert refused.value.passing


def test_declared_servers_have_to_belong_to_the_group(group):
    master = ServerInfo("a", stream="feed")
    group.params["nodes"] = [{"host": "n", "port": 1}]
    for said in (master, ServerInfo("own"), ServerInfo("c", master=("h", 1), stream="feed")):
        group.peer = lambda *_address, said=said, **_more: types.SimpleNamespace(name="n:1", said=lambda: said)
        group._members(master, "own")
    for said in (ServerInfo("c"), ServerInfo("c", master=("h", 1), stream="f00d")):
        group.peer = lambda *_address, said=said, **_more: types.SimpleNamespace(name="n:1", said=lambda: said)
        with pytest.raises(Refused, match="n:1, which nodes names"):
            group._members(master, "own")


def test_who_has_handed_over_need_not_be_in_step_before_its_restart(group, monkeypatch):
    """It may be unable to, until it runs the version of the others."""
    monkeypatch.setattr(handover_peers, "lag", lambda *_peers: "its link to the master is down")
    group.own.said = answers(ServerInfo("a", master=("m", 1)))
    group.peer = lambda *_address: types.SimpleNamespace(name="m:1", said=lambda: ServerInfo("b"))
    with pytest.raises(Refused, match="link to the master is down"):
        group.look()
    group.handed_over = True
    assert group.look().part == "replica"
