from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.cluster import cluster_problems

SIX = [{"host": f"10.0.0.{host}", "port": port, "zone": f"db{host}"} for host in (5, 6, 7) for port in (7000, 7001)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cluster_nodes": []},
        {"cluster_nodes": [], "cluster_replicas": 1},
        {"cluster_nodes": SIX, "cluster_replicas": 1, "cluster_leaving": []},
        {"cluster_nodes": SIX, "cluster_replicas": 0, "cluster_leaving": ["10.0.0.5:7001", "db6:7001", "10.9.9.9:1"]},
    ],
)
def test_fine(settings):
    assert cluster_problems(settings) == []


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"cluster_replicas": -1}, "cluster_replicas is -1"),
        ({"cluster_replicas": 2, "cluster_nodes": SIX}, "at least 9 nodes"),
        ({"cluster_replicas": 1, "cluster_nodes": SIX, "cluster_leaving": ["db7:7001"]}, "has 5 nodes that stay"),
        ({"cluster_replicas": 1, "cluster_nodes": SIX, "cluster_leaving": ["db7"]}, "cluster_leaving names 'db7'"),
        ({"cluster_replicas": 1, "cluster_nodes": [*SIX, SIX[0]]}, "cluster_nodes[6] is 10.0.0.5:7000, which stands"),
        ({"cluster_replicas": 1, "cluster_nodes": [*SIX, {"host": "h", "port": 0}]}, "cluster_nodes[6] is h:0"),
    ],
)
def test_refused(settings, text):
    (problem,) = cluster_problems(settings)
    assert text in problem
