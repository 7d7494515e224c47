#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_sentinel_file
short_description: Write a Sentinel's file once, and later only those lines that a Sentinel can't be told live
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Writes the file that a Sentinel starts with, when there is none. From then on the file is the Sentinel's own, which
    keeps its id, its epochs, whom it knows, its logins and its users there.
  - When a line of O(settings) differs later, a unit that runs is stopped, only that line is replaced, and the unit is
    started again. A Sentinel that runs would write its own file over it. Use it with C(throttle=1), so that the other
    Sentinels can act meanwhile.
  - Says in RV(restart_required) whether the running Sentinel is older than O(loaded_files).
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Of O(settings). The Sentinel's own lines, among them passwords, are never shown.
  idempotent:
    description: A second run with the same options changes nothing, also after a failover.
    support: full
  platform:
    platforms: posix
options:
  path:
    description:
      - The file. Its directory is made, closed to everybody but O(owner), because a Sentinel writes passwords to the
        file.
      - No symbolic link is followed that others than root could have made.
    type: path
    required: true
  settings:
    description:
      - Directives and their values, such as C(port), C(tls-port), C(bind), C(dir) and C(tls-cert-file).
    type: dict
    required: true
  admin_user:
    description:
      - Name of the first user, which may do everything. Only used for a new file; afterwards users are made by
        M(celebrum.redis_hardening.redis_acl). The user V(default) is off.
    type: str
    default: admin
  admin_password:
    description:
      - Its password. The file gets its SHA-256.
    type: str
    required: true
  owner:
    description: User of the Sentinel, which owns file and directory.
    type: str
    default: redis
  group:
    description: Group of the Sentinel.
    type: str
    default: redis
  unit:
    description: Name of the unit, without C(.service).
    type: str
    default: redis-sentinel
  loaded_files:
    description:
      - Files that a Sentinel reads only when it starts, such as its certificate. One that is newer than the process
        makes a restart necessary.
    type: list
    elements: path
    default: []
seealso:
  - module: celebrum.redis_hardening.redis_sentinel
  - module: celebrum.redis_hardening.redis_service
"""

EXAMPLES = r"""
- name: Have a file for the Sentinel
  celebrum.redis_hardening.redis_sentinel_file:
    path: /var/lib/redis/sentinel/sentinel.conf
    settings:
      port: 26379
      bind: 127.0.0.1 10.20.0.11
      dir: /var/lib/redis/sentinel
    admin_password: "{{ sentinel_admin_password }}"
  register: file
"""

RETURN = r"""
created:
  description: Whether there was no file.
  returned: success
  type: bool
changes:
  description: Directives that differed.
  returned: success
  type: list
  elements: str
restart_required:
  description: Whether the running Sentinel has not loaded the O(loaded_files) as they are now.
  returned: success
  type: bool
"""


from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.file_run import File


def main():
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type="path", required=True),
            settings=dict(type="dict", required=True),
            admin_user=dict(type="str", default="admin"),
            admin_password=dict(type="str", required=True, no_log=True),
            owner=dict(type="str", default="redis"),
            group=dict(type="str", default="redis"),
            unit=dict(type="str", default="redis-sentinel"),
            loaded_files=dict(type="list", elements="path", default=[]),
        ),
        supports_check_mode=True,
    )
    try:
        result = File(module).bring()
    except (Refused, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
