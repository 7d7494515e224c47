# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restart of one server of a group: look until all is well, hand over, restart, wait until it is in step."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from .._errors import Refused
from .._redis.connection import ConnectionProblem
from .._service.data_safety import CannotAsk, DataAtRisk, secure_data
from . import failover, peers, rules
from .group import PAUSE, Group

OVERRIDE = " (allow_data_loss overrides this.)"


class NotDone(Exception):
    """It ended before its end. facts: what had been done by then, as the module returns it."""

    def __init__(self, text, **facts):
        super().__init__(text)
        self.facts = facts


@dataclass
class Outcome:
    """pending: what is still to be restarted. handed_over_to: 'host:port'. gap: seconds for which writes waited."""

    pending: str = "none"
    restarted: bool = False
    handed_over_to: str = ""
    gap: float | None = None


class Rolling:
    """unit: what restarts the server, with ports() (where it listens) and restart() (and wait until it answers).

    check: nothing is restarted, and the Outcome is what would come of it.
    """

    def __init__(self, params, unit, check=False):
        self.params, self.unit, self.check = params, unit, check
        self.group = Group(params, unit.ports(), check)
        self.done = Outcome()

    def run(self, role):
        """Do what a call for this role (any, replica, master) does; return the Outcome. Raises NotDone."""
        name, done = self.group.own.name, self.done
        try:
            self._run(role)
        except (Refused, DataAtRisk, ConnectionProblem) as problem:
            if done.restarted:
                text = "%s was restarted, and then: %s" % (name, problem)
            elif done.handed_over_to:
                text = "%s handed over to %s and was not restarted: %s" % (name, done.handed_over_to, problem)
            else:
                override = not isinstance(problem, (CannotAsk, ConnectionProblem))
                text = "%s is not restarted: %s%s" % (name, problem, OVERRIDE if override else "")
            raise NotDone(text, **vars(done)) from problem
        finally:
            self.group.close()
        return done

    def _run(self, role):
        self.done.pending = self.group.part()
        if not rules.is_due(self.done.pending, role):
            return
        place = None if self.done.pending == "none" else self.group.settle(self.params["allow_data_loss"])
        if place is not None:
            # It may have been promoted or demoted meanwhile.
            self.done.pending = place.part
            if not rules.is_due(place.part, role):
                return
        if self.check:
            if place and place.candidates:
                self.done.handed_over_to = failover.best_candidate(place.candidates).name
            self.done.restarted, self.done.pending = True, "none"
            return
        file = place.file if place else None
        if place and (place.candidates or place.part == "replica") and not self.params["allow_data_loss"]:
            secure_data(self.params, self.unit.ports(), others_have_them=True)
        if place and place.part == "master" and place.candidates:
            self.done.handed_over_to, self.done.gap = failover.hand_over(self.group, place)
            self.group.handed_over = True
            place = self.group.settle()
            if place.part != "replica":
                raise Refused("it is a master again.")
        self._restart(place, file)
        self._wait(place)

    def _restart(self, place, file):
        """Make sure of the data, and restart. file: text of its configuration file before a hand-over."""
        if place and place.part == "replica":
            self._keep_following(place.said, file)
        elif self.params["allow_data_loss"]:
            with contextlib.suppress(Refused, ConnectionProblem):
                self._keep_following(self.group.own.said(), file)
        else:
            secure_data(self.params, self.unit.ports())
        self.group.own.close()
        self.unit.restart()
        self.group.restarted()
        self.done.restarted, self.done.pending = True, "none"

    def _keep_following(self, said, file):
        """Have the file say whom the server follows. In a cluster that stands in another file."""
        if said.master and not said.cluster and self.params["config_file"]:
            peers.write_following(self.params, file or peers.config_text(self.params), *said.master)

    def _wait(self, place):
        """Wait until the server is a whole part of its group again."""
        end = time.monotonic() + self.params["start_timeout"]
        while place is not None:
            try:
                return self._returned(place)
            except (Refused, ConnectionProblem) as problem:
                if time.monotonic() > end or not getattr(problem, "passing", True):
                    raise
            time.sleep(PAUSE)

    def _returned(self, place):
        """Raise Refused when it is not that yet."""
        group = self.group
        said = group.own.said()
        if place.shard is not None:
            shard = rules.shard_of(*group.own.cluster())
            if shard.me is not shard.master:
                group.in_step(group.peer(shard.master.host, shard.master.port), group.own)
            group.linked(shard, [shard.me])
        elif place.part == "replica":
            if said.master is None:
                raise Refused(
                    "it came back as a master, not as a replica of %s:%d: set config_file." % place.said.master
                )
            group.in_step(group.peer(*said.master), group.own)
        else:
            there = {(one.host, one.port) for one in said.attached if one.state == "online"}
            missing = {(one.host, one.port) for one in place.said.attached} - there
            if missing:
                raise Refused("its replica %s:%d did not come back." % min(missing), passing=True)
