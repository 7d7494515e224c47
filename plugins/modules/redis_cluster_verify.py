#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_verify
short_description: Prove that a cluster is whole, redundant, and nobody else's
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks all nodes of a running cluster what they see, and returns one finding for each thing that was proved,
    C(RH-CLU-01) to C(RH-CLU-06).
  - Tries plain text and a TLS client without a certificate on the cluster bus of each node. Whoever is let in there can
    make itself a member with C(CLUSTER MEET), whatever passwords the nodes have.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.cluster
  - celebrum.redis_hardening.read_only
notes:
  - Run it once for a cluster, from a host that reaches all nodes. The bus is proved by handshakes where the firewall
    lets this host through to it; elsewhere C(CONFIG GET) has to do, and the finding says so.
seealso:
  - module: celebrum.redis_hardening.redis_cluster
"""

EXAMPLES = r"""
- name: Prove the cluster
  celebrum.redis_hardening.redis_cluster_verify:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    nodes:
      - {host: 10.0.0.5, port: 7000}
      - {host: 10.0.0.6, port: 7000}
      - {host: 10.0.0.7, port: 7000}
    replicas: 0
  run_once: true
  register: __redis_cluster
"""

RETURN = r"""
findings:
  description:
    - Findings of C(RH-CLU-01), one for each node; C(RH-CLU-02); C(RH-CLU-03), one for each member that nobody declared;
      C(RH-CLU-04), one for each master; C(RH-CLU-05), one for each node; C(RH-CLU-06).
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-CLU-03
      title: The members of the cluster are the declared nodes
      severity: critical
      status: fail
      subject: 10.0.0.66:7000
      expected: no member that is not declared
      actual: id 07c37dfeb235213a872192d90877d0cd55635b91, master, 0 slots
      remediation: Find out who let it in, close the bus, and remove it with state absent.
      instance: ""
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 14, fail: 1, waived: 0, skipped: 0, error: 0}
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.client import (
    Server,
    node_options,
    option_problems,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.nodes import mark_leaving
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._cluster.verify import (
    cluster_findings,
    probe_bus,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection


def main():
    module = AnsibleModule(
        argument_spec=dict(redis_connection.redis_argument_spec(), **node_options()),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    module.params["nodes"], problems = mark_leaving(module.params["nodes"], module.params["leaving"])
    problems += option_problems(module.params)
    if problems:
        module.fail_json(msg=" ".join(problems))
    try:
        redis_connection.password_of(module.params)
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    servers = [Server(module.params, node) for node in module.params["nodes"]]
    asked = [server.ask() for server in servers]
    probes = {
        one.name: probe_bus(server, one)
        for one, server in zip(asked, servers, strict=True)
        if one.stays and not one.problem
    }
    findings = cluster_findings(asked, module.params["replicas"], probes)
    module.exit_json(changed=False, findings=findings, summary=count(findings))


if __name__ == "__main__":
    main()
