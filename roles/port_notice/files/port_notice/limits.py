# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the port notice lets in, and which attempts its log names. Whoever comes, memory and the log stay bounded."""

from __future__ import annotations

import ipaddress
from collections import Counter

# A network may have and make this many times the connections of one source, and sources that are new in this minute may
# make as many again.
NETWORK = 8
# Sources, and networks, whose connections of this minute are counted. A full table forgets the oldest: it must not be
# a reason to turn away somebody new.
MAX_COUNTED = 10000
# Lines about attempts in a minute.
LINES = 200
# A source and its network: an address in a /24, or a /64, which one customer has, in a /48.
_BYTES = {4: (4, 3), 6: (8, 6)}


def source_of(address):
    """Return (source, its network) as bytes; each of the four kinds has another length."""
    address = ipaddress.ip_address(address.partition("%")[0])
    return tuple(address.packed[:size] for size in _BYTES[address.version])


def network_text(network):
    """Return a network of source_of() as text."""
    return str(ipaddress.ip_network((network.ljust(4 if len(network) == 3 else 16, b"\0"), len(network) * 8)))


class _Recent(dict):
    """Key -> connections that it made in this minute."""

    def add(self, key):
        if key not in self and len(self) >= MAX_COUNTED:
            del self[next(iter(self))]
        self[key] = self.get(key, 0) + 1


class Limits:
    """How many connections a source, its network, and all together may have at a time, and make in a minute."""

    def __init__(self, at_a_time, a_minute, total):
        self.at_a_time, self.a_minute, self.total = at_a_time, a_minute, total
        self._open = {}  # connection -> (source, network), the oldest first
        self._held = Counter()  # source or network -> how many of these
        self._sources, self._networks = _Recent(), _Recent()
        self._minute = None

    def admit(self, connection, address, now):
        """Return (whether it is let in, the connection that makes room for it or None).

        What is refused does not count: a source over its limit must not use up that of its network.
        """
        if now // 60 != self._minute:
            self._minute = now // 60
            self._sources.clear()
            self._networks.clear()
        source, network = source_of(address)
        if self._held[source] >= self.at_a_time or self._sources.get(source, 0) >= self.a_minute:
            return False, None
        a_minute = self.a_minute * NETWORK * (1 if source in self._sources else 2)
        if self._networks.get(network, 0) >= a_minute:
            return False, None
        leaving = None
        if self._held[network] >= self.at_a_time * NETWORK:
            leaving = _oldest_of_most([(one, who) for one, (who, of) in self._open.items() if of == network], source)
        elif len(self._open) >= self.total:
            leaving = _oldest_of_most([(one, of) for one, (_who, of) in self._open.items()], network)
        else:
            return self._let_in(connection, source, network), None
        if leaving is None:
            return False, None
        self.release(leaving)
        return self._let_in(connection, source, network), leaving

    def _let_in(self, connection, source, network):
        self._open[connection] = source, network
        self._held.update((source, network))
        self._sources.add(source)
        self._networks.add(network)
        return True

    def release(self, connection):
        for key in self._open.pop(connection, ()):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]


def _oldest_of_most(connections, own):
    """Return the oldest connection of who has most beside the one that comes, or None if that one has more.

    connections: (connection, whose), the oldest first. Who holds one for long has had its answer, or asks for none.
    """
    held = Counter(whose for _connection, whose in connections)
    mine = held.pop(own, 0)
    most, count = held.most_common(1)[0] if held else (None, 0)
    if not held or count < mine:
        return None
    return next(connection for connection, whose in connections if whose == most)


class Attempts:
    """The lines of the log: so many a minute, half of them for networks that have none yet; then one for the others."""

    def __init__(self, write):
        """write: is given (whom it is about, what there is to say)."""
        self.write = write
        self._minute = None
        self._begin()

    def _begin(self):
        self._lines = self._left_out = self._limited = 0
        self._named, self._limited_sources, self._others = set(), set(), Counter()

    def turn(self, now):
        """Close the minute, if it is over. now: None closes it in any case."""
        minute = None if now is None else now // 60
        if minute == self._minute and now is not None:
            return
        if self._left_out:
            text = "attempts=%d limited=%d" % (self._left_out, self._limited)
            self.write("others", "%s most=%s" % (text, network_text(self._others.most_common(1)[0][0])))
        self._minute = minute
        self._begin()

    def add(self, address, port, kind, now):
        self.turn(now)
        source, network = source_of(address)
        again = kind == "limited" and source in self._limited_sources
        if again or self._lines >= (LINES // 2 if network in self._named else LINES):
            self._left_out += 1
            self._limited += kind == "limited"
            if network in self._others or len(self._others) < MAX_COUNTED:
                self._others[network] += 1
            return
        self._lines += 1
        self._named.add(network)
        if kind == "limited":
            self._limited_sources.add(source)
        self.write(address.partition("%")[0], "port=%d client=%s" % (port, kind))
