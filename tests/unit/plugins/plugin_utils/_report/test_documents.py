"""What the documents say of a policy."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.sources import Sources
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import documents as report_documents

_spec = importlib.util.spec_from_file_location(
    "port_notice_conversation", Path(__file__).parents[5] / "roles/port_notice/files/port_notice/conversation.py"
)
program = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(program)

APPS = ["app%d" % number for number in range(12)]
SOURCES = Sources(
    {"all": [*APPS, "r1"], "apps": APPS},
    {name: {"ansible_host": "10.0.3.%d" % number} for number, name in enumerate([*APPS, "r1"])},
    lambda names: dict.fromkeys(names, ["10.0.9.9"]),
)


def host(**other):
    return {
        "ansible_host": "192.0.2.1",
        "firewall_ports": [{"port": 6379, "sources": ["app1"]}],
        "firewall_reserved_ports": [6379, 6380],
        "port_notice_action": "drop",
        "port_notice_contact": "",
        "port_notice_documentation": "",
        "port_notice_enabled": True,
        "port_notice_ports": [6380],
        "port_notice_use_ports": ["6379"],
        "redis_bind": ["127.0.0.1"],
        "redis_port": 6379,
        "redis_tls": "off",
        "redis_tls_auth_clients": "no",
        "redis_tls_port": 6380,
        "users": [],
        "disabled": [],
        **other,
    }


def documents(**hosts):
    return report_documents.build_documents(hosts, SOURCES)


@pytest.mark.parametrize(
    ("ports", "documentation", "contact"),
    [(["6379"], "", ""), (["7000-7002", "6390"], "https://wiki.example.org/redis", "redis@example.org")],
)
def test_the_notice_is_what_the_service_says(ports, documentation, contact):
    said = (6380, ports, documentation, contact)
    assert report_documents.notice_text(*said) == program.notice_text(*said)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("fd00::5", "fd00::5"),
        ("app1", "host app1 (10.0.3.1)"),
        ("db.example.org", "db.example.org (10.0.9.9)"),
        (
            "apps",
            "group apps (10.0.3.0, 10.0.3.1, 10.0.3.2, 10.0.3.3, 10.0.3.4, 10.0.3.5, 10.0.3.6, 10.0.3.7 and 4 more)",
        ),
    ],
)
def test_who_is_meant(entry, text):
    assert report_documents.audience(entry, SOURCES) == text


@pytest.mark.parametrize(
    ("bind", "address", "remote"),
    [
        (["127.0.0.1", "-::1"], "127.0.0.1", False),
        (["127.0.0.1", "10.0.0.1"], "10.0.0.1", True),
        (["127.0.0.1", "fd00::1", "-10.0.0.1"], "10.0.0.1", True),
        (["127.0.0.1", "fd00::1"], "fd00::1", True),
        (["127.0.0.1", "-::*"], "192.0.2.1", True),
        (["*"], "192.0.2.1", True),
    ],
)
def test_where_to_connect(bind, address, remote):
    (endpoint,) = documents(r1=host(redis_bind=bind))["endpoints"]
    assert (endpoint["address"], endpoint["remote"]) == (address, remote)


def test_nobody_connects_where_nobody_may():
    (endpoint,) = documents(r1=host(redis_bind=["*"], firewall_ports=[{"port": 6379}]))["endpoints"]
    assert endpoint["remote"] is False


def test_the_example_is_what_others_reach_over_tls_if_possible():
    both = {"port": 6379, "sources": ["app1"]}, {"port": 6380, "sources": ["app1"], "purpose": "tls"}
    tls = host(redis_bind=["*"], redis_tls="optional", firewall_ports=list(both), redis_tls_auth_clients=False)
    content = documents(inner=host(), plain=host(redis_bind=["*"]), tls=tls)
    assert [entry["port"] for entry in content["endpoints"]] == [6379, 6379, 6379, 6380]
    assert (content["example"]["host"], content["example"]["tls"]) == ("tls", True)
    assert content["example"]["client_cert"] is False


def test_hosts_that_say_the_same_say_it_once():
    content = documents(
        a=host(), b=host(), c=host(port_notice_contact="redis@example.org"), d=host(port_notice_enabled=False)
    )
    assert [notice["hosts"] for notice in content["notices"]] == [["a", "b"], ["c"]]
    assert content["contacts"] == ["<redis@example.org>"]
    assert [(entry["port"], entry["hosts"]) for entry in content["reserved"]] == [(6380, ["a", "b", "c", "d"])]


def test_a_policy_that_means_nobody_is_refused_with_the_host():
    with pytest.raises(report_documents.DocumentProblem, match=r"^b: firewall_ports\[0\] \(port 6379\): sources\[0\]"):
        documents(a=host(), b=host(firewall_ports=[{"port": 6379, "sources": ["nobody"]}]))
    with pytest.raises(report_documents.DocumentProblem, match="documents_hosts"):
        documents()
