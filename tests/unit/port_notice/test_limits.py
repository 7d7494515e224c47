# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the port notice lets in, and which attempts its log names, whatever is sent."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/port_notice/files/port_notice/limits.py"
_spec = importlib.util.spec_from_file_location("port_notice_limits", PROGRAM)
limits_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(limits_module)

NETWORK, LINES = limits_module.NETWORK, limits_module.LINES


class Door:
    """Limits, with connections numbered as they come."""

    def __init__(self, at_a_time=9, a_minute=100, total=100):
        self.limits = limits_module.Limits(at_a_time, a_minute, total)
        self.numbers = itertools.count()
        self.holds = {}

    def come(self, address, now=0):
        """Return the number of a connection that is let in, None for another."""
        number = next(self.numbers)
        admitted, leaving = self.limits.admit(number, address, now)
        assert admitted or leaving is None
        if leaving is not None:
            del self.holds[leaving]
        if admitted:
            self.holds[number] = address
        return number if admitted else None

    def go(self, number):
        del self.holds[number]
        self.limits.release(number)

    def visit(self, address, now=0):
        number = self.come(address, now)
        if number is not None:
            self.go(number)
        return number is not None


def test_an_address_is_limited_at_a_time():
    door = Door(at_a_time=2)
    first, second, third = [door.come("192.0.2.1") for _attempt in range(3)]
    assert None not in (first, second)
    assert third is None
    assert door.come("192.0.2.2") is not None
    door.go(first)
    assert door.come("192.0.2.1") is not None
    assert door.come("192.0.2.1") is None


def test_an_address_is_limited_in_a_minute():
    door = Door(a_minute=2)
    assert [door.visit("192.0.2.1", 30) for _attempt in range(4)] == [True, True, False, False]
    assert door.visit("192.0.2.1", 60)


def test_an_ipv6_network_counts_as_one_address():
    door = Door(at_a_time=1)
    assert door.come("2001:db8::1") is not None
    assert door.come("2001:db8::ffff%eth0") is None
    assert door.come("2001:db8:0:1::1") is not None


def test_all_together_are_limited():
    door = Door(total=3)
    came = [door.come("192.0.2.%d" % number) is not None for number in range(5)]
    assert came == [True, True, True, False, False]


@pytest.mark.parametrize(("one", "other"), [("2001:db8:0:%x::1", "2001:db8:1::1"), ("192.0.2.%d", "192.0.3.1")])
def test_a_network_is_limited_in_a_minute(one, other):
    door = Door(a_minute=2)
    assert sum(door.visit(one % number) for number in range(200)) == 2 * NETWORK * 2
    assert door.visit(other)
    assert door.visit(one % 0, 60)


def test_a_noisy_neighbour_leaves_room_for_who_is_new_in_the_network():
    door = Door(a_minute=20)
    for number in range(8):
        assert [door.visit("192.0.2.%d" % number) for _attempt in range(500)].count(True) == 20
    # 160 were made, as many as the network may.
    assert door.visit("192.0.2.99")
    assert not door.visit("192.0.2.99")


def test_what_is_refused_does_not_count_for_the_network():
    door = Door(a_minute=2)
    for _attempt in range(1000):
        door.visit("192.0.2.1")
    assert [door.visit("192.0.2.2") for _attempt in range(3)] == [True, True, False]


def test_a_network_is_limited_at_a_time_and_its_oldest_makes_room():
    door = Door(at_a_time=2)
    for number in range(200):
        assert door.come("2001:db8:0:%x::1" % number) is not None
    assert len(door.holds) == 2 * NETWORK
    assert min(door.holds) == 200 - 2 * NETWORK
    assert door.come("2001:db8:1::1") is not None
    assert len(door.holds) == 2 * NETWORK + 1


def test_the_network_with_most_makes_room():
    door = Door(at_a_time=4, total=10)
    quiet = door.come("198.51.100.1")
    for number in range(3):
        for _each in range(4):
            door.come("192.0.2.%d" % number)
    assert len(door.holds) == 10
    comes = door.come("203.0.113.1")
    assert comes is not None
    assert {quiet, comes} <= set(door.holds)
    assert len(door.holds) == 10


def test_who_has_most_makes_no_room_for_itself():
    door = Door(at_a_time=9, total=4)
    kept = [door.come("198.51.100.1"), *[door.come("192.0.2.1") for _attempt in range(3)]]
    assert door.come("192.0.2.1") is None
    assert sorted(door.holds) == kept


def test_one_that_comes_again_gets_in_where_all_have_one():
    door = Door(total=4)
    for number in range(4):
        door.come("10.0.%d.1" % number)
    assert door.come("192.0.2.1") is not None
    assert door.come("192.0.2.1") is not None


def test_many_networks_leave_room_for_one_more_and_no_trace(monkeypatch):
    monkeypatch.setattr(limits_module, "MAX_COUNTED", 50)
    door = Door(at_a_time=8, a_minute=60, total=20)
    for number in range(2000):
        assert door.come("2001:db8:%x::1" % number) is not None
        assert len(door.holds) <= 20
    limits = door.limits
    assert max(len(limits._sources), len(limits._networks)) == 50
    assert len(limits._held) == 40
    honest = [door.visit("192.0.2.1") for _attempt in range(61)]
    assert honest == [True] * 60 + [False]
    for number in list(door.holds):
        door.go(number)
    assert not limits._held
    assert not limits._open


def test_one_that_made_room_is_released_once():
    door = Door(total=1)
    first = door.come("192.0.2.1")
    second = door.come("198.51.100.1")
    door.limits.release(first)
    assert list(door.limits._open) == [second]
    assert sum(door.limits._held.values()) == 2


class Log:
    def __init__(self):
        self.lines = []
        self.attempts = limits_module.Attempts(lambda who, what: self.lines.append("from=%s %s" % (who, what)))


@pytest.fixture
def log():
    return Log()


def test_each_attempt_has_a_line(log):
    log.attempts.add("192.0.2.1", 6379, "redis", 0)
    log.attempts.add("fe80::1%eth0", 6380, "tls", 0)
    assert log.lines == ["from=192.0.2.1 port=6379 client=redis", "from=fe80::1 port=6380 client=tls"]
    log.attempts.turn(60)
    assert len(log.lines) == 2


def test_one_over_its_limit_has_one_line_a_minute(log):
    for _attempt in range(5):
        log.attempts.add("192.0.2.1", 6379, "limited", 0)
    assert log.lines == ["from=192.0.2.1 port=6379 client=limited"]
    log.attempts.add("192.0.2.1", 6379, "limited", 60)
    assert log.lines[1:] == [
        "from=others attempts=4 limited=4 most=192.0.2.0/24",
        "from=192.0.2.1 port=6379 client=limited",
    ]


@pytest.mark.parametrize(
    ("flood", "most"),
    [
        ("2001:db8:7:%x::1", "2001:db8:7::/48"),
        ("192.0.2.%d", "192.0.2.0/24"),
    ],
)
def test_a_flood_of_one_network_leaves_lines_for_others(log, flood, most):
    for number in range(5000):
        log.attempts.add(flood % (number % 250), 6379, "limited" if number % 2 else "other", 0)
    assert len(log.lines) == LINES // 2
    log.attempts.add("198.51.100.1", 6379, "redis", 59)
    assert log.lines[-1] == "from=198.51.100.1 port=6379 client=redis"
    log.attempts.turn(60)
    left_out = 5000 - LINES // 2
    assert log.lines[-1].startswith("from=others attempts=%d limited=" % left_out)
    assert log.lines[-1].endswith(" most=" + most)


def test_the_log_of_a_minute_is_bounded_whoever_comes(log, monkeypatch):
    monkeypatch.setattr(limits_module, "MAX_COUNTED", 50)
    for minute in range(3):
        log.lines.clear()
        for number in range(2000):
            log.attempts.add("2001:db8:%x::1" % number, 6379, "redis", 60 * minute)
        # Its own, and the one about the minute before.
        assert len(log.lines) == LINES + bool(minute)
        assert len(log.attempts._others) == 50
    log.attempts.turn(None)
    assert log.lines[-1].startswith("from=others attempts=%d limited=0 " % (2000 - LINES))


def test_a_minute_is_closed_once(log):
    for _attempt in range(2):
        log.attempts.add("192.0.2.1", 6379, "limited", 0)
    for now in (30, 60, 61, None):
        log.attempts.turn(now)
    assert [line for line in log.lines if "others" in line] == ["from=others attempts=1 limited=1 most=192.0.2.0/24"]
