#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_settings
short_description: Set the kernel settings that Redis needs, now and after a reboot
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Brings the running kernel and one file below C(/etc/sysctl.d) to the wanted values.
  - Settings of which more does no harm, such as C(net.core.somaxconn), are never lowered.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    platforms: linux
options:
  settings:
    description:
      - The wanted values by name. Known names are C(net.core.somaxconn), C(net.ipv4.tcp_max_syn_backlog),
        C(vm.max_map_count), C(vm.overcommit_memory) and C(vm.swappiness).
    type: dict
    required: true
  path:
    description: The file that keeps them over a reboot.
    type: path
    default: /etc/sysctl.d/60-redis-hardening.conf
"""

EXAMPLES = r"""
- name: Let background saves work
  celebrum.redis_hardening.sysctl_settings:
    settings: {vm.overcommit_memory: 1, net.core.somaxconn: 1024}
"""

RETURN = r"""
live_changed:
  description: Names of the settings that were changed in the running kernel.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import (
    files as host_files,
    sysctl as host_sysctl,
)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            settings=dict(type="dict", required=True),
            path=dict(type="path", default="/etc/sysctl.d/60-redis-hardening.conf"),
        ),
        supports_check_mode=True,
    )
    settings = module.params["settings"]
    for name, value in settings.items():
        if name not in host_sysctl.LARGER_IS_FINE:
            module.fail_json(
                msg="settings: %s is not one of %s." % (name, ", ".join(sorted(host_sysctl.LARGER_IS_FINE)))
            )
        if not str(value).isdigit():
            module.fail_json(msg="settings: %s must be a whole number, not %r." % (name, value))
    live_paths = {name: Path("/proc/sys", *name.split(".")) for name in settings}
    missing = [name for name, path in live_paths.items() if not path.exists()]
    if missing:
        module.fail_json(msg="This kernel has no setting %s: take it out of settings." % ", ".join(missing))
    live = {name: path.read_text().strip() for name, path in live_paths.items()}

    path = Path(module.params["path"])
    before = host_files.read_file(str(path)) or ""
    after = host_sysctl.render(host_sysctl.wanted_file(settings, live, host_sysctl.parse(before)))
    changes = {name: value for name, value in settings.items() if not host_sysctl.satisfied(name, value, live[name])}
    if not before and not changes:
        after = ""

    if not module.check_mode:
        if before != after:
            host_files.write_file(str(path), after, 0o644)
        for name, value in changes.items():
            try:
                live_paths[name].write_text(str(value))
            except OSError as error:
                module.fail_json(msg="The kernel refuses %s = %s: %s" % (name, value, error))
    live_before = "".join("live %s = %s\n" % (name, live[name]) for name in sorted(changes))
    live_after = "".join("live %s = %s\n" % (name, changes[name]) for name in sorted(changes))
    module.exit_json(
        changed=before != after or bool(changes),
        live_changed=sorted(changes),
        diff=dict(
            before_header=str(path), after_header=str(path), before=before + live_before, after=after + live_after
        ),
    )


if __name__ == "__main__":
    main()
