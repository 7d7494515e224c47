# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the nodes say, put together: the State of the cluster, or why there is none to work with. Pure."""

from __future__ import annotations

import dataclasses

from .nodes import SLOTS, show
from .plan import Node, State


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why nothing can be done. passing: time alone may fix it, as a failover that is under way. silent: no answer
    came; in the middle of a run that may pass, too. stopped: its host answers, but no server does.
    """

    text: str
    passing: bool = False
    silent: bool = False
    stopped: bool = False


@dataclasses.dataclass
class NodeReply:
    """One server of the inventory and what it said.

    name: host:port. addresses: those that the host's name stands for. problem: why it said nothing. keys: how many it
    holds. info: fields of CLUSTER INFO. settings: those that it tells. link: master_link_status of a replica.
    """

    name: str
    zone: str
    stays: bool
    addresses: frozenset = frozenset()
    port: int = 0
    problem: Problem | None = None
    entries: list = dataclasses.field(default_factory=list)
    keys: int = 0
    info: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    link: str = ""

    @property
    def me(self):
        return next((entry for entry in self.entries if entry.myself), None)

    @property
    def id(self):
        return self.me.id

    def others(self):
        return {entry.id: entry for entry in self.entries if entry.known and not entry.myself}


def assemble(asked, down=frozenset()):
    """Return (State or None, Problems). asked: one NodeReply for each server of the inventory, in its order.

    down: ids of members that need not answer, because they are to be started.
    """
    problems = [one.problem for one in asked if one.problem and (one.stays or one.problem.passing)]
    there = [one for one in asked if not one.problem]
    if problems or not [one for one in there if one.stays]:
        return None, problems
    problems += _same_server_twice(there) + _differing_bus(there)
    staying = [one for one in there if one.stays]
    groups = _groups(staying)
    # Owning slots or leading to nodes elsewhere makes a group a cluster; others are nodes that can be met.
    clusters = [group for group in groups if any(entry.slots for one in group for entry in one.entries)]
    strays = [one for group in groups if group not in clusters for one in group]
    if len(clusters) > 1:
        named = "; ".join(" ".join(one.name for one in group) for group in clusters)
        problems.append(Problem("These are different clusters: %s. Name the nodes of one." % named))
    main = max(clusters or groups, key=len)
    members = {entry.id for one in main for entry in one.entries if entry.known}
    wanted = {one.id for one in there}
    for one in strays:
        foreign = [entry for entry in one.others().values() if entry.id not in wanted]
        if foreign:
            known = ", ".join(sorted(label(entry) for entry in foreign))
            problems.append(Problem("%s belongs to another cluster, with %s: not taken over." % (one.name, known)))
    for one in staying:
        if one.keys and (one not in main or not clusters):
            problems.append(
                Problem(
                    "%s is to join and holds %d keys, which would be lost: save what is needed and empty it with "
                    "FLUSHALL, or take it out of nodes." % (one.name, one.keys)
                )
            )
    gone = _unreachable_leavers([one for one in asked if one.problem], main, wanted)
    unknown = members - wanted - set(gone) - down
    for entry in _lines(main, unknown):
        problems.append(
            Problem(
                "%s (id %s) is a member that nodes does not name. If it belongs there, add it; if it is to leave, name "
                "it in leaving before its server goes; if nobody knows it, find out who let it in."
                % (label(entry), entry.id)
            )
        )
    if problems:
        return None, problems
    # Who leaves has a say only as long as it owns slots: a run that was interrupted may have made some forget it.
    leaving = {one.id for one in there if not one.stays} | set(gone)
    owners = {entry.id for entry in main[0].entries if entry.slots}
    voices = main + [one for one in there if one.id in leaving & owners]
    followed = {one.me.master for one in staying}
    excused = (leaving - owners) | (down - (owners & followed))
    problems = disagreement(voices, leaving) + failures(voices, excused) + _heirs(main, down - excused)
    if not excused & owners:
        problems += _not_ready(voices)
    if problems:
        return None, problems
    return _state(there, main, members, gone), []


def _state(there, main, members, gone):
    reference = main[0]
    view = {entry.id: entry for entry in reference.entries if entry.known}
    ours = {one.id for one in there if one.stays}
    nodes = {}
    for one in there:
        known_there = one.id in members
        knows = not one.stays and not known_there and bool(ours & set(one.others()))
        if one.stays or known_there or knows:
            entry = view.get(one.id) or one.me
            met = one.id in view and (one is reference or reference.id in one.others())
            nodes[one.id] = Node(
                id=one.id,
                name=one.name,
                zone=one.zone,
                stays=one.stays,
                member=met if one.stays else known_there,
                knows=knows,
                master=None if knows else entry.master,
                slots=set() if knows else set(entry.slots),
            )
    lines = {entry.id: entry for entry in _lines(main)}
    for node, name in gone.items():
        nodes[node] = Node(
            id=node,
            name=name,
            zone=name,
            stays=False,
            reachable=False,
            master=lines[node].master,
            slots=set(lines[node].slots),
        )
    state = State(nodes)
    for one in there:
        if one.id in nodes and nodes[one.id].member:
            _open_slots(state, one.me)
    return state


def _open_slots(state, me):
    for slot in me.importing:
        owner = state.owner(slot)
        if owner is None or owner.id != me.id:
            state.open[slot] = me.id
    for slot, target in me.migrating.items():
        owner, receiver = state.owner(slot), state.nodes.get(target)
        if owner is None or owner.id != me.id or receiver is None:
            state.stale.append((me.id, slot))
        else:
            # After a failover of the receiver its successor has the keys that went over.
            state.open.setdefault(slot, receiver.master or target)


def _groups(asked):
    """Return lists of those that know each other, directly or through others."""
    groups = []
    for one in asked:
        known = {entry.id for entry in one.entries if entry.known}
        linked = [group for group in groups if any(other.id in known or one.id in other.others() for other in group)]
        groups = [group for group in groups if group not in linked]
        groups.append([*(other for group in linked for other in group), one])
    return groups


def _same_server_twice(there):
    seen, problems = {}, []
    for one in there:
        if one.id in seen:
            problems.append(Problem("%s and %s are the same server: name it once." % (seen[one.id], one.name)))
        seen[one.id] = one.name
    return problems


def _differing_bus(there):
    kinds = {}
    for one in there:
        if one.stays and "tls-cluster" in one.settings:
            kinds.setdefault(one.settings["tls-cluster"], []).append(one.name)
    if len(kinds) < 2:
        return []
    said = "; ".join("%s on %s" % (kind, " ".join(names)) for kind, names in sorted(kinds.items()))
    return [Problem("The nodes can't talk to each other, tls-cluster differs: %s. Set it alike on all." % said)]


def _unreachable_leavers(silent, main, wanted):
    """Return {id: name} of members that shall leave and can't be asked, found by their address."""
    found = {}
    for one in silent:
        for entry in _lines(main):
            if entry.id not in wanted and entry.port == one.port and entry.host in one.addresses:
                found[entry.id] = one.name
    return found


def _heirs(main, stopped):
    """Return whom a replica is to replace. Started before that, it would undo the writes that only the replica has."""
    return [
        Problem(
            "%s does not run, owns %d slots, and its replica has not taken over. If it will not, start the server that "
            "has the newest data yourself, or send the replica CLUSTER FAILOVER TAKEOVER."
            % (label(entry), len(entry.slots)),
            passing=True,
        )
        for entry in _lines(main, stopped)
    ]


def _lines(main, only=None):
    """Return the members' lines, one for each, from whoever knows them."""
    lines = {entry.id: entry for one in main for entry in one.entries if entry.known}
    return [entry for node, entry in sorted(lines.items()) if only is None or node in only]


def label(entry):
    return "%s:%s" % (entry.host or "address unknown", entry.port)


def _not_ready(asked):
    """Return who refuses keys although it knows an owner for each slot: for a while after it joined or came back."""
    return [
        Problem("%s says that the cluster is down (cluster_state %s)." % (one.name, one.info["cluster_state"]), True)
        for one in asked
        if sum(len(entry.slots) for entry in one.entries) == SLOTS and one.info["cluster_state"] != "ok"
    ]


def disagreement(asked, leaving=frozenset()):
    """Return how the members' views differ: members, masters, owners of slots.

    That one of two does not know the other is left to the plan, which lets them meet.
    """
    problems, first = [], asked[0]
    reference = {entry.id: entry for entry in first.entries if entry.known}
    names = {one.id: one.name for one in asked}
    for one in asked[1:]:
        view = {entry.id: entry for entry in one.entries if entry.known}
        missing = (set(reference) ^ set(view)) - leaving
        difference = None
        if one.id in reference and first.id in view and missing:
            named = sorted(names.get(node) or label(reference.get(node) or view.get(node)) for node in missing)
            difference = "only one of them knows %s" % ", ".join(named)
        for node in sorted(set(view) & set(reference)):
            here, there, name = reference[node], view[node], names.get(node, node)
            if here.master != there.master:
                followed = [names.get(entry.master, entry.master) or "nobody" for entry in (here, there)]
                difference = "%s follows %s for the one and %s for the other" % (name, *followed)
            elif here.slots != there.slots:
                difference = "only one of them gives %s the slots %s" % (name, show(here.slots ^ there.slots))
        if difference:
            problems.append(Problem("%s and %s disagree: %s." % (first.name, one.name, difference), passing=True))
    return problems


def failures(asked, ignored=frozenset()):
    """Return whom the members take for failed."""
    blamed, names = {}, {one.id: one.name for one in asked}
    for one in asked:
        for entry in one.entries:
            if entry.failing and entry.known and entry.id not in ignored:
                blamed.setdefault(entry.id, []).append(one.name)
    return [
        Problem(
            "%s counts as failed for %s: a failover is under way, or they can't reach its bus port."
            % (names.get(node, node), ", ".join(sorted(by))),
            passing=True,
        )
        for node, by in blamed.items()
    ]
