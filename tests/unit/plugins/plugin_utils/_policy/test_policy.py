"""What a policy must not say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import ports as inventory_ports
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy import (
    general as policy_general,
    ports as policy_ports,
)
from hypothesis import given, strategies as st

REDIS = Path(__file__).parents[5] / "roles" / "redis"
SPEC = yaml.safe_load((REDIS / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
DEFAULTS = yaml.safe_load((REDIS / "defaults" / "main.yml").read_text())
# What is a template there.
PLACES = {"redis_dir": "/var/lib/redis", "redis_logfile": "/var/log/redis/redis-server.log"}
LONG = "x" * 16
HASH = hashlib.sha256(LONG.encode()).hexdigest()


def user(name="app", **other):
    return {"name": name, "enabled": True, "passwords": [LONG], "password_hashes": [], **other}


def problems(**settings):
    settings = {**DEFAULTS, **PLACES, "redis_admin_password": LONG, **settings}
    ports = inventory_ports.default_ports(settings)
    return policy_general.policy_problems(settings) + policy_ports.exposure_problems(settings, ports)


def test_the_defaults_of_the_role_are_a_good_policy():
    assert problems() == []


def test_defaults_and_argument_specs_agree():
    """Templates can't be a spec's default, null is none; all the others must be the same."""
    assert set(SPEC) == set(DEFAULTS)
    for name, value in DEFAULTS.items():
        if value is not None and "{{" not in str(value):
            assert SPEC[name].get("default") == value, name
        else:
            assert "default" not in SPEC[name], name


@pytest.mark.parametrize(
    "settings",
    [
        {"redis_bind": ["0.0.0.0"], "redis_allowed_sources": ["10.0.3.0/24"]},
        {"redis_users": [user(), user("web", passwords=[], password_hashes=[HASH])]},
        {"redis_users": [user(passwords=[LONG, LONG + "y"], password_hashes=[HASH])]},
        {"redis_users": [user("default"), user("old", enabled=False, passwords=[])]},
        {"redis_renamed_commands": {"CONFIG": "c-81", "acl": "a-81", "FLUSHALL": "", "JSON.SET": ""}},
        {"redis_maxmemory": "1GB"},
        {"redis_maxmemory": "1048576"},
        {"redis_save": []},
        {"redis_notify_keyspace_events": "Ex"},
        {"redis_dir": "/srv/redis", "redis_logfile": "/srv/redis/log/redis.log"},
        {"redis_sysctl": {}, "redis_tcp_backlog": 4096},
        {"redis_sysctl": {"net.core.somaxconn": 128}, "redis_manage_sysctl": False},
        {"redis_slowlog_log_slower_than": -1, "redis_slowlog_max_len": 0},
    ],
)
def test_good_policies(settings):
    assert problems(**settings) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"redis_bind": ["0.0.0.0"]}, "redis_bind has 0.0.0.0, where others can connect, and redis_allowed_sources"),
        ({"redis_bind": ["*", "-::*"]}, "redis_bind has *, -::*, where others can connect"),
        ({"redis_bind": ["127.0.0.1", "-10.0.0.5"]}, "redis_bind has -10.0.0.5, where others can connect"),
        ({"redis_bind": []}, "redis_bind is []"),
        ({"redis_allowed_sources": ["0.0.0.0/0"]}, "redis_allowed_sources[0]"),
        ({"redis_port": 0}, "redis_port is 0: set 1 to 65535"),
        ({"redis_port": 65536}, "redis_port is 65536"),
        ({"redis_timeout": 0}, "redis_timeout is 0: set 1"),
        ({"redis_maxclients": 0}, "redis_maxclients is 0"),
        ({"redis_tcp_keepalive": 0}, "redis_tcp_keepalive is 0"),
        ({"redis_tcp_backlog": 0}, "redis_tcp_backlog is 0"),
        ({"redis_databases": 0}, "redis_databases is 0"),
        ({"redis_acllog_max_len": 0}, "redis_acllog_max_len is 0"),
        ({"redis_slowlog_max_len": -1}, "redis_slowlog_max_len is -1"),
        ({"redis_slowlog_log_slower_than": -2}, "redis_slowlog_log_slower_than is -2"),
        ({"redis_users": [user(passwords=[])]}, "redis_users[0] (app) is enabled without a password: set passwords"),
        ({"redis_users": [user("default", passwords=[])]}, "redis_users[0] (default) is enabled without a password"),
        ({"redis_users": [user(passwords=["x" * 15])]}, "redis_users[0].passwords[0] (app) is shorter than 16"),
        ({"redis_users": [user(passwords=[LONG + "\n"])]}, "redis_users[0].passwords[0] (app) has a line end"),
        ({"redis_users": [user(passwords=[LONG + c for c in "abc"])]}, "redis_users[0] (app) has more than two"),
        ({"redis_users": [user(password_hashes=[HASH.upper()])]}, "redis_users[0].password_hashes[0] (app) is no SHA"),
        ({"redis_users": [user(), user()]}, "redis_users[1] (app): the name is listed twice"),
        ({"redis_users": [user(), user("a b")]}, "redis_users[1].name is 'a b'"),
        ({"redis_users": [user("")]}, "redis_users[0].name is ''"),
        ({"redis_users": [user("admin")]}, "redis_users[0] is admin, the administrator"),
        ({"redis_admin_user": "default"}, "redis_admin_user is default"),
        ({"redis_admin_user": "../root"}, "redis_admin_user is '../root'"),
        ({"redis_admin_user": "the admin"}, "redis_admin_user is 'the admin'"),
        ({"redis_admin_password": "changeme"}, "redis_admin_password is shorter than 16 characters: make one with"),
        ({"redis_renamed_commands": {"CONFIG": ""}}, "redis_renamed_commands: this collection needs CONFIG"),
        ({"redis_renamed_commands": {"acl": ""}}, "redis_renamed_commands: this collection needs ACL"),
        ({"redis_renamed_commands": {"AUTH": "login"}}, "redis_renamed_commands: every client needs AUTH"),
        ({"redis_renamed_commands": {"hello": ""}}, "redis_renamed_commands: every client needs HELLO"),
        ({"redis_renamed_commands": {"PING": ""}}, "redis_renamed_commands: every client needs PING"),
        ({"redis_renamed_commands": {"INFO": "i"}}, "redis_renamed_commands: every client needs INFO"),
        ({"redis_renamed_commands": {"FLUSHAL": ""}}, "FLUSHAL is no command, and Redis would not start: did you mean"),
        ({"redis_renamed_commands": {"KEYS": "x", "SCAN": "X"}}, "redis_renamed_commands: KEYS and SCAN have the same"),
        ({"redis_renamed_commands": {"KEYS": "get"}}, "redis_renamed_commands: KEYS: the new name get is a command"),
        ({"redis_renamed_commands": {"KEYS": None}}, "redis_renamed_commands: KEYS: the new name must be text"),
        ({"redis_maxmemory": "0"}, "redis_maxmemory is 0, which is unbounded"),
        ({"redis_maxmemory": "0gb"}, "redis_maxmemory is 0gb, which is unbounded"),
        ({"redis_maxmemory": "256"}, "redis_maxmemory is 256, which is 256 bytes"),
        ({"redis_maxmemory": "50%"}, "redis_maxmemory is '50%'"),
        ({"redis_maxmemory": "-1"}, "redis_maxmemory is '-1'"),
        ({"redis_dir": "data"}, "redis_dir is 'data': set an absolute path"),
        ({"redis_dir": "/"}, "redis_dir is /, but the directory / is the system's"),
        ({"redis_dir": "/var/lib/"}, "redis_dir is /var/lib/"),
        ({"redis_dir": "/etc/ssh"}, "redis_dir is /etc/ssh"),
        ({"redis_dir": "/srv/../etc"}, "redis_dir is '/srv/../etc': set an absolute path"),
        ({"redis_logfile": ""}, "redis_logfile is ''"),
        ({"redis_logfile": "/var/log/redis.log"}, "redis_logfile is /var/log/redis.log, but the directory /var/log"),
        ({"redis_logfile": "/var/log/redis/"}, "redis_logfile is /var/log/redis/, a directory"),
        ({"redis_save": ["300"]}, "redis_save[0] is '300'"),
        ({"redis_save": ["3600 1", "0 5"]}, "redis_save[1] is '0 5'"),
        ({"redis_notify_keyspace_events": "Eq"}, "redis_notify_keyspace_events is 'Eq': unknown are q"),
        ({"redis_notify_keyspace_events": "x"}, "redis_notify_keyspace_events is 'x': without K or E"),
        ({"redis_sysctl": {"kernel.panic": 1}}, "redis_sysctl.kernel.panic is unknown"),
        ({"redis_sysctl": {"vm.swappiness": "low"}}, "redis_sysctl.vm.swappiness is 'low'"),
        ({"redis_sysctl": {"vm.overcommit_memory": True}}, "redis_sysctl.vm.overcommit_memory is True"),
        ({"redis_sysctl": {"net.core.somaxconn": 128}}, "redis_tcp_backlog is 511"),
        ({"audit_waivers": [{"id": "RH-CFG-03", "reason": "", "until": "2027-01-31"}]}, "audit_waivers[0] (RH-CFG-03)"),
    ],
)
def test_bad_policies(settings, words):
    (line,) = problems(**settings)
    assert words in line
    assert line[-1] in ".?" or line.endswith("-base64 32") or "secret" in line


def test_all_problems_come_at_once():
    assert len(problems(redis_timeout=0, redis_maxmemory="0", redis_bind=["0.0.0.0"])) == 3


def test_a_check_without_its_variables_is_left_out():
    """They have the wrong type, which is reported already; a guess would mislead."""
    settings = {**DEFAULTS, **PLACES, "redis_bind": ["0.0.0.0"], "redis_admin_password": LONG}
    del settings["redis_allowed_sources"]
    assert policy_general.policy_problems(settings) == []


@given(st.text(min_size=1, max_size=15).filter(lambda text: len(set(text)) > 5))
def test_no_message_holds_a_password(password):
    text = " ".join(problems(redis_users=[user(passwords=[password])], redis_admin_password=password))
    assert "redis_admin_password" in text
    assert password not in text


@given(st.integers(1, 10**6), st.sampled_from([("k", 1000), ("KB", 1024), ("mb", 2**20), ("g", 10**9), ("", 1)]))
def test_memory_is_read_as_redis_reads_it(number, unit):
    assert policy_general.memory_bytes("%d%s" % (number, unit[0])) == number * unit[1]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "gather_facts: true"),
        ({"distribution": "Debian", "distribution_major_version": "11"}, "The host runs Debian 11"),
        ({"distribution": "Ubuntu", "distribution_major_version": "24"}, "redis_allow_untested_system: true"),
    ],
)
def test_other_systems_are_refused_unless_allowed(facts, words):
    (line,) = policy_general.system_problems(facts, False)
    assert words in line
    assert policy_general.system_problems(facts, True) == []


@pytest.mark.parametrize("version", ["12", "13"])
def test_tested_systems_are_taken(version):
    assert (
        policy_general.system_problems({"distribution": "Debian", "distribution_major_version": version}, False) == []
    )
