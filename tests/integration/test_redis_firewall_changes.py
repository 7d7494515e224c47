# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of the rules while somebody knocks at the ports all the time. In network namespaces; needs root."""

from __future__ import annotations

import contextlib

import firewall_lab
import pytest
from firewall_lab import BACKENDS, HOST, NAMED, POLICY, PORTS, STRANGER, host_file
from firewall_packets import Hammer
from waiting import wait_for

FAMILIES = (4, 6)
# As Docker does whenever it makes a network.
DOCKER = "iptables -D FORWARD -j DOCKER-USER; iptables -I FORWARD -j DOCKER-USER"
# Drift of the jump that is not a hole by itself.
DRIFT = "iptables -I INPUT -j LOG"


@contextlib.contextmanager
def nobody_gets_in_and_nobody_is_cut(lab):
    """Strangers knock, and a named client comes and goes, all the while."""
    hammers = [
        Hammer(lab, STRANGER[family], target[family], port, timeout=0.02)
        for family in FAMILIES
        for target, port in ((HOST, 6379), (HOST, 6380), (HOST, 6390))
    ]
    friends = [Hammer(lab, NAMED[family], HOST[family], 6379, timeout=2, pause=0.01) for family in FAMILIES]
    for one in hammers + friends:
        one.start()
    yield
    counts = [one.stop() for one in hammers]
    assert min(attempts for attempts, _open in counts) > 100
    assert [successes for _attempts, successes in counts] == [0] * len(hammers)
    for attempts, successes in (one.stop() for one in friends):
        assert attempts > 100
        assert successes == attempts, "a named source was cut"


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_leak_in_twenty_changes(tmp_path, backend):
    with firewall_lab.Lab(tmp_path, backend) as lab:
        lab.apply()
        with nobody_gets_in_and_nobody_is_cut(lab):
            # Each time another policy.
            for number in range(5):
                lab.sh(f"{DRIFT if number % 2 else ':'}; {DOCKER}")
                more = [{"port": 6379, "sources": [f"10.77.{number}.0/24"]}, {"port": 7100 + number}]
                assert lab.apply({**POLICY, "ports": PORTS + more})["changed"]
                lab.keep_rules(number)
            for number in range(15):
                lab.load_rules(number % 5, more=f"{DRIFT if number % 2 else ':'}; {DOCKER}")
        assert lab.script("check") == 0


def test_another_backend_takes_over(tmp_path):
    with firewall_lab.Lab(tmp_path) as lab:
        lab.apply()
        lab.keep_rules("iptables")
        with nobody_gets_in_and_nobody_is_cut(lab):
            for lab.backend in ("nftables", "iptables", "nftables", "iptables"):
                predicted = lab.apply(check=True)
                assert lab.apply()["differences"] == predicted["differences"]
                assert not lab.apply()["changed"]
                assert lab.failing() == []
                assert lab.script("check") == 0
                # Nothing of the backend before is left, in the kernel or on the disk.
                ours = {"iptables": "REDIS-PORTS" in "".join(lab.rules()), "nftables": lab.table() != []}
                assert ours == {name: name == lab.backend for name in BACKENDS}
                names = [path.name for path in host_file(lab, "/etc/redis-ports-block").iterdir()]
                assert sorted(names) == sorted(path.rpartition("/")[2] for path in lab.files[:-1])
                lab.keep_rules(lab.backend)
            for _turn in range(8):
                for backend in ("nftables", "iptables"):
                    lab.load_rules(backend)
        assert not lab.apply()["changed"]


def test_taking_over_can_be_taken_back(tmp_path):
    """What is on trial is the whole change of the backend."""
    with firewall_lab.Lab(tmp_path) as lab:
        lab.apply()
        before = lab.own_rules()
        lab.backend = "nftables"
        assert lab.apply({**POLICY, "rollback_after": 2})["pending"]
        assert lab.table() != []
        assert lab.reaches("client", NAMED[4], HOST[4], 6379)
        lab.time_is_up()
        wait_for(lambda: lab.own_rules() == before)
        assert lab.reaches("client", NAMED[4], HOST[4], 6379)
        assert lab.script("check") == 0
        lab.backend = "iptables"
        assert not lab.apply()["changed"]


def test_going_back_opens_nothing(tmp_path):
    with firewall_lab.Lab(tmp_path) as lab:
        lab.apply()
        hammers = [
            Hammer(lab, STRANGER[family], target[family], port, timeout=0.02)
            for family in FAMILIES
            for target, port in ((HOST, 7001), (HOST, 6380))
        ]
        for one in hammers:
            one.start()
        before = lab.own_rules()
        # By the timer, and by hand.
        for by_hand in (False, False, True, True, True):
            assert lab.apply({"ports": [{"port": 7001}], "rollback_after": 60})["pending"]
            if by_hand:
                assert lab.script("rollback") == 0
            else:
                lab.time_is_up()
            wait_for(lambda: lab.own_rules() == before)
        counts = [one.stop() for one in hammers]
        assert min(attempts for attempts, _open in counts) > 100
        assert [successes for _attempts, successes in counts] == [0] * len(hammers)
