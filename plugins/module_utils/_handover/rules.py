# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May a server of a group be restarted, and who takes over from it: decisions from what the servers say. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._errors import Refused

_DOWN = {"s_down", "o_down", "disconnected"}


@dataclass(frozen=True)
class ReplicaRow:
    """A replica as its master sees it. state: 'online' once it has the data. offset: what it acknowledged last."""

    host: str
    port: int
    state: str
    offset: int

    @property
    def name(self):
        return "%s:%d" % (self.host, self.port)


@dataclass(frozen=True)
class ServerInfo:
    """What a server says of itself by INFO.

    run_id: another one after each start. master: (host, port) that it follows, or None. stream: its replication id; a
    master and its replicas have the same, and only then their offsets can be compared. priority: 0 for a replica that
    Sentinels never promote.
    """

    run_id: str
    master: tuple | None = None
    link: str = "up"
    syncing: bool = False
    offset: int = 0
    stream: str = ""
    attached: tuple = ()
    failover: str = "no-failover"
    priority: int = 100
    cluster: bool = False


def parse_server_info(text):
    """Return the ServerInfo of one or several sections of INFO."""
    rows = dict(line.partition(":")[::2] for line in text.splitlines() if ":" in line)
    replica = rows.get("role") == "slave"
    attached = []
    for name, value in rows.items():
        if name.startswith("slave") and name[5:].isdigit():
            row = dict(part.partition("=")[::2] for part in value.split(","))
            attached.append(ReplicaRow(row["ip"], int(row["port"]), row["state"], int(row["offset"])))
    return ServerInfo(
        run_id=rows.get("run_id", ""),
        master=(rows["master_host"], int(rows["master_port"])) if replica else None,
        link=rows.get("master_link_status", "up"),
        syncing=rows.get("master_sync_in_progress", "0") != "0",
        offset=int(rows.get("slave_repl_offset" if replica else "master_repl_offset", 0)),
        stream=rows.get("master_replid", ""),
        attached=tuple(attached),
        failover=rows.get("master_failover_state", "no-failover"),
        priority=int(rows.get("slave_priority", 100)),
        cluster=rows.get("cluster_enabled", "0") == "1",
    )


def part_of(said, members=0, watched=False):
    """Return the part that a server has in a group: 'replica', 'master', or 'none' for one that stands alone.

    members: nodes of its cluster, itself included. watched: whether Sentinels hold it for a master, or might.
    """
    if said.master is not None:
        return "replica"
    return "master" if said.attached or watched or members > 1 else "none"


def is_due(part, role):
    """Tell whether a server with this part is restarted by a call for this role."""
    return part == "none" or role == "master" or (role == "replica" and part == "replica")


def behind(said, goal, stream):
    """Return why a replica is not in step with a master that was at this offset before, or ''."""
    if said.master is None:
        return "it is no replica"
    if said.link != "up":
        return "its link to the master is down"
    if said.syncing:
        return "it is loading the master's data"
    if said.stream != stream:
        return "it has another history than the master"
    if said.offset < goal:
        return "it is %d bytes behind" % (goal - said.offset)
    return ""


def check_attached(master, said):
    """Raise Refused when a replica of the master does not have its data yet. master: its name."""
    if said.failover != "no-failover":
        raise Refused("%s is in a failover (%s)." % (master, said.failover), passing=True)
    for one in said.attached:
        if one.state != "online":
            raise Refused("%s, a replica of %s, is not in step (%s)." % (one.name, master, one.state), passing=True)


@dataclass(frozen=True)
class Watch:
    """What one Sentinel says. place: its host and port. master: its row of SENTINEL MASTER, or None when it watches no
    such group. replicas: rows of SENTINEL REPLICAS. problem: why it could not be asked. absent: nothing listens there.
    elsewhere: {run_id: name} of other groups that it watches.
    """

    where: str
    master: dict | None = None
    replicas: tuple = ()
    problem: str = ""
    absent: bool = False
    elsewhere: dict = field(default_factory=dict)
    place: dict = field(default_factory=dict)

    @property
    def address(self):
        return (self.master["ip"], int(self.master["port"]))


def watching(watches, run_ids):
    """Return those that watch the group. Raise Refused when another might.

    run_ids: of the servers of the group. A Sentinel at whose port nothing listens, or that does not know the group, has
    not been set up yet, or is down: it learns from the others who the master is.
    """
    for watch in watches:
        if watch.problem and not watch.absent:
            raise Refused("a Sentinel can't be asked: %s" % watch.problem, passing=True)
        name = next((watch.elsewhere[run_id] for run_id in run_ids if run_id in watch.elsewhere), None)
        if name and watch.master is None:
            raise Refused("the Sentinel at %s calls this group %s: set sentinel_master_name." % (watch.where, name))
    return [watch for watch in watches if watch.master is not None]


def check_watches(watches, master, own_run_id, attached, found=""):
    """Raise Refused unless all Sentinels hold this server for the master, and see the group whole.

    watches: from watching(). master: (name, run_id). own_run_id: of the server to restart; that the Sentinels see it as
    down does not matter. attached: {(address, port), ...} of the replicas that the master has. found: run_id of the
    server at the address that the first Sentinel names, where that could be asked. What the Sentinels themselves say of
    it is up to 10 s old.
    """
    addresses = {watch.where: watch.address for watch in watches}
    if len(set(addresses.values())) > 1:
        told = ", ".join("%s says %s:%d" % (where, *address) for where, address in addresses.items())
        raise Refused("the Sentinels disagree about the master: %s." % told, passing=True)
    for watch in watches:
        flags = set(watch.master["flags"].split(","))
        if "failover_in_progress" in flags:
            raise Refused("a failover is under way, says the Sentinel at %s." % watch.where, passing=True)
        if flags & _DOWN:
            raise Refused("the Sentinel at %s takes the master for down." % watch.where, passing=True)
        if (found or watch.master.get("runid")) != master[1]:
            raise Refused(
                "the Sentinel at %s holds %s:%d for the master, the servers say it is %s."
                % (watch.where, *watch.address, master[0]),
                passing=True,
            )
        _check_rows(watch, own_run_id, attached)


def _check_rows(watch, own_run_id, attached):
    there = {row.get("runid") for row in watch.replicas if (row["ip"], int(row["port"])) in attached} - {None, ""}
    for row in watch.replicas:
        wrong = sorted(set(row["flags"].split(",")) & _DOWN)
        if (row["ip"], int(row["port"])) not in attached:
            # A replica that announces another address or port than before is still listed by both.
            if row.get("runid") in there:
                continue
            wrong.append("it is not connected to the master")
        elif row.get("runid") == own_run_id:
            continue
        if wrong:
            raise Refused(
                "%s:%s, a replica for the Sentinel at %s, is not in order (%s): fix it, or make the Sentinels "
                "forget it by SENTINEL RESET if it is gone for good."
                % (row["ip"], row["port"], watch.where, ", ".join(wrong)),
                passing=True,
            )


@dataclass(frozen=True)
class Shard:
    """A part of a cluster, as Entries of CLUSTER NODES: me, the master (maybe me), its replicas; voters: all masters
    that vote on a failover."""

    me: object
    master: object
    replicas: tuple
    voters: tuple


def shard_of(entries, state):
    """Return the Shard that the node belongs to; raise Refused when the cluster is not whole.

    entries: what the node's CLUSTER NODES says. state: its cluster_state.
    """
    members = [entry for entry in entries if entry.known]
    failing = ["%s:%d" % (entry.host, entry.port) for entry in members if entry.failing]
    if failing:
        raise Refused(
            "%s of the cluster can't be reached: start them, or take them out of the cluster if they are gone for good."
            % " and ".join(failing),
            passing=True,
        )
    cut = ["%s:%d" % (entry.host, entry.port) for entry in members if not entry.connected]
    if cut:
        raise Refused("this node of the cluster has no connection to %s." % " and ".join(cut), passing=True)
    if state != "ok":
        raise Refused("cluster_state is %s." % state, passing=True)
    by_id = {entry.id: entry for entry in members}
    me = next((entry for entry in members if entry.myself), None)
    if me is None or (me.master is not None and me.master not in by_id):
        raise Refused("CLUSTER NODES does not tell whom this node belongs to.", passing=True)
    master = by_id[me.master] if me.master else me
    return Shard(
        me=me,
        master=master,
        replicas=tuple(entry for entry in members if entry.master == master.id),
        voters=tuple(entry for entry in members if entry.master is None and entry.slots),
    )


def unlinked(views, node, voters):
    """Return the id of a voter with which a node has no connection both ways, or None: its vote would be lost.

    views: {id: Entries of its CLUSTER NODES} of the node and the voters. A node that has just started is taken for up
    before all the connections of its bus are there.
    """
    for voter in voters:
        if not (_sees(views[node], voter) and _sees(views[voter], node)):
            return voter
    return None


def _sees(entries, node):
    return any(entry.id == node and entry.connected and not entry.failing and entry.known for entry in entries)


def following(text, host, port):
    """Return a configuration file's text in which the server follows this master."""
    wanted, lines, found = "replicaof %s %d" % (host, port), [], False
    for line in text.splitlines(keepends=True):
        words = line.replace('"', " ").replace("'", " ").split()
        if words and words[0].lower() in ("replicaof", "slaveof", "primaryof"):
            if found or words[1:] != [host, str(port)]:
                continue
            found = True
        lines.append(line)
    if found:
        return "".join(lines)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines) + wanted + "\n"
