#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_replication_verify
short_description: Prove that servers are one replicated group, and that nobody else replicates it
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks all servers of a replicated group who follows whom, and returns one finding for each thing that was proved,
    C(RH-REP-01) to C(RH-REP-06). No file is read, and whoever is the master by now is right.
  - Who is logged in, and to which port, is taken from the links that there are, not from the settings for the next.
  - On each replica a write is tried that can do nothing, C(EXPIRE) with a time that is no number.
  - What Sentinels say of the group is M(celebrum.redis_hardening.redis_sentinel_verify)'s to prove.
  - Run it once for the group, from a host that reaches all of it.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.replication
  - celebrum.redis_hardening.read_only
options:
  replica_user:
    description: User that the replicas must be logged in as. Without it any passes that is not V(default).
    type: str
  require_tls:
    description: Whether the replicas must be connected with TLS.
    type: bool
    default: false
  timeout:
    description:
      - Seconds for a failover to end, and for the replicas to have what the master had when it was asked first. As long
        as there is a finding that fails, or a server that can't be asked, all are asked again.
    type: int
    default: 10
seealso:
  - module: celebrum.redis_hardening.redis_replication
  - module: celebrum.redis_hardening.redis_sentinel_verify
"""

EXAMPLES = r"""
- name: RH-REP Prove the group
  celebrum.redis_hardening.redis_replication_verify:
    nodes:
      - host: 10.20.0.11
      - host: 10.20.0.12
      - host: 10.20.0.13
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    replica_user: replica
  run_once: true
"""

RETURN = r"""
findings:
  description:
    - Findings of C(RH-REP-01), one for each server; C(RH-REP-02), C(RH-REP-04) and C(RH-REP-05), one for each replica;
      C(RH-REP-03), one for each server, or for each stranger that replicates it; C(RH-REP-06).
    - C(instance) is the server, C(subject) of a stranger its address.
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-REP-04
      title: Replicas log in as the user that is there for it, with TLS where it is required
      severity: high
      status: fail
      subject: ""
      expected: logged in as replica
      actual: logged in as default, without TLS
      remediation: Run site.yml.
      instance: 10.20.0.12:6379
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 14, fail: 1, waived: 0, skipped: 0, error: 0}
"""

import contextlib
import time

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import rename_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.live_commands import live_names
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.replies import text
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication import (
    nodes as replication_nodes,
    verify as replication_verify,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication.argspec import nodes_argument_spec

PAUSE = 0.5


class Member(replication_nodes.Member):
    """One server of the group, with what only a proof asks it."""

    def __init__(self, params, node):
        super().__init__(params, node)
        self.more = live_names(self.client, params["renamed_commands"], ("CLIENT", "EXPIRE"))

    def goal(self):
        """Return {replication id: what has been written of it} of a master, {} of a replica."""
        info = self.info()
        if info["role"] != "master":
            return {}
        return {info.get("master_replid", ""): int(info.get("master_repl_offset", 0))}

    def info(self):
        return replication_verify.parse_info(self._run("INFO", "replication"))

    def look(self):
        """Return the ServerReply."""
        node = self.ask()
        return replication_verify.ServerReply(
            name=self.name,
            addresses=node.addresses,
            node=node,
            info=self.info(),
            settings={name: self.setting(name) for name in replication_verify.ASKED},
            tls_port=self.ports["tls-port"],
            incoming=self.links("replica"),
            outgoing=self.links("master"),
            written=self.write() if node.master else None,
        )

    def links(self, kind):
        """Return the Links with clients of a kind, None where CLIENT is disabled or not allowed."""
        name = self.more["CLIENT"]
        reply = self.answer(name, "LIST", "TYPE", kind) if name else None
        return replication_verify.parse_links(text(reply)) if isinstance(reply, bytes) else None

    def write(self):
        """Try a write that can do nothing. Return the answer, None where the command is disabled."""
        name = self.more["EXPIRE"]
        reply = self.answer(name, "redis-replication-verify", "no number") if name else None
        if isinstance(reply, redis_connection.redis.ReadOnlyError):
            return replication_verify.REFUSED
        return None if reply is None else str(reply)

    def answer(self, *words):
        """Return the reply, which may be a redis.ResponseError."""
        return redis_connection.pipeline(self.client, [words])[0]


def look(params, goals):
    """Return all findings as they are now. goals: what the masters had written when they were asked first."""
    asked, members = [], []
    with contextlib.ExitStack() as stack:
        for node in params["nodes"]:
            try:
                member = Member(params, node)
                stack.callback(member.close)
                goals.update({**member.goal(), **goals})
                members.append(member)
            except (redis_connection.ConnectionProblem, redis_connection.redis.RedisError, OSError) as problem:
                asked.append(unasked(node, problem))
        for member in members:
            try:
                asked.append(member.look())
            except (redis_connection.ConnectionProblem, redis_connection.redis.RedisError, OSError) as problem:
                asked.append(unasked(member.node, problem))
    return replication_verify.group_findings(asked, params["replica_user"], params["require_tls"], goals)


def unasked(node, problem):
    """Return the ServerReply for a server that can't be asked."""
    name = "%s:%d" % (node["host"], node["port"])
    return replication_verify.ServerReply(name, replication_nodes.addresses_of([node]), problem=str(problem))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            **redis_connection.redis_argument_spec(),
            **nodes_argument_spec(),
            replica_user=dict(type="str"),
            require_tls=dict(type="bool", default=False),
            timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    problems = rename_problems(module.params["renamed_commands"])
    names = ["%s:%d" % (node["host"], node["port"]) for node in module.params["nodes"]]
    problems += ["nodes names %s twice." % name for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        module.fail_json(msg=" ".join(problems))
    try:
        redis_connection.password_of(module.params)
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    goals, end = {}, time.monotonic() + module.params["timeout"]
    while True:
        findings = look(module.params, goals)
        summary = count(findings)
        if not summary["fail"] + summary["error"] or time.monotonic() > end:
            break
        time.sleep(PAUSE)
    module.exit_json(changed=False, findings=findings, summary=summary)


if __name__ == "__main__":
    main()
