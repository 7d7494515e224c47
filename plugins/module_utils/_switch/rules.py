# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server is now beside what it is to become: which way there is from one to the other. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

STANDALONE, REPLICATION, CLUSTER = "standalone", "replication", "cluster"
_SPOKEN = {STANDALONE: "a server that stands alone", REPLICATION: "in a replicated group", CLUSTER: "in a cluster"}


@dataclass(frozen=True)
class Place:
    """How a server is reached and whom it belongs with. port, tls_port: 0 where it is closed."""

    topology: str = STANDALONE
    port: int = 0
    tls_port: int = 0

    @property
    def inner(self):
        """Return (port, whether by TLS) of the links between servers and their Sentinels."""
        return (self.tls_port, True) if self.tls_port else (self.port, False)


@dataclass(frozen=True)
class Now:
    """A unit that runs, or has run. place: None where nothing is known. ours: this collection has set it up.

    refused: it takes none of the logins. watchers: how many Sentinels are connected. syncing: it is being sent all
    data.
    """

    unit: str
    place: Place | None = None
    ours: bool = False
    refused: bool = False
    watchers: int = 0
    syncing: bool = False


def problems(now, wanted, admin):
    """Return why the server can't become what is wanted in this run, with the steps. admin: name of the user."""
    if not now.ours:
        # What it is to lose is looked at before it is taken over.
        return []
    if now.refused:
        return [_refused(now, admin)]
    if now.place is None:
        return []
    before, found = now.place, []
    if before.topology != wanted.topology and CLUSTER in (before.topology, wanted.topology):
        return [_cluster(now, wanted)]
    if before.topology == REPLICATION and wanted.topology == STANDALONE:
        if now.watchers:
            found.append(_watched(now))
        if now.syncing:
            found.append(
                "%s.service is being sent its master's data: wait until it has them, and run again." % now.unit
            )
    elif before.topology == wanted.topology == CLUSTER and before.inner != wanted.inner:
        found.append(
            "%s.service is a node of a cluster at port %s, and port %s is declared. The others know it by the first. "
            "Set redis_port, redis_tls and redis_tls_port as they were. For another port add an instance that has it "
            "to redis_instances, and let this one leave (cluster_leaving). Between TLS and plain text make a new "
            "cluster, and move the data to it." % (now.unit, *map(_spelled, (before.inner, wanted.inner)))
        )
    elif before.topology == wanted.topology == REPLICATION and before.inner != wanted.inner and now.watchers:
        found.append(
            "%s.service is watched by Sentinels at port %s, and port %s is declared. They and their clients hold the "
            "first. In three runs of site.yml on all hosts of the group and its Sentinels: 1. with everything as it "
            "was, but redis_sentinel_hosts: []; 2. with the new port or redis_tls; 3. with redis_sentinel_hosts again. "
            "Clients that ask the Sentinels find the master again after the third."
            % (now.unit, *map(_spelled, (before.inner, wanted.inner)))
        )
    return found


def _spelled(inner):
    return "%d (%s)" % (inner[0], "TLS" if inner[1] else "plain text")


def _refused(now, admin):
    return (
        "%s.service runs and refuses the login of its user %s: neither redis_admin_password nor the one before it "
        "(redis_previous_admin_password) is right. Where redis_credentials_owner has changed, set "
        "redis_previous_credentials_owner to the name it had; otherwise set redis_previous_admin_password."
        % (now.unit, admin)
    )


def _cluster(now, wanted):
    advice = (
        "A cluster is made of new servers: add instances with other names and ports to redis_instances, with topology: "
        "cluster, or take other hosts, and have a client copy the data, since keys are spread anew over its nodes. "
        "Afterwards take this one out of redis_instances."
        if wanted.topology == CLUSTER
        else "Its data are a part of the cluster's. Set redis_topology: cluster again. To give the cluster up, set up "
        "other servers, have a client copy the data, let the nodes leave (cluster_leaving), and take them out of "
        "redis_instances."
    )
    return "%s.service is %s, and is declared to be %s, which it can't become with its data. %s" % (
        now.unit,
        _SPOKEN[now.place.topology],
        _SPOKEN[wanted.topology],
        advice,
    )


def _watched(now):
    return (
        "%s.service is in a replicated group and %d Sentinel connections watch it: they would make it a replica again. "
        "For the whole group, run site.yml on all its hosts and those of its Sentinels with redis_topology: "
        "replication as it was and redis_sentinel_hosts: [] first. For this host alone, take it out of "
        "redis_group_hosts and run site.yml for the others, with -e sentinel_forget_stale=true."
        % (now.unit, now.watchers)
    )


def login_place(listening, wanted):
    """Return (port, whether by TLS) at which a running server is to be asked, None where none of its ports answers.

    listening: {port: 'tls' or 'plain'}, those at which it answers. wanted: its Place.
    """
    first = [(wanted.tls_port, True)] if wanted.tls_port else []
    first += [(wanted.port, False)] if wanted.port else []
    there = [(port, kind == "tls") for port, kind in sorted(listening.items(), key=lambda entry: entry[1])]
    return next((place for place in first + there if place in there), None)


def as_declared(place, wanted):
    """Return whether the roles' login finds the server there without being told."""
    return place is None or place == wanted.inner
