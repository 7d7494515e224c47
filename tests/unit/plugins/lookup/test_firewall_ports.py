"""The lookups redis_ports, firewall_ports and port_notice, in a real playbook."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "action"))
import playbook

ASK = {
    "ansible.builtin.set_fact": {
        "outcome": "{{ query('celebrum.redis_hardening.firewall_ports', "
        "ports | default(query('celebrum.redis_hardening.redis_ports'))) }}"
    },
}


def run(folder, hosts, groups, *arguments, ask=ASK):
    folder.mkdir(exist_ok=True)
    groups = {name: {"hosts": dict.fromkeys(members, {})} for name, members in groups.items()}
    (folder / "groups.json").write_text(json.dumps({"all": {"children": groups}}))
    return playbook.run(folder, hosts, [ask], "-i", "groups.json", *arguments)


def test_ports_by_purpose(tmp_path):
    open_to = {"redis_allowed_sources": ["10.0.3.0/24", "10.0.2.9"]}
    hosts = {
        "bare": {},
        "plain": {**open_to, "redis_port": "{{ 7000 }}"},
        "off": {**open_to, "redis_tls": False, "redis_tls_port": 6390},
        "optional": {**open_to, "redis_tls": "optional", "redis_tls_port": 6390},
        "required": {**open_to, "redis_tls": "required"},
    }
    code, output, outcomes = run(tmp_path, hosts, {})
    assert code == 0, output
    addresses = ["10.0.2.9", "10.0.3.0/24"]
    assert outcomes == {
        "bare": [{"port": 6379, "sources": [], "purpose": "data"}],
        "plain": [{"port": 7000, "sources": addresses, "purpose": "data"}],
        "off": [{"port": 6379, "sources": addresses, "purpose": "data"}],
        "optional": [
            {"port": 6379, "sources": addresses, "purpose": "data"},
            {"port": 6390, "sources": addresses, "purpose": "tls"},
        ],
        "required": [
            {"port": 6380, "sources": addresses, "purpose": "tls"},
            {"port": 6379, "sources": [], "purpose": "reserved"},
        ],
    }


def test_the_notice(tmp_path):
    ask = {"ansible.builtin.set_fact": {"outcome": "{{ lookup('celebrum.redis_hardening.port_notice') }}"}}
    ports = "{{ query('celebrum.redis_hardening.redis_ports') + [{'port': own | int}] }}"
    hosts = {"usual": {}, "elsewhere": {"redis_port": "{{ 7000 }}", "own": "6380", "firewall_ports": ports}}
    code, output, outcomes = run(tmp_path, hosts, {}, ask=ask)
    assert code == 0, output
    assert outcomes == {
        "usual": {"enabled": False, "ports": [6379, 6380], "use_ports": [6379]},
        "elsewhere": {"enabled": True, "ports": [6379], "use_ports": [7000]},
    }


def test_names_whatever_the_limit_and_the_mode(tmp_path):
    hosts = {
        "r1": {"ports": [{"port": 6379, "sources": ["apps", "replicas", "10.9.9.9"]}]},
        "r2": {"ansible_host": "10.0.0.2", "second": "10.0.0.22"},
        "app1": {"ansible_host": "10.0.0.9", "firewall_addresses": ["fd00::9", "{{ own }}"], "own": "10.1.0.9"},
        "app2": {"ansible_host": "{{ own }}", "own": "10.1.0.8"},
    }
    groups = {"apps": ["app1", "app2"], "replicas": ["r2"]}
    expected = [{"port": 6379, "sources": ["10.0.0.2", "10.1.0.8", "10.1.0.9", "10.9.9.9", "fd00::9"]}]
    for arguments in ((), ("--check", "--limit", "r1,localhost")):
        code, output, outcomes = run(tmp_path, hosts, groups, *arguments)
        assert code == 0, output
        assert outcomes["r1"] == expected


def test_who_is_not_known_is_refused(tmp_path):
    hosts = {"r1": {"ports": [{"port": 6379, "sources": ["10.0.0.1", "apps"]}]}, "app1": {"ansible_host": "rh-no-name"}}
    code, output, _outcomes = run(tmp_path, hosts, {"apps": ["app1"]}, "--limit", "r1,localhost")
    assert code == 2
    output = " ".join(output.split())
    assert (
        "firewall_ports[0] (port 6379): sources[1] is refused: app1, of the group apps: the name rh-no-name" in output
    )
    assert "set firewall_addresses for this host" in output


def test_a_large_group_costs_little(tmp_path):
    members = ["app%d" % number for number in range(200)]
    hosts = {name: {"ansible_host": "10.1.%d.%d" % divmod(at, 200)} for at, name in enumerate(members)}
    hosts["r1"] = {"ports": [{"port": 6379, "sources": ["apps"]}]}
    seconds = []
    for number in (1, 11):
        ask = {"ansible.builtin.debug": {"msg": ["{{ %s }}" % EXPRESSION] * number}}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, output, _outcomes = run(tmp_path, hosts, {"apps": members}, "--limit", "r1", ask=ask)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Not by the clock, which runs on while others have the machine.
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert code == 0, output
    assert (seconds[1] - seconds[0]) / 10 < 0.5


EXPRESSION = "query('celebrum.redis_hardening.firewall_ports', ports)[0].sources | length"
