# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the sources and the world meet on reserved ports, with both backends. In network namespaces; needs root.

The notice itself is tried in test_firewall_stranger_action.
"""

from __future__ import annotations

import time

import firewall_lab
import pytest
from firewall_lab import BACKENDS, CONTAINER, HOST, NAMED, SOURCES, STRANGER
from firewall_packets import at_once, carries

FAMILIES = (4, 6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stranger_action", ["drop", "reject", "notice"])
def test_what_strangers_meet_at_reserved_ports(tmp_path, backend, stranger_action):
    ports = [{"port": 6379, "sources": SOURCES}]
    policy = {"ports": ports, "reserved_ports": [7002], "reserved_action": stranger_action, "reserved_notice": True}
    with firewall_lab.Lab(tmp_path, backend) as lab:
        lab.listen("host", 63790)
        lab.apply(policy)
        kept = []
        for family in FAMILIES:
            knock = ("client", STRANGER[family], HOST[family], 7002, 1.5)
            made = [one for one in at_once(lab.connect, [knock] * 14) if one]
            # A burst of 10, and one every three seconds.
            assert len(made) // 10 == (stranger_action == "notice")
            start = time.monotonic()
            assert lab.connect(*knock) is None
            assert (time.monotonic() - start < 1) == (stranger_action == "reject")
            assert all(carries(one) for one in made)
            kept += [*made[:1], lab.connect("client", NAMED[family], HOST[family], 7002)]
            named = ("client", NAMED[family], HOST[family], 6379)
            others = [
                ("client", STRANGER[family], HOST[family], 6379),
                ("client", NAMED[family], CONTAINER[family], 7002),
            ]
            # Nobody is let to the notice's port who is not led there.
            others += [("client", source[family], HOST[family], 63790) for source in (STRANGER, NAMED)]
            assert lab.reached(named, *others) == [named]
        assert all(carries(one) for one in kept)
        # Those who knocked are counted, and are no drift.
        assert not lab.apply(policy)["changed"]
        assert lab.script("check") == 0
        assert lab.failing(policy) == []
        closed = {**policy, "reserved_action": "drop", "reserved_notice": False}
        lab.apply(closed)
        if backend == "nftables":
            assert not any(at_once(carries, [(one,) for one in kept]))
        assert lab.failing(closed) == []
