from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _policy_ports


@pytest.mark.parametrize(
    ("variables", "facts", "ports"),
    [
        ({}, {}, {22}),
        ({"ansible_port": 2222}, {}, {22, 2222}),
        ({"ansible_ssh_port": 2200}, {}, {22, 2200}),
        ({"ansible_port": None}, {}, {22}),
        ({}, {"env": {"SSH_CONNECTION": "10.0.0.1 50022 10.0.0.2 6379"}}, {22, 6379}),
        ({}, {"env": {"SSH_CONNECTION": "broken"}}, {22}),
    ],
)
def test_ports_of_ssh(variables, facts, ports):
    assert set(_policy_ports.ssh_ports(variables, facts)) == ports


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"redis_port": 2222}, "redis_port has 2222, the port of SSH (ansible_port)"),
        ({"firewall_ports": [{"port": 6379}, {"port": 22}]}, "firewall_ports has 22"),
        ({"firewall_reserved_ports": [6380, 22]}, "firewall_reserved_ports has 22"),
    ],
)
def test_ports_of_ssh_are_refused(settings, words):
    ssh = _policy_ports.ssh_ports({"ansible_port": 2222}, {})
    (line,) = _policy_ports.port_problems({"redis_port": 6379, **settings}, ssh)
    assert words in line


def test_other_ports_are_taken():
    settings = {"redis_port": 6379, "firewall_ports": [{"port": 6379}], "firewall_reserved_ports": None}
    assert _policy_ports.port_problems(settings, {22: "x"}) == []


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
    (line,) = _policy_ports.firewall_problems({"firewall_ports": ports})
    assert words in line


def test_firewall_that_can_be_made():
    ports = [{"port": 6379, "sources": ["10.0.0.5", "fd00::/64"]}]
    assert _policy_ports.firewall_problems({"firewall_ports": ports, "firewall_reserved_ports": [6380]}) == []
    assert _policy_ports.firewall_problems({}) == []
