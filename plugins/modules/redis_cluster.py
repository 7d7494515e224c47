#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster
short_description: Make running Redis or Valkey servers one cluster, and keep it whole
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Creates a cluster, lets nodes join and leave, and gives each master its replicas, on other hosts than its own where
    that is possible.
  - Asks all servers what they are. Who is a master after a failover stays one; O(nodes) says who belongs to the
    cluster, not who does what in it.
  - There are as many masters as the number of nodes allows for when each has O(replicas) replicas, and no existing
    replica becomes a master except to replace one that leaves. Nodes beyond that become further replicas.
  - Slots move with their keys while clients read and write, as few as possible. Keys stay readable and writable, and a
    write that was acknowledged is not lost.
  - Refuses, before anything is changed, when a node can't be reached, the nodes disagree, one counts as failed, one
    that is to join holds keys or belongs to another cluster, or a member is not named. What passes by itself, such as a
    failover, is waited for.
  - Can be run again after an interruption at any point. Moves that were begun are finished.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.cluster
options:
  allow_missing:
    description:
      - In check mode, before the servers are set up. A server that can't be asked is taken for one that is still to be
        set up, and a member that is stopped for one that is to be started again. Its replica, where it has one, must
        have taken over before; that is waited for.
      - Still refused are a member whose host does not answer, a server that holds keys and is no cluster node, and all
        that would be refused of those that can be asked.
      - Without the Python library on the host nobody is asked.
    type: bool
    default: false
  rebalance:
    description:
      - Whether a master that has less than its even share of the slots gets more. With V(false) only masters without
        slots get some, and an interrupted run may leave a new master with few.
    type: bool
    default: true
  timeout:
    description:
      - Seconds to wait for a failover to end, for the nodes to agree, and for replicas to have their master's data,
        also those that have just come back.
      - A step that shows no effect for that long ends the run.
    type: float
    default: 60.0
notes:
  - Run it once for a cluster, from a host that reaches all nodes.
  - The login needs C(CLUSTER), C(INFO), C(MIGRATE), C(RESTORE-ASKING), C(CONFIG GET) and C(COMMAND INFO) on all nodes,
    and all keys. C(MIGRATE) logs in to the receiving node with the same user and password.
  - Functions (C(FUNCTION LOAD)) belong to a node, not to slots. Load them on a new master.
attributes:
  check_mode:
    description: Can run without changing anything and say what it would change.
    support: full
  diff_mode:
    description: Shows what changed, or would change.
    support: full
    details:
      - A table of the nodes with their roles, masters and numbers of slots.
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: celebrum.redis_hardening.redis_cluster_verify
"""

EXAMPLES = r"""
- name: Three masters with a replica each
  celebrum.redis_hardening.redis_cluster:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    tls: true
    ca_certs: /etc/redis/tls/ca.crt
    nodes:
      - {host: 10.0.0.5, port: 7000}
      - {host: 10.0.0.6, port: 7000}
      - {host: 10.0.0.7, port: 7000}
      - {host: 10.0.0.5, port: 7001}
      - {host: 10.0.0.6, port: 7001}
      - {host: 10.0.0.7, port: 7001}
    replicas: 1
  run_once: true

- name: The node on 10.0.0.7 leaves; afterwards its server can go
  celebrum.redis_hardening.redis_cluster:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    nodes: "{{ nodes }}"
    leaving: ["10.0.0.7:7002"]
  run_once: true

- name: Replace a host; its slots and its replicas go to the others first
  celebrum.redis_hardening.redis_cluster:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    nodes:
      - {host: 10.0.0.5, port: 7000}
      - {host: 10.0.0.6, port: 7000}
      - {host: 10.0.0.8, port: 7000}
      - {host: 10.0.0.7, port: 7000, state: absent}
    replicas: 0
  run_once: true
"""

RETURN = r"""
steps:
  description: What was done, or would be, in order.
  returned: always
  type: list
  elements: str
  sample:
    - 10.0.0.5:7000 meets 10.0.0.8:7000
    - 5461 slots move from 10.0.0.7:7000 to 10.0.0.8:7000
    - all forget 10.0.0.7:7000
    - 10.0.0.7:7000 is reset
cluster_nodes:
  description: The nodes afterwards, or as they would be. C(slots) are ranges.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: "10.0.0.5:7000", role: master, master: "", slots: "0-5460", slot_count: 5461}
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster import plan as planner
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.client import (
    Server,
    node_options,
    option_problems,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import mark_leaving, show
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.run import Run, Stopped
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            **node_options(),
            allow_missing=dict(type="bool", default=False),
            rebalance=dict(type="bool", default=True),
            timeout=dict(type="float", default=60.0),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    params = module.params
    early = params["allow_missing"] and module.check_mode
    if not early or not redis_connection.LIBRARY_MISSING:
        redis_connection.require_library(module)
    params["nodes"], problems = mark_leaving(params["nodes"], params["leaving"])
    problems += option_problems(params)
    if problems:
        module.fail_json(msg=" ".join(problems))
    try:
        password = redis_connection.password_of(params)
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    if password is not None:
        # It goes into MIGRATE; from a file or a variable Ansible does not know it.
        module.no_log_values.add(password)
    servers = [Server(params, node) for node in params["nodes"]]
    run = Run(servers, params["replicas"], params["rebalance"], params["timeout"], password, early)
    try:
        before = run.look()
    except Stopped as reason:
        # A play asks in check mode before its first change, and later has made others.
        unchanged = "Nothing was changed." if module.check_mode else "The cluster was not changed."
        module.fail_json(msg="%s %s" % (unchanged, reason), steps=[])
    steps, after = planner.plan(before, params["replicas"], params["rebalance"])
    if not module.check_mode:
        try:
            after = run.converge(before)
        except Stopped as reason:
            done = [run.tell(before, step) for step in run.done]
            module.fail_json(
                msg="Stopped, run it again when this is fixed: %s" % reason, changed=run.touched, steps=done
            )
        steps = run.done
    result = dict(changed=bool(steps), steps=[run.tell(before, step) for step in steps], cluster_nodes=table(after))
    if module._diff:
        result["diff"] = dict(before=lines(before), after=lines(after))
    module.exit_json(**result)


def table(state):
    """Return the members for people, in the inventory's order."""
    return [
        dict(
            name=node.name,
            role="replica" if node.master else "master",
            master=state.nodes[node.master].name if node.master else "",
            slots=show(node.slots, limit=16),
            slot_count=len(node.slots),
        )
        for node in state.nodes.values()
        if node.member
    ]


def lines(state):
    """Return the members as a table for the diff; a server that is no member yet is left out."""
    rows = table(state) if len([node for node in state.nodes.values() if node.member]) > 1 else []
    return "".join("%(name)s %(role)s %(master)s %(slot_count)d slots\n" % row for row in rows).replace("  ", " ")


if __name__ == "__main__":
    main()
