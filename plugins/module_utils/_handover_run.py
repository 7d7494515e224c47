# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restart of one server of a group: look until all is well, hand over, restart, wait until it is in step."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _handover, _handover_ask, _handover_move
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._connection import ConnectionProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._restart import DataAtRisk, secure_data

PAUSE = 0.2
# What does not pass by waiting.
_LASTING = ("library", "auth", "permission", "tls", "protocol")


class NotDone(Exception):
    """It ended before its end. facts: what had been done by then, as the module returns it."""

    def __init__(self, text, **facts):
        super().__init__(text)
        self.facts = facts


@dataclass
class Outcome:
    """pending: what is still to be restarted. handed_over_to: 'host:port'. gap: seconds without writes."""

    pending: str = "none"
    restarted: bool = False
    handed_over_to: str = ""
    gap: float | None = None


@dataclass
class Place:
    """Where a server stands when it may be restarted: its part, its master (None: itself), who may take over."""

    part: str
    said: object
    master: object = None
    heirs: list = field(default_factory=list)
    shard: object = None
    watches: list = field(default_factory=list)


class Rolling:
    """unit: what restarts the server, with ports() (where it listens) and restart() (and wait until it answers)."""

    def __init__(self, params, unit):
        self.params, self.unit = params, unit
        self.own = _handover_ask.Peer(params, ports=unit.ports())
        self.peers, self.done, self.check = {}, Outcome(), False
        # The configuration file as it was before a hand-over.
        self.file = None

    def run(self, role, check=False):
        """Do what a call for this role (any, replica, master) does; return the Outcome. Raises NotDone."""
        self.check = check
        try:
            return self._run(role)
        except (Refused, DataAtRisk, ConnectionProblem) as problem:
            done = self.done
            if done.restarted:
                text = "%s was restarted, and then: %s" % (self.own.name, problem)
            elif done.handed_over_to:
                text = "%s handed over to %s and was not restarted: %s" % (self.own.name, done.handed_over_to, problem)
            else:
                text = "%s is not restarted: %s (allow_data_loss overrides this.)" % (self.own.name, problem)
            raise NotDone(text, **vars(done)) from problem
        finally:
            for peer in (self.own, *self.peers.values()):
                peer.close()

    def _run(self, role):
        part = self.part()
        self.done.pending = part
        if not _handover.is_due(part, role):
            return self.done
        if part == "none":
            return self._restart_alone()
        place = self.settle()
        if place is None:
            return self._restart_alone()
        if place.part == "master" and role != "master":
            # It was promoted while this waited.
            self.done.pending = "master"
            return self.done
        if self.check:
            if place.heirs:
                self.done.handed_over_to = _handover_move.favourite(place.heirs).name
            self.done.pending, self.done.restarted = "none", True
            return self.done
        if place.part == "master" and place.heirs:
            self.done.handed_over_to, self.done.gap = _handover_move.hand_over(self, place)
            place = self.settle(override=False)
            if place.part != "replica":
                raise Refused("it is a master again.")
        self._restart(place)
        return self.done

    # Who it is, and whether it may go.

    def part(self):
        """Return 'none', 'replica' or 'master', from what the server and the Sentinels say now."""
        try:
            said = self._patiently(self.own.said)
            members = 0
            if said.cluster:
                members = len([entry for entry in self.own.cluster()[0] if entry.known])
        except ConnectionProblem as problem:
            if self.params["allow_data_loss"]:
                return "master"
            raise DataAtRisk(
                "The server can't be asked who it is: %s Set current_password (redis_current_password) to the password "
                "that its user default has now." % problem
            ) from problem
        watched = False
        if said.master is None and not said.attached and not said.cluster:
            watches = _handover_ask.ask_sentinels(self.params)
            watched = any(
                (watch.problem and not watch.absent) or (watch.master or {}).get("runid") == said.run_id
                for watch in watches
            )
        return _handover.part_of(said, members, watched)

    def _patiently(self, ask):
        """Ask until the server has loaded its data."""
        end = time.monotonic() + self.params["start_timeout"]
        while True:
            try:
                return ask()
            except ConnectionProblem as problem:
                if problem.kind != "loading" or time.monotonic() > end:
                    raise
            time.sleep(PAUSE)

    def settle(self, override=None):
        """Return the Place as soon as all is well. Raises Refused, or returns None where that is overridden."""
        end = time.monotonic() + self.params["handover_timeout"]
        override = self.params["allow_data_loss"] if override is None else override
        while True:
            try:
                return self.look()
            except (Refused, ConnectionProblem) as problem:
                passing = problem.passing if isinstance(problem, Refused) else problem.kind not in _LASTING
                if not passing or time.monotonic() > end:
                    if override:
                        return None
                    raise
            time.sleep(PAUSE)

    def look(self):
        """Return the Place. Raises Refused or ConnectionProblem when something is not as it must be."""
        said = self.own.said()
        if said.failover != "no-failover":
            raise Refused("%s is in a failover (%s)." % (self.own.name, said.failover), passing=True)
        return self._look_in_cluster(said) if said.cluster else self._look_in_group(said)

    def peer(self, host, port):
        address = (host, port)
        if address not in self.peers:
            self.peers[address] = _handover_ask.Peer(self.params, address)
        return self.peers[address]

    def _look_in_group(self, said):
        watches = _handover_ask.ask_sentinels(self.params)
        if _handover.nobody_watches(watches):
            watches = []
        if said.master is not None:
            master = self.peer(*said.master)
            above = master.said()
            _handover.check_attached(master.name, above)
            self._watched(watches, master.name, above, said)
            if watches and not self.check:
                # A run that was killed may have left it paused, and then it does not take its master's writes either.
                self.own.run("CLIENT", "UNPAUSE")
            self._in_step(master, self.own)
            return Place("replica", said, master)
        _handover.check_attached(self.own.name, said)
        self._watched(watches, self.own.name, said, said)
        if not watches:
            return Place("master", said)
        heirs = []
        for one in said.attached:
            replica = self._replica(one.host, one.port)
            if replica.said().priority:
                heirs.append(replica)
        if len({heir.said().run_id for heir in heirs}) < len(heirs):
            raise Refused(
                "the replicas %s can't be told apart: make them announce a port that the login reaches."
                % " and ".join(heir.name for heir in heirs)
            )
        if heirs and not self.check:
            # Found out before writes are paused: it must follow when it comes back.
            self.file = _handover_ask.config_text(self.params)
        return Place("master", said, heirs=heirs, watches=watches)

    def _watched(self, watches, name, master, own):
        found = ""
        if watches and watches[0].master is not None:
            with contextlib.suppress(ConnectionProblem):
                found = self.peer(*watches[0].address).said().run_id
        _handover.check_watches(watches, (name, master.run_id), own.run_id, found)

    def _look_in_cluster(self, said):
        shard = _handover.shard_of(*self.own.cluster())
        if shard.me is not shard.master:
            master = self.peer(shard.master.host, shard.master.port)
            self._in_step(master, self.own)
            return Place("replica", said, master, shard=shard)
        heirs = [self._replica(entry.host, entry.port) for entry in shard.replicas]
        self._linked(shard, shard.replicas)
        return Place("master", said, heirs=heirs, shard=shard)

    def _replica(self, host, port):
        """Return the Peer of a replica of this server that is in step."""
        replica = self.peer(host, port)
        try:
            self._in_step(self.own, replica)
        except ConnectionProblem as problem:
            text = "the replica that announces %s:%d can't be asked: %s" % (host, port, problem)
            raise ConnectionProblem(problem.kind, text) from problem
        return replica

    @staticmethod
    def _in_step(master, replica):
        reason = _handover_ask.lag(master, replica)
        if reason:
            raise Refused("%s is not in step with %s: %s." % (replica.name, master.name, reason), passing=True)

    # The restart itself.

    def _restart_alone(self):
        if not self.check:
            if not self.params["allow_data_loss"]:
                secure_data(self.params, self.unit.ports())
            self.own.close()
            self.unit.restart()
        self.done.restarted, self.done.pending = True, "none"
        return self.done

    def _restart(self, place):
        if place.part == "replica":
            if place.shard is None and self.params["config_file"]:
                before = self.file or _handover_ask.config_text(self.params)
                _handover_ask.write_following(self.params, before, *place.said.master)
        elif not self.params["allow_data_loss"]:
            secure_data(self.params, self.unit.ports())
        self.own.close()
        self.unit.restart()
        self.own = _handover_ask.Peer(self.params)
        self.done.restarted, self.done.pending = True, "none"
        end = time.monotonic() + self.params["start_timeout"]
        while True:
            try:
                return self._returned(place)
            except (Refused, ConnectionProblem) as problem:
                if time.monotonic() > end or not getattr(problem, "passing", True):
                    raise
            time.sleep(PAUSE)

    def _returned(self, place):
        """Raise Refused until the server that was restarted is a whole part of its group again."""
        if place.shard is not None:
            self._returned_to_cluster(place)
        elif place.part == "replica":
            said = self.own.said()
            if said.master is None:
                raise Refused(
                    "it came back as a master instead of a replica of %s: set config_file." % place.master.name
                )
            self._in_step(self.peer(*said.master), self.own)
        else:
            said = self.own.said()
            missing = {(one.host, one.port) for one in place.said.attached} - {
                (one.host, one.port) for one in said.attached if one.state == "online"
            }
            if missing:
                raise Refused("its replica %s:%d did not come back." % min(missing), passing=True)

    def _returned_to_cluster(self, place):
        shard = _handover.shard_of(*self.own.cluster())
        if shard.me is not shard.master:
            self._in_step(self.peer(shard.master.host, shard.master.port), self.own)
        self._linked(shard, [shard.me])

    def _linked(self, shard, nodes):
        """Raise Refused unless these nodes and all who vote are connected."""
        views = {}
        for entry in {entry.id: entry for entry in (*nodes, *shard.voters)}.values():
            asked = self.own if entry.id == shard.me.id else self.peer(entry.host, entry.port)
            views[entry.id] = asked.cluster()[0]
        for node in nodes:
            voter = _handover.unlinked(views, node.id, [entry.id for entry in shard.voters])
            if voter:
                raise Refused(
                    "%s:%d and the master %s of the cluster are not connected." % (node.host, node.port, voter),
                    passing=True,
                )
