# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order a master is handed over, and what happens to the pause when something goes wrong. No server."""

from __future__ import annotations

import types

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover import (
    failover as handover_failover,
    peers as handover_peers,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rules import (
    ReplicaRow,
    ServerInfo,
    Watch,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem

OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.2", 6379)


class Peer:
    """A server that says what it is told to say, and remembers what it was asked to do."""

    def __init__(self, lab, address, said):
        self.lab, self.address, self.now, self.name = lab, address, said, "%s:%d" % address

    def said(self):
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def run(self, *words):
        if words[0] == "CONFIG":
            self.lab.need.append(words[3:])
            return [b"min-replicas-to-write", b"0"]
        self.lab.log.append(words[:2])
        if words[0] == "REPLICAOF":
            self.now = ServerInfo("a", master=words[1:])


class Lab:
    """A master, a replica and a Sentinel; a clock that goes on with each sleep."""

    def __init__(self, monkeypatch):
        self.log, self.time, self.promotes, self.reason, self.refusal = [], 100.0, True, "", None
        self.tilted, self.called_off, self.need = 0.0, False, []
        self.own = Peer(self, OLD, ServerInfo("a", offset=7, attached=(ReplicaRow(*NEW, "online", 7),)))
        self.candidate = Peer(self, NEW, ServerInfo("b", master=OLD, offset=7))
        self.peers = {OLD: self.own, NEW: self.candidate}
        self.params = {"handover_timeout": 60}
        row = {"ip": OLD[0], "port": str(OLD[1]), "down-after-milliseconds": "5000", "failover-timeout": "60000"}
        watch = Watch("s1", row)
        self.place = types.SimpleNamespace(
            part="master", said=self.own.now, shard=None, candidates=[self.candidate], watches=[watch], file="port 1\n"
        )
        sentinel = types.SimpleNamespace(where="s1", close=lambda: None)
        monkeypatch.setattr(handover_failover, "Sentinel", lambda _login: sentinel)
        monkeypatch.setattr(
            handover_failover, "time", types.SimpleNamespace(monotonic=lambda: self.time, sleep=self.sleep)
        )
        stand_ins = "sentinel_login", "is_tilted", "lag", "fail_over", "failover_state", "write_following", "call_off"
        for name in stand_ins:
            monkeypatch.setattr(handover_peers, name, getattr(self, name))

    def sleep(self, seconds):
        self.time += seconds

    def peer(self, host, port):
        return self.peers[host, port]

    def settle(self):
        self.log.append(("settle",))
        return self.place

    def sentinel_login(self, *_arguments):
        return {}

    def is_tilted(self, _sentinel):
        return self.tilted > self.time

    def lag(self, _master, _replica, _seconds):
        self.log.append(("lag",))
        return self.reason

    def fail_over(self, _sentinel):
        self.log.append(("order",))
        if self.refusal:
            refusal, self.refusal = self.refusal, None
            raise refusal
        if self.promotes:
            self.candidate.now = ServerInfo("b")

    def failover_state(self, _sentinel):
        self.log.append(("ask",))
        return (OLD if self.candidate.now.master else NEW), True

    def call_off(self, _sentinel, seconds, timeout):
        assert seconds >= 1 and timeout == "60000"
        self.called_off = True

    def write_following(self, _params, before, host, port):
        self.log.append(("write", before, host, port))

    def hand_over(self):
        return handover_failover.hand_over(self, self.place)

    @property
    def unpaused(self):
        return ("CLIENT", "UNPAUSE") in self.log


@pytest.fixture
def lab(monkeypatch):
    return Lab(monkeypatch)


def test_the_order_of_things(lab):
    assert lab.hand_over() == ("10.0.0.2:6379", 0.0)
    assert lab.log == [
        *(("CLIENT", "PAUSE"), ("lag",), ("CLIENT", "PAUSE"), ("order",), ("ask",)),
        *(("REPLICAOF", NEW[0]), ("write", "port 1\n", *NEW), ("CLIENT", "UNPAUSE")),
    ]
    # GET, and then with all its replicas or not at all, as long as it takes.
    assert lab.need == [(), (1,), (b"0",)] and not lab.called_off


def test_nobody_promoted(lab):
    lab.promotes = False
    with pytest.raises(Refused, match="promoted nobody within 15 s"):
        lab.hand_over()
    assert lab.unpaused and ("REPLICAOF", NEW[0]) not in lab.log


def test_a_sentinel_that_stands_still_goes_on_later(lab, monkeypatch):
    """Its order is not forgotten: writes have to wait as long."""

    def late(_sentinel):
        if lab.time > 130:
            lab.candidate.now = ServerInfo("b")
        return (OLD if lab.candidate.now.master else NEW), True

    lab.promotes = False
    fail_over = lab.fail_over

    def stand_still(sentinel):
        fail_over(sentinel)
        lab.tilted = 129.0

    monkeypatch.setattr(handover_peers, "fail_over", stand_still)
    monkeypatch.setattr(handover_peers, "failover_state", late)
    assert lab.hand_over()[0] == "10.0.0.2:6379"
    assert lab.log.count(("CLIENT", "UNPAUSE")) == 1 and lab.log[-1] == ("CLIENT", "UNPAUSE")
    # For good, it is not waited for.
    lab.own.now, lab.candidate.now, lab.tilted = ServerInfo("a", offset=7), ServerInfo("b", master=OLD), 1e9
    lab.time = 0.0
    monkeypatch.setattr(handover_peers, "is_tilted", lambda _sentinel: lab.time > 1)
    with pytest.raises(Refused, match="promoted nobody within 6"):
        lab.hand_over()


def test_a_sentinel_that_stands_still_is_given_no_order(lab):
    lab.tilted = 110.0
    assert lab.hand_over()[0] == "10.0.0.2:6379"
    assert lab.time >= 110 and lab.log.count(("order",)) == 1


def test_given_up_by_the_sentinel(lab, monkeypatch):
    lab.promotes = False
    monkeypatch.setattr(handover_peers, "failover_state", lambda _sentinel: (OLD, False))
    with pytest.raises(Refused, match="promoted nobody within 2 s"):
        lab.hand_over()
    assert lab.unpaused


def test_promoted_and_the_sentinel_does_not_say_so(lab, monkeypatch):
    """Writes to the old master would be lost: they are not let in again."""
    monkeypatch.setattr(handover_peers, "failover_state", lambda _sentinel: (OLD, True))
    with pytest.raises(Refused, match="a replica was promoted, but"):
        lab.hand_over()
    assert not lab.unpaused and ("REPLICAOF", NEW[0]) not in lab.log


class Silent(ConnectionProblem):
    def __init__(self):
        super().__init__("timeout", "it did not answer")


@pytest.mark.parametrize(
    ("said", "refused", "unpaused"),
    [
        # It may come back any time, and do as it was told.
        ((OLD, True), "10.0.0.2:6379, which may be promoted, can't be asked: 10.0.0.1:6379 takes no", False),
        # It was promoted, only nobody can be asked from here.
        ((NEW, True), "which may be promoted, can't be asked", False),
        ((NEW, False), "which may be promoted, can't be asked", False),
        (Silent(), "which may be promoted, can't be asked", False),
        ((OLD, False), "promoted nobody within 2 s", True),
    ],
)
def test_a_replica_that_is_lost_after_the_order(lab, monkeypatch, said, refused, unpaused):
    """Writes that are let in now would be thrown away once it is promoted."""

    def order(_sentinel):
        lab.candidate.now = Silent()

    def state(_sentinel):
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(handover_peers, "fail_over", order)
    monkeypatch.setattr(handover_peers, "failover_state", state)
    with pytest.raises(Refused, match=refused):
        lab.hand_over()
    assert lab.unpaused is unpaused and lab.time < 100 + 20
    assert lab.need == [(), (1,), (b"0",)][: 3 if unpaused else 2]


def test_a_failover_that_is_called_off_is_no_danger(lab, monkeypatch):
    """Who was promoted all the same is made a replica by the Sentinels."""

    def order(_sentinel):
        lab.candidate.now = ServerInfo("b")

    monkeypatch.setattr(handover_peers, "fail_over", order)
    monkeypatch.setattr(handover_peers, "failover_state", lambda _sentinel: (OLD, not lab.called_off))
    with pytest.raises(Refused, match="promoted nobody within 15 s"):
        lab.hand_over()
    assert lab.called_off and lab.unpaused and lab.need[-1] == (b"0",)


def test_the_same_server_by_another_address_is_no_heir(lab, monkeypatch):
    lab.promotes = False
    lab.peers[NEW] = Peer(lab, NEW, lab.own.now)
    monkeypatch.setattr(handover_peers, "failover_state", lambda _sentinel: (NEW, True))
    with pytest.raises(Refused, match="promoted nobody"):
        lab.hand_over()
    assert ("REPLICAOF", NEW[0]) not in lab.log


def test_the_sentinel_is_believed_when_the_heir_says_so_too(lab, monkeypatch):
    def early(_sentinel):
        lab.log.append(("ask",))
        if lab.log.count(("ask",)) == 3:
            lab.candidate.now = ServerInfo("b")
        return NEW, True

    lab.promotes = False
    monkeypatch.setattr(handover_peers, "failover_state", early)
    lab.hand_over()
    assert lab.log[4:8] == [("ask",)] * 3 + [("REPLICAOF", NEW[0])]


def test_the_sentinel_is_gone_in_the_middle(lab, monkeypatch):
    def gone(_sentinel):
        raise ConnectionProblem("unreachable", "gone")

    lab.promotes = False
    monkeypatch.setattr(handover_peers, "failover_state", gone)
    with pytest.raises(Refused, match="promoted nobody"):
        lab.hand_over()
    # It may do later as it was told.
    assert lab.unpaused and lab.need == [(), (1,)]


def test_the_sentinel_is_gone_when_it_is_told(lab, monkeypatch):
    def gone(_sentinel):
        raise ConnectionProblem("timeout", "gone")

    monkeypatch.setattr(handover_peers, "fail_over", gone)
    monkeypatch.setattr(handover_peers, "failover_state", gone)
    with pytest.raises(ConnectionProblem, match="gone"):
        lab.hand_over()
    assert lab.unpaused and lab.need == [(), (1,)]


def test_a_promotion_that_took_longer_than_the_pause(lab, monkeypatch):
    def slow(_sentinel):
        lab.time += 1000
        return NEW, True

    monkeypatch.setattr(handover_peers, "failover_state", slow)
    with pytest.raises(Refused, match="took writes again"):
        lab.hand_over()
    assert ("REPLICAOF", NEW[0]) not in lab.log and not lab.unpaused


def test_a_replica_that_does_not_catch_up(lab):
    lab.reason = "it is 9 bytes behind"
    lab.params["handover_timeout"] = 0
    with pytest.raises(Refused, match="9 bytes behind"):
        lab.hand_over()
    assert lab.unpaused and ("order",) not in lab.log


def test_refused_for_a_moment_and_tried_again(lab):
    lab.refusal = Refused("NOGOODSLAVE", passing=True)
    assert lab.hand_over()[0] == "10.0.0.2:6379"
    # Clients could write in between, and it was looked at anew.
    first = lab.log.index(("CLIENT", "UNPAUSE"))
    assert lab.log.index(("settle",)) == first + 1 and lab.log.count(("order",)) == 2


def test_refused_for_good(lab):
    lab.refusal = Refused("no such master")
    with pytest.raises(Refused, match="no such master"):
        lab.hand_over()
    assert lab.unpaused and lab.log.count(("order",)) == 1 and lab.need[-1] == (b"0",)


def test_another_took_over_meanwhile(lab):
    lab.refusal = Refused("INPROG", passing=True)
    lab.settle = lambda: types.SimpleNamespace(part="replica", said=ServerInfo("a", master=("10.0.0.3", 6379)))
    assert lab.hand_over() == ("10.0.0.3:6379", None)


def test_in_a_cluster_a_lost_election_is_held_again(lab, monkeypatch):
    lab.place.shard = object()
    tries = []

    def run(*words):
        tries.append(words)
        if len(tries) == 1:
            raise ConnectionProblem("protocol", "Master is down or failed")
        if len(tries) == 3:
            lab.own.now = ServerInfo("a", master=NEW)

    monkeypatch.setattr(lab.candidate, "run", run)
    assert lab.hand_over()[0] == "10.0.0.2:6379"
    assert tries == [("CLUSTER", "FAILOVER")] * 3
