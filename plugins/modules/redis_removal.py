#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_removal
short_description: Take this collection's hand off a host again
version_added: 0.7.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Removes what this collection has put on a host beside the servers' own files. These are the units' drop-ins, the
    port notice, the file of kernel settings, and at last the rules of the firewall with the unit and the script that
    load them.
  - Servers keep running, with their data, users, settings, certificates and packages. The configuration of a server of
    a group and of a Sentinel is put where the package's unit looks for it, and the directory of configurations is given
    back to the server's user. A Sentinel is restarted for that.
  - It is refused while a port that the rules close would be open to strangers without them, until O(open_ports) names
    it.
  - Rules of UFW, the settings of a Docker engine and its C(redis-docker-forward.service) are left alone.
options:
  engine:
    description: Which server it is.
    type: str
    choices: [redis, valkey]
    default: redis
  open_ports:
    description: Ports that may be open to everyone afterwards.
    type: list
    elements: int
    default: []
  stopped:
    description: Whether the servers of this collection are about to be stopped, so that they will open no port.
    type: bool
    default: false
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    description: When run twice in a row, nothing is changed the second time. An interrupted run can be repeated.
    support: full
  platform:
    platforms: posix
seealso:
  - module: celebrum.redis_hardening.redis_firewall
  - module: celebrum.redis_hardening.redis_units
"""

EXAMPLES = r"""
- name: Leave Redis to its package, with port 6379 closed by somebody else's firewall
  celebrum.redis_hardening.redis_removal:
    open_ports: [6379]
"""

RETURN = r"""
removed:
  description: What went (in check mode, would go).
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/redis-server.service.d/hardening.conf]
restored:
  description: Configurations that were put where the package's unit looks for them.
  returned: success
  type: list
  elements: str
  sample: [/etc/redis/redis.conf]
open_ports:
  description: Ports that strangers can reach by now (in check mode, could), and who opens them.
  returned: success
  type: dict
  sample: {"6379": "redis-server.service"}
restart:
  description: Units that still run from their old file. The next start uses the one in its place.
  returned: success
  type: list
  elements: str
  sample: [redis-server]
"""

import os

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import HostProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._removal.run import Removal
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.instance_files import Refused


def main():
    module = AnsibleModule(
        argument_spec=dict(
            engine=dict(type="str", default="redis", choices=["redis", "valkey"]),
            open_ports=dict(type="list", elements="int", default=[]),
            stopped=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    if not os.path.isdir("/run/systemd/system"):
        module.fail_json(msg="systemd does not run on this host.")
    try:
        removal = Removal(module)
        problems = removal.problems()
        if problems:
            module.fail_json(msg="Nothing was changed. %s" % " ".join(problems))
        items, restored = removal.items(), removal.restored()
        restart = [one.unit.name for one in removal.servers if one.file != one.home and not one.is_sentinel]
        if items and not module.check_mode:
            removal.carry_out()
    except (HostProblem, Refused) as problem:
        module.fail_json(msg=str(problem))
    result = dict(changed=bool(items), removed=items, restored=restored, restart=restart)
    result["open_ports"] = {str(port): who for port, who in removal.opening.items()}
    if module._diff and items:
        result["diff"] = dict(before="".join(item + "\n" for item in items), after="")
        result["diff"].update(before_header="of this collection", after_header="of this collection")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
