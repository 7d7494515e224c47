#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_firewall
short_description: Close the Redis ports to all but the named sources
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Compares the kernel's iptables rules, for IPv4 and IPv6, with a policy and applies the difference. The rules are in
    chains of their own, C(REDIS-PORTS), the first rule of C(INPUT), and C(REDIS-PORTS-DOCKER), the first rule of
    C(DOCKER-USER) and, in the table C(mangle), of C(FORWARD). No other chain's content and no default policy is
    touched, so nothing but the guarded ports can be cut off.
  - The rules for containers need no Docker, so that one that is installed or started later publishes no guarded port.
    C(DOCKER-USER) is made where it is missing. The second place, in C(mangle), is there because Docker takes
    C(DOCKER-USER) away for a moment whenever it makes a network.
  - New rules are first loaded in a network namespace of their own, then in the host's, in one step for each family and
    table. A source that is no longer named loses its open connections too. Loopback is always open.
  - C(redis-ports-block.service) loads the rules when the host starts, before its network, and when Docker restarts.
    C(redis-ports-block check) fails unless the kernel has the rules; C(redis-ports-block guard), which first puts them
    back in front where others got in front, is for a server's unit to run before it starts.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Without iptables on the host the result is what the first run would do.
  diff_mode:
    support: full
    details: Shows the rules, and the script and the unit where they are replaced.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    details: Needs systemd and iptables.
    platforms: linux
options:
  ports:
    description:
      - The guarded ports and who may reach them. A port that is named twice is open to the sources of both entries.
    type: list
    elements: dict
    required: true
    suboptions:
      port:
        description: The TCP port, on the host, of a published port, or of a container.
        type: int
        required: true
      sources:
        description:
          - Addresses and networks, IPv4 or IPv6. None means that only the host itself may connect.
          - For a port that Docker publishes these are the addresses of the clients outside.
        type: list
        elements: str
        default: []
      purpose:
        description: What the port is for. The sources of a V(reserved) port may see the port notice there.
        type: str
        choices: [data, tls, bus, sentinel, reserved]
        default: data
  reserved_ports:
    description: Ports that are closed to all but loopback unless O(ports) names them.
    type: list
    elements: int
    default: [6379, 6380]
  reserved_audience:
    description:
      - What becomes of a connection to a reserved port of the host from a source that is not named. It is dropped, or
        rejected (a TCP reset), or let through, limited in rate, to the notice of the role
        P(celebrum.redis_hardening.port_notice#role).
      - Reserved ports of containers are always dropped.
    type: str
    choices: [drop, reject, notice]
    default: drop
  docker_bridges:
    description:
      - Interfaces of Docker's bridges, by name or as a prefix that ends in C(+). What comes in there is the containers'
        own traffic, which the rules for published ports leave alone.
      - Connections from containers to a server on the host itself need their network in O(ports[].sources).
    type: list
    elements: str
    default: [docker0, br-+, docker_gwbridge]
  ssh_ports:
    description:
      - Ports through which the host is administered, beside those that C(sshd -T) and this connection tell. A guarded
        port among them is refused.
    type: list
    elements: int
    default: []
  state:
    description: V(present) is all there is so far.
    type: str
    choices: [present]
    default: present
"""

EXAMPLES = r"""
- name: Open Redis to the application, and its cluster ports to the other nodes
  celebrum.redis_hardening.redis_firewall:
    ports:
      - port: 6379
        sources: [10.20.0.5, "fd00:20::/64"]
      - port: 16379
        purpose: bus
        sources: [10.20.1.0/24]

- name: Only the host itself
  celebrum.redis_hardening.redis_firewall:
    ports:
      - port: 6379
"""

RETURN = r"""
differences:
  description: What was (or in check mode is) not as it should be.
  returned: success
  type: list
  elements: str
  sample: ["IPv4: the chain REDIS-PORTS of filter is missing", "/etc/redis-ports-block/rules.v4 is missing"]
guarded_ports:
  description: The ports that the rules guard.
  returned: success
  type: list
  elements: int
  sample: [6379, 6380]
missing_packages:
  description: Packages that have to be installed first. Outside check mode the module fails because of them.
  returned: when there are any
  type: list
  elements: str
  sample: [iptables]
ufw_enabled:
  description: Whether UFW is enabled on the host.
  returned: success
  type: bool
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import (
    _firewall,
    _firewall_files,
    _firewall_host,
    _firewall_kernel,
    _ufw,
)


def refuse_dangers(module, policy, kernels):
    """End the module when these rules could cut off the operator, the containers, or somebody else's chain."""
    ssh = _firewall_host.ssh_ports(module, module.params["ssh_ports"])
    for port in policy.ports:
        if port in ssh:
            module.fail_json(
                msg="port %d is an SSH port (%s), and guarding it could lock you out: give Redis another port, or "
                "remove %d from ports and reserved_ports" % (port, ssh[port], port)
            )
    for interface in _firewall_host.default_interfaces():
        for pattern in policy.bridges:
            if _firewall.matches_interface(pattern, interface):
                module.fail_json(
                    msg="docker_bridges: '%s' means %s too, through which the host reaches the world; name Docker's "
                    "own bridges (in the role: firewall_docker_bridges)" % (pattern, interface)
                )
    for family, kernel in kernels.items():
        # Where our file is, the chain is ours, whatever has been done to it since.
        owned = os.path.exists("%s/rules.v%d" % (_firewall_files.FOLDER, family))
        foreign = None if owned else _firewall_kernel.foreign_chain(kernel)
        if foreign:
            module.fail_json(
                msg="IPv%d: %s, which this module did not make. Remove or rename it, then run again" % (family, foreign)
            )


def rehearse(module, wanted):
    """Load the wanted files in a network namespace of their own: rules that the kernel would refuse end it here."""
    unshare = module.get_bin_path("unshare", required=True)
    if module.run_command([unshare, "--net", "true"])[0] != 0:
        module.warn("this host lets nobody make network namespaces, so the rules are not rehearsed")
        return
    with tempfile.TemporaryDirectory(prefix="redis-ports-block-") as folder:
        for path, (text, mode) in wanted.items():
            if path.startswith(_firewall_files.FOLDER):
                _firewall_host.write_file(os.path.join(folder, os.path.basename(path)), text, mode)
        script = os.path.join(folder, "script")
        _firewall_host.write_file(script, _firewall_files.SCRIPT, 0o600)
        status, output, errors = module.run_command([unshare, "--net", "sh", script, "apply", folder])
    if status != 0:
        module.fail_json(msg="the kernel does not take the rules; nothing was changed: %s" % (errors or output).strip())


def apply(module, wanted, outdated, kernel_differs):
    """Write the files that differ, load the rules, see to the unit."""
    before = {path: _firewall_host.read_file(path) for path in outdated}
    for path in outdated:
        _firewall_host.write_file(path, *wanted[path])
    # The doors first, then what keeps them closed.
    if kernel_differs:
        status, _output, errors = module.run_command([_firewall_files.SCRIPT_PATH, "apply"])
        if status != 0:
            put_back(module, before, wanted)
            module.fail_json(msg="the rules could not be loaded: %s" % errors.strip())
    systemctl = module.get_bin_path("systemctl", required=True)
    if _firewall_files.UNIT_PATH in outdated:
        module.run_command([systemctl, "daemon-reload"], check_rc=True)
    if not _firewall_host.unit_is_enabled():
        module.run_command([systemctl, "enable", _firewall_files.UNIT_NAME], check_rc=True)
    module.run_command([systemctl, "start", _firewall_files.UNIT_NAME], check_rc=True)
    module.run_command([_firewall_files.SCRIPT_PATH, "check"], check_rc=True)


def put_back(module, before, wanted):
    """Return to the previous rules. On a first run there are none, and the new ones, closed for all they do not name,
    stay: a server whose unit checks them does not start."""
    rules = {
        path: text for path, text in before.items() if path.startswith(_firewall_files.FOLDER) and text is not None
    }
    for path, text in rules.items():
        _firewall_host.write_file(path, text, wanted[path][1])
    if rules:
        module.run_command([_firewall_files.SCRIPT_PATH, "apply"])


def diffs(kernels, rendered, wanted, outdated):
    """Return the difference of the rules in the kernel, and of the script and the unit where there were some."""
    result = [
        dict(
            before_header="IPv%d rules in the kernel" % family,
            after_header="IPv%d rules of the policy" % family,
            before=_firewall_kernel.listing(kernel),
            after=_firewall_kernel.wanted_listing(rendered[family]),
        )
        for family, kernel in kernels.items()
    ]
    for path in outdated:
        before = None if path.startswith(_firewall_files.FOLDER) else _firewall_host.read_file(path)
        if before is not None:
            result.append(dict(before_header=path, after_header=path, before=before, after=wanted[path][0]))
    return result


def main():
    module = AnsibleModule(
        argument_spec=dict(
            ports=dict(
                type="list",
                elements="dict",
                required=True,
                options=dict(
                    port=dict(type="int", required=True),
                    sources=dict(type="list", elements="str", default=[]),
                    purpose=dict(type="str", choices=list(_firewall.PURPOSES), default="data"),
                ),
            ),
            reserved_ports=dict(type="list", elements="int", default=[6379, 6380]),
            reserved_audience=dict(type="str", choices=list(_firewall.AUDIENCES), default="drop"),
            docker_bridges=dict(type="list", elements="str", default=["docker0", "br-+", "docker_gwbridge"]),
            ssh_ports=dict(type="list", elements="int", default=[]),
            state=dict(type="str", choices=["present"], default="present"),
        ),
        supports_check_mode=True,
    )
    options = module.params
    try:
        policy = _firewall.build_policy(
            *(options[name] for name in ("ports", "reserved_ports", "docker_bridges", "reserved_audience"))
        )
        saves = {family: _firewall_host.read_save(module, family) for family in _firewall_host.families()}
    except (_firewall.PolicyProblem, _firewall_host.HostProblem) as problem:
        module.fail_json(msg=str(problem))

    result = dict(changed=False, differences=[], guarded_ports=policy.ports)
    result["ufw_enabled"] = _ufw.setting(_firewall_host.read_file(_ufw.CONF) or "", "ENABLED")
    missing = None in saves.values()
    if missing:
        result["missing_packages"] = ["iptables"]
    kernels = {family: _firewall_kernel.parse_save(text or "") for family, text in saves.items()}
    refuse_dangers(module, policy, kernels)
    if not os.path.isdir(_firewall_host.SYSTEMD_RUNS):
        module.fail_json(msg="systemd does not run this host, so nothing would load the rules when it starts")

    wanted = _firewall_host.wanted_files(policy)
    rendered = {family: _firewall.render(policy, family) for family in kernels}
    kernel_differences = [
        "IPv%d: %s" % (family, text)
        for family, kernel in kernels.items()
        for text in _firewall_kernel.differences(kernel, rendered[family])
    ]
    outdated = {}
    for path, (text, mode) in wanted.items():
        difference = _firewall_host.file_difference(path, text, mode)
        if difference:
            outdated[path] = difference
    result["differences"] = kernel_differences + list(outdated.values())
    if missing:
        result["differences"].insert(0, "the package iptables is missing")
    if not _firewall_host.unit_is_enabled():
        result["differences"].append("%s is not enabled" % _firewall_files.UNIT_NAME)
    result["changed"] = bool(result["differences"])
    if module._diff and result["changed"]:
        result["diff"] = diffs(kernels, rendered, wanted, outdated)

    if missing and not module.check_mode:
        result.update(changed=False)
        module.fail_json(msg="iptables is not installed: install the package iptables, then run again", **result)
    if kernel_differences and not missing:
        rehearse(module, wanted)
    if result["changed"] and not module.check_mode:
        apply(module, wanted, list(outdated), bool(kernel_differences))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
