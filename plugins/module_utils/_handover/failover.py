# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A master hands its role to a replica, and no write that a client was told of is lost.

With Sentinels: SENTINEL FAILOVER alone promotes a replica while clients go on writing to the old master, and throws
that away when it makes the old master a replica, some seconds later. So writes are paused first, until the old master
follows the new one; those that waited are then refused, and their clients know it. The Sentinels may not demote it in
the meantime, because what they publish on the same connection waits, too, and they take it for down. For the end of the
pause of a run that was killed, it is made to refuse writes as soon as one of its replicas leaves it; a server whose
CONFIG is disabled has to be paused for longer instead.
"""

from __future__ import annotations

import contextlib
import time

from .._errors import Refused
from .._redis.connection import ConnectionProblem
from .._sentinel.client import Sentinel
from . import peers

POLL = 0.05
NEED = "min-replicas-to-write"
# For how long writes wait, at most, until the replicas have all of them; a run that is killed leaves twice that.
CATCH_UP_SECONDS = 3.0
# For how long they wait, at most, for the promotion, which takes Sentinels 1 to 2 s.
PROMOTION_SECONDS = 15.0
# How soon a Sentinel is known to have given up.
GIVE_UP_SECONDS = 2.0
# How long the pause is where the promotion ends it in any case, as a replica leaves by it.
GUARDED_SECONDS = 18.0
# When a run is killed after that, Sentinels make the old master a replica by themselves, mostly in this time.
DEMOTION_SECONDS = 20.0
# A manual failover of a cluster gives up after 5 s.
CLUSTER_SECONDS = 6.0


def best_candidate(candidates):
    """Return the Peer that takes over, as far as that can be foretold: the one that is furthest."""
    return max(candidates, key=lambda peer: peer.said().offset)


def hand_over(group, place):
    """Make one of the candidates the master. Return (its name, seconds for which writes waited). Raises Refused."""
    end = time.monotonic() + group.params["handover_timeout"]
    while True:
        try:
            return Pause(group, place).hand_over() if place.shard is None else _in_cluster(group, place)
        except Refused as refused:
            if not refused.passing or time.monotonic() > end:
                raise
        # Clients write meanwhile.
        time.sleep(1.0)
        place = group.settle()
        if place.part != "master":
            return "%s:%d" % place.said.master, None


class Pause:
    """One attempt of a hand-over with Sentinels."""

    def __init__(self, group, place):
        self.params, self.own, self.candidates = group.params, group.own, place.candidates
        self.file = place.file
        self.peer = group.peer
        self.sentinel = Sentinel(peers.sentinel_login(self.params, place.watches[0].place))
        self.old = place.watches[0].address
        self.until_demoted = 2 * int(place.watches[0].master["down-after-milliseconds"]) / 1000 + DEMOTION_SECONDS
        self.failover_timeout = place.watches[0].master["failover-timeout"]
        self.run_id, self.replicas, self.least = place.said.run_id, len(place.said.attached), None
        self.begun = self.until = 0.0
        # Whether another is master or may become it, once that is known; and who can't be asked.
        self.elsewhere, self.silent, self.refused = None, "", False

    def hand_over(self):
        ordered = demoted = False
        if peers.is_tilted(self.sentinel):
            raise Refused("the Sentinel at %s is in TILT mode and does nothing." % self.sentinel.where, passing=True)
        try:
            self.begun = time.monotonic()
            self.pause(2 * CATCH_UP_SECONDS)
            self.catch_up()
            self.pause(GUARDED_SECONDS if self.need_all_replicas() else self.until_demoted)
            ordered = True
            self.order()
            candidate = self.wait_for_candidate()
            self.demote(candidate)
            demoted = True
            peers.write_following(self.params, self.file, *candidate.address)
            return candidate.name, round(time.monotonic() - self.begun, 2)
        finally:
            # Once another is master, or may still become it, writes here would be lost: then the pause ends by itself.
            sure = demoted or not ordered
            go_on = sure or not self.is_master_elsewhere()
            # A Sentinel that can't be asked may still do as it was told; then writes have to be refused at once.
            sure = sure or self.refused or self.given_up()
            self.sentinel.close()
            if go_on:
                if sure:
                    self.need_as_before()
                self.own.run("CLIENT", "UNPAUSE")

    def order(self):
        try:
            peers.fail_over(self.sentinel)
        except Refused:
            self.refused = True
            raise

    def pause(self, seconds):
        """Let writes wait from now on. Raises Refused when those of an earlier pause are let in already."""
        if self.until and time.monotonic() > self.until:
            raise Refused("%s took longer than the pause of its writes." % self.own.name, passing=True)
        self.until = time.monotonic() + seconds
        self.own.run("CLIENT", "PAUSE", int(seconds * 1000), "WRITE")

    def need_all_replicas(self):
        """Have writes refused once a replica has left, as the one that is promoted does. Return whether they are."""
        # A server whose CONFIG is disabled does without.
        with contextlib.suppress(ConnectionProblem):
            self.least = self.own.run("CONFIG", "GET", NEED)[1]
            self.own.run("CONFIG", "SET", NEED, max(self.replicas, int(self.least)))
            return True
        return False

    def need_as_before(self):
        if self.least is not None:
            with contextlib.suppress(ConnectionProblem):
                self.own.run("CONFIG", "SET", NEED, self.least)

    def catch_up(self):
        """Wait until all that could be promoted have what the master has."""
        end = time.monotonic() + CATCH_UP_SECONDS
        for candidate in self.candidates:
            reason = peers.lag(self.own, candidate, max(0.0, end - time.monotonic()))
            if reason:
                text = "%s is not in step with %s while no one writes: %s." % (candidate.name, self.own.name, reason)
                raise Refused(text, passing=True)

    def wait_for_candidate(self):
        """Return the Peer of the new master, once the Sentinel and itself say so."""
        begun, under_way = time.monotonic(), True
        end = begun + PROMOTION_SECONDS
        while time.monotonic() < end and (under_way or time.monotonic() < begun + GIVE_UP_SECONDS):
            try:
                address, under_way = peers.failover_state(self.sentinel)
                if not peers.same_address(address, self.old):
                    under_way, candidate = True, self.peer(*address)
                    said = candidate.said()
                    if said.master is None and said.run_id != self.run_id:
                        return candidate
            except ConnectionProblem:
                # A Sentinel disconnects the clients of a server that it promotes, and could itself be gone.
                pass
            time.sleep(POLL)
            late = end - POLL < time.monotonic() < begun + self.params["handover_timeout"]
            if late and peers.is_tilted(self.sentinel):
                # It goes on afterwards, and what is written until then would be lost.
                self.pause(self.until_demoted)
                end = time.monotonic() + GIVE_UP_SECONDS
        seconds = time.monotonic() - begun
        if under_way:
            # A replica that comes back would still do as it was told.
            with contextlib.suppress(ConnectionProblem):
                peers.call_off(self.sentinel, seconds, self.failover_timeout)
        if self.is_master_elsewhere():
            what = "a replica was promoted, but the Sentinel at %s does not say so"
            if self.silent:
                what = "the Sentinel at %%s took the order, and %s, which may be promoted, can't be asked" % self.silent
            raise Refused(
                "%s: %s takes no writes for %d s more, and is left to the Sentinels."
                % (what % self.sentinel.where, self.own.name, self.until - time.monotonic())
            )
        raise Refused(
            "the Sentinel at %s took the order and promoted nobody within %d s: look at ACL LOG on the replicas for "
            "what its user was denied, and at its own log." % (self.sentinel.where, seconds)
        )

    def is_master_elsewhere(self):
        """Tell whether another server is the master now, or may become it by this order."""
        if self.elsewhere is None:
            self.elsewhere = not self.given_up() and self.promoted() is not False
        return self.elsewhere

    def given_up(self):
        """Tell whether the Sentinel is done and the master is who it was: then who was promoted is made a replica."""
        try:
            address, under_way = peers.failover_state(self.sentinel)
        except ConnectionProblem:
            return False
        return not under_way and peers.same_address(address, self.old)

    def promoted(self):
        """Tell whether one of the replicas is a master now; None when one of them can't be asked."""
        found = {candidate.name: self._is_master(candidate) for candidate in self.candidates}
        if True in found.values():
            self.silent = ""
            return True
        self.silent = " and ".join(name for name, said in found.items() if said is None)
        return None if self.silent else False

    @staticmethod
    def _is_master(candidate):
        # The second time over a new connection: Sentinels close those to a server that they promote.
        for _attempt in range(2):
            with contextlib.suppress(ConnectionProblem):
                return candidate.said().master is None
        return None

    def demote(self, candidate):
        if time.monotonic() > self.until:
            raise Refused(
                "the promotion of %s took so long that %s took writes again: it was left to the Sentinels to make it a "
                "replica." % (candidate.name, self.own.name)
            )
        self.own.run("REPLICAOF", *candidate.address)
        if self.own.said().master is None:
            raise Refused("%s does not follow %s, and was told to." % (self.own.name, candidate.name))


def _in_cluster(group, place):
    """The replica asks its master to pause writes, catches up and is elected: the servers do all of it."""
    candidate, begun = best_candidate(place.candidates), time.monotonic()
    try:
        candidate.run("CLUSTER", "FAILOVER")
    except ConnectionProblem as problem:
        raise Refused(str(problem), passing=True) from problem
    while time.monotonic() < begun + CLUSTER_SECONDS:
        if group.own.said().master is not None:
            return candidate.name, round(time.monotonic() - begun, 2)
        time.sleep(POLL)
    raise Refused("%s was not elected within %d s: see its log." % (candidate.name, CLUSTER_SECONDS), passing=True)
