"""Whether a probe proves anything, from the address that it comes from."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit import (
    port_probe as audit_port_probe,
    port_probe_source as audit_port_probe_source,
)

ALLOWED = [
    {"port": 6379, "sources": ["10.0.3.0/24", "fd00::7"]},
    {"port": 26379, "sources": []},
    {"port": 6380, "sources": None},
]


def named(mine, port=6379, expect="closed", address="10.0.4.7", allowed=ALLOWED):
    target = {"expect": expect, "port": port}
    return audit_port_probe_source.named(target, {"address": address}, allowed, lambda _address, _port: mine)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mine": "10.0.3.5"}, "tried from 10.0.3.5, which the policy lets in (10.0.3.0/24, in redis_allowed_sources"),
        ({"mine": "10.0.3.5", "expect": "notice"}, "tried from 10.0.3.5"),
        ({"mine": "fd00::7", "address": "fd00::1"}, "fd00::7"),
        ({"mine": "10.0.4.7"}, "the host itself, 10.0.4.7"),
        ({"mine": "fe80::1", "address": "fe80::1%eth0"}, "the host itself"),
    ],
)
def test_what_proves_nothing(arguments, words):
    assert words in named(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"mine": "10.0.5.5"},
        {"mine": "10.0.3.5", "port": 26379},
        {"mine": "10.0.3.5", "port": 6380},
        {"mine": "10.0.3.5", "expect": "reachable"},
        {"mine": "10.0.4.7", "allowed": []},
        {"mine": None},
    ],
)
def test_what_proves(arguments):
    assert named(**arguments) == ""


def test_the_finding_names_the_variable(monkeypatch):
    targets = audit_port_probe.check_targets([{"host": "127.0.0.1", "port": 6379, "expect": "closed", "label": None}])
    monkeypatch.setattr(audit_port_probe_source, "named", lambda *_arguments: "it was tried from 10.0.3.5")
    for state in audit_port_probe.STATES:
        (found,) = audit_port_probe.judge(targets, [{"state": state, "detail": "x", "address": "10.0.4.7"}], ALLOWED)
        if state in audit_port_probe.SHUT:
            assert found["status"] == "pass"
        elif state in audit_port_probe.WITHOUT_LOGIN:
            assert found["status"] == "fail"
        else:
            assert found["status"] == "error"
            assert state == "error" or "audit_outside_hosts" in found["remediation"]
            assert state == "error" or found["actual"].endswith("(x); it was tried from 10.0.3.5")


def test_the_kernel_tells_the_own_address():
    assert audit_port_probe_source.own_address("127.0.0.1", 6379) == "127.0.0.1"
    assert audit_port_probe_source.own_address("no-such-host.invalid", 6379) is None
