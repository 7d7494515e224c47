# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a cluster is to what it should be, in steps. Pure: asks nobody, changes nobody."""

from __future__ import annotations

import copy
import dataclasses

from .nodes import SLOTS
from .placement import choose_by_zone, place

FEWEST_MASTERS = 3
# More phases than a plan can have: what needs more goes in circles.
_ENDLESS = 100


@dataclasses.dataclass
class Node:
    """A server that is a member, or is to become one.

    stays: whether it shall be a member. member: whether it is one. knows: for one that is no member, whether it still
    knows members. master: the id of its master, None for a master.
    """

    id: str
    name: str
    zone: str
    stays: bool = True
    member: bool = True
    reachable: bool = True
    knows: bool = False
    master: str | None = None
    slots: set = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class State:
    """nodes: id -> Node, in the order of the inventory. open: slot -> id of the node that is importing it (or is meant
    to). stale: (id, slot) of nodes that still say they migrate a slot which is not theirs.
    """

    nodes: dict
    open: dict = dataclasses.field(default_factory=dict)
    stale: list = dataclasses.field(default_factory=list)

    def owner(self, slot):
        return next((node for node in self.nodes.values() if slot in node.slots), None)

    def replicas_of(self, master):
        return [node for node in self.nodes.values() if node.master == master]


@dataclasses.dataclass(frozen=True)
class Step:
    """action: meet, settle, move, assign, promote, replicate, forget or reset.

    node: the id of the node it is about. other: the node to meet, the master to follow, the receiver of slots.
    """

    action: str
    node: str
    other: str | None = None
    slots: tuple = ()


def impossible(state, replicas):
    """Return why the wanted nodes can't be a cluster, one sentence each."""
    staying = [node for node in state.nodes.values() if node.stays]
    count = len(staying) // (replicas + 1)
    if count < FEWEST_MASTERS:
        return [
            "%d nodes with %d replicas for each master give %d masters, and a cluster needs %d: name at least %d "
            "nodes, or lower replicas."
            % (len(staying), replicas, count, FEWEST_MASTERS, FEWEST_MASTERS * (replicas + 1))
        ]
    masters, promoted = choose_masters(state, replicas)
    if len(masters) + len(promoted) < FEWEST_MASTERS:
        return [
            "Only %d of the nodes that stay can be masters, and a cluster needs %d: the others are replicas of masters "
            "that stay. Name more nodes." % (len(masters) + len(promoted), FEWEST_MASTERS)
        ]
    return [
        "%s shall leave and can't be reached, but owns %d slots: start it again, or wait for its replica to take over."
        % (node.name, len(node.slots))
        for node in state.nodes.values()
        if node.member and not node.stays and not node.reachable and node.slots
    ]


def choose_masters(state, replicas):
    """Return (ids that are masters or become so, ids of replicas that take over from a master that leaves).

    Masters with slots stay masters. Only where there are fewer than the nodes allow for, others join them.
    """
    staying = [node for node in state.nodes.values() if node.stays]
    count = len(staying) // (replicas + 1)
    holders = [node for node in staying if node.slots and node.master is None]
    # The sort keeps the inventory's order among equals. Giving up the smallest moves the fewest slots.
    masters = sorted(holders, key=lambda node: -len(node.slots))[:count]
    promoted = []
    for leaving in state.nodes.values():
        successors = [node for node in state.replicas_of(leaving.id) if node.stays]
        if not leaving.stays and leaving.slots and leaving.reachable and successors and len(masters) < count:
            taken = [node.zone for node in masters]
            (successor,) = choose_by_zone([(node.id, node.zone) for node in successors], 1, taken)
            promoted.append(successor)
            masters.append(state.nodes[successor])
    empty = [node for node in staying if not node.slots and node.master is None]
    more = choose_by_zone(
        [(node.id, node.zone) for node in empty], count - len(masters), [node.zone for node in masters]
    )
    chosen = {node.id for node in masters} | set(more)
    return [node for node in state.nodes if node in chosen and node not in promoted], promoted


def next_steps(state, replicas, rebalance=True):
    """Return the Steps of the next phase; an empty list when all is as wanted. impossible() must have been empty.

    Only one phase, because the servers have a say in what comes of it: ask them again before the next one.
    """
    nodes = state.nodes.values()
    staying = [node for node in nodes if node.stays]
    newcomers = [node for node in staying if not node.member]
    if newcomers:
        anchor = next((node for node in staying if node.member), staying[0])
        return [Step("meet", anchor.id, node.id) for node in newcomers if node is not anchor]
    unfinished = [Step("settle", node, slots=(slot,)) for node, slot in state.stale] + _finish(state)
    if unfinished:
        return unfinished
    masters, promoted = choose_masters(state, replicas)
    if promoted:
        return [Step("promote", successor) for successor in promoted]
    missing = _assign(state, masters)
    if missing:
        return missing
    followers = _replicate(state, masters, replicas)
    # Those that own nothing can follow at once, so that a master has its replicas before it gets slots.
    early = [step for step in followers if state.nodes[step.node].master is None and not state.nodes[step.node].slots]
    return early or _moves(state, masters, rebalance) or followers or _leave(state)


def plan(state, replicas, rebalance=True):
    """Return (all Steps up to the wanted state, the State after them), as long as nobody interferes."""
    state, steps = copy.deepcopy(state), []
    for _phase in range(_ENDLESS):
        phase = next_steps(state, replicas, rebalance)
        if not phase:
            return steps, state
        for step in phase:
            simulate(state, step)
        steps += phase
    raise RuntimeError("the plan for the cluster has no end")


def simulate(state, step):
    """Change the State as the step would."""
    node, other = state.nodes[step.node], state.nodes.get(step.other)
    if step.action == "meet":
        node.member = other.member = True
    elif step.action == "settle":
        state.stale.remove((node.id, *step.slots))
    elif step.action == "assign":
        node.slots.update(step.slots)
    elif step.action == "move":
        node.slots.difference_update(step.slots)
        other.slots.update(step.slots)
    elif step.action == "promote":
        old = state.nodes[node.master]
        node.slots, old.slots, node.master = old.slots, set(), None
        for follower in [old, *state.replicas_of(old.id)]:
            follower.master = node.id
    elif step.action == "replicate":
        node.master = step.other
    elif step.action == "forget":
        node.member, node.master, node.knows = False, None, node.reachable
    elif step.action == "reset":
        node.knows = False
    for slot in step.slots:
        state.open.pop(slot, None)


def _finish(state):
    """Return what finishes the moves that an interrupted run, or somebody else, has begun.

    The node that imports may hold keys already, and the owner the rest: only onwards is nothing lost.
    """
    groups = {}
    for slot, target in sorted(state.open.items()):
        owner = state.owner(slot)
        groups.setdefault((owner and owner.id, target), []).append(slot)
    return [
        Step("move", owner, target, tuple(slots)) if owner else Step("assign", target, slots=tuple(slots))
        for (owner, target), slots in groups.items()
    ]


def _assign(state, masters):
    """Give the slots that nobody owns to the masters with the fewest."""
    covered = set().union(*(node.slots for node in state.nodes.values()))
    missing = [slot for slot in range(SLOTS) if slot not in covered]
    counts = {master: len(state.nodes[master].slots) for master in masters}
    return [Step("assign", master, slots=slots) for master, slots in _deal(missing, counts)]


def _deal(slots, counts):
    """Yield (master, slots): each slot for the master with the fewest, in ranges as long as possible."""
    counts, shares = dict(counts), dict.fromkeys(counts, 0)
    for _slot in slots:
        least = min(counts, key=counts.get)
        counts[least] += 1
        shares[least] += 1
    at = 0
    for master, share in shares.items():
        if share:
            yield master, tuple(slots[at : at + share])
        at += share


def _moves(state, masters, rebalance):
    """Return the moves: all slots of those that are no masters any more, then what masters lack of an even share."""
    have = {master: sorted(state.nodes[master].slots) for master in masters}
    short = [master for master in masters if rebalance or not have[master]]
    counts = {master: len(slots) for master, slots in have.items()}
    givers = [node for node in state.nodes.values() if node.slots and node.id not in have]
    steps, homeless = [], [(slot, node.id) for node in givers for slot in sorted(node.slots)]
    for master, share in _deal(homeless, counts):
        counts[master] += len(share)
        for giver in dict.fromkeys(owner for _slot, owner in share):
            steps.append(Step("move", giver, master, tuple(slot for slot, owner in share if owner == giver)))
    fair, taken = SLOTS // len(masters), {}
    for master in short:
        while counts[master] < fair:
            most = max(counts, key=counts.get)
            counts[most] -= 1
            counts[master] += 1
            taken.setdefault((most, master), []).append(have[most].pop())
    return steps + [Step("move", giver, master, tuple(sorted(slots))) for (giver, master), slots in taken.items()]


def _replicate(state, masters, replicas):
    nodes = [node for node in state.nodes.values() if node.stays and node.id not in masters]
    placed = place(
        [(node.id, node.zone, node.master) for node in nodes],
        [(master, state.nodes[master].zone) for master in masters],
        replicas,
    )
    return [Step("replicate", node.id, placed[node.id]) for node in nodes if node.master != placed[node.id]]


def _leave(state):
    gone = [node for node in state.nodes.values() if not node.stays]
    return [Step("forget", node.id) for node in gone if node.member] or [
        Step("reset", node.id) for node in gone if node.knows and node.reachable
    ]
