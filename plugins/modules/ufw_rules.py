#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ufw_rules
short_description: Keep UFW in line with the Redis firewall
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Compares UFW's rules, for IPv4 and IPv6, with the wanted ones, and adds those that are missing. SSH is allowed, and
    seen to be, before UFW is enabled. No rule is ever deleted or changed, no default policy is set, and UFW is never
    reloaded, because a reload lets everybody in for more than a second.
  - UFW comes after the rules of M(celebrum.redis_hardening.redis_firewall). These let the named sources in, so a port
    that UFW denies is open to them and to nobody else. Without these rules a denied port is closed to all.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Without UFW on the host the result is what the first run would do.
  diff_mode:
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    details: Needs UFW when O(enabled=enabled).
    platforms: linux
options:
  enabled:
    description:
      - V(auto) adds rules where UFW is enabled already, and otherwise does nothing.
      - V(enabled) also enables it.
    type: str
    choices: [auto, enabled]
    default: auto
  allow:
    description: TCP ports that all may reach.
    type: list
    elements: int
    default: []
  deny_ports:
    description: TCP ports that UFW denies, those of Redis.
    type: list
    elements: int
    default: []
  ssh_ports:
    description:
      - Ports through which the host is administered, beside those that C(sshd -T) and this connection tell.
      - Where UFW is on, a port that any rule allows, if only to some, is left as it is. Before UFW is enabled, the
        rules must let this connection's client in, or the port is allowed to all.
    type: list
    elements: int
    default: []
  state:
    description: V(present) is all there is so far.
    type: str
    choices: [present]
    default: present
seealso:
  - module: celebrum.redis_hardening.redis_firewall
"""

EXAMPLES = r"""
- name: Where UFW is in use, let it deny Redis too
  celebrum.redis_hardening.ufw_rules:
    deny_ports: [6379, 6380]

- name: Enable UFW for a web server with SSH on port 2222
  celebrum.redis_hardening.ufw_rules:
    enabled: enabled
    ssh_ports: [2222]
    allow: [80, 443]
    deny_ports: [6379, 6380]
"""

RETURN = r"""
active:
  description: Whether the kernel has UFW's rules, after the run.
  returned: success
  type: bool
  sample: true
differences:
  description: What was (or in check mode is) not as it should be.
  returned: success
  type: list
  elements: str
  sample: ["UFW has no rule 'deny 6379/tcp (IPv4)'", "UFW is not enabled"]
foreign_allows:
  description: Rules of UFW that allow one of the denied ports. They are left alone.
  returned: when UFW is in use
  type: list
  elements: str
  sample: ["allow 6379/tcp from 10.0.0.0/8 (IPv4)"]
missing_packages:
  description: Packages that have to be installed first. Outside check mode the module fails because of them.
  returned: when there are any
  type: list
  elements: str
  sample: [ufw]
"""

import os

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    host as iptables_host,
    kernel as iptables_kernel,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.ufw import (
    host as ufw_host,
    rules as ufw_rules,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import files as host_files

# Conflicts with Debian's ufw: installing one removes the other, with the rules that it keeps.
RIVAL = "/usr/sbin/netfilter-persistent"


def check_ports(module, ssh):
    """End the module when the ports contradict each other, or none is known for SSH."""
    options = module.params
    for name in ("allow", "deny_ports", "ssh_ports"):
        for port in options[name]:
            if not 0 < port < 65536:
                module.fail_json(msg="%s: %d is no port; ports are 1 to 65535" % (name, port))
    if not ssh:
        module.fail_json(msg="no SSH port is known, so UFW could lock you out: name it in ssh_ports")
    for port in options["deny_ports"]:
        if port in ssh:
            module.fail_json(
                msg="deny_ports: port %d is an SSH port (%s), and denying it would lock you out: take it out of "
                "deny_ports (in the role: of firewall_ports and firewall_reserved_ports)" % (port, ssh[port])
            )
        if port in options["allow"]:
            module.fail_json(
                msg="port %d is in allow (in the role: firewall_ufw_allow) and in deny_ports: take it out of one" % port
            )


def warn_of_allows(module, allows, kernel):
    """Say what the rules of other people, which stay, mean."""
    if not allows:
        return
    in_front = not any(iptables_kernel.jump_differences(iptables_kernel.parse_save(text)) for text in kernel.values())
    module.warn(
        "UFW allows a port that should be closed: %s. %s"
        % (
            "; ".join(map(str, allows)),
            "That lets in nobody, because the rules of redis_firewall come first; 'ufw delete' removes it"
            if in_front
            else "The rules of redis_firewall are not in front of it, so it counts: run redis_firewall",
        )
    )


def main():
    module = AnsibleModule(
        argument_spec=dict(
            enabled=dict(type="str", choices=["auto", "enabled"], default="auto"),
            allow=dict(type="list", elements="int", default=[]),
            deny_ports=dict(type="list", elements="int", default=[]),
            ssh_ports=dict(type="list", elements="int", default=[]),
            state=dict(type="str", choices=["present"], default="present"),
        ),
        supports_check_mode=True,
    )
    wants = module.params["enabled"] == "enabled"
    ufw = module.get_bin_path("ufw", opt_dirs=host_files.SBIN)
    is_enabled = bool(ufw) and ufw_rules.setting(host_files.read_file(ufw_rules.CONF) or "", "ENABLED")
    result = dict(changed=False, active=False, differences=[])
    if not wants and not is_enabled:
        module.exit_json(**result)

    active = ufw_host.read_active(module, ufw) if ufw else False
    rules = ufw_host.read_rules(module) if ufw else {family: [] for family in iptables_host.families()}
    kernel = ufw_host.read_kernel(module)
    plan, ssh = ufw_host.make_plan(module, rules, active)
    check_ports(module, ssh)
    if not ufw and os.path.exists(RIVAL):
        module.fail_json(msg="ufw would remove netfilter-persistent and the rules it keeps: remove it yourself first")
    if plan.problems:
        module.fail_json(msg="UFW was not changed: %s" % "; ".join(plan.problems))

    enabling = wants and not (active and is_enabled)
    differences = [] if ufw else ["the package ufw is missing"]
    differences += ["UFW has no rule '%s'" % rule for rule in plan.missing]
    differences += ["UFW is not enabled"] if enabling else []
    allows = ufw_rules.foreign_allows(rules, module.params["deny_ports"])
    result.update(
        changed=bool(differences),
        active=active or enabling,
        differences=differences,
        foreign_allows=[str(rule) for rule in allows],
    )
    if module._diff and differences:
        after = {family: [*rules[family], *(one for one in plan.missing if one.family == family)] for family in rules}
        result["diff"] = dict(
            before_header="UFW",
            after_header="UFW",
            before=ufw_rules.listing(rules, active),
            after=ufw_rules.listing(after, active or enabling),
        )
    if not ufw:
        result["missing_packages"] = ["ufw"]
        if not module.check_mode:
            result.update(changed=False, active=False)
            module.fail_json(msg="UFW is not installed: install the package ufw, then run again", **result)
    elif not active and not wants:
        module.warn("UFW is enabled but not running, so it does nothing until the next start: 'ufw enable' starts it")
    elif active and not ufw_host.is_loaded(kernel, rules):
        module.warn("the kernel has other rules than UFW's files: 'ufw reload' loads them")

    if differences and not module.check_mode:
        ufw_host.apply(module, ufw, plan, active, enabling)
    warn_of_allows(module, allows, kernel)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
