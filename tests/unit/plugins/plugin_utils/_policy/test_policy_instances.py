# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy import instances as policy_instances

GOOD = {
    "redis_instances": [{"name": "default"}],
    "redis_purged_instances": [],
    "redis_port": 6379,
    "redis_tls": "off",
    "redis_tls_port": 6380,
    "redis_bind": ["127.0.0.1", "10.0.0.1"],
    "redis_dir": "/var/lib/redis",
    "redis_logfile": "/var/log/redis/redis-server.log",
    "redis_topology": "standalone",
    "redis_group_hosts": [],
    "redis_sentinel_hosts": [],
    "redis_credentials_owner": "db1",
    "redis_renamed_commands": {"REPLICAOF": "", "SLAVEOF": "", "MIGRATE": ""},
    "redis_replica_user": "replica",
    "redis_sentinel_user": "sentinel",
    "redis_users": [],
    "redis_min_replicas_to_write": 0,
}
GROUP = {
    **GOOD,
    "redis_topology": "replication",
    "redis_group_hosts": ["db1", "db2"],
    "redis_sentinel_hosts": ["db1", "db2", "s3"],
    "redis_credentials_owner": "sessions",
}
INVENTORY = ["db1", "db2", "s3"]


def problems(base, **more):
    settings = {**base, **more}
    return policy_instances.instance_problems(settings, "db1", INVENTORY, GOOD["redis_renamed_commands"])


@pytest.mark.parametrize(
    "settings", [GOOD, GROUP, {**GROUP, "redis_topology": "cluster", "redis_sentinel_hosts": []}, {}]
)
def test_nothing_is_wrong(settings):
    assert problems(settings) == []


def test_several_instances():
    assert problems(GOOD, redis_instances=[{"name": "default"}, {"name": "7000", "port": 7000}]) == []
    assert problems(GOOD, redis_instances=[]) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"redis_instances": [{"name": "../etc"}]}, "redis_instances[0].name is '../etc': use up to 32"),
        ({"redis_instances": [{"name": ""}]}, "redis_instances[0].name is ''"),
        (
            {"redis_instances": [{"name": "sentinel"}]},
            "redis_instances[0].name is sentinel, which is a directory of its own",
        ),
        (
            {"redis_instances": [{"name": "a"}, {"name": "a", "port": 7000}]},
            "redis_instances[1].name is a, which",
        ),
        ({"redis_purged_instances": ["default"]}, "redis_purged_instances has default, which is"),
        ({"redis_instances": [{"name": "a"}, {"name": "b"}]}, "instance b has port 6379 (data), which instance a has"),
        (
            {
                "redis_instances": [{"name": "a", "topology": "cluster", "port": 60000}],
                **{"redis_group_hosts": ["db1"]},
            },
            "instance a: 70000, the port of the bus, is no TCP port: set port to at most 55535",
        ),
        (
            {"redis_instances": [{"name": "a", "dir": "/srv/x"}, {"name": "b", "port": 1, "dir": "/srv/x/"}]},
            "instance b has the dir /srv/x, which instance a has",
        ),
        ({"redis_topology": "replication", "redis_group_hosts": ["db2"]}, "redis_group_hosts does not name db1"),
        ({"redis_sentinel_hosts": ["db1"]}, "redis_sentinel_hosts is set, but redis_topology is standalone"),
    ],
)
def test_refused(more, words):
    (line,) = problems(GOOD, **more)
    assert words in line


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"redis_group_hosts": ["db1", "db9"]}, "redis_group_hosts has db9, which is no host of the inventory"),
        ({"redis_sentinel_hosts": ["s9"]}, "redis_sentinel_hosts has s9, which is no host of the inventory"),
        ({"redis_bind": ["127.0.0.1", "-::1"]}, "redis_bind has loopback only"),
        ({"redis_credentials_owner": "db1"}, "redis_credentials_owner is the host's own name"),
        ({"redis_min_replicas_to_write": 2}, "redis_min_replicas_to_write is 2, and the group has 1 replicas"),
        ({"redis_renamed_commands": {"replicaof": ""}}, "redis_renamed_commands disables REPLICAOF"),
        ({"redis_users": [{"name": "replica"}]}, "redis_users has replica, whom this collection makes"),
        ({"redis_users": [{"name": "sentinel"}]}, "redis_users has sentinel, whom this collection makes"),
        ({"redis_min_replicas_max_lag": 0}, "redis_min_replicas_max_lag is 0: set 1 to 86400"),
    ],
)
def test_groups_that_are_refused(more, words):
    (line,) = problems(GROUP, **more)
    assert words in line


SPECS = {
    "redis_port": {"type": "int", "default": 6379},
    "redis_tls": {"type": "str", "choices": ["off", "optional", "required"]},
    "redis_users": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, "enabled": {"type": "bool", "default": True}},
    },
    "redis_engine": {"type": "str"},
}


def test_values_of_an_instance_have_the_types_of_the_variables():
    checked, found = policy_instances.check_types([{"name": "a", "port": "7000", "users": [{"name": "x"}]}], SPECS)
    assert found == []
    # Nothing that is not there gets a default: the host's value counts.
    assert checked == [{"name": "a", "port": 7000, "users": [{"name": "x", "enabled": True}]}]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"port": 7000}, "redis_instances[0].name is missing"),
        ({"name": "a", "prot": 7000}, "redis_instances[0].prot is unknown: did you mean port?"),
        ({"name": "a", "engine": "valkey"}, "redis_instances[0].engine is unknown"),
        ({"name": "a", "port": "many"}, "redis_instances[0].port"),
        ({"name": "a", "tls": "sometimes"}, "redis_instances[0].tls"),
        ({"name": "a", "users": [{}]}, "redis_instances[0].users[0].name is missing"),
    ],
)
def test_types_that_are_refused(entry, words):
    _checked, (line,) = policy_instances.check_types([entry], SPECS)
    assert words in line


def test_a_check_sees_each_instance():
    def check(settings):
        return ["port is %d." % settings["redis_port"]] if settings["redis_port"] < 1024 else []

    settings = {"redis_port": 6379, "redis_instances": [{"name": "a", "port": 80}, {"name": "b"}]}
    assert policy_instances.of_each(check, settings) == ["redis_instances[0] (a): port is 80."]
    assert policy_instances.of_each(check, {**settings, "redis_port": 80}) == ["port is 80."]
