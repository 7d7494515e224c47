# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is the master of a replicated group, from what its servers say, and who has to be told so: pure functions.

The inventory names the members, never the master: after a failover another server has that role, and to put the old
order back would throw away what was written since.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .._errors import Refused


@dataclass(frozen=True)
class Node:
    """What one server says of itself.

    addresses: {(address, port), ...} under which others may know it. master: (address, port) that it replicates, or
    None. replicas: the (address, port) of those connected to it. link: 'up' or not. keys: in all databases. failover:
    master_failover_state. stream: its replication id; a master and its replicas have the same. version: of the Redis
    that it is compatible with, as in (7, 0), or () when it is not known.
    """

    name: str
    addresses: frozenset
    master: tuple | None = None
    replicas: tuple = ()
    link: str = "up"
    keys: int = 0
    failover: str = "no-failover"
    stream: str = ""
    version: tuple = ()


@dataclass(frozen=True)
class Plan:
    """master: the Node. follow: names of nodes that have to become its replicas, or have to be told its port again.

    new: nothing was replicated before.
    """

    master: Node
    follow: tuple = field(default=())
    new: bool = False


def plan(nodes, sentinel_master=None, missing=frozenset()):
    """Return the Plan, or raise Refused.

    nodes: the members, in the order of the inventory. sentinel_master: (address, port) that the Sentinels agree on.
    missing: the (address, port) of members that can't be asked. One of these is only taken for the master where no
    Sentinel is there to choose another; the Plan then only names it.
    """
    known = {address: node for node in nodes for address in node.addresses}
    # Sentinels fix by themselves a former master that has come back.
    mended = sentinel_master is not None
    gone = {node.master for node in nodes if node.master in missing}
    if gone and mended:
        raise Refused(
            "the master %s:%d does not answer: wait until the Sentinels have chosen another, or start it." % min(gone),
            passing=True,
        )
    if len(gone) == 1:
        return Plan(Node("%s:%d" % next(iter(gone)), frozenset(gone)))
    for node in nodes:
        if node.failover != "no-failover":
            raise Refused("%s is in a failover (%s): wait until it is done." % (node.name, node.failover), passing=True)
        if node.master is not None and node.master not in known:
            raise Refused(
                "%s is a replica of %s:%d, which is no member of this group: name that server too, or make %s a master "
                "of its own." % (node.name, *node.master, node.name)
            )
    master, new = _find_master(nodes, known, mended)
    if sentinel_master is not None and known.get(sentinel_master) is not master:
        raise Refused(
            "the Sentinels hold %s:%d for the master, the servers say it is %s: wait until the failover is done."
            % (*sentinel_master, master.name),
            passing=True,
        )
    follow = []
    for node in nodes:
        if node is master or (node.master is not None and known[node.master] is master):
            continue
        if node.master is None and node.keys:
            raise Refused(
                "%s is a master with %d keys, and would lose them as a replica of %s: take it out of the group, or "
                "empty it yourself." % (node.name, node.keys, master.name),
                passing=mended,
            )
        if node.version and node.version < master.version:
            raise Refused(
                "%s is compatible with Redis %s and can't load the data of %s, which is with %s: upgrade it first."
                % (node.name, _dotted(node.version), master.name, _dotted(master.version))
            )
        follow.append(node.name)
    return Plan(master, tuple(follow), new)


def _find_master(nodes, known, mended):
    """Return (the master, whether nobody was one before)."""
    masters = [node for node in nodes if node.master is None]
    followed = {known[node.master].name for node in nodes if node.master is not None}
    leading = [node for node in masters if node.name in followed]
    if len(leading) > 1:
        raise Refused(
            "there are two masters with replicas, %s: find out who has the data that counts, and make the other a "
            "replica of it." % " and ".join(node.name for node in leading),
            passing=True,
        )
    if not masters:
        raise Refused(
            "none of the servers is a master (%s): find out who has the data that counts, and run REPLICAOF NO ONE "
            "there." % ", ".join("%s follows %s" % (node.name, known[node.master].name) for node in nodes),
            passing=True,
        )
    if leading:
        return leading[0], False
    filled = [node for node in masters if node.keys]
    if len(filled) > 1:
        raise Refused(
            "%s are masters with data of their own: a group has one. Take the others out, or empty them yourself."
            % " and ".join("%s (%d keys)" % (node.name, node.keys) for node in filled),
            passing=mended,
        )
    return (filled or masters)[0], True


def _dotted(version):
    return ".".join(map(str, version))


def told_node(place, addresses):
    """Return the Node of a master that can't be asked, from what its own host found. place: {host, port, keys}."""
    return Node("%s:%d" % (place["host"], place["port"]), frozenset(addresses), keys=place["keys"])


def where_masters_are(nodes, ports):
    """Return (nodes, names of those whose link leads to where their master no longer listens).

    After a change of ports a replica still names the old one; its replication id tells that it is the same server. The
    returned nodes name the new one. ports: {name: {name of its replica: port that it is to use}}.
    """
    known = {address for node in nodes for address in node.addresses}
    settled, astray = [], []
    for node in nodes:
        masters = [
            other
            for other in nodes
            if node.master and other is not node and node.master[0] in {host for host, _port in other.addresses}
        ]
        if node.master not in known:
            masters = [other for other in masters if other.stream and other.stream == node.stream]
        if len(masters) == 1:
            port = ports.get(masters[0].name, {}).get(node.name)
            if port and port != node.master[1]:
                astray.append(node.name)
                node = replace(node, master=(node.master[0], port))
        settled.append(node)
    return settled, tuple(astray)


def lagging(plan_master, nodes):
    """Return the names of the members that do not follow this master with their link up."""
    return [
        node.name
        for node in nodes
        if node.name != plan_master.name and (node.master not in plan_master.addresses or node.link != "up")
    ]
