# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about a replicated group, from what its servers say: pure functions, RH-REP-01 to 06, 08 and 09.

The servers themselves tell who the master is: after a failover it may be any of them.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

from .._audit.findings import finding, verdict
from .plan import Node

HIDDEN = "masterauth"
# After a failover the group behaves as these settings of its new master say.
ALIKE = (
    *("masteruser", HIDDEN, "tls-replication", "replica-read-only"),
    *("min-replicas-to-write", "min-replicas-max-lag"),
)
# What else is asked of each.
ASKED = (*ALIKE, "appendonly")
LONGEST_LAG = 10
# What a replica answers to a write.
REFUSED = "READONLY"


@dataclass(frozen=True)
class Link:
    """A connection between servers, as one of them sees it.

    own: address:port at its end. other: address:port at the other. user: who is logged in.
    """

    own: str
    other: str
    user: str = ""

    @property
    def host(self):
        return self.other.rpartition(":")[0].strip("[]")

    @property
    def port(self):
        """Return the port that was connected to, 0 where this version does not tell."""
        return int(self.own.rpartition(":")[2] or 0)


@dataclass(frozen=True)
class ServerReply:
    """What one server of the group said.

    addresses: {(address, port), ...} under which others may know it. problem: why it can't be asked. info: of INFO
    replication. incoming: the Links of those that replicate it. outgoing: the Links to its own master; both are None
    where it does not tell. written: the answer to a write that could do nothing, None where none was tried.
    """

    name: str
    addresses: frozenset = frozenset()
    problem: str = ""
    node: Node | None = None
    info: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    tls_port: int = 0
    incoming: tuple | None = ()
    outgoing: tuple | None = ()
    written: str | None = None


def parse_info(text):
    """Return the fields of INFO."""
    return dict(line.partition(":")[::2] for line in text.splitlines() if ":" in line)


def parse_links(text):
    """Return the Links of CLIENT LIST."""
    rows = [dict(word.partition("=")[::2] for word in line.split(" ")) for line in text.splitlines() if line]
    return tuple(Link(row.get("laddr", ""), row.get("addr", ""), row.get("user", "")) for row in rows)


def group_findings(asked, replica_user=None, require_tls=False, goals=None):
    """Return the findings. asked: a ServerReply for each declared server.

    replica_user: whom replicas log in as, None for anyone but 'default'. goals: replication id -> what its master had
    written when it was asked first.
    """
    group = _Group(asked)
    found = group.roles()
    if group.there:
        found += group.in_step(goals or {})
        found += group.links(replica_user, require_tls)
        found += [_refuses_writes(one) for one in group.there if one.node.master is not None]
        found.append(_alike(group.there))
        found += [entry for one in group.there for entry in _durability(one, len(asked))]
    return sorted(found, key=lambda one: one["id"])


class _Group:
    def __init__(self, asked):
        self.there = [one for one in asked if not one.problem]
        self.silent = [one for one in asked if one.problem]
        self.known = {address: one for one in asked for address in one.addresses}
        self.masters = [one for one in self.there if one.node.master is None]
        self.head = self._head()

    def target(self, one):
        """Return the server of the group that this one follows, or None."""
        return self.known.get(one.node.master)

    def followers(self, master):
        return [one for one in self.there if self.target(one) is master]

    def _head(self):
        """Return the master of the group, None where it can't be told."""
        gone = [one for one in self.silent if self.followers(one)]
        leading = self.masters + gone
        if len(leading) > 1 and not gone:
            leading = [one for one in leading if self.followers(one)]
        return leading[0] if len(leading) == 1 else None

    def roles(self):
        found = [
            finding("RH-REP-01", "error", "an answer", one.problem, instance=one.name, remediation="Fix what it says.")
            for one in self.silent
        ]
        expected = "%s is the master, all others are its replicas" % self.head.name if self.head else "one master"
        for one in self.there:
            actual = self._role(one)
            ok = self.head is one or (self.head is not None and self.target(one) is self.head)
            if one.node.failover != "no-failover":
                ok, actual = False, "%s, in a failover (%s)" % (actual, one.node.failover)
            found.append(verdict("RH-REP-01", ok, expected, actual, instance=one.name))
        return found

    def _role(self, one):
        node = one.node
        if node.master is None:
            return "master" if one is self.head else "a master of its own, with %d keys" % node.keys
        target, text = self.target(one), "replica of %s:%d" % node.master
        if target is None:
            return text + ", which is no server of the group"
        text = "replica of %s" % target.name
        if target.node is not None and target.node.master is not None:
            text += ", which is a replica itself"
        return text

    def in_step(self, goals):
        found = []
        for one in self.there:
            if self.target(one) is not None:
                wrong = _lag(one, self.target(one), goals)
                found.append(
                    verdict(
                        "RH-REP-02",
                        not wrong,
                        "connected to its master, and in step",
                        ", ".join(wrong) or "connected, in step",
                        instance=one.name,
                    )
                )
            elif "min_slaves_good_slaves" in one.info:
                least, there = one.settings.get("min-replicas-to-write", "1"), one.info["min_slaves_good_slaves"]
                expected = "%s or more replicas in step, without which it refuses writes" % least
                found.append(verdict("RH-REP-02", int(there) >= int(least), expected, there, instance=one.name))
        return found

    def links(self, user, require_tls):
        found = []
        for one in self.there:
            if one.incoming is None:
                found += [
                    finding(control, "skipped", "who replicates it", "CLIENT LIST is not available", instance=one.name)
                    for control in ("RH-REP-03", "RH-REP-04")
                ]
                continue
            mine, unnamed, strangers = self._sort(one)
            expected = "only servers of the group replicate it"
            for link in strangers:
                place = dict(instance=one.name, subject=link.other)
                found.append(verdict("RH-REP-03", False, expected, "user %s replicates it" % link.user, **place))
            if not strangers:
                actual = "%d replicas, no other" % (len(mine) + len(unnamed))
                found.append(verdict("RH-REP-03", True, expected, actual, instance=one.name))
            found += [_login(link, one, user, require_tls, instance=name) for name, link in mine.items()]
            found += [_login(link, one, user, require_tls, instance=one.name, subject=link.other) for link in unnamed]
            without = [replica.name for replica in self.followers(one) if replica.name not in mine]
            found += [
                finding("RH-REP-04", "skipped", _wanted(user, require_tls), "it has no link now", instance=name)
                for name in without[len(unnamed) :]
            ]
        return found

    def _sort(self, master):
        """Return ({replica: its Link}, Links of replicas that can't be told apart, Links of strangers).

        A replica's own end of its link is what the master has as the other, unless addresses are translated between
        them. While it is brought in step, and where it can't be asked, only its address is known.
        """
        ends = {
            link.own: replica.name for replica in self.followers(master) for link in replica.outgoing or () if link.own
        }
        mine = {ends[link.other]: link for link in master.incoming if link.other in ends}
        rest = [link for link in master.incoming if link.other not in ends]
        missing = [one for one in self.followers(master) if one.name not in mine]
        hosts = {host for one in missing + self.silent for host, _port in one.addresses}
        unnamed = [link for link in rest if link.host in hosts][: len(missing) + len(self.silent)]
        rest = [link for link in rest if link not in unnamed]
        translated = max(sum(one.node.link == "up" for one in missing) - len(unnamed), 0)
        return mine, unnamed + rest[:translated], rest[translated:]


def _lag(one, target, goals):
    """Return what keeps a replica from being in step."""
    wrong, info = [], one.info
    if one.node.link != "up":
        wrong.append("its link is %s" % one.node.link)
        if info.get("master_link_down_since_seconds", "-1") != "-1":
            wrong.append("for %s s" % info["master_link_down_since_seconds"])
    if info.get("master_sync_in_progress") == "1":
        wrong.append("it is being sent all data")
    if not wrong and target.node is not None and target.node.stream != one.node.stream:
        wrong.append("its data is of another replication id")
    behind = goals.get(one.node.stream, 0) - int(info.get("slave_repl_offset", 0))
    if behind > 0 and not wrong:
        wrong.append("%d bytes behind" % behind)
    return wrong


def _wanted(user, require_tls):
    return "logged in as %s%s" % (user or "another user than default", ", with TLS" if require_tls else "")


def _login(link, master, user, require_tls, **place):
    secret = link.port == master.tls_port
    ok = (link.user == user if user else link.user not in ("", "default")) and (secret or not require_tls)
    actual = "logged in as %s, %s TLS" % (link.user or "nobody", "with" if secret else "without")
    if not link.port:
        return finding("RH-REP-04", "skipped", _wanted(user, require_tls), "the server does not tell", **place)
    return verdict("RH-REP-04", ok, _wanted(user, require_tls), actual, **place)


def _refuses_writes(one):
    expected = "writes are refused"
    if one.written == REFUSED:
        return verdict("RH-REP-05", True, expected, "refused", instance=one.name)
    if one.written is None:
        return finding("RH-REP-05", "skipped", expected, "EXPIRE is disabled on this server", instance=one.name)
    if "not an integer" in one.written:
        return verdict("RH-REP-05", False, expected, "taken", instance=one.name)
    return finding("RH-REP-05", "error", expected, "could not be tried: %s" % one.written, instance=one.name)


def _durability(one, size):
    """RH-REP-08 and RH-REP-09. size: how many servers the group has."""
    on_disk = one.settings.get("appendonly", "")
    found = [verdict("RH-REP-08", on_disk == "yes", "appendonly yes", "appendonly %s" % on_disk, instance=one.name)]
    least, lag = (int(one.settings.get(name) or 0) for name in ("min-replicas-to-write", "min-replicas-max-lag"))
    expected = "min-replicas-to-write 1 or more, min-replicas-max-lag 1 to %d" % LONGEST_LAG
    actual = "min-replicas-to-write %d, min-replicas-max-lag %d" % (least, lag)
    if size < 3 and not least:
        actual += ": with a single replica its restart would keep the master from taking writes"
        return [*found, finding("RH-REP-09", "skipped", expected, actual, instance=one.name)]
    ok = least >= 1 and 1 <= lag <= LONGEST_LAG
    return [*found, verdict("RH-REP-09", ok, expected, actual, instance=one.name)]


def _alike(there):
    """Compare the settings. Those of a secret are not shown."""
    differing = []
    for name in ALIKE:
        values = collections.defaultdict(list)
        for one in there:
            values[one.settings.get(name, "")].append(one.name)
        if len(values) > 1:
            shown = ["%s on %s" % (_shown(name, value, values), " ".join(on)) for value, on in values.items()]
            differing.append("%s: %s" % (name, "; ".join(shown)))
    expected = "the same on all servers"
    return verdict("RH-REP-06", not differing, expected, ". ".join(differing) or expected)


def _shown(name, value, values):
    if not value:
        return "nothing"
    if name != HIDDEN:
        return value
    return "one value" if value == next(filter(None, values)) else "another"
