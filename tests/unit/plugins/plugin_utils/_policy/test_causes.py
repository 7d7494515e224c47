"""Which of several wrong variables the operator is told of."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.causes import root_causes
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.instances import unused

LOOKUP = "{{ query('celebrum.redis_hardening.redis_instances') | first }}"
DEFAULTS = {
    "redis_users": [],
    "redis_bind": ["127.0.0.1", "-::1"],
    "redis_admin_password": "{{ lookup('celebrum.redis_hardening.secret', redis_credentials_dir) }}",
    "redis_credentials_dir": "{{ inventory_dir }}/.credentials",
    "sentinel_bind": "{{ redis_bind }}",
    "sentinel_port": 26379,
    "cluster_nodes": "{{ __cluster_instance.nodes }}",
    "cluster_tls": "{{ __cluster_instance.has_tls }}",
    "__cluster_instance": LOOKUP,
    "firewall_reserved_ports": [6379, 6380],
    "port_notice_enabled": "{{ lookup('celebrum.redis_hardening.port_notice').enabled }}",
}


class Sealed:
    """What must not be compared, as a value from the vault that nobody can decrypt."""

    def __eq__(self, other):
        raise AssertionError("compared")

    __hash__ = None


def causes(names, own=None, unused_names=()):
    wrong = {name: [name] for name in names}
    return root_causes(wrong, {**DEFAULTS, **(own or {})}, DEFAULTS, unused_names)


@pytest.mark.parametrize(
    ("names", "own", "expected"),
    [
        (["redis_users", "cluster_nodes", "cluster_tls"], {"redis_users": "{{ nowhere }}"}, ["redis_users"]),
        (["redis_bind", "sentinel_bind"], {"redis_bind": "10.0.0.1"}, ["redis_bind"]),
        (["redis_bind", "sentinel_bind"], {"redis_bind": 1, "sentinel_bind": 1}, ["redis_bind", "sentinel_bind"]),
        # A default that is wrong by itself stays.
        (["redis_admin_password", "cluster_nodes"], {}, ["redis_admin_password"]),
        (["redis_users", "redis_admin_password"], {"redis_users": 1}, ["redis_users", "redis_admin_password"]),
        (["cluster_nodes"], {}, ["cluster_nodes"]),
        (["redis_bind", "port_notice_enabled"], {"redis_bind": 1}, ["redis_bind"]),
        (
            ["firewall_reserved_ports", "port_notice_enabled"],
            {"firewall_reserved_ports": "{{ nowhere }}"},
            ["firewall_reserved_ports"],
        ),
        (
            ["firewall_reserved_ports", "cluster_nodes"],
            {"firewall_reserved_ports": 1},
            ["firewall_reserved_ports", "cluster_nodes"],
        ),
        (["redis_users"], {"redis_users": Sealed()}, ["redis_users"]),
    ],
)
def test_only_the_variable_that_is_the_cause_is_named(names, own, expected):
    assert causes(names, own) == expected


def test_each_of_two_that_are_made_of_each_other_is_named():
    circle = {"redis_a": "{{ redis_b }}", "redis_b": "{{ redis_a }}"}
    assert root_causes({"redis_a": ["a"], "redis_b": ["b"]}, circle, circle) == ["a", "b"]


def test_the_defaults_of_a_role_that_is_not_in_use_are_left_out():
    assert causes(["cluster_nodes", "sentinel_port"], {"sentinel_port": "x"}, ("cluster_", "sentinel_")) == [
        "sentinel_port"
    ]
    assert causes(["cluster_nodes"], {}, ("cluster_",)) == []


def settings(**own):
    base = {"redis_instances": [{"name": "default"}], "redis_topology": "standalone", "redis_sentinel_hosts": []}
    return {**base, **own}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"cluster_", "redis_replica_password", "redis_sentinel_password", "sentinel_"}),
        ({"redis_topology": "cluster"}, {"redis_sentinel_password", "sentinel_"}),
        ({"redis_topology": "replication"}, {"cluster_", "redis_sentinel_password", "sentinel_"}),
        ({"redis_topology": "replication", "redis_sentinel_hosts": ["s1"]}, {"cluster_"}),
        ({"redis_instances": [], "redis_sentinel_hosts": ["s1"]}, {"cluster_", "redis_replica_password"}),
        (
            {"redis_instances": [{"name": "a", "topology": "replication", "sentinel_hosts": ["s1"]}]},
            {"cluster_"},
        ),
        ({"cluster_nodes": [{}], "sentinel_members": [{}]}, {"redis_replica_password", "redis_sentinel_password"}),
    ],
)
def test_which_variables_are_unused(own, expected):
    assert set(unused(settings(**own))) == expected


def test_nothing_is_unused_where_the_topology_is_not_known():
    assert unused({"redis_instances": [{"name": "default"}]}) == ()
