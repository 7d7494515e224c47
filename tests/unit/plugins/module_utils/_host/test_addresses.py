"""redis_bind and redis_allowed_sources."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.addresses import (
    bind_problems,
    exposed,
    source_problems,
)
from hypothesis import given, strategies as st


@pytest.mark.parametrize(
    ("bind", "reachable"),
    [
        (["127.0.0.1", "-::1"], []),
        (["127.0.0.1", "10.0.0.5"], ["10.0.0.5"]),
        (["*"], ["*"]),
        (["127.0.0.1", "-::*"], ["-::*"]),
        (["0.0.0.0", "-::"], ["0.0.0.0", "-::"]),
        (["127.0.0.1", "fd00::5", "-fe80::1%eth0"], ["fd00::5", "-fe80::1%eth0"]),
    ],
)
def test_what_others_can_reach(bind, reachable):
    assert exposed(bind) == reachable
    assert bind_problems(bind) == []


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ([], "redis_bind is [] without 127.0.0.1"),
        (["10.0.0.5"], "redis_bind is ['10.0.0.5'] without 127.0.0.1"),
        (["::1"], "add 127.0.0.1"),
        (["127.0.0.1", "localhost"], "redis_bind[1] is 'localhost', which is no IP address"),
        (["127.0.0.1", "10.0.0.0/24"], "redis_bind[1] is '10.0.0.0/24'"),
        (["127.0.0.1", "::ffff:10.0.0.1"], "redis_bind[1]"),
        (["127.0.0.1", "-127.0.0.1"], "redis_bind has 127.0.0.1 twice"),
        (["127.0.0.1", "fd00::1", "fd00:0::1"], "redis_bind has fd00::1 twice"),
        (["0.0.0.0", "127.0.0.1"], "redis_bind has 0.0.0.0, which already contains 127.0.0.1"),
        (["127.0.0.1", "::", "-::1"], "redis_bind has ::, which already contains -::1"),
        (["127.0.0.%d" % n for n in range(1, 18)], "redis_bind has 17 addresses"),
    ],
)
def test_what_keeps_the_server_from_starting_or_being_checked(bind, words):
    (line,) = bind_problems(bind)
    assert words in line


@pytest.mark.parametrize(
    "sources",
    [
        [],
        ["10.0.3.7"],
        ["10.0.3.0/24", "fd00:1::/64", "2001:db8::5"],
        ["10.0.3.0/255.255.255.0"],
        ["64.0.0.0/2"],
    ],
)
def test_good_sources(sources):
    assert source_problems("redis_allowed_sources", sources) == []


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["10.0.3.7", "app.example.com"], "redis_allowed_sources[1]"),
        (["10.0.3.7/24"], "10.0.3.0/24"),
        (["0.0.0.0/0"], "redis_allowed_sources[0]"),
        (["::/0"], "redis_allowed_sources[0]"),
        (["0.0.0.0"], "redis_allowed_sources[0]"),
        ([""], "redis_allowed_sources[0]"),
        (["128.0.0.0/1"], "redis_allowed_sources has 128.0.0.0/1, which is half of the internet"),
        (["64.0.0.0/2", "fd00::/8", "192.0.0.0/2", "64.0.0.0/3"], "64.0.0.0/2 and 192.0.0.0/2 and 64.0.0.0/3, which"),
        (["8000::/1"], "half of the internet"),
    ],
)
def test_bad_sources(sources, words):
    (line,) = source_problems("redis_allowed_sources", sources)
    assert words in line
    assert line.startswith("redis_allowed_sources")


@given(st.integers(0, 2**32 - 1), st.integers(3, 32))
def test_a_network_is_taken_and_a_host_in_it_is_not(number, length):
    network = ipaddress.ip_network((number, length), strict=False)
    host = ipaddress.ip_interface((number, length))
    if network.network_address.is_multicast or network.network_address.is_unspecified:
        return
    assert source_problems("x", [str(network)]) == []
    if host.ip != network.network_address:
        assert str(network) in source_problems("x", [str(host)])[0]


@given(st.lists(st.text(alphabet="0123456789abcdef.:%/-*", max_size=20), max_size=4))
def test_nothing_crashes_on_nonsense(entries):
    for line in bind_problems(entries) + source_problems("x", entries):
        assert line.endswith(".")
