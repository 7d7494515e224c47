#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_version_verify
short_description: What a Redis or Valkey server is, how it fares, and which security fixes it has
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns version, package, role, persistence, clients, error counters and the ACL log of a running server, without
    data and without secrets.
  - Compares the revision of the Debian package with those that have the known security fixes (control RH-VER-01). The
    version that the server names is used only for a server that runs from no package.
options:
  package:
    description:
      - Debian package of the server. Without it, the package is found from the running program.
    type: str
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.connection.renames
  - celebrum.redis_hardening.read_only
notes:
  - The package is looked up when the module runs on the server's host, as root.
"""

EXAMPLES = r"""
- name: Look at the server
  celebrum.redis_hardening.redis_version_verify:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
  register: __redis_server
"""

RETURN = r"""
redis_info:
  description:
    - What the server says. C(package) is empty when it runs from no Debian package or out of sight.
    - C(acl_log) is null when the user may not read it. Keys, channels and the names of failed logins are left out.
  returned: always
  type: dict
  sample:
    kind: redis
    version: 7.0.15
    package: {name: redis-server, version: "5:7.0.15-1~deb12u10", source: redis, replaced: false}
    mode: standalone
    role: {role: master, connected_slaves: 1, replicas: [{ip: 10.0.0.6, port: "6379", state: online}]}
    persistence: {aof_enabled: 1, rdb_last_bgsave_status: ok}
    clients: {connected_clients: 4, maxclients: 10000, rejected_connections: 0}
    errorstats: {NOAUTH: 3, WRONGPASS: 1}
    acl_log:
      - {reason: auth, context: toplevel, command: "", user: admin, address: "10.0.0.9:51888", count: 1}
findings:
  description: One entry for each group of security fixes.
  returned: always
  type: list
  elements: dict
  sample:
    - id: RH-VER-01
      title: The installed package has the known fixes
      severity: critical
      status: fail
      subject: CVE-2026-81934
      expected: redis-server 5:7.0.15-1~deb12u10 or later
      actual: redis-server 5:7.0.15-1~deb12u7
      remediation: Run apt-get update and apt-get install --only-upgrade for the package the finding names.
      instance: 127.0.0.1:6379
anonymous:
  description: Whether the server let the module in without the login, which it refused.
  returned: always
  type: bool
  sample: false
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import sockets
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    connection as redis_connection,
    info as server_info,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.live_commands import live_names
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.replies import parse_info


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            package=dict(type="str"),
            renamed_commands=dict(type="dict", default={}),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    client, anonymous = connect_to_look(module)
    try:
        info, acl_log, users = ask(client, module.params["renamed_commands"])
        pid = sockets.pid_of(client, info)
    except (Refused, ValueError, redis_connection.ConnectionProblem) as problem:
        module.fail_json(msg=str(problem))
    except (redis_connection.redis.RedisError, OSError) as error:
        module.fail_json(msg=str(redis_connection.explain(error, module.params)))
    package = server_info.package_of(module.run_command, pid, server_info.release_of(info)[0], module.params["package"])
    instance = redis_connection.endpoint(module.params)
    module.exit_json(
        changed=False,
        anonymous=anonymous,
        redis_info=dict(server_info.describe(info, acl_log, users), package=package or {}),
        findings=server_info.version_findings(info, package, bool(pid), instance),
    )


def ask(client, renamed):
    """Return (fields of INFO, reply of ACL LOG, reply of ACL USERS)."""
    names = live_names(client, renamed, ["INFO", "ACL"])
    if names["INFO"] is None:
        raise Refused("The server's INFO is disabled: nothing can be told about it.")
    requests = [[names["INFO"]]]
    if names["ACL"]:
        requests += [[names["ACL"], "LOG"], [names["ACL"], "USERS"]]
    replies = [*redis_connection.pipeline(client, requests), None, None]
    return parse_info(replies[0]), replies[1], replies[2]


if __name__ == "__main__":
    main()
