#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_old_files
short_description: Keep the configuration that a server had before it was taken over
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Copies the configuration of a unit, with all that it includes and its ACL file, before it is written anew. Does so
    once; files that this collection has written are not kept, nor are the same ones kept twice.
  - The copies are for root alone (directories 0700, files 0600), because the operator's old files hold passwords. Where
    they are is said in a warning. This collection does not delete them.
options:
  unit:
    description: Name of the unit, without C(.service).
    type: str
    default: redis-server
  config:
    description: Its configuration, where the unit's command line does not name one.
    type: path
    default: /etc/redis/redis.conf
  aclfile:
    description: An ACL file that is going to be written, and is kept as well.
    type: path
  directory:
    description: Directory for the copies. It is created in a directory that must exist.
    type: path
    default: /var/backups/redis-hardening
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
  platform:
    platforms: posix
seealso:
  - module: celebrum.redis_hardening.redis_takeover
"""

EXAMPLES = r"""
- name: Keep what is about to be overwritten
  celebrum.redis_hardening.redis_old_files:
    unit: redis-server
    aclfile: /etc/redis/users.acl
"""

RETURN = r"""
directory:
  description: Where the copies are, empty when there was nothing to keep, and in check mode.
  returned: always
  type: str
  sample: /var/backups/redis-hardening/redis-server.2026-11-30T161900Z
files:
  description: What is kept, by the paths that it was copied from.
  returned: always
  type: list
  elements: str
  sample: [/etc/redis/redis.conf]
"""

import datetime

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import (
    included as files,
    processes as find,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover import copies as keeping


def main():
    module = AnsibleModule(
        argument_spec=dict(
            unit=dict(type="str", default="redis-server"),
            config=dict(type="path", default="/etc/redis/redis.conf"),
            aclfile=dict(type="path"),
            directory=dict(type="path", default="/var/backups/redis-hardening"),
        ),
        supports_check_mode=True,
    )
    params = module.params
    show = module.run_command(["systemctl", "show", params["unit"] + ".service", "--property", "ExecStart"])[1]
    old = files.read(find.started_with(show)[0] or params["config"])
    if not old.files or old.ours:
        module.exit_json(changed=False, folder="", files=[])
    try:
        found = keeping.with_users(old, params["aclfile"])
        folder = keeping.kept_already(params["directory"], params["unit"], found)
        changed = folder is None
        if changed and not module.check_mode:
            date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
            folder = keeping.keep(params["directory"], params["unit"], date, found)
            module.warn("%s: its old configuration is kept in %s, readable by root only." % (params["unit"], folder))
    except (Refused, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=changed, folder=folder or "", files=sorted(found))


if __name__ == "__main__":
    main()
