# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of packets from all addresses at once, in the chains of evaluate.py: pure functions.

A region is a sorted list of (first, last), addresses as numbers, none twice. Each rule takes its sources out of the
regions that reach it, so that a host with thousands of bans is judged in a time that grows with their number only.
"""

from __future__ import annotations

import bisect
import ipaddress

from .evaluate import RETURN, STRANGERS, effect, with_policy

BITS = {4: 32, 6: 128}
# Fewer pieces than this are put into a region one by one.
_FEW = 8


def everyone(family):
    return [(0, 2 ** BITS[family] - 1)]


def region(networks):
    """Return the addresses of these networks."""
    return _tidy([(int(network[0]), int(network[-1])) for network in networks])


def without(one, other):
    """Return what is in one region and not in the other."""
    left = list(one)
    for first, last in other:
        _take(left, first, last)
    return left


def common(one, other):
    """Return what is in both regions."""
    left = list(one)
    return _tidy([piece for first, last in other for piece in _take(left, first, last)])


def union(one, other):
    return _tidy([*one, *other])


def holds(region, address):
    """Say whether an address is in a region."""
    return bool(_take(list(region), int(address), int(address)))


def example(region, family):
    """Return an address of the region to be shown: one that stands for many, else its first, or None."""
    for one in sorted(STRANGERS[family]):
        if holds(region, one):
            return one
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    return kind(region[0][0]) if region else None


def where(ruleset, chains, hook, family, condition):
    """Return the sources for which a condition holds of the set of what may become of their packet.

    chains: from specialise(). condition: takes a set of ACCEPT, DROP, RETURN and REDIRECT.
    """
    return _tidy(
        [
            piece
            for outcomes, sources in Walk(ruleset, chains, family).fates(hook).items()
            if condition(with_policy(ruleset, hook, outcomes))
            for piece in sources
        ]
    )


class Walk:
    """The way of a packet through chains of specialise(), from all sources."""

    def __init__(self, ruleset, chains, family):
        self.chains, self.family = chains, family
        self.known, self.found, self.signatures = ruleset.known, {}, {}

    def fates(self, name):
        """Return {what may become of a packet in a chain: the region from which it does}."""
        if name not in self.found:
            # Most chains have the same rules for many packets.
            signature = self.family, self._signature(name)
            if signature not in self.known:
                self.known[signature] = self._walked(name)
            self.found[name] = self.known[signature]
        return self.found[name]

    def _signature(self, name):
        """Return what tells rules that may match from others: those of a chain, and of the chains behind it."""
        if name not in self.signatures:
            rules = self.chains[name]
            inner = dict.fromkeys(rule.target for _certain, rule in rules if rule.target in self.chains)
            own = tuple((certain, id(rule)) for certain, rule in rules)
            self.signatures[name] = name, own, tuple(map(self._signature, inner))
        return self.signatures[name]

    def _walked(self, name):
        passing, ended = {frozenset(): everyone(self.family)}, {}
        for certain, rule in self.chains[name]:
            moves = []
            for goes_on, left, sources in self._effects(certain, rule):
                for found, there in passing.items():
                    if not (goes_on and left <= found):
                        pieces = [piece for first, last in sources for piece in _take(there, first, last)]
                        moves.append((goes_on, found | left, pieces))
            for goes_on, found, pieces in moves:
                _add((passing if goes_on else ended).setdefault(found, []), pieces)
        for found, there in passing.items():
            ended.setdefault(found | {RETURN}, []).extend(there)
        return {found: _tidy(pieces) for found, pieces in ended.items() if pieces}

    def _effects(self, certain, rule):
        """Yield (whether the next rule has its turn, what may become of the packet, from which sources)."""
        if rule.target not in self.chains:
            left, passes = effect(rule.target)
            yield passes or not certain, left, _from(everyone(self.family), rule.sources)
            return
        for results, sources in self.fates(rule.target).items():
            passes = not rule.goto and RETURN in results
            left = results if rule.goto else results - {RETURN}
            yield passes or not certain, left, _from(sources, rule.sources)


def _from(region, sources):
    """Return what of a region is from a rule's sources."""
    left = list(region) if sources else region
    for network, value, mask, negated in sources:
        inside = _take(left, value, value | (2**network.max_prefixlen - 1) ^ mask)
        left = left if negated else inside
    return left


def _take(region, first, last):
    """Take the addresses from first to last out of a region, and return those that were in it."""
    start, end = bisect.bisect_left(region, (first,)), bisect.bisect_left(region, (last + 1,))
    if start and region[start - 1][1] >= first:
        start -= 1
    taken = region[start:end]
    if not taken:
        return []
    left = []
    if taken[0][0] < first:
        left.append((taken[0][0], first - 1))
        taken[0] = (first, taken[0][1])
    if taken[-1][1] > last:
        left.append((last + 1, taken[-1][1]))
        taken[-1] = (taken[-1][0], last)
    region[start:end] = left
    return taken


def _add(region, pieces):
    if len(pieces) < _FEW:
        for piece in pieces:
            bisect.insort(region, piece)
    else:
        region += pieces
        region.sort()


def _tidy(pieces):
    """Return the region of pieces that may lie in any order, overlap or touch."""
    found = []
    for first, last in sorted(pieces):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
