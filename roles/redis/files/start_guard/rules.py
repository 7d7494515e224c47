# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that would start as a master does, by what the others say: pure functions."""

import dataclasses

# How long it waits for somebody to answer at all: after a clean stop, and after a crash.
SILENCE, SILENCE_AFTER_CRASH = 20, 60
# What a failover takes beside the time after which a server counts as down.
FAILOVER_SECONDS = 10
# For so long a Sentinel does nothing after its own host stood still (TILT).
TILT_SECONDS = 30
START, FOLLOW, WAIT = "start", "follow", "wait"


@dataclasses.dataclass(frozen=True)
class Watch:
    """What a Sentinel says of the group. refused: it answers, but not this login.

    address: (host, port) of its master, None where it knows no such group. mine: whether that is this server. agreed:
    whether the Sentinels have agreed that it is down. busy: in a failover. patience: seconds after which none can be
    expected any more.
    """

    where: str
    problem: str = ""
    refused: bool = False
    address: tuple = None
    mine: bool = False
    epoch: int = 0
    replicas: int = 0
    agreed: bool = False
    busy: bool = False
    down_after: float = 0.0
    patience: float = 0.0


@dataclasses.dataclass(frozen=True)
class Member:
    """What another server of the group says. follows: whether it is a replica of this server. replicas: that it has."""

    where: str
    problem: str = ""
    refused: bool = False
    address: tuple = None
    master: bool = False
    follows: bool = False
    has_data: bool = False
    replicas: int = 0


def judge(state, watches, members, waited, appendonly):
    """Return (START, FOLLOW or WAIT, why, (host, port) to follow) for a server that would start as a master.

    state: clean, crashed, or first when it never ran. waited: seconds so far. appendonly: whether that file is on.
    """
    holders = [one.where for one in members if one.follows and one.has_data]
    known = [one for one in watches if one.address]
    if known:
        return _by_sentinels(state, known, len(watches), holders, waited)
    if state == "first" and not holders:
        return START, "nobody else has data of this group", None
    # One that was promoted by hand may have no replica yet.
    leaders = [one for one in members if one.master and (one.replicas or one.has_data)]
    if len(leaders) == 1:
        return FOLLOW, "%s is a master with data" % leaders[0].where, leaders[0].address
    if leaders:
        return WAIT, "somebody to decide: %s are masters with data" % " ".join(one.where for one in leaders), None
    if holders:
        if state == "clean":
            return START, "it was stopped cleanly and %s still follow it" % " ".join(holders), None
        if not watches and appendonly:
            return START, "it has its append-only file, and no Sentinels watch the group", None
        return (
            WAIT,
            "somebody to decide: it was not stopped cleanly and %s may have more. No Sentinel answers"
            % " ".join(holders),
            None,
        )
    if state == "clean" and not watches:
        return START, "nobody else has data of this group", None
    return _silence(state, waited, [one.where for one in (*watches, *members) if one.refused])


def _by_sentinels(state, known, number, holders, waited):
    """known: the Watches that know the group, of so many declared Sentinels."""
    latest = max(known, key=lambda one: one.epoch)
    if not latest.mine:
        if state == "first":
            # Whether it may lose what it has is asked by site.yml.
            return START, "it has never been a member of this group", None
        why = "the Sentinel %s says that %s:%d is the master" % (latest.where, *latest.address)
        return FOLLOW, why, latest.address
    # Once they have begun to replace it, what it takes meanwhile would be lost with its role.
    replacing = any(one.busy or (one.agreed and waited < FAILOVER_SECONDS) for one in known)
    if state == "clean" and holders and not replacing:
        return START, "it was stopped cleanly and still is the master", None
    if not holders:
        if state == "first":
            return START, "it is the master and nobody has more", None
        # Its own host's Sentinel alone can't know what the others have decided meanwhile.
        if len(known) * 2 <= number:
            return _silence(state, waited, [])
        if state == "clean":
            return START, "it was stopped cleanly and still is the master", None
        if not latest.replicas or waited > latest.down_after + FAILOVER_SECONDS:
            return START, "it is the master and no replica can be reached", None
        return WAIT, "its replicas, or a failover", None
    agreed = sum(one.agreed for one in known) * 2 > number
    if agreed and not latest.busy and waited > latest.patience:
        return START, "the Sentinels had %d s and promoted nobody" % waited, None
    why = "the Sentinels to promote one of %s; %d of %d Sentinels answer"
    return WAIT, why % (" ".join(holders), len(known), number), None


def _silence(state, waited, refused):
    """Nobody who could tell answers. refused: those that are there, and do not take the login."""
    if refused and state == "crashed":
        return WAIT, "an answer: %s refuse the login" % " ".join(refused), None
    if waited > (SILENCE if state == "clean" else SILENCE_AFTER_CRASH):
        return START, "nobody answered for %d s" % waited, None
    return WAIT, "a majority of the Sentinels, or another server", None


def judge_node(state, own, views, waited, node_timeout):
    """The same for a node of a cluster that was a master with slots when it ended. It never has to be told to follow.

    own: its id. views: lists of rows (dict: id, flags, master, slots, connected) of the nodes that answered.
    node_timeout: seconds.
    """
    if state == "clean":
        return START, "it was stopped cleanly", None
    if not views:
        if state == "first" or waited > SILENCE_AFTER_CRASH:
            return START, "no other node answers", None
        return WAIT, "an answer from another node", None
    mine = [row for rows in views for row in rows if row["id"] == own]
    if not mine or any(not row["slots"] for row in mine):
        return START, "another node has its slots", None
    lost = {"fail", "noaddr", "handshake"}
    replicas = {row["id"] for rows in views for row in rows if row["master"] == own and not lost & row["flags"]}
    if not replicas:
        return START, "it has no replica that is up", None
    if waited > 2 * node_timeout + 30:
        return START, "the cluster had %d s and promoted nobody" % waited, None
    return WAIT, "the cluster to promote one of its %d replicas" % len(replicas), None
