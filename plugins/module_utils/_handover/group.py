# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a server stands in its group, and waiting until it may be restarted."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

from .._errors import Refused
from .._redis.connection import ConnectionProblem
from .._sentinel.client import resolve
from .._service.data_safety import unaskable
from . import peers, rules

PAUSE = 0.2
# What does not pass by waiting.
_LASTING = ("library", "auth", "permission", "tls", "protocol")


@dataclass
class Place:
    """Where a server stands when it may be restarted: its part, what it says, and who may take over from a master.

    shard: of a cluster. watches: of the Sentinels that watch the group. file: the text of its configuration file.
    """

    part: str
    said: object
    candidates: list = field(default_factory=list)
    shard: object = None
    watches: list = field(default_factory=list)
    file: str | None = None


class Group:
    """A server and those that it has to do with. check: ask only."""

    def __init__(self, params, ports, check=False):
        self.params, self.check, self.peers, self.handed_over = params, check, {}, False
        self.own = peers.Peer(params, ports=ports)

    def close(self):
        for peer in (self.own, *self.peers.values()):
            peer.close()

    def restarted(self):
        """The server may be another now, under other names and at another port."""
        self.own.close()
        self.own = peers.Peer(self.params)

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
            raise unaskable(problem, "who it is") from problem
        watched = False
        if said.master is None and not said.attached and not said.cluster:
            watches = peers.ask_sentinels(self.params)
            watched = any(
                (watch.problem and not watch.absent) or (watch.master or {}).get("runid") == said.run_id
                for watch in watches
            )
        return rules.part_of(said, members, watched)

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

    def settle(self, override=False):
        """Return the Place as soon as all is well. Raises Refused, or returns None when that is overridden."""
        end = time.monotonic() + self.params["handover_timeout"]
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

    def peer(self, host, port, announced=True):
        """Return the Peer with the address that it announced, or that was declared."""
        key = (host, port, announced)
        if key not in self.peers:
            self.peers[key] = peers.Peer(self.params, (host, port), announced=announced)
        return self.peers[key]

    def _look_in_group(self, said):
        if said.master is not None:
            master = self.peer(*said.master)
            above = master.said()
            if above.run_id == said.run_id:
                raise Refused("its master can't be asked: the login reaches itself at %s." % master.name)
            rules.check_attached(master.name, above)
            watches = self._watched(master.name, above, said)
            if watches and not self.check:
                # A run that was killed may have left it paused, and then it does not take its master's writes either.
                with contextlib.suppress(ConnectionProblem):
                    self.own.run("CLIENT", "UNPAUSE")
            self._members(above, said.run_id)
            self._own_in_step(master)
            return Place("replica", said)
        rules.check_attached(self.own.name, said)
        watches = self._watched(self.own.name, said, said)
        self._members(said, said.run_id)
        if not watches:
            return Place("master", said)
        candidates = []
        for one in said.attached:
            replica = self._replica(one.host, one.port)
            if replica.said().priority:
                candidates.append(replica)
        if len({candidate.said().run_id for candidate in candidates}) < len(candidates):
            raise Refused(
                "the replicas %s can't be told apart: make them announce a port that the login reaches."
                % " and ".join(candidate.name for candidate in candidates)
            )
        # Read before writes are paused: it must say whom to follow when the server comes back.
        file = peers.config_text(self.params) if candidates and not self.check else None
        return Place("master", said, candidates=candidates, watches=watches, file=file)

    def _members(self, master, own_run_id):
        """Raise Refused unless all servers that are declared belong to the group."""
        for node in self.params["nodes"]:
            peer = self.peer(node["host"], node["port"], announced=False)
            said = peer.said()
            reason = said.run_id not in (master.run_id, own_run_id) and rules.behind(said, 0, master.stream)
            if reason:
                raise Refused("%s, which nodes names, is not in order: %s." % (peer.name, reason), passing=True)

    def _watched(self, name, master, own):
        """Return a Watch for each Sentinel that watches the group."""
        watches = rules.watching(peers.ask_sentinels(self.params), (master.run_id, own.run_id))
        if watches:
            found = ""
            with contextlib.suppress(ConnectionProblem):
                found = self.peer(*watches[0].address).said().run_id
            attached = {(resolve(one.host), one.port) for one in master.attached}
            rules.check_watches(watches, (name, master.run_id), own.run_id, attached, found)
        return watches

    def _look_in_cluster(self, said):
        shard = rules.shard_of(*self.own.cluster())
        if shard.me is not shard.master:
            master = self.peer(shard.master.host, shard.master.port)
            self._own_in_step(master)
            return Place("replica", said, shard=shard)
        candidates = [self._replica(entry.host, entry.port) for entry in shard.replicas]
        self.linked(shard, shard.replicas)
        return Place("master", said, candidates=candidates, shard=shard)

    def _replica(self, host, port):
        """Return the Peer of a replica of this server that is in step."""
        replica = self.peer(host, port)
        try:
            self.in_step(self.own, replica)
        except ConnectionProblem as problem:
            text = "the replica that announces %s:%d can't be asked: %s" % (host, port, problem)
            raise ConnectionProblem(problem.kind, text) from problem
        return replica

    def _own_in_step(self, master):
        # Who has handed over and can't follow, as after an upgrade of the others, can after its restart.
        if not self.handed_over:
            self.in_step(master, self.own)

    @staticmethod
    def in_step(master, replica):
        reason = peers.lag(master, replica)
        if reason:
            raise Refused("%s is not in step with %s: %s." % (replica.name, master.name, reason), passing=True)

    def linked(self, shard, nodes):
        """Raise Refused unless these nodes and all who vote are connected."""
        views = {}
        for entry in {entry.id: entry for entry in (*nodes, *shard.voters)}.values():
            asked = self.own if entry.id == shard.me.id else self.peer(entry.host, entry.port)
            views[entry.id] = asked.cluster()[0]
        for node in nodes:
            voter = rules.unlinked(views, node.id, [entry.id for entry in shard.voters])
            if voter:
                raise Refused(
                    "%s:%d and the master %s of the cluster are not connected." % (node.host, node.port, voter),
                    passing=True,
                )
