# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a server is to what it is to be: which ways are open, and what is said about the others."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._switch import rules as switch_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._switch.rules import Now, Place

PLAIN, TLS, BOTH = {"port": 6379}, {"tls_port": 6380}, {"port": 6379, "tls_port": 6380}


def now(topology="standalone", ports=PLAIN, **more):
    return Now("redis-server", place=Place(topology, **ports), ours=True, **more)


def asked(found, topology="standalone", ports=PLAIN):
    return switch_rules.problems(found, Place(topology, **ports), "admin")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (now(), ("standalone", TLS)),
        (now(ports=TLS), ("standalone", PLAIN)),
        (now(), ("standalone", {"port": 7777})),
        (now(), ("replication", TLS)),
        (now("replication", TLS), ("standalone", PLAIN)),
        (now("replication"), ("replication", TLS)),
        # The links stay where they are.
        (now("replication", BOTH, watchers=2), ("replication", TLS)),
        (now("replication", TLS, watchers=2), ("replication", BOTH)),
        (now("cluster", TLS), ("cluster", TLS)),
        (Now("redis-server", ours=True), ("cluster", TLS)),
        # Taking over is looked at elsewhere.
        (Now("redis-server", place=Place("cluster", port=6379), refused=True), ("standalone", PLAIN)),
    ],
)
def test_open_ways(before, after):
    assert asked(before, *after) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (now(), ("cluster", PLAIN), "A cluster is made of new servers"),
        (now("replication"), ("cluster", PLAIN), "A cluster is made of new servers"),
        (now("cluster"), ("standalone", PLAIN), "Set redis_topology: cluster again"),
        (now("cluster"), ("replication", PLAIN), "Set redis_topology: cluster again"),
        (now("cluster"), ("cluster", TLS), "at port 6379 (plain text), and port 6380 (TLS) is declared"),
        (now("replication", watchers=3), ("standalone", PLAIN), "redis_sentinel_hosts: [] first"),
        (now("replication", syncing=True), ("standalone", PLAIN), "wait until it has them"),
        (now("replication", watchers=3), ("replication", TLS), "In three runs of site.yml"),
        (now("replication", watchers=3), ("replication", {"port": 7777}), "In three runs of site.yml"),
        (now(refused=True), ("standalone", PLAIN), "set redis_previous_credentials_owner to the name it had"),
    ],
)
def test_closed_ways_name_the_steps(before, after, words):
    (problem,) = asked(before, *after)
    assert words in problem
    assert problem.startswith("redis-server.service ")
    assert "allow_data_loss" not in problem


@pytest.mark.parametrize(
    ("listening", "wanted", "found", "told"),
    [
        ({6379: "plain"}, PLAIN, (6379, False), False),
        ({6380: "tls"}, PLAIN, (6380, True), True),
        ({6379: "plain"}, TLS, (6379, False), True),
        ({6379: "plain", 6380: "tls"}, TLS, (6380, True), False),
        ({6379: "plain"}, {"port": 7777}, (6379, False), True),
        # Another port for TLS: plain text needs no certificate.
        ({6379: "plain", 6380: "tls"}, {"tls_port": 7777}, (6379, False), True),
        ({6380: "plain"}, TLS, (6380, False), True),
        ({}, PLAIN, None, False),
    ],
)
def test_where_a_running_server_is_asked(listening, wanted, found, told):
    place = Place("standalone", **wanted)
    assert switch_rules.login_place(listening, place) == found
    assert switch_rules.as_declared(found, place) == (not told)
