#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_config_verify
short_description: Proof that a running Redis or Valkey server has the declared settings
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks the running server for its settings, and the kernel for what the server's process listens on, and compares them
    with what is declared. Configuration files are not read.
  - Works on servers that are not hardened, too, without a login where they want none, and reports what fails.
  - Serves the controls RH-NET-04, RH-NET-05, RH-CFG-01 to RH-CFG-05 and RH-CMD-04.
options:
  settings:
    description:
      - The declared directives and values, as for M(celebrum.redis_hardening.redis_config).
      - C(replicaof) is not compared, because the running servers decide who the master is.
    type: dict
    default: {}
  secret_settings:
    description:
      - The same for secrets. They are never shown.
    type: dict
    default: {}
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.connection.renames
  - celebrum.redis_hardening.read_only
notes:
  - The sockets are looked at when the module runs on the server's host, as root. Elsewhere C(CONFIG GET) has to do, and
    the finding says so.
  - Where C(CONFIG) is disabled, what C(INFO) does not tell is skipped.
seealso:
  - module: celebrum.redis_hardening.redis_config
"""

EXAMPLES = r"""
- name: Prove the settings
  celebrum.redis_hardening.redis_config_verify:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    settings:
      bind: ["10.0.0.5", "127.0.0.1", "-::1"]
      maxmemory: 512mb
      maxmemory-policy: noeviction
  register: __redis_settings
"""

RETURN = r"""
findings:
  description: One entry for each control or setting that was looked at.
  returned: always
  type: list
  elements: dict
  sample:
    - id: RH-CFG-01
      title: Memory is bounded and the eviction policy is the declared one
      severity: medium
      status: fail
      subject: ""
      expected: maxmemory 512mb, maxmemory-policy noeviction
      actual: maxmemory 0, maxmemory-policy noeviction
      remediation: Set redis_maxmemory and redis_maxmemory_policy and run site.yml.
      instance: 127.0.0.1:6379
anonymous:
  description: Whether the server let the module in without the login, which it refused.
  returned: always
  type: bool
  sample: false
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import live as live_config, sockets
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.desired import (
    desired,
    hidden_names,
    hide_misplaced_secrets,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.verify import READ, Verify
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            settings=dict(type="dict", default={}),
            secret_settings=dict(type="dict", default={}, no_log=True),
            renamed_commands=dict(type="dict", default={}),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    hide_misplaced_secrets(module)
    params = module.params
    client, anonymous = connect_to_look(module)
    try:
        wanted = desired(params["settings"], params["secret_settings"], params["renamed_commands"])
        live = live_config.read(client, [*wanted, *READ], params["renamed_commands"])
        pid = sockets.pid_of(client, live.info)
        ends = sockets.listening(pid) if pid else None
    except (Refused, redis_connection.ConnectionProblem) as problem:
        module.fail_json(msg=str(problem))
    except (redis_connection.redis.RedisError, OSError) as error:
        module.fail_json(msg=str(redis_connection.explain(error, params)))
    hidden = hidden_names(params["secret_settings"])
    verify = Verify(live, wanted, redis_connection.endpoint(params), ends, pid, hidden)
    module.exit_json(changed=False, findings=verify.findings(), anonymous=anonymous)


if __name__ == "__main__":
    main()
