"""The action policy, in a real playbook: each host has a policy of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import playbook

SECRET = "correct-horse-battery-staple"
# As gathered facts, where the host has a system.
FACTS = {
    "ansible.builtin.set_fact": {
        "ansible_distribution": "{{ system }}",
        "ansible_distribution_major_version": "12",
        "redis_fact": 1,
        "cacheable": True,
    },
    "when": "system != 'unknown'",
}
USER = {"name": "app", "passwords": [SECRET], "commands": ["+@read"], "keys": ["cache:*"]}
POLICY = {"celebrum.redis_hardening.policy": {"roles": ["redis"]}, "register": "outcome", "ignore_errors": True}

GOOD = {
    "defaults": {},
    "everything": {
        "redis_bind": ["0.0.0.0", "-::"],
        "redis_allowed_sources": ["10.0.3.0/24", "fd00:1::/64"],
        "redis_users": [USER],
        "redis_admin_password": SECRET,
        "redis_current_password": SECRET,
        "redis_renamed_commands": {"CONFIG": "c-81", "FLUSHALL": ""},
        "redis_port": "{{ 6000 + 379 }}",
        "redis_timeout": "60",
    },
    "maps": {"redis_sysctl": {"vm.max_map_count": 262144}},
    "vouched": {"redis_ignored_variables": ["redis_dashboard_url"], "redis_dashboard_url": "x"},
    "far": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
    "untested": {"system": "Ubuntu", "redis_allow_untested_system": True},
    "vault": {"redis_users": [{**USER, "passwords": ["{{ lookup('celebrum.redis_hardening.secret', 'made/app') }}"]}]},
}
# host -> (its variables, what the message must say)
BAD = {
    "prot": ({"redis_prot": 1}, "redis_prot is not a variable of this collection: did you mean redis_port?"),
    "redsi": ({"redsi_port": 1}, "redsi_port is not a variable of this collection: did you mean redis_port?"),
    "stranger": ({"redis_dashboard_url": "x"}, "redis_dashboard_url is not a variable"),
    "nested": ({"redis_users": [{"name": "app", "pasword": SECRET}]}, "redis_users[0].pasword is unknown"),
    "text": ({"redis_bind": "127.0.0.1"}, "redis_bind must be a list"),
    "type": ({"redis_port": "six"}, "argument 'redis_port' is of type str"),
    "choice": ({"redis_loglevel": "loud"}, "value of redis_loglevel must be one of: debug"),
    "empty": ({"redis_maxclients": None}, "redis_maxclients has no value"),
    "undefined": (
        {"redis_tcp_backlog": "{{ nowhere }}"},
        "redis_tcp_backlog can't be evaluated: 'nowhere' is undefined",
    ),
    "wildcard": ({"redis_bind": ["0.0.0.0"]}, "redis_bind has 0.0.0.0, where others can connect"),
    "noloop": ({"redis_bind": ["10.0.0.5"], "redis_allowed_sources": ["10.0.0.6"]}, "without 127.0.0.1"),
    "everyone": ({"redis_allowed_sources": ["::/0"]}, "redis_allowed_sources[0]"),
    "ssh": ({"redis_port": 22}, "redis_port has 22, the port of SSH"),
    "ssh2": ({"redis_port": 2222, "ansible_port": "{{ 2000 + 222 }}"}, "redis_port has 2222, the port of SSH"),
    "ubuntu": ({"system": "Ubuntu"}, "The host runs Ubuntu 12"),
    "nofacts": ({"system": "unknown"}, "gather_facts: true"),
    "nopass": ({"redis_users": [{"name": "app"}]}, "redis_users[0] (app) is enabled without a password"),
    "short": ({"redis_users": [{**USER, "passwords": [SECRET[:15]]}]}, "redis_users[0].passwords[0] (app) is shorter"),
    "adminpw": ({"redis_admin_password": SECRET[:15]}, "redis_admin_password is shorter than 16 characters"),
    "admindict": ({"redis_admin_password": {SECRET: SECRET}}, "redis_admin_password must be a single value"),
    "filter": (
        {"redis_admin_password": "{{ '%s' | to_datetime }}" % SECRET},
        "redis_admin_password can't be evaluated",
    ),
    "string": ({"redis_users": [SECRET]}, "redis_users[0] must be a dictionary"),
    "current": ({"redis_current_password": [SECRET]}, "redis_current_password must be a single value"),
    "badfile": (
        {"redis_admin_password": "{{ lookup('celebrum.redis_hardening.secret', playbook_dir ~ '/readable') }}"},
        "redis_admin_password can't be evaluated: The lookup plugin 'celebrum.redis_hardening.secret' failed: ",
    ),
    "config": ({"redis_renamed_commands": {"CONFIG": ""}}, "redis_renamed_commands: this collection needs CONFIG"),
    "memory": ({"redis_maxmemory": "0"}, "redis_maxmemory is 0, which is unbounded"),
    "number": ({"redis_package_version": 1.1}, "redis_package_version must be text, not a number: quote it"),
    "bytes": ({"redis_instances": [{"name": 7000}]}, "redis_instances[0].name must be text, not a number: quote it"),
    "unit": (
        {"redis_dir": "/data/x\nExecStartPre=/bin/evil"},
        "redis_dir is '/data/x\\nExecStartPre=/bin/evil': set an",
    ),
    "percent": (
        {"redis_logfile": "/data/50%/redis.log"},
        "redis_logfile is '/data/50%/redis.log': set an absolute path",
    ),
    "owner": ({"redis_credentials_owner": "../others"}, "redis_credentials_owner is '../others': set letters"),
    "own": (
        {"redis_instances": [{"name": "a", "dir": "/data/my data"}]},
        "redis_instances[0] (a): redis_dir is '/data/my data': set an absolute path",
    ),
    "words": ({"redis_users": [{**USER, "keys": ["allkeys"]}]}, "redis_users[0] (app): keys, entry 1: is an ACL rule"),
    "quotes": ({"redis_notify_keyspace_events": '""'}, "redis_notify_keyspace_events has quotes around it"),
    "timeout": ({"redis_timeout": 0}, "redis_timeout is 0"),
    "sysctl": ({"redis_sysctl": {"kernel.panic": 1}}, "redis_sysctl.kernel.panic is unknown"),
    "others": ({"redis_ignored_variables": "redis_mine", "redis_mine": 1}, "redis_ignored_variables must be a list"),
}


def hosts():
    bad = {name: variables for name, (variables, _words) in BAD.items()}
    return {name: {"system": "Debian", **variables} for name, variables in {**GOOD, **bad}.items()}


@pytest.fixture(scope="module", params=["apply", "check"])
def outcome(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    (folder / "readable").write_text(SECRET)
    (folder / "readable").chmod(0o644)
    registered = {"ansible.builtin.debug": {"msg": "x"}, "register": "redis_seen"}
    arguments = ["-vvv", "-f", "5", *(["--check"] if request.param == "check" else [])]
    code, output, outcomes = playbook.run(folder, hosts(), [FACTS, registered, POLICY], *arguments)
    assert code == 0, output
    return folder, output, outcomes


@pytest.mark.parametrize("host", GOOD)
def test_good_policies_pass(outcome, host):
    result = outcome[2][host]
    assert not result["failed"], result["msg"]
    assert result["changed"] is False


@pytest.mark.parametrize("host", BAD)
def test_bad_policies_fail_naming_the_variable(outcome, host):
    result = outcome[2][host]
    assert result["failed"]
    assert result["changed"] is False
    assert result["msg"].startswith("The policy is refused, nothing was changed:\n")
    assert BAD[host][1] in result["msg"]
    others = [line for line in result["msg"].splitlines()[1:] if BAD[host][1] not in line]
    assert others == [] or host == "others", others


def test_no_secret_is_shown(outcome):
    _folder, output, outcomes = outcome
    assert len(outcomes) == len(GOOD) + len(BAD)
    assert SECRET[:15] not in output


def test_nothing_is_written(outcome):
    folder = outcome[0]
    assert {item.name for item in folder.iterdir()} - {".ansible", "readable"} == playbook.FILES


def test_all_problems_come_in_one_message(tmp_path):
    variables = {"system": "Debian", "redis_prot": 1, "redis_timeout": 0, "redis_loglevel": "loud"}
    _code, _output, outcomes = playbook.run(tmp_path, {"h1": variables}, [FACTS, POLICY])
    assert [line.split()[0] for line in outcomes["h1"]["msg"].splitlines()[1:]] == [
        "value",
        "redis_prot",
        "redis_timeout",
    ]


def test_a_role_that_is_none_is_named(tmp_path):
    task = {"celebrum.redis_hardening.policy": {"roles": ["redis", "rediss"]}}
    code, output, _outcomes = playbook.run(tmp_path, {"h1": {}}, [task])
    assert code == 2
    assert "rediss: no role of this collection; there are " in output


def test_only_the_cause_is_told_and_only_of_roles_in_use(tmp_path):
    roles = ["firewall", "redis", "pki", "sentinel", "cluster", "port_notice", "audit"]
    cases = {
        "user": ({"redis_users": "{{ nowhere }}"}, "redis_users can't be evaluated: 'nowhere' is undefined"),
        "bind": ({"redis_bind": "127.0.0.1"}, "redis_bind must be a list"),
        "waiver": (
            {"audit_waivers": [{"id": "RH-CFG-03", "reason": "x", "until": "9999-12-31", "host": "wavier"}]},
            "audit_waivers[0].host (RH-CFG-03) is 'wavier', which is no host of the inventory: did you mean waiver?",
        ),
        "good": ({}, ""),
    }
    hosts = {name: {"system": "Debian", **variables} for name, (variables, _words) in cases.items()}
    task = {**POLICY, "celebrum.redis_hardening.policy": {"roles": roles}}
    _code, _output, outcomes = playbook.run(tmp_path, hosts, [FACTS, task])
    told = {name: outcomes[name]["msg"].splitlines()[1:] for name in cases}
    assert told.pop("good") == []
    for name, lines in told.items():
        assert len(lines) == 1, lines
        assert cases[name][1] in lines[0]
