#!/usr/bin/python

# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_acl_verify
short_description: Prove from a running server that its ACL users are the declared ones
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks a running Redis or Valkey server who can do what, and returns one finding for each thing that was proved,
    C(RH-ACL-01) to C(RH-ACL-07). It never reads the ACL file.
  - Writes nothing to the server, not even a scratch user. Rights are compared by what they allow, worked out with the
    server's own lists of commands, and tried by C(ACL DRYRUN), which runs nothing.
  - C(RH-ACL-04) tries to log in with random passwords, once for each enabled user. These attempts show in C(ACL LOG),
    which holds 128 entries, and in C(errorstat_WRONGPASS).
  - A server that lets clients in without a login is reported, not an error.
  - Servers before Redis 7.0 have no C(ACL DRYRUN). There the module logs in as the users whose plain password is in
    O(users), and queues the commands in a transaction that it discards.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.users
  - celebrum.redis_hardening.read_only
options:
  matrix:
    description:
      - What users must be able to do, and what not.
      - For users without an entry the commands C(CONFIG SET), C(ACL SETUSER), C(REPLICAOF), C(MODULE LOAD), C(DEBUG),
        C(SHUTDOWN), C(MIGRATE), C(KEYS) and C(FLUSHALL) have to be denied, except those that the user's declaration
        grants.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description:
          - Name of the user.
        type: str
        required: true
      command:
        description:
          - The command with its arguments, by its original name. It is not run.
        type: list
        elements: str
        required: true
      allowed:
        description:
          - Whether the user must be able to run it.
        type: bool
        required: true
seealso:
  - module: celebrum.redis_hardening.redis_acl
"""

EXAMPLES = r"""
- name: Prove the users and what they can do
  celebrum.redis_hardening.redis_acl_verify:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    users: "{{ redis_users }}"
    matrix:
      - {user: cache, command: [GET, "cache:1"], allowed: true}
      - {user: cache, command: [GET, "session:1"], allowed: false}
      - {user: cache, command: [FLUSHALL], allowed: false}
  register: acl
"""

RETURN = r"""
findings:
  description:
    - Findings of C(RH-ACL-01), the refusal of clients that don't log in; C(RH-ACL-02), the user V(default);
      C(RH-ACL-03), one for each declared and each extra user; C(RH-ACL-04), one for each user that can log in;
      C(RH-ACL-05), one for each pair of O(matrix) and one for each user without a pair; C(RH-ACL-06), one for each user
      that must not run scripts; C(RH-ACL-07), the scripts that were run.
    - Hashes of passwords are cut to their first eight digits.
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-ACL-03
      title: The users are exactly the declared ones, with exactly the declared rights
      severity: high
      status: fail
      subject: cache
      expected: as declared
      actual: "keys: extra ~session:*"
      remediation: Run site.yml, or declare the user or the right in redis_users.
      instance: 127.0.0.1:6379
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 21, fail: 1, waived: 0, skipped: 0, error: 0}
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.argspec import acl_argument_spec
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.audit import Audit
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.run import renamed_commands
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.users import AclError, declared
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import (
    CONNECTION_RULES,
    ConnectionProblem,
    redis_argument_spec,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look


def main():
    pair = dict(
        user=dict(type="str", required=True),
        command=dict(type="list", elements="str", required=True),
        allowed=dict(type="bool", required=True),
    )
    module = AnsibleModule(
        argument_spec=dict(
            redis_argument_spec(),
            **acl_argument_spec(),
            matrix=dict(type="list", elements="dict", default=[], options=pair),
        ),
        supports_check_mode=True,
        **CONNECTION_RULES,
    )
    try:
        wanted, renamed = declared(module.params["users"]), renamed_commands(module.params)
        if not all(pair["command"] for pair in module.params["matrix"]):
            raise AclError("matrix: an entry has an empty command.")
    except AclError as error:
        module.fail_json(msg=str(error))
    client, anonymous = connect_to_look(module)
    try:
        findings = Audit(client, anonymous, module.params, wanted, renamed).findings()
    except ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    module.exit_json(changed=False, findings=findings, summary=count(findings))


if __name__ == "__main__":
    main()
