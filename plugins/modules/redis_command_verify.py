#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_command_verify
short_description: Prove that disabled and renamed commands are gone from a running Redis or Valkey
version_added: 0.1.0
description:
  - Asks a running server which commands answer, and under which names, and compares that with what is declared.
  - Runs nothing but C(COMMAND INFO), C(COMMAND LIST) and C(ACL CAT), and C(ACL DRYRUN) where C(COMMAND) is disabled.
    A name that these call absent is then called as well, so that the server itself says C(unknown command).
    That call has arguments with which the command could not run even if it were there after all.
  - Data, roles, settings, users and other clients stay as they are. The ACL log stays as it is when the user has the
    rights named below. Each name that is called adds one to the server's C(errorstat_ERR), and nothing to the
    statistics of any command.
options:
  renamed_commands:
    description:
      - The declared set, as a dictionary. The key is the command's original name, the value its new name.
      - The value V("") means that the command is disabled and must not exist under any name.
      - Only whole commands can be renamed, so a key such as V(CONFIG|SET) is refused.
    type: dict
    required: true
notes:
  - The user needs the rights C(+command +acl|cat). With C(+@all), or on a server that demands no login, it has them.
    Without C(+acl|cat) a misspelt command passes for a disabled one.
  - On a server whose C(COMMAND) is disabled, a command under a name that is not declared passes for a disabled one.
  - Whether a user may run a command that does exist is proved by M(celebrum.redis_hardening.redis_acl_verify).
author:
  - Celebrum Redis Hardening contributors (@celebrum)
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.read_only
"""

EXAMPLES = r"""
- name: Prove that the dangerous commands are gone
  celebrum.redis_hardening.redis_command_verify:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    renamed_commands:
      FLUSHALL: ""
      FLUSHDB: ""
      DEBUG: ""
      CONFIG: "{{ redis_config_command }}"
  register: commands

- name: Stop when one of them answers
  ansible.builtin.assert:
    that: commands.summary.fail + commands.summary.error == 0
"""

RETURN = r"""
findings:
  description:
    - One finding for each disabled command (C(RH-CMD-01)) and each renamed one (C(RH-CMD-02)), and one for each of them
      whose work another command could do (C(RH-CMD-03)).
    - The status V(error) means that the server was built without a command of that name, which may be a misspelling.
    - An empty declaration gives one finding with the status V(skipped).
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-CMD-01
      title: Disabled commands are gone
      severity: high
      status: fail
      subject: FLUSHALL
      expected: does not exist
      actual: answers under its own name
      remediation: Run site.yml; renames take a restart of the server, which it does.
      instance: 127.0.0.1:6379
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 4, fail: 1, waived: 0, skipped: 0, error: 0}
commands:
  description:
    - What became of each declared command. V(present) is under its own name, V(renamed) under the declared one,
      V(hidden) under one that is not declared, V(removed) under none. V(unknown) is a name that the server never had.
  returned: success
  type: dict
  sample: {FLUSHALL: present, CONFIG: renamed}
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    command_verify as redis_command_verify,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import normalise
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import (
    CONNECTION_RULES,
    ConnectionProblem,
    endpoint,
    explain,
    pipeline,
    redis,
    redis_argument_spec,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look


def gather(client, policy):
    """Ask the server about every name of the policy, in two round trips."""
    names = redis_command_verify.names_to_ask(policy)
    info, existing, slow, fast = pipeline(
        client, [["COMMAND", "INFO", *names], ["COMMAND", "LIST"], ["ACL", "CAT", "slow"], ["ACL", "CAT", "fast"]]
    )
    bound = redis_command_verify.read_bindings(names, info) if isinstance(info, list) else dry_run(client, names, info)
    evidence = redis_command_verify.Evidence(
        bound=bound,
        existing=redis_command_verify.read_names(existing),
        known=redis_command_verify.read_names(slow, fast),
    )
    calls = {name: redis_command_verify.inert_call(name) for name in names if bound[name] is None}
    calls = {name: call for name, call in calls.items() if call}
    replies = pipeline(client, list(calls.values()))
    evidence.answered = {
        name: redis_command_verify.is_answer(reply) for name, reply in zip(calls, replies, strict=True)
    }
    return evidence


def dry_run(client, names, refusal):
    """Ask by ACL DRYRUN, which runs nothing and writes no ACL log. The user default is one that always exists."""
    replies = pipeline(client, [["ACL", "DRYRUN", "default", name] for name in names])
    if any(redis_command_verify.is_refusal(reply) for reply in replies):
        raise ConnectionProblem(
            "permission",
            "The server tells neither by COMMAND INFO (%s) nor by ACL DRYRUN (%s) which commands it has:"
            " log in as a user with +command and +acl|cat." % (refusal, replies[0]),
        )
    return redis_command_verify.read_dry_runs(names, replies)


def main():
    module = AnsibleModule(
        argument_spec=dict(renamed_commands=dict(type="dict", required=True), **redis_argument_spec()),
        supports_check_mode=True,
        **CONNECTION_RULES,
    )
    try:
        policy = {name: new.upper() for name, new in normalise(module.params["renamed_commands"]).items()}
    except ValueError as error:
        module.fail_json(msg=str(error))
    client, _anonymous = connect_to_look(module)
    try:
        evidence = gather(client, policy) if policy else redis_command_verify.Evidence(bound={})
    except ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    except (redis.RedisError, OSError) as error:
        explained = explain(error, module.params)
        module.fail_json(msg=str(explained), connection_problem=explained.kind)
    findings = redis_command_verify.judge(policy, evidence, endpoint(module.params))
    module.exit_json(
        changed=False,
        findings=findings,
        summary=count(findings),
        commands={name: redis_command_verify.state_of(name, policy, evidence) for name in policy},
    )


if __name__ == "__main__":
    main()
