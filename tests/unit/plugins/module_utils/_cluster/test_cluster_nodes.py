from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import parse_nodes, ranges, show
from hypothesis import given, strategies as st

A, B, C = "a" * 40, "b" * 40, "c" * 40
TEXT = f"""{A} 10.0.0.5:7000@17000,db1,shard-id=x myself,master - 0 1 2 connected 0-5 7 [7->-{B}] [9-<-{B}]
{B} fd00::6:7000@17000 slave,fail? {A} 0 1 2 disconnected
{C} :0@0 master,noaddr,fail,handshake - 0 1 0 connected
"""


def test_lines():
    first, second, third = parse_nodes(TEXT)
    assert (first.id, first.host, first.port, first.bus_port) == (A, "10.0.0.5", 7000, 17000)
    assert first.myself and first.connected and first.known and not first.failing and first.master is None
    assert first.slots == {0, 1, 2, 3, 4, 5, 7} and first.migrating == {7: B} and first.importing == {9: B}
    assert (second.host, second.master, second.failing, second.connected) == ("fd00::6", A, True, False)
    assert (third.host, third.port, third.failing, third.known) == ("", 0, True, False)


def test_before_7_0_there_is_no_host_name():
    assert parse_nodes(f"{A} 127.0.0.1:7000@27000 myself,master - 0 0 0 connected")[0].bus_port == 27000


def test_anything_else_is_refused():
    with pytest.raises(ValueError, match="not a line"):
        parse_nodes("OK")


@given(st.sets(st.integers(0, 300)))
def test_ranges_are_the_slots(slots):
    spans = ranges(slots)
    assert [slot for first, last in spans for slot in range(first, last + 1)] == sorted(slots)
    assert all(before[1] + 1 < after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_show():
    assert show([]) == "none"
    assert show([1, 2, 3, 5]) == "1-3 5"
    assert show(range(0, 20, 2)) == "0 2 4 6 and 6 more ranges"
