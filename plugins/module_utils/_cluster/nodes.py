# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What CLUSTER NODES says, as data."""

from __future__ import annotations

import dataclasses
import re

SLOTS = 16384


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of CLUSTER NODES: a node as one node sees it.

    migrating, importing: slot -> id of the other node; only the line of the node that was asked has them.
    """

    id: str
    host: str
    port: int
    bus_port: int
    flags: frozenset
    master: str | None
    connected: bool
    slots: frozenset
    migrating: dict
    importing: dict

    @property
    def myself(self):
        return "myself" in self.flags

    @property
    def failing(self):
        return bool(self.flags & {"fail", "fail?"})

    @property
    def known(self):
        """Whether it is a member: a handshake is only an attempt to become one."""
        return "handshake" not in self.flags


def parse_nodes(text):
    """Return the Entries of a CLUSTER NODES reply; ValueError for what is none."""
    return [_entry(line) for line in text.splitlines() if line.strip()]


def _entry(line):
    words = line.split()
    if len(words) < 8:
        raise ValueError("not a line of CLUSTER NODES: %.80s" % line)
    # host:port@bus, since 7.0 followed by ,hostname and ,name=value. The host can be an IPv6 address, or empty.
    address, _at, rest = words[1].partition("@")
    host, _colon, port = address.rpartition(":")
    slots, migrating, importing = set(), {}, {}
    for word in words[8:]:
        if word.startswith("["):
            slot, arrow, other = word.strip("[]").partition("->-" if "->-" in word else "-<-")
            (migrating if arrow == "->-" else importing)[int(slot)] = other
        else:
            first, _dash, last = word.partition("-")
            slots.update(range(int(first), int(last or first) + 1))
    return Entry(
        id=words[0],
        host=host.strip("[]"),
        port=int(port or 0),
        bus_port=int(rest.partition(",")[0] or 0),
        flags=frozenset(words[2].split(",")),
        master=None if words[3] == "-" else words[3],
        connected=words[7] == "connected",
        slots=frozenset(slots),
        migrating=migrating,
        importing=importing,
    )


def ranges(slots):
    """Return the slots as a list of (first, last)."""
    found = []
    for slot in sorted(slots):
        if found and found[-1][1] == slot - 1:
            found[-1] = (found[-1][0], slot)
        else:
            found.append((slot, slot))
    return found


def show(slots, limit=4):
    """Return the slots for people: '0-5460 5470', cut after a few ranges."""
    words = [str(first) if first == last else "%d-%d" % (first, last) for first, last in ranges(slots)]
    more = ["and %d more ranges" % (len(words) - limit)] if len(words) > limit else []
    return " ".join(words[:limit] + more) or "none"


BUS_OFFSET = 10000


def mark_leaving(nodes, leaving):
    """Return (nodes with those that `leaving` names as absent, problems).

    leaving: HOST:PORT or ZONE:PORT. One that is no entry of nodes gets one: its server may be gone already.
    """
    nodes, problems = [dict(node) for node in nodes], []
    for name in leaving:
        host, _colon, port = name.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host.strip() or not re.fullmatch(r"[0-9]{1,5}", port):
            problems.append("leaving names %r: write host:port, as in 10.0.0.7:7000." % name)
            continue
        meant = [node for node in nodes if node["port"] == int(port) and host in (node["host"], node["zone"])]
        for node in meant:
            node["state"] = "absent"
        if not meant:
            nodes.append(dict(host=host, port=int(port), address=None, zone=None, state="absent"))
    return nodes, problems
