"""The action policy on sources by name and on ports that somebody uses, in a real playbook."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import playbook

FACTS = {
    "ansible.builtin.set_fact": {
        "ansible_distribution": "Debian",
        "ansible_distribution_major_version": "12",
        "cacheable": True,
    }
}
POLICY = {
    "celebrum.redis_hardening.policy": {"roles": "{{ roles | default(['firewall', 'redis']) }}"},
    "register": "outcome",
    "ignore_errors": True,
}
OPEN = {"redis_bind": ["127.0.0.1", "10.0.0.1"]}
APPS = {"redis_allowed_sources": ["apps"]}
GROUPS = {"apps": ["app1", "app2"], "nobody": [], "lost": ["app1", "container"]}

GOOD = {
    "defaults": {},
    "group": {**OPEN, **APPS},
    "host": {**OPEN, "redis_allowed_sources": ["app1", "10.0.0.9"]},
    "ports": {**OPEN, "firewall_ports": [{"port": 6379, "sources": ["apps"]}]},
    "onlyredis": {**OPEN, "firewall_ports": [{"port": 6379, "sources": ["apps"]}], "roles": ["redis"]},
    "loopback": {"firewall_ports": [{"port": 6379}, {"port": 26379, "purpose": "sentinel"}]},
    "own": {"firewall_addresses": ["10.0.0.1"]},
}
# host -> (its variables, what the only line of the message must say)
BAD = {
    "typo": ({**OPEN, "redis_allowed_sources": ["appz"]}, "redis_allowed_sources[0] is refused: 'appz' is no address"),
    "typo2": ({**OPEN, "redis_allowed_sources": ["appz"], "roles": ["redis"]}, "redis_allowed_sources[0] is refused"),
    "typo3": ({"firewall_ports": [{"port": 6379, "sources": ["appz"]}], "roles": ["firewall"]}, "did you mean apps?"),
    "group0": ({**OPEN, "redis_allowed_sources": ["apps", "nobody"]}, "redis_allowed_sources[1] is refused: the group"),
    "every": ({**OPEN, "redis_allowed_sources": ["all"]}, "redis_allowed_sources[0] is refused: all is every host"),
    "lostone": (
        {**OPEN, "redis_allowed_sources": ["lost"]},
        "container, of the group lost: the name rh-container does",
    ),
    "name": (
        {**OPEN, **APPS, "firewall_ports": [{"port": 6379, "sources": ["no.example.invalid"]}]},
        "firewall_ports[0] (port 6379): sources[0] is refused: the name no.example.invalid does not resolve",
    ),
    "name2": (
        {**OPEN, "firewall_ports": [{"port": 6379, "sources": ["no.example.invalid"]}]},
        "firewall_ports[0] (port 6379): sources[0] is refused: the name no.example.invalid does not resolve",
    ),
    "net": ({**OPEN, "redis_allowed_sources": ["10.0.0.5/24"]}, "redis_allowed_sources[0] is refused: 10.0.0.5/24 has"),
    "half": (
        {**OPEN, "redis_allowed_sources": ["64.0.0.0/2", "128.0.0.0/1"]},
        "redis_allowed_sources has 64.0.0.0/2 and 128.0.0.0/1, which is half of the internet",
    ),
    "half2": (
        {**OPEN, "firewall_ports": [{"port": 6379, "sources": ["128.0.0.0/1"]}]},
        "firewall_ports (port 6379) has 128.0.0.0/1, which is half of the internet",
    ),
    "nobody1": (OPEN, "redis_bind has 10.0.0.1, where others can connect, and redis_allowed_sources is empty"),
    "nobody0": (
        {**OPEN, "firewall_ports": [{"port": 6379, "sources": ["appz"]}], "roles": ["redis"]},
        "redis_bind has 10.0.0.1, where others can connect, and redis_allowed_sources is empty",
    ),
    "nobody2": (
        {**OPEN, **APPS, "firewall_ports": [{"port": 6379}]},
        "nobody is named who may use port 6379 (redis_port): name the clients in firewall_ports, as in {port: 6379",
    ),
    "nobody3": (
        {**OPEN, "firewall_ports": [{"port": 6379}, {"port": 9121, "sources": ["apps"]}]},
        "nobody is named who may use port 6379 (redis_port)",
    ),
    "reserved": (
        {**OPEN, **APPS, "firewall_ports": [{"port": 6379, "sources": ["apps"], "purpose": "reserved"}]},
        "nobody is named who may use port 6379 (redis_port)",
    ),
    "unguarded": (
        {**OPEN, **APPS, "redis_port": 7000, "firewall_ports": [{"port": 6379, "sources": ["apps"]}]},
        "nothing guards port 7000 (redis_port): name it in firewall_ports, as in {port: 7000, purpose: data",
    ),
    "addresses": ({"firewall_addresses": "10.0.0.1"}, "firewall_addresses must be a list"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    groups = {name: {"hosts": dict.fromkeys(members, {})} for name, members in GROUPS.items()}
    (folder / "groups.json").write_text(json.dumps({"all": {"children": groups}}))
    clients = {
        "app1": {"ansible_host": "10.0.3.21"},
        "app2": {"firewall_addresses": ["10.0.3.22", "fd00::22"]},
        "container": {"ansible_host": "rh-container"},
    }
    hosts = {**GOOD, **{name: variables for name, (variables, _words) in BAD.items()}}
    limit = ",".join([*hosts, "localhost"])
    code, output, results = playbook.run(
        folder, {**hosts, **clients}, [FACTS, POLICY], "-i", "groups.json", "-f", "5", "--limit", limit
    )
    assert code == 0, output
    return results


@pytest.mark.parametrize("host", GOOD)
def test_good_policies_pass(outcomes, host):
    assert not outcomes[host]["failed"], outcomes[host]["msg"]


@pytest.mark.parametrize("host", BAD)
def test_bad_policies_fail_with_one_line(outcomes, host):
    assert outcomes[host]["failed"]
    (line,) = outcomes[host]["msg"].splitlines()[1:]
    assert BAD[host][1] in line
