# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Do a cluster's steps: one phase, ask again, the next phase, until nothing is left to do."""

from __future__ import annotations

import time

from .._redis.connection import redis
from . import plan as planner
from .client import loopback_problem
from .nodes import ranges
from .preflight import assemble_early
from .slots import Mover
from .state import assemble

PAUSE = 0.1
# The bus needs a moment: what shows no effect yet is not repeated before this.
PATIENCE = 3.0


class Stopped(Exception):
    """Nothing more is done; the text says why."""


class Run:
    """servers: the Servers of the inventory. early: whether some of them may be still to be set up; then only look().

    done: the Steps that were taken. touched: whether one was begun.
    """

    def __init__(self, servers, replicas, rebalance, timeout, password, early=False):
        self.servers, self.replicas, self.rebalance, self.timeout = servers, replicas, rebalance, timeout
        self.early, self.mover = early, Mover(password)
        self.done, self.touched, self.asked, self.by_id = [], False, [], {}

    def look(self):
        """Return the State, after waiting for what passes. Raises Stopped with what was found."""
        deadline = time.monotonic() + self.timeout
        while True:
            self.asked = [server.ask() for server in self.servers]
            self.by_id = {one.id: server for one, server in zip(self.asked, self.servers, strict=True) if one.me}
            state, problems = (assemble_early if self.early else assemble)(self.asked)
            loopback = loopback_problem(self.servers)
            problems += [loopback] if loopback else []
            if not problems:
                impossible = planner.impossible(state, self.replicas)
                if impossible:
                    raise Stopped(" ".join(impossible))
                return state
            lasting = [one.text for one in problems if not (one.passing or one.silent and self.touched)]
            if lasting:
                raise Stopped(" ".join(lasting))
            if time.monotonic() > deadline:
                raise Stopped(
                    "After %g s it is still so: %s" % (self.timeout, " ".join(problem.text for problem in problems))
                )
            time.sleep(PAUSE)

    def converge(self, state):
        """Take steps until none is left; return the State that came of it. Raises Stopped."""
        last, since, again = None, time.monotonic(), 0.0
        while True:
            steps = planner.next_steps(state, self.replicas, self.rebalance)
            if not steps:
                self._wait_for_replicas()
                return state
            now = time.monotonic()
            if steps != last:
                last, since, again = steps, now, now
            elif now - since > self.timeout:
                raise Stopped("For %g s this had no effect: %s" % (self.timeout, self.tell(state, steps[0])))
            if now >= again:
                again = now + PATIENCE
                self._take(state, steps)
            else:
                time.sleep(PAUSE)
            state = self.look()

    def _take(self, state, steps):
        for step in steps:
            self.touched = True
            try:
                getattr(self, "_" + step.action)(state, step)
            except (redis.RedisError, OSError) as error:
                raise Stopped("%s: %s" % (self.tell(state, step), error)) from error
            if step not in self.done:
                self.done.append(step)

    def tell(self, state, step):
        """Return the step for people."""
        node = state.nodes[step.node].name
        other = state.nodes[step.other].name if step.other else ""
        return {
            "meet": "%s meets %s" % (node, other),
            "settle": "%s closes a slot that is no more its own" % node,
            "assign": "%s gets %d slots that nobody has" % (node, len(step.slots)),
            "move": "%d slots move from %s to %s" % (len(step.slots), node, other),
            "promote": "%s takes over from its master" % node,
            "replicate": "%s follows %s" % (node, other),
            "forget": "all forget %s" % node,
            "reset": "%s is reset" % node,
        }[step.action]

    def _send(self, node, *commands):
        """Send CLUSTER commands to a node; raise its first error."""
        server = self.by_id.get(node)
        if server is None or server.client is None:
            raise OSError("there is no connection to it")
        replies = server.pipeline([["CLUSTER", *words] for words in commands])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def _meet(self, state, step):
        asked = {one.id: one for one in self.asked if one.me}
        if not any(node.slots for node in state.nodes.values()):
            self._number(asked)
        me, server = asked[step.other].me, self.by_id[step.other]
        port = me.port or server.node["port"]
        self._send(step.node, ["MEET", server.addresses[0], port, me.bus_port or port + 10000])

    def _number(self, asked):
        """Give new nodes different epochs, so that they need not settle whose goes first. Old ones refuse, rightly."""
        for number, (node, one) in enumerate(asked.items(), start=1):
            if not one.others():
                self.by_id[node].pipeline([["CLUSTER", "SET-CONFIG-EPOCH", number]])

    def _settle(self, state, step):
        self._send(step.node, ["SETSLOT", step.slots[0], "STABLE"])

    def _assign(self, state, step):
        # ADDSLOTSRANGE came with 7.0; in one pipeline ADDSLOTS costs no more.
        self._send(step.node, *(["ADDSLOTS", *range(first, last + 1)] for first, last in ranges(step.slots)))

    def _move(self, state, step):
        asked = {one.id: one for one in self.asked if one.me}
        self.mover.move(
            (self.by_id[step.node], step.node),
            (self.by_id[step.other], step.other),
            asked[step.other],
            step.slots,
        )

    def _promote(self, state, step):
        self._send(step.node, ["FAILOVER"])

    def _replicate(self, state, step):
        self._send(step.node, ["REPLICATE", step.other])

    def _forget(self, state, step):
        # All at once: within a minute a node that still knows it would bring it back.
        for node in state.nodes.values():
            if node.stays:
                try:
                    self._send(node.id, ["FORGET", step.node])
                except redis.ResponseError as error:
                    if "unknown node" not in str(error).lower():
                        raise

    def _reset(self, state, step):
        self._send(step.node, ["RESET", "HARD"])

    def _wait_for_replicas(self):
        """Wait until the replicas have their master's data, also those that have just come back."""
        deadline = time.monotonic() + self.timeout
        while True:
            down = [one.name for one in self.asked if one.me and one.stays and one.me.master and one.link != "up"]
            if not down:
                return
            if time.monotonic() > deadline:
                raise Stopped(
                    "All is arranged, but after %g s these replicas still have no link to their masters: %s. Check "
                    "masteruser and masterauth, tls-replication, and the masters' logs."
                    % (self.timeout, ", ".join(down))
                )
            time.sleep(PAUSE)
            self.asked = [server.ask() for server in self.servers]
