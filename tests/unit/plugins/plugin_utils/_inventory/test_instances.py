# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From variables to instances: what each listens on, where its files are, who its neighbours and users are."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import declared as config_declared
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import (
    instances as inventory_instances,
    settings as inventory_settings,
)

HOST = {
    "redis_port": 6379,
    "redis_dir": "/var/lib/redis",
    "redis_logfile": "/var/log/redis/redis-server.log",
    "redis_maxmemory": "256mb",
    "redis_engine": "redis",
}


def of(*entries, **more):
    return inventory_instances.values({**HOST, **more, "redis_instances": list(entries)})


def test_without_a_list_there_is_the_packages_own():
    (value,) = inventory_instances.values(HOST)
    assert (value["name"], value["port"], value["dir"]) == ("default", 6379, "/var/lib/redis")


def test_an_instance_has_its_own_values_above_the_hosts():
    first, second = of({"name": "7000", "port": 7000}, {"name": "7001", "port": 7001, "maxmemory": "1gb"})
    assert (first["port"], first["maxmemory"], second["port"], second["maxmemory"]) == (7000, "256mb", 7001, "1gb")
    assert "engine" not in first


def test_a_value_is_told_of_by_the_variable_that_has_it():
    own = {"redis_instances": [{"name": "default"}, {"name": "7000", "bind": ["127.0.0.1"]}]}
    names = [
        inventory_instances.variable_of(value, own, "bind") for value in inventory_instances.values({**HOST, **own})
    ]
    assert names == ["redis_bind", "redis_instances[1].bind"]
    assert inventory_instances.variable_of({"name": "default"}, {}, "bind") == "redis_bind"


def test_a_password_of_a_group_is_needed_where_the_instance_has_none_of_its_own():
    def needed(*entries):
        return inventory_instances.needed_passwords(of(*entries, redis_topology="standalone", redis_sentinel_hosts=[]))

    group = {"name": "a", "topology": "replication", "sentinel_hosts": ["s1"]}
    assert needed({"name": "default"}) == []
    assert needed({"name": "default"}, group) == ["redis_replica_password", "redis_sentinel_password"]
    assert needed({**group, "replica_password": "x", "sentinel_password": "y"}) == []


def test_places_are_shared_by_no_two_instances():
    first, second, third = of({"name": "default"}, {"name": "7000"}, {"name": "a", "dir": "/srv/redis/a"})
    assert [value["dir"] for value in (first, second, third)] == [
        "/var/lib/redis",
        "/var/lib/redis/7000",
        "/srv/redis/a",
    ]
    assert second["logfile"] == "/var/log/redis/redis-server-7000.log"
    layouts = [inventory_instances.layout(value, "redis") for value in (first, second, third)]
    for name in ("unit", "config", "aclfile", "pidfile", "run_dir"):
        assert len({layout[name] for layout in layouts}) == 3, name
    assert layouts[0]["directories"] == []
    assert [one["path"] for one in layouts[1]["directories"]] == ["/var/lib/redis/7000"]
    assert layouts[1]["unit"] == "redis-server@7000"
    assert layouts[1]["config"] == "/etc/redis/redis-7000.conf"


def test_valkey_is_at_its_own_places():
    (value,) = of({"name": "default"}, redis_dir="/var/lib/valkey")
    layout = inventory_instances.layout(value, "valkey")
    assert (layout["unit"], layout["config"]) == ("valkey-server", "/etc/valkey/valkey.conf")
    assert (layout["aclfile"], layout["run_dir"]) == ("/etc/valkey/users.acl", "/run/valkey")


def test_what_a_failover_rewrites_is_not_in_etc():
    (value,) = of({"name": "default", "topology": "replication"})
    layout = inventory_instances.layout(value, "redis")
    assert layout["rewritten"] and layout["config"] == "/var/lib/redis/conf/redis.conf"
    conf = {"path": "/var/lib/redis/conf", "owner": "redis", "group": "redis", "mode": "0700"}
    assert layout["directories"] == [conf]
    assert layout["aclfile"] == "/etc/redis/users.acl"
    (value,) = of({"name": "7000", "topology": "cluster"})
    assert not inventory_instances.layout(value, "redis")["rewritten"]


@pytest.mark.parametrize(
    ("own", "served"),
    [
        ({}, [("port", 6379, "data")]),
        ({"tls": False}, [("port", 6379, "data")]),
        ({"tls": "optional", "tls_port": 6390}, [("port", 6379, "data"), ("tls_port", 6390, "tls")]),
        ({"tls": "required", "tls_port": 6390}, [("tls_port", 6390, "tls")]),
        ({"topology": "cluster", "port": 7000}, [("port", 7000, "data"), ("port", 17000, "bus")]),
        (
            {"topology": "cluster", "tls": "required", "tls_port": 7000},
            [("tls_port", 7000, "tls"), ("tls_port", 17000, "bus")],
        ),
    ],
)
def test_what_it_listens_on(own, served):
    (value,) = of({"name": "default", **own})
    assert inventory_instances.served(value) == served


@pytest.mark.parametrize(
    ("own", "closed", "plaintext"),
    [
        ({}, None, 6379),
        ({"tls": "optional"}, None, 6379),
        ({"tls": "required"}, 6379, 6379),
        # 6379 may be another server's: nothing is to be looked for there.
        ({"name": "7000", "tls": "required", "tls_port": 7000}, None, None),
        ({"name": "7000", "tls": "required", "tls_port": 7000, "port": 7001}, 7001, 7001),
    ],
)
def test_where_plain_text_was(own, closed, plaintext):
    (value,) = of({"name": "default", **own})
    assert inventory_instances.closed_port(value, HOST) == closed
    assert inventory_instances.plaintext_port(value, HOST) == plaintext


def peers(topology, **more):
    found = {}
    for number in (1, 2, 3):
        name = "db%d" % number
        values = [
            {"name": port, "port": int(port), "tls_port": int(port) + 100, "topology": topology, **more}
            for port in ("7000", "7001")
        ]
        values.append({"name": "other", "port": 9000, "topology": "standalone"})
        found[name] = inventory_instances.Peer(name, "10.0.0.%d" % number, tuple(values))
    return found


def test_a_replicated_group_is_the_instances_of_that_name():
    value = {"name": "7000", "topology": "replication", "group_hosts": ["db2", "db1"]}
    assert inventory_instances.nodes(value, peers("replication")) == [
        {"host": "10.0.0.2", "port": 7000},
        {"host": "10.0.0.1", "port": 7000},
    ]
    assert inventory_instances.nodes(value, peers("replication", tls="required"))[0] == {
        "host": "10.0.0.2",
        "port": 7100,
    }


def test_a_cluster_is_all_its_instances_with_the_host_as_zone():
    value = {"name": "7000", "topology": "cluster", "group_hosts": ["db1", "db2", "db3"]}
    found = inventory_instances.nodes(value, peers("cluster"))
    assert len(found) == 6 and {"host": "10.0.0.3", "port": 7001, "zone": "db3"} in found


def test_a_server_that_stands_alone_has_no_group():
    assert inventory_instances.nodes({"name": "7000", "topology": "standalone", "group_hosts": ["db1"]}, {}) == []


DEFAULT_RENAMES = {"DEBUG": "", "REPLICAOF": "", "SLAVEOF": "", "MIGRATE": ""}


@pytest.mark.parametrize(
    ("topology", "left"),
    [("standalone", []), ("replication", ["REPLICAOF", "SLAVEOF"]), ("cluster", ["MIGRATE"])],
)
def test_what_a_topology_needs_is_not_disabled_by_default(topology, left):
    value = {"topology": topology, "renamed_commands": DEFAULT_RENAMES}
    found = inventory_instances.renamed_commands(value, DEFAULT_RENAMES)
    assert sorted(set(DEFAULT_RENAMES) - set(found)) == left
    # What the operator wrote stays; the policy refuses what can't be.
    value["renamed_commands"] = {"REPLICAOF": "x"}
    assert inventory_instances.renamed_commands(value, DEFAULT_RENAMES) == {"REPLICAOF": "x"}


def group(**more):
    return {
        "name": "default",
        "topology": "replication",
        "sentinel_hosts": ["s1"],
        "replica_user": "replica",
        "replica_password": "r" * 32,
        "sentinel_user": "sentinel",
        "sentinel_password": "s" * 32,
        "users": [{"name": "app"}],
        **more,
    }


def test_a_group_has_users_that_can_replicate_and_fail_over_and_nothing_else():
    login = {"redis_admin_user": "admin", "redis_admin_password": "a" * 32}
    found = {user["name"]: user for user in inventory_instances.users(group(), login)}
    assert list(found) == ["admin", "replica", "sentinel", "app"]
    assert found["replica"]["commands"] == ["+psync", "+replconf", "+ping", "+info"]
    assert found["replica"]["keys"] == found["sentinel"]["keys"] == []
    assert found["sentinel"]["channels"] == ["__sentinel__:hello"]
    assert not any("@" in rule for rule in found["sentinel"]["commands"])
    alone = inventory_instances.users(group(topology="standalone", sentinel_hosts=[]), login)
    assert [user["name"] for user in alone] == ["admin", "app"]


SETTINGS = {
    **dict.fromkeys(config_declared.DIRECT.values(), "x"),
    **group(),
    "port": 6379,
    "tls": "off",
    "tls_port": 6380,
    "tls_auth_clients": "yes",
    "repl_backlog_size": "64mb",
    "replica_output_buffer_limit": "256mb 64mb 60",
    "min_replicas_to_write": 1,
    "min_replicas_max_lag": 10,
    "cluster_node_timeout": 5000,
    "announce_address": None,
}


def test_settings_of_a_group():
    found = inventory_settings.settings(SETTINGS, "/etc/redis/tls")
    assert found["masteruser"] == "replica" and "masterauth" not in found
    assert found["client-output-buffer-limit"] == "normal 0 0 0 pubsub 32mb 8mb 60 replica 256mb 64mb 60"
    assert (found["min-replicas-to-write"], found["replica-read-only"]) == (1, "yes")
    assert inventory_settings.secret_settings(SETTINGS) == {"masterauth": "r" * 32}
    assert not [name for name in found if name.startswith("cluster-") or "announce" in name]


def test_settings_of_a_cluster():
    value = {**SETTINGS, "topology": "cluster", "announce_address": "192.0.2.1", "tls": "required"}
    found = inventory_settings.settings(value, "/etc/redis/tls")
    assert (found["cluster-enabled"], found["cluster-node-timeout"]) == ("yes", 5000)
    assert (found["cluster-announce-ip"], found["tls-cluster"], found["port"]) == ("192.0.2.1", "yes", 0)
    assert "replica-announce-ip" not in found


def test_settings_of_a_server_that_stands_alone():
    value = {**SETTINGS, "topology": "standalone"}
    found = inventory_settings.settings(value, "/etc/redis/tls")
    assert not [name for name in found if name.startswith(("cluster-", "master", "repl", "min-"))]
    assert inventory_settings.secret_settings(value) == {}
