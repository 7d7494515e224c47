# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Further directives: which may be declared, with which values of YAML."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import directives as table, values
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.declared import (
    OWNED,
    REFUSED,
    settings_problems,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.settings import settings


def problems(text, **more):
    return settings_problems({"redis_settings": yaml.safe_load("{%s}" % text), **more})


@pytest.mark.parametrize(
    "text",
    [
        "lua-time-limit: 2000",
        "hash-max-listpack-entries: '64'",
        "activedefrag: yes",
        "activedefrag: 'yes'",
        "latency-tracking-info-percentiles: [50, 99.9]",
        "client-output-buffer-limit: pubsub 64mb 16mb 90",
        "client-output-buffer-limit: [pubsub, 64mb, 16mb, 90]",
        "maxmemory-clients: 5%",
        "unixsocketperm: '0770'",
        "syslog-ident: redis",
        "sanitize-dump-payload: yes",
        "replica-priority: 10",
    ],
)
def test_what_is_taken(text):
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("maxmemory: 1gb", "redis_settings.maxmemory belongs to redis_maxmemory: set it there."),
        ("requirepass: x", "belongs to redis_users"),
        ("masterauth: x", "belongs to redis_replica_password"),
        ("slaveof: 10.0.0.1 6379", "belongs to redis_topology"),
        ("enable-debug-command: yes", "belongs to RH-CMD-04"),
        ("tls-auth-clients: no", "belongs to redis_tls"),
        ("MAXCLIENTS: 5", "belongs to redis_maxclients"),
        ("loadmodule: /x.so", "is refused: a module runs"),
        ("include: /x", "is refused: the file is written as a whole"),
        ("shutdown-on-sigterm: nosave", "is refused: it decides"),
        ("lua-time-limits: 5", "is no directive of Redis or Valkey: did you mean lua-time-limit?"),
        ("hz: [1]", "redis_settings.hz"),
        ("hz: 900", "must be between 1 and 500"),
        ("hz: 10.5", "redis_settings.hz is what YAML takes for a number: put what you mean in quotes"),
        ("hz: yes", "not true or false: put what you mean in quotes."),
        ("hz:", "has no value"),
        ("hz: {a: 1}", "not a dictionary"),
        ("activedefrag: 1", "must be text, not a number: put what you mean in quotes."),
        ("unixsocketperm: 0770", "must be in quotes"),
        ("lua-time-limit: 5, busy-reply-threshold: 5", "is the same setting as redis_settings.lua-time-limit"),
    ],
)
def test_what_is_refused(text, said):
    found = problems(text)
    assert len(found) == (0 if text == "hz: [1]" else 1)
    assert text == "hz: [1]" or said in found[0]


def test_the_limit_of_replicas_is_the_groups():
    text = "client-output-buffer-limit: slave 1gb 1gb 60"
    assert problems(text) == []
    assert "redis_replica_output_buffer_limit" in problems(text, redis_topology="replication")[0]


def test_every_directive_that_the_role_writes_is_somebodys():
    value = dict.fromkeys(GROUP_VALUES, "1")
    for topology in ("standalone", "replication", "cluster"):
        own = {**value, "topology": topology, "tls": "optional"}
        own |= dict.fromkeys(DIRECT_VALUES, "x")
        written = {values.canonical(name) for name in settings(own, "/pki")}
        assert written - OWNED.keys() <= {"client-output-buffer-limit"}


GROUP_VALUES = (
    *("replica_user", "repl_backlog_size", "replica_output_buffer_limit", "min_replicas_to_write", "port", "tls_port"),
    *("min_replicas_max_lag", "announce_address", "cluster_node_timeout", "tls_auth_clients"),
)
DIRECT_VALUES = (
    *("bind", "protected_mode", "tcp_backlog", "tcp_keepalive", "timeout", "maxclients", "maxmemory", "databases"),
    *("maxmemory_policy", "aclfile", "acllog_max_len", "loglevel", "logfile", "slowlog_log_slower_than", "dir", "save"),
    *("slowlog_max_len", "notify_keyspace_events", "appendonly", "appendfsync", "pidfile"),
)


def test_nothing_is_owned_or_refused_that_does_not_exist():
    files_only = {"include", "loadmodule", "rename-command", "sentinel", "user"}
    assert (OWNED.keys() | REFUSED.keys()) - table.KNOWN <= files_only


def test_a_group_keeps_its_own_limit_beside_declared_ones():
    own = dict.fromkeys(DIRECT_VALUES, "x") | dict.fromkeys(
        ("replica_user", "repl_backlog_size", "min_replicas_to_write", "min_replicas_max_lag", "port"), "1"
    )
    own |= {
        "topology": "replication",
        "tls": "off",
        "announce_address": None,
        "replica_output_buffer_limit": "1mb 1mb 1",
    }
    own["settings"] = {"client-output-buffer-limit": "pubsub 64mb 16mb 90", "hz": 20}
    found = settings(own, "/pki")
    assert found["client-output-buffer-limit"] == "normal 0 0 0 pubsub 64mb 16mb 90 replica 1mb 1mb 1"
    assert found["hz"] == 20
