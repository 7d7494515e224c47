"""Whether a server could listen at the declared addresses."""

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import (
    bind_addresses as host_bind_addresses,
)

OWN = ["10.0.3.7", "127.0.0.1"]


def problems(binds, lacking=("10.9.9.9", "10.8.8.8")):
    return host_bind_addresses.missing_problems(
        binds, lambda: OWN, lambda text: "no interface has it" if text in lacking else ""
    )


def test_an_address_that_the_host_lacks_is_named_with_those_it_has():
    (line,) = problems({"redis_bind": ["127.0.0.1", "-::1", "10.9.9.9", "10.8.8.8"]})
    assert line.startswith("redis_bind has 10.9.9.9 (no interface has it) and 10.8.8.8 (no interface has it), ")
    assert "this host has 10.0.3.7, 127.0.0.1. Set redis_bind to" in line
    assert '"-10.9.9.9"' in line


@pytest.mark.parametrize("bind", [["127.0.0.1"], ["-10.9.9.9"], ["no address"], []])
def test_addresses_that_are_there_that_may_come_and_that_are_none(bind):
    assert problems({"redis_bind": bind}) == []


def test_one_address_is_told_of_once_by_the_first_variable():
    lines = problems({"redis_bind": ["10.9.9.9"], "sentinel_bind": ["10.9.9.9", "10.8.8.8"]})
    assert [line.split(",")[0] for line in lines] == [
        "redis_bind has 10.9.9.9 (no interface has it)",
        "sentinel_bind has 10.8.8.8 (no interface has it)",
    ]


def test_where_ip_is_missing_the_rest_is_told():
    (line,) = host_bind_addresses.missing_problems(
        {"redis_bind": ["10.9.9.9"]}, list, lambda _text: "no interface has it"
    )
    assert "this host has others. Set redis_bind" in line


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "*", "::*"])
def test_the_kernel_lets_listen(text):
    assert host_bind_addresses.why_refused(text) == ""


def test_the_kernel_refuses_what_no_interface_has():
    # Of the networks for documentation.
    assert host_bind_addresses.why_refused("192.0.2.77") == "no interface has it"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2001:db8::77", "no interface has it"),
        ("fe80::77%nowhere0", "there is no interface nowhere0"),
        ("fe80::77", "fe80::77%eth0"),
        ("fe80::77%lo", "no interface has it"),
    ],
)
def test_the_kernel_refuses_ipv6(text, words):
    assert words in host_bind_addresses.why_refused(text)


def test_without_ipv6_redis_goes_on_as_well(monkeypatch):
    def no_family(*_arguments):
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", no_family)
    assert host_bind_addresses.why_refused("2001:db8::77") == ""


def test_the_hosts_addresses_those_for_others_first():
    links = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]},
        {
            "ifname": "eth0",
            "addr_info": [{"local": "fe80::1", "scope": "link"}, {"local": "10.0.3.7", "scope": "global"}, {}],
        },
    ]
    assert host_bind_addresses.own_addresses(lambda _command, **_options: (0, json.dumps(links), "")) == [
        "10.0.3.7",
        "127.0.0.1",
        "fe80::1%eth0",
    ]


def test_where_there_is_no_ip():
    def missing(_command, handle_exceptions=True):
        assert not handle_exceptions
        raise FileNotFoundError

    assert host_bind_addresses.own_addresses(missing) == []


@pytest.mark.parametrize("output", ["", "[1]", "{}", '[{"addr_info": [{"local": "10.0.3.7"}]}]'])
def test_what_ip_says_may_be_anything(output):
    assert host_bind_addresses.own_addresses(lambda _command, **_options: (1, output, "")) == []
