# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster before its servers are set up: what can be said of it while some of them are not there yet. Pure."""

from __future__ import annotations

from .plan import Node, State
from .state import Problem, assemble


def assemble_early(asked):
    """Return (State or None, Problems) like assemble(), with nodes in the State for servers that are still to come."""
    lines = [entry for one in asked for entry in one.entries if entry.known]
    missing, problems = {}, []
    for one in asked:
        if one.problem and one.stays:
            entry = next((line for line in lines if line.port == one.port and line.host in one.addresses), None)
            reason = _hindrance(one, entry)
            if reason:
                problems.append(reason)
            missing[one.name] = entry
    if problems:
        return None, problems
    there, state = [one for one in asked if one.name not in missing], State({})
    if any(one.stays for one in there):
        state, problems = assemble(there, frozenset(entry.id for entry in missing.values() if entry))
        if problems:
            return None, problems
    for one in asked:
        if one.name in missing:
            node = _node(one, missing[one.name])
            state.nodes[node.id] = node
    order = [one.name for one in asked]
    state.nodes = dict(sorted(state.nodes.items(), key=lambda pair: order.index(pair[1].name)))
    return state, []


def _hindrance(one, member):
    """Return why one that can't be asked is not just a server that is still to be set up, or to be started again."""
    if one.problem.passing or member and one.problem.silent and not one.problem.stopped:
        return one.problem
    if one.keys and not member:
        return Problem(
            "%s is to join and holds %d keys, but is no cluster node: save what is needed and empty it with FLUSHALL, "
            "or take it out of nodes." % (one.name, one.keys)
        )
    return None


def _node(one, member):
    if member is None:
        return Node("to come: " + one.name, one.name, one.zone, member=False, reachable=False)
    return Node(member.id, one.name, one.zone, reachable=False, master=member.master, slots=set(member.slots))
