# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a policy takes from a server that has data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.users import parse
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.losses import (
    KINDS,
    Loss,
    losses,
    refusal,
    room_for,
    save_points,
    spelled,
    undeclared,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.present import Client, Present, Wanted

MB = 1 << 20
LIMITS = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
VALUES = {
    "dir": "/var/lib/redis",
    "dbfilename": "dump.rdb",
    "appendonly": "no",
    "appendfilename": "appendonly.aof",
    "appenddirname": "appendonlydir",
    "appendfsync": "everysec",
    "save": "3600 1 300 100 60 10000",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "notify-keyspace-events": "",
    "tls-port": "0",
    "hash-max-listpack-entries": "512",
    "busy-reply-threshold": "5000",
    "client-output-buffer-limit": LIMITS,
    "tcp-keepalive": "300",
}
SETTINGS = {
    "dir": ["/var/lib/redis"],
    "dbfilename": ["dump.rdb"],
    "appendonly": ["no"],
    "appendfsync": ["everysec"],
    "save": ["3600", "1", "300", "100", "60", "10000"],
    "maxmemory": ["256mb"],
    "maxmemory-policy": ["noeviction"],
    "maxclients": ["1000"],
    "timeout": ["300"],
    "databases": ["16"],
    "port": ["6379"],
    "tls-port": ["0"],
    "notify-keyspace-events": [""],
    "tcp-keepalive": ["60"],
}


def present(values=(), **more):
    fields = dict(keys={0: 3300}, used=100 * MB, called={"busy-reply-threshold": "lua-time-limit"})
    return Present(**{**fields, **more, "values": {**VALUES, **dict(values)}, "defaults": dict(VALUES)})


def wanted(settings=(), **more):
    fields = dict(users={"admin": parse("admin", ["on"]), "default": parse("default", [])}, sources={6379: []})
    return Wanted(**{**fields, **more, "settings": {**SETTINGS, **dict(settings)}})


def kinds(now, then):
    return [loss.kind for loss in losses(now, then)]


def test_a_server_with_the_settings_of_the_policy_loses_nothing():
    assert losses(present(), wanted()) == []


@pytest.mark.parametrize("text", ["nothing at all", ""])
def test_an_empty_server_has_no_keys_to_lose(text):
    assert losses(present({"dir": "/opt/x"}, keys={}, used=900 * MB), wanted()) == []


@pytest.mark.parametrize(
    ("used", "bound", "policy", "kind"),
    [
        (362, "256mb", "allkeys-lru", ["eviction"]),
        (362, "256mb", "noeviction", ["writes"]),
        (240, "256mb", "noeviction", ["writes"]),
        (230, "256mb", "noeviction", []),
        (362, "512mb", "volatile-ttl", []),
    ],
)
def test_memory_below_what_is_used_evicts_or_refuses_writes(used, bound, policy, kind):
    then = wanted({"maxmemory": [bound], "maxmemory-policy": [policy]})
    assert kinds(present(used=used * MB), then) == kind


def test_a_cache_that_stops_evicting_would_refuse_writes():
    now = present({"maxmemory": str(128 * MB), "maxmemory-policy": "allkeys-lru"})
    assert kinds(now, wanted()) == ["writes"]
    assert kinds(now, wanted({"maxmemory-policy": ["allkeys-lfu"]})) == []


def test_a_cache_loses_keys_too():
    now = present({"maxmemory": str(512 * MB), "maxmemory-policy": "allkeys-lru"}, used=362 * MB)
    assert kinds(now, wanted({"maxmemory-policy": ["allkeys-lru"]})) == ["eviction"]


@pytest.mark.parametrize(
    ("values", "settings", "lost"),
    [
        ({"appendonly": "yes"}, {}, True),
        ({"appendonly": "yes"}, {"appendonly": ["yes"]}, False),
        ({"appendonly": "yes", "appendfsync": "always"}, {"appendonly": ["yes"]}, True),
        ({"save": "900 1 300 10"}, {}, True),
        ({"save": "7200 5"}, {}, False),
        ({"save": ""}, {"save": []}, False),
        ({}, {"save": []}, True),
    ],
)
def test_persistence_that_becomes_weaker(values, settings, lost):
    assert ("persistence" in kinds(present(values), wanted(settings))) is lost


def test_save_points_that_nobody_chose_are_not_missed_by_an_empty_server():
    fresh = dict(keys={}, used=0)
    assert kinds(present(**fresh), wanted({"save": []})) == []
    assert kinds(present({"save": "900 1"}, **fresh), wanted({"save": []})) == ["persistence"]
    assert kinds(present(**fresh, running=False), wanted({"save": []})) == []


def test_the_save_points_to_declare_are_named():
    text = losses(present({"save": "900 1 300 10"}), wanted())[0].text
    assert text == (
        "it saves after 300 s with 10 changes and 900 s with 1 changes, and would not any more: "
        'set redis_save: ["900 1", "300 10"].'
    )


FAR = Client(user="app", addr="10.0.0.5:4711", laddr="10.0.0.2:6379")


@pytest.mark.parametrize(
    ("client", "lost"),
    [
        (FAR, False),
        (replace(FAR, idle=301), True),
        (replace(FAR, idle=301, flags="P"), False),
        (replace(FAR, idle=301, flags="b"), False),
        (replace(FAR, user="default"), True),
        (replace(FAR, user="stranger"), True),
        (replace(FAR, addr="10.9.0.5:4711"), True),
        (replace(FAR, addr="[fd00::5]:4711", laddr="[fd00::2]:6379"), True),
        (replace(FAR, addr="127.0.0.1:4711", laddr="127.0.0.1:6379"), False),
        (replace(FAR, addr="10.0.0.2:4711"), False),
        (replace(FAR, addr="/run/redis.sock:0", laddr="/run/redis.sock:0"), False),
        (replace(FAR, laddr="10.0.0.2:6380"), True),
    ],
)
def test_clients_that_are_there_now(client, lost):
    users = {"app": parse("app", ["on"]), "default": parse("default", [])}
    then = wanted(users=users, sources={6379: ["10.0.0.0/24"]})
    assert ("clients" in kinds(present(clients=[client]), then)) is lost


def test_without_the_firewall_nobody_asks_where_clients_come_from():
    users = {"app": parse("app", ["on"]), "default": parse("default", [])}
    assert kinds(present(clients=[FAR]), wanted(users=users, sources=None)) == []


def test_more_clients_than_there_may_be():
    clients = [replace(FAR, addr="127.0.0.1:%d" % port, laddr="127.0.0.1:6379") for port in range(40000, 40005)]
    users = {"app": parse("app", ["on"])}
    assert kinds(present(clients=clients), wanted({"maxclients": ["5"]}, users=users)) == ["clients"]
    assert kinds(present(clients=clients), wanted({"maxclients": ["6"]}, users=users)) == []


def test_only_some_of_many_clients_are_told():
    clients = [replace(FAR, user="default", addr="127.0.0.1:%d" % port) for port in range(40000, 40008)]
    assert "and 3 more: declare" in losses(present(clients=clients), wanted())[0].text


@pytest.mark.parametrize(("before", "after", "lost"), [("xE", "", True), ("xE", "AKE", False), ("AKE", "Ex", True)])
def test_events(before, after, lost):
    now, then = present({"notify-keyspace-events": before}), wanted({"notify-keyspace-events": [after]})
    assert (kinds(now, then) == ["events"]) is lost


def test_a_database_that_is_used_is_not_to_be_allowed():
    found = losses(present(keys={20: 1}), wanted())
    assert [loss.kind for loss in found] == [""] and "databases to at least 21" in found[0].text


def test_data_elsewhere_is_not_to_be_allowed():
    found = losses(present({"dir": "/opt/data"}), wanted())
    assert [loss.kind for loss in found] == [""] and "/opt/data" in found[0].text
    assert refusal(found, KINDS) == found


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"CONFIG": "cfg_9f31"}, {"CONFIG": "CFG_9F31"}, []),
        ({"CONFIG": "cfg_9f31"}, {}, [""]),
        ({"CONFIG": ""}, {}, [""]),
        ({"KEYS": "keys_1"}, {}, ["renames"]),
        ({"KEYS": "keys_1"}, {"KEYS": ""}, ["renames"]),
        ({"FLUSHALL": ""}, {}, ["renames"]),
        ({"FLUSHALL": ""}, {"flushall": ""}, []),
    ],
)
def test_renames_that_are_forgotten(before, after, kind):
    assert kinds(present(renames=before), wanted(renamed=after)) == kind


def test_directives_of_nobody_are_named_as_the_file_has_them():
    now = present({"busy-reply-threshold": "2000", "hash-max-listpack-entries": "512", "tcp-keepalive": "30"})
    assert undeclared(now, wanted()) == {"lua-time-limit": "2000"}
    assert undeclared(now, wanted({"lua-time-limit": ["2000"]})) == {}
    # Declared otherwise, which is the operator's choice.
    assert undeclared(now, wanted({"lua-time-limit": ["7000"]})) == {}


def test_buffer_limits_are_compared_by_class():
    now = present({"client-output-buffer-limit": LIMITS.replace("33554432 8388608 60", "67108864 16777216 90")})
    name = "client-output-buffer-limit"
    assert list(undeclared(now, wanted())) == [name]
    assert undeclared(now, wanted({name: ["pubsub", "64mb", "16mb", "90"]})) == {}
    assert list(undeclared(now, wanted({name: ["normal", "1mb", "1mb", "60"]}))) == [name]


def test_modules_users_and_tls_that_would_be_gone():
    now = present({"tls-port": "6380"}, modules=["bf"], users={"default": None, "shop": None, "admin": None})
    found = {loss.kind: loss.text for loss in losses(now, wanted())}
    assert "shop" in found["users"] and "admin" not in found["users"]
    assert "bf" in found["modules"] and "6380" in found["directives"]


def test_replicas_and_masters():
    assert kinds(present(replicas=["10.0.0.9"]), wanted()) == ["replication"]
    group = wanted(topology="replication", nodes=("10.0.0.9",))
    assert kinds(present(replicas=["10.0.0.9"], master="10.0.0.1:6379"), group) == []
    assert kinds(present(replicas=["10.0.0.8"]), group) == ["replication"]
    assert kinds(present(master="10.0.0.1:6379"), wanted()) == ["replication"]
    assert kinds(present(cluster=True), wanted()) == ["replication"]


def test_only_what_is_allowed_is_let_go():
    found = [Loss("clients", "a"), Loss("events", "b"), Loss("", "c")]
    assert refusal(found, ["events"]) == [found[0], found[2]]


def test_sizes_are_rounded_up():
    assert spelled(362 * MB + 1) == "363mb" and spelled(2000) == "2kb"
    assert room_for(100 * MB) == 151 * MB


def test_save_points_of_nothing():
    assert save_points("") == set() and save_points("3600 1") == {(3600, 1)}
