#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_firewall_verify
short_description: Prove from the kernel's rules who reaches the Redis ports
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Reads what the kernel has (C(iptables-save), C(ip6tables-save), C(nft list ruleset)) and follows connections through
    it, for each guarded port, from named sources and from others, to the host itself (C(INPUT)) and to containers
    (C(FORWARD)). What M(celebrum.redis_hardening.redis_firewall) wrote is not read.
  - The others are addresses that no rule speaks of, and some of each network and each interface that a rule does speak
    of. Rules that can't be judged, by a rate or a set for example, are taken at their worst. A named source that gets
    in by one interface is let in.
  - Nothing is changed.
extends_documentation_fragment:
  - celebrum.redis_hardening.guarded_ports
  - celebrum.redis_hardening.guarded_ports.notice
  - celebrum.redis_hardening.read_only
attributes:
  platform:
    platforms: linux
options:
  backend:
    description:
      - What the rules were made with, as in M(celebrum.redis_hardening.redis_firewall).
      - With V(nftables) the table C(inet redis_ports) must close the ports by itself. Named sources must get through
        all other tables as well, those of UFW and iptables among them.
    type: str
    choices: [iptables, nftables]
    default: iptables
"""

EXAMPLES = r"""
- name: Prove that Redis is closed to all but the application
  celebrum.redis_hardening.redis_firewall_verify:
    ports:
      - port: 6379
        sources: [10.20.0.5]
  register: firewall_proof
"""

RETURN = r"""
findings:
  description:
    - For IPv4 and IPv6, one finding each on connections to the host, on connections to containers, with iptables on the
      same through C(DOCKER-USER), and on the place of the rules in front of all others that may let packets in
      (C(RH-NET-03)), and one on the named sources (C(RH-NET-02)).
    - One finding (C(RH-NET-03)) on the unit that loads the rules when the host starts.
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-NET-03
      title: The kernel's rules hold the Redis ports closed, in front of all others
      severity: critical
      status: fail
      subject: IPv4 to the host
      expected: connections to 6379, 6380 from sources that are not named are dropped
      actual: "6379 is open to others by any interface (our probe: 198.51.100.77)"
      remediation: Run site.yml; its firewall role puts the chain back in front, for IPv4 and IPv6.
      instance: ""
notice_ports:
  description: The reserved ports on which everyone is to meet the notice.
  returned: success
  type: list
  elements: int
  sample: []
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 10, fail: 1, waived: 0, skipped: 0, error: 0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count, finding, verdict
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import HostProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    backends as firewall_backends,
    files as firewall_files,
    policy as firewall_policy,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import host as iptables_host
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import networks as host_networks


def family_findings(module, policy, family):
    """Return the findings on one family from what the kernel has."""
    if family not in iptables_host.families():
        return [finding("RH-NET-03", "skipped", "closed", "the kernel has no IPv6", subject="IPv6")]
    subject = "IPv%d" % family
    backend = firewall_backends.BACKENDS[module.params["backend"]]
    try:
        findings = backend.prove(module, policy, family)
    except HostProblem as problem:
        return [finding("RH-NET-03", "error", "rules that can be read", problem, subject=subject)]
    if findings is None:
        missing = "%s is not installed" % backend.PACKAGE
        return [verdict("RH-NET-03", False, "rules in the kernel", missing, subject=subject)]
    return findings


def unit_finding(module):
    """Ask systemd whether it would load the rules at the next start."""
    expected, subject = "enabled", firewall_files.UNIT_NAME
    systemctl = module.get_bin_path("systemctl")
    if not systemctl:
        return finding("RH-NET-03", "error", expected, "there is no systemctl", subject=subject)
    _status, output, errors = module.run_command([systemctl, "is-enabled", firewall_files.UNIT_NAME])
    actual = (output.strip() or errors.strip()).splitlines() or ["unknown"]
    return verdict("RH-NET-03", actual[0] == "enabled", expected, actual[0], subject=subject)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            **firewall_policy.policy_spec(),
            backend=dict(type="str", choices=list(firewall_backends.BACKENDS), default="iptables"),
        ),
        supports_check_mode=True,
    )
    options = module.params
    try:
        policy = firewall_policy.build_policy(*(options[name] for name in firewall_policy.OPTIONS))
    except host_networks.PolicyProblem as problem:
        module.fail_json(msg=str(problem))
    findings = [one for family in firewall_policy.FAMILIES for one in family_findings(module, policy, family)]
    findings.append(unit_finding(module))
    notice_ports = list(policy.reserved) if policy.audience == "notice" else []
    module.exit_json(changed=False, findings=findings, notice_ports=notice_ports, summary=count(findings))


if __name__ == "__main__":
    main()
