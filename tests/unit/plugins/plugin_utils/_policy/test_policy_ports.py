from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import ports as inventory_ports
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy import ports as policy_ports


@pytest.mark.parametrize(
    ("variables", "facts", "ports"),
    [
        ({}, {}, {22}),
        ({"ansible_port": 2222}, {}, {22, 2222}),
        ({"ansible_ssh_port": 2200}, {}, {22, 2200}),
        ({"ansible_port": None}, {}, {22}),
        ({}, {"env": {"SSH_CONNECTION": "10.0.0.1 50022 10.0.0.2 6379"}}, {22, 6379}),
        ({}, {"env": {"SSH_CONNECTION": "broken"}}, {22}),
        ({"ansible_port": 2222, "ansible_ssh_port": 2200}, {}, {22, 2222, 2200}),
        # What a host says of itself: no port, and nothing to stumble over.
        ({}, {"env": {"SSH_CONNECTION": "UNKNOWN 65535 UNKNOWN 65535"}}, {22}),
        ({}, {"env": {"SSH_CONNECTION": "10.0.0.1 50022 10.0.0.2 ²"}}, {22}),
        ({"ansible_port": "²"}, {}, {22}),
    ],
)
def test_ports_of_ssh(variables, facts, ports):
    assert set(policy_ports.ssh_ports(variables, facts)) == ports


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"redis_port": 2222}, "redis_port has 2222, the port of SSH (ansible_port)"),
        ({"firewall_ports": [{"port": 6379}, {"port": 22}]}, "firewall_ports has 22"),
        ({"firewall_reserved_ports": [6380, 22]}, "firewall_reserved_ports has 22"),
    ],
)
def test_ports_of_ssh_are_refused(settings, words):
    ssh = policy_ports.ssh_ports({"ansible_port": 2222}, {})
    (line,) = policy_ports.port_problems({"redis_port": 6379, **settings}, ssh)
    assert words in line


def test_other_ports_are_taken():
    settings = {"redis_port": 6379, "firewall_ports": [{"port": 6379}], "firewall_reserved_ports": None}
    assert policy_ports.port_problems(settings, {22: "x"}) == []


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ([{"port": 99999}], "firewall_ports[0] (port 99999): a port is a number from 1 to 65535"),
        (
            [{"port": 6379}, {"port": 7000, "sources": ["10.0.0.5/24"]}],
            "firewall_ports[1] (port 7000): 10.0.0.5/24 has",
        ),
        ([{"port": 6379, "sources": ["0.0.0.0/0"]}], "firewall_ports[0] (port 6379): 0.0.0.0/0 is everyone"),
    ],
)
def test_what_the_firewall_would_refuse_is_refused_before_anything_is_changed(ports, words):
    (line,) = policy_ports.firewall_problems({"firewall_ports": ports})
    assert words in line


def test_a_trial_of_no_time_is_refused():
    settings = {"firewall_ports": [{"port": 6379, "sources": ["10.0.0.5"]}]}
    (line,) = policy_ports.firewall_problems({**settings, "firewall_rollback_after": -1})
    assert line == "firewall_rollback_after is -1: set seconds, or 0 to keep new rules at once."
    assert policy_ports.firewall_problems({**settings, "firewall_rollback_after": 0}) == []


def test_firewall_that_can_be_made():
    ports = [{"port": 6379, "sources": ["10.0.0.5", "fd00::/64"]}]
    assert policy_ports.firewall_problems({"firewall_ports": ports, "firewall_reserved_ports": [6380]}) == []
    assert policy_ports.firewall_problems({}) == []


@pytest.mark.parametrize(
    ("settings", "purposes"),
    [
        ({}, {6379: "data"}),
        ({"redis_tls": "off", "redis_tls_port": 6380}, {6379: "data"}),
        ({"redis_tls": False}, {6379: "data"}),
        ({"redis_port": 7000, "redis_tls": "optional", "redis_tls_port": 7010}, {7000: "data", 7010: "tls"}),
        ({"redis_tls": "required"}, {6380: "tls", 6379: "reserved"}),
    ],
)
def test_default_ports_are_open_to_the_allowed_sources(settings, purposes):
    ports = inventory_ports.default_ports({**settings, "redis_allowed_sources": ["apps"]})
    assert {entry["port"]: entry["purpose"] for entry in ports} == purposes
    assert all(entry["sources"] == ([] if entry["purpose"] == "reserved" else ["apps"]) for entry in ports)


EXPOSED = {"redis_bind": ["127.0.0.1", "10.0.0.1"], "redis_port": 6379, "redis_allowed_sources": ["10.0.0.9"]}
NAMED = {"port": 6379, "sources": ["10.0.0.9"], "purpose": "data"}
TLS = {"redis_tls": "optional", "redis_tls_port": 6380}


@pytest.mark.parametrize(
    ("settings", "ports", "words"),
    [
        (EXPOSED, [NAMED], None),
        ({**EXPOSED, "redis_allowed_sources": []}, [NAMED], None),
        ({**EXPOSED, "redis_allowed_sources": []}, [{**NAMED, "sources": []}], "redis_allowed_sources is empty"),
        (EXPOSED, [{**NAMED, "sources": []}], "nobody is named who may use port 6379 (redis_port)"),
        (EXPOSED, [{**NAMED, "purpose": "reserved"}], "nobody is named who may use port 6379"),
        (EXPOSED, [{**NAMED, "port": 7000}], "nothing guards port 6379 (redis_port)"),
        ({**EXPOSED, "firewall_reserved_ports": [6379]}, [{**NAMED, "port": 7000}], "nobody is named who may use"),
        ({**EXPOSED, **TLS}, [NAMED], "nothing guards port 6380 (redis_tls_port): name it in firewall_ports, as in"),
        ({**EXPOSED, **TLS}, [NAMED, {**NAMED, "port": 6380, "purpose": "tls"}], None),
        ({**EXPOSED, **TLS, "redis_tls": "required"}, [{**NAMED, "port": 6380, "purpose": "tls"}], None),
        ({**EXPOSED, "redis_bind": ["127.0.0.1", "-::1"]}, [], None),
        ({"redis_port": 6379}, [], None),
        # What has the wrong type is reported already.
        ({key: EXPOSED[key] for key in ("redis_bind", "redis_allowed_sources")}, [NAMED | {"port": 7}], None),
    ],
)
def test_a_port_that_others_can_reach_needs_sources(settings, ports, words):
    problems = policy_ports.exposure_problems(settings, ports)
    if words is None:
        assert problems == []
    else:
        (line,) = problems
        assert line.startswith("redis_bind has 10.0.0.1, where others can connect, and ")
        assert words in line


def test_half_of_the_internet_is_told_once():
    halves = ["64.0.0.0/2", "128.0.0.0/1"]
    ports = {"firewall_ports": [{"port": 6379, "sources": halves}]}
    (line,) = policy_ports.firewall_problems(ports)
    assert "firewall_ports (port 6379) has 64.0.0.0/2 and 128.0.0.0/1, which is half of the internet" in line
    assert policy_ports.firewall_problems({**ports, "redis_allowed_sources": halves}) == []
