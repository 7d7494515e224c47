"""The lookup redis_instances, in a real playbook: which passwords it makes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "action"))
import playbook

GROUP = {"redis_topology": "replication", "redis_group_hosts": ["alone", "group", "watched"]}
HOSTS = {
    "alone": {},
    "group": GROUP,
    "watched": {**GROUP, "redis_sentinel_hosts": ["watched"]},
    "one": {"redis_instances": [{"name": "default"}, {"name": "7000", "topology": "cluster", "port": 7000}]},
    "given": {**GROUP, "redis_replica_password": "given-password-of-the-replica"},
}
LOOK = {
    "ansible.builtin.include_role": {
        "name": "celebrum.redis_hardening.redis",
        "tasks_from": "instances",
        "public": True,
    }
}
ASK = {
    "ansible.builtin.set_fact": {
        "outcome": "{{ celebrum_instances.values() | map(attribute='all_users') "
        "| map('map', attribute='name') | map('list') | list }}",
        # As Ansible's own check of a role's arguments does.
        "evaluated": "{{ [redis_replica_password, redis_sentinel_password] }}",
    }
}


def test_only_passwords_that_somebody_needs_are_made(tmp_path):
    hosts = {name: {"redis_credentials_dir": str(tmp_path / "made"), **own} for name, own in HOSTS.items()}
    code, output, outcomes = playbook.run(tmp_path, hosts, [LOOK, ASK], "-f", "5")
    assert code == 0, output
    made = {name: {path.name for path in (tmp_path / "made" / name).iterdir()} for name in HOSTS}
    assert made == {
        "alone": {"admin"},
        "group": {"admin", "replica"},
        "watched": {"admin", "replica", "sentinel"},
        "one": {"admin", "replica"},
        "given": {"admin"},
    }
    assert outcomes["alone"] == [["admin"]]
    assert outcomes["watched"] == [["admin", "replica", "sentinel"]]
    assert outcomes["one"] == [["admin"], ["admin", "replica"]]
