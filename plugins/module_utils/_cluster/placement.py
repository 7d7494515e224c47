# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which nodes become masters, and which master each replica follows."""

from __future__ import annotations

import collections

# The parts of a placement's price, each far above the next. All but LEAVE are multiples of ROUND and LEAVE is not, so a
# placement that moves replicas never costs the same as one that leaves them: a second plan is empty.
ROUND = 10**4
MISSING = 10**9 * ROUND
SAME_ZONE_AS_MASTER = 10**6 * ROUND
LEAVE = 100 * ROUND + 1
SAME_ZONE_AS_SIBLING = 10 * ROUND
EXTRA = ROUND


def choose_by_zone(candidates, count, taken):
    """Return `count` of the candidates, from zones with the fewest nodes chosen or taken.

    candidates: (id, zone) in order of preference. taken: zones of the nodes that have the part already.
    """
    load, chosen, left = collections.Counter(taken), [], list(candidates)
    while left and len(chosen) < count:
        # The zone with the most candidates first: the others have none to spare.
        room = collections.Counter(zone for _id, zone in left)
        best = min(left, key=lambda one: (load[one[1]], -room[one[1]]))
        left.remove(best)
        load[best[1]] += 1
        chosen.append(best[0])
    return chosen


def place(replicas, masters, wanted):
    """Return {replica: master}: each master has `wanted` or more, in other zones than its own as far as possible.

    replicas: (id, zone, current master or None). masters: (id, zone). Replicas that stand well stay where they are.
    A minimum-cost flow: source -> replica -> (master, zone) -> master -> sink.
    """
    if not masters:
        return {}
    flow, ids = _Flow(), [master for master, _zone in masters]
    zones = sorted({zone for _id, zone, _master in replicas})
    room = range(len(replicas))
    for replica, zone, current in replicas:
        flow.edge("source", ("replica", replica), 0)
        for master in ids:
            stays = current == master or current not in ids
            flow.edge(("replica", replica), (master, zone), 0 if stays else LEAVE)
    for master, own in masters:
        for zone in zones:
            near = SAME_ZONE_AS_MASTER if zone == own else 0
            for number in room:
                flow.edge((master, zone), master, near + number * SAME_ZONE_AS_SIBLING)
        for number in room:
            flow.edge(master, "sink", (number - wanted + 1) * EXTRA if number >= wanted else -MISSING)
    for _replica in replicas:
        flow.push("source", "sink")
    return {
        replica: next(head[0] for head, full in flow.used(("replica", replica)) if full)
        for replica, _zone, _master in replicas
    }


class _Flow:
    """Edges of capacity 1, successive shortest paths. A cluster is small enough for that."""

    def __init__(self):
        self.out = collections.defaultdict(list)

    def edge(self, tail, head, cost):
        there, back = [head, cost, True, None], [tail, -cost, False, None]
        there[3], back[3] = back, there
        self.out[tail].append(there)
        self.out[head].append(back)

    def push(self, source, sink):
        price, came, waiting = {source: 0}, {}, collections.deque([source])
        while waiting:
            tail = waiting.popleft()
            for edge in self.out[tail]:
                head, cost, free, _back = edge
                if free and price[tail] + cost < price.get(head, float("inf")):
                    price[head], came[head] = price[tail] + cost, (tail, edge)
                    if head not in waiting:
                        waiting.append(head)
        at = sink
        while at != source:
            at, edge = came[at]
            edge[2], edge[3][2] = False, True

    def used(self, tail):
        """Yield (head, whether it carries flow) of the edges that lead on from a replica."""
        for head, _cost, free, back in self.out[tail]:
            if head != "source":
                yield head, not free and back[2]
