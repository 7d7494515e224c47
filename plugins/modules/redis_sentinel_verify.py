#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_sentinel_verify
short_description: Prove from running Sentinels that they guard their group
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks a running Sentinel, the others of its group and the data nodes, and returns findings of C(RH-SEN-01) to
    C(RH-SEN-07). No file is read.
  - With O(auth_pass) the commands of a failover are tried on each data node with the Sentinels' login. They are queued
    in a transaction that is given up, so that nothing is run. What is refused shows in C(ACL LOG) there.
extends_documentation_fragment:
  - celebrum.redis_hardening.sentinel
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.read_only
options:
  sentinels:
    required: true
  quorum:
    description:
      - The quorum that is expected. Without it any that can be reached passes.
  replicas:
    description:
      - How many replicas must be up.
    type: int
    default: 1
  auth_pass:
    description:
      - Its password. Without it the rights of the user are not tried.
  require_tls:
    description:
      - Whether the Sentinel's own port and its links to the data nodes and to the other Sentinels must be TLS. Without
        it C(RH-SEN-07) is skipped.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for Sentinels that have just been set up to find each other. Any finding that fails is looked at
        again until then.
    type: int
    default: 10
seealso:
  - module: celebrum.redis_hardening.redis_sentinel
"""

EXAMPLES = r"""
- name: RH-SEN Prove the Sentinels
  celebrum.redis_hardening.redis_sentinel_verify:
    login_user: admin
    login_password: "{{ sentinel_admin_password }}"
    sentinels: [{host: 10.20.0.11}, {host: 10.20.0.12}, {host: 10.20.0.13}]
    quorum: 2
    replicas: 2
    auth_user: sentinel
    auth_pass: "{{ redis_sentinel_password }}"
"""

RETURN = r"""
findings:
  description: Findings; RH-SEN-05 and RH-SEN-07 once for each server that the Sentinel has a link to.
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-SEN-04
      title: The quorum is the declared one and can be reached
      severity: high
      status: fail
      subject: ""
      expected: quorum 2, which can be reached
      actual: "quorum 2: NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the quorum"
      remediation: Start the Sentinels that are down, and run site.yml.
      instance: 127.0.0.1:26379
summary:
  description: How many findings have each status.
  returned: success
  type: dict
"""

import time

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.probe import anonymous_problem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count, finding
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import rename_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.replies import text
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel import (
    client as sentinel_client,
    verify as sentinel_verify,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.options import passed_on
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls.handshake import talk

PAUSE = 0.5


def rights_on(params, row):
    """Return what judge_link() wants to know about a data node."""
    if not params["auth_pass"] or sentinel_verify.is_down(row):
        return None
    names = passed_on(params["renamed_commands"]) or {}
    try:
        return sentinel_client.failover_rights(params, (row["ip"], int(row["port"])), names)
    except (redis_connection.ConnectionProblem, redis_connection.redis.RedisError, OSError) as problem:
        return str(problem)


def tls_findings(params, view, where):
    """Return RH-SEN-07 for the Sentinel's own port and all that it has a link to."""
    if not params["require_tls"]:
        return [finding("RH-SEN-07", "skipped", "no answer to plain text", "require_tls is off", instance=where)]
    places = [(params["login_host"], params["login_port"], None)]
    rows = ([view.master] if view.master else []) + [*view.replicas, *view.others]
    places += [(row["ip"], int(row["port"]), row) for row in rows]
    return [
        sentinel_verify.judge_tls("%s:%d" % (host, port), talk(host, port, timeout=2.0), row, where)
        for host, port, row in places
    ]


def look(sentinel):
    """Return all findings as they are now."""
    params, where = sentinel.params, sentinel.where
    view = sentinel.view(sentinel_client.ask_peers(params))
    reply = sentinel.ask([["CKQUORUM", params["master_name"]]])[0]
    findings = [sentinel_verify.judge_anonymous(anonymous_problem(params), where)]
    findings += sentinel_verify.judge(view, params["quorum"], text(reply), params["replicas"], where)
    for row in ([view.master] if view.master else []) + list(view.replicas):
        findings.append(sentinel_verify.judge_link(row, rights_on(params, row), where))
    return findings + tls_findings(params, view, where)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            sentinel_client.argument_spec(required=True),
            replicas=dict(type="int", default=1),
            require_tls=dict(type="bool", default=False),
            timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
        mutually_exclusive=redis_connection.CONNECTION_RULES["mutually_exclusive"],
        required_together=[*redis_connection.CONNECTION_RULES["required_together"], ("auth_user", "auth_pass")],
    )
    problems = rename_problems(module.params["renamed_commands"])
    if problems:
        module.fail_json(msg="renamed_commands: " + " ".join(problems))
    client, _anonymous = connect_to_look(module)
    sentinel = sentinel_client.Sentinel(module.params, client)
    end = time.monotonic() + module.params["timeout"]
    try:
        while True:
            findings = look(sentinel)
            if count(findings)["fail"] == 0 or time.monotonic() > end:
                break
            time.sleep(PAUSE)
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    finally:
        sentinel.close()
    module.exit_json(changed=False, findings=findings, summary=count(findings))


if __name__ == "__main__":
    main()
