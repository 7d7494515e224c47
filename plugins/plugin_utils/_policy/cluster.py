# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about the cluster."""

from __future__ import annotations

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import mark_leaving
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.plan import FEWEST_MASTERS


def cluster_problems(settings):
    """Return what is wrong with the settings of a host. settings: those that have the right type.

    A check whose variables are not all there is left out.
    """
    replicas, nodes = settings.get("cluster_replicas"), settings.get("cluster_nodes")
    if replicas is not None and replicas < 0:
        return ["cluster_replicas is %d: set 0 or more." % replicas]
    if not nodes:
        return []
    problems = _ports(nodes)
    marked, found = mark_leaving([_whole(node) for node in nodes], settings.get("cluster_leaving", []))
    problems += ["cluster_%s" % problem for problem in found]
    if replicas is not None and not problems:
        problems += _number([node for node in marked if node["state"] == "present"], replicas)
    return problems


def _whole(node):
    return {**dict(zone=None, state="present"), **node}


def _ports(nodes):
    problems, seen = [], set()
    for at, node in enumerate(nodes):
        name = "%s:%s" % (node["host"], node["port"])
        if not 0 < node["port"] < 65536:
            problems.append("cluster_nodes[%d] is %s: set a port from 1 to 65535." % (at, name))
        if name in seen:
            problems.append("cluster_nodes[%d] is %s, which stands there already: remove one." % (at, name))
        seen.add(name)
    return problems


def _number(staying, replicas):
    if len(staying) // (replicas + 1) >= FEWEST_MASTERS:
        return []
    return [
        "cluster_nodes has %d nodes that stay, and cluster_replicas is %d: a cluster has %d masters or more, so name "
        "at least %d nodes (instances with topology cluster on the hosts in redis_group_hosts), or lower "
        "cluster_replicas." % (len(staying), replicas, FEWEST_MASTERS, FEWEST_MASTERS * (replicas + 1))
    ]
