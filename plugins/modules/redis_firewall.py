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
    table. A source that is no longer named loses its open connections too, but with iptables those to the notice.
    Loopback is always open.
  - C(redis-ports-block.service) loads the rules when the host starts, before its network, and when Docker restarts.
    C(redis-ports-block check) fails unless the kernel has the rules; C(redis-ports-block guard), which first puts them
    back in front where others got in front, is for a server's unit to run before it starts.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.guarded_ports
  - celebrum.redis_hardening.guarded_ports.notice
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
      - Required with O(state=present).
    required: false
  docker_bridges:
    description:
      - Interfaces of Docker's bridges, by name or as a prefix that ends in C(+). What comes in there is the containers'
        own traffic, which the rules for published ports leave alone.
      - Connections from containers to a server on the host itself need their network in O(ports[].sources).
  ssh_ports:
    description:
      - Ports through which the host is administered, beside those that C(sshd -T) and this connection tell. A guarded
        port among them is refused.
    type: list
    elements: int
    default: []
  backend:
    description:
      - What the rules are made with. V(iptables) makes chains of its own, V(nftables) a table of its own,
        C(inet redis_ports). Both close the same ports to the same sources.
      - What V(iptables) lets in has passed the rules of UFW and Docker, because its own come first. What V(nftables)
        lets in must still pass all other tables of the host, because there only a drop is final. A warning tells which
        named sources are dropped elsewhere.
      - Beside firewalld, which empties the tables of iptables, only V(nftables) is taken.
      - When it is changed, the new rules are loaded before the old ones are removed.
    type: str
    choices: [iptables, nftables]
    default: iptables
  rollback_after:
    description:
      - Seconds after which the host itself returns to the rules before, unless they are confirmed by then
        (O(state=confirmed)). On a first run these are rules that close the ports to all but loopback.
      - With V(0) the new rules are kept at once. A start of the host returns to the rules before as well.
      - Only what changes the rules is put on trial; what fixes them in the kernel is not.
    type: int
    default: 0
  state:
    description:
      - With V(confirmed) the rules that are on trial are kept, and nothing else is done. It fails when there are none
        any more. Confirm through a new connection, as the role P(celebrum.redis_hardening.firewall#role) does, so that
        rules that shut you out do not last.
    type: str
    choices: [present, confirmed]
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

- name: Change the rules for two minutes
  celebrum.redis_hardening.redis_firewall:
    ports:
      - port: 6379
        sources: [10.20.0.5]
    rollback_after: 120
  register: closed

- name: Forget the connection
  ansible.builtin.meta: reset_connection

- name: Keep the rules, now that a new connection has come about
  celebrum.redis_hardening.redis_firewall:
    state: confirmed
  when: closed.pending

- name: Only the host itself
  celebrum.redis_hardening.redis_firewall:
    ports:
      - port: 6379
"""

RETURN = r"""
differences:
  description: What was (or in check mode is) not as it should be.
  returned: with O(state=present)
  type: list
  elements: str
  sample: ["IPv4: the chain REDIS-PORTS of filter is missing", "/etc/redis-ports-block/rules.v4 is missing"]
docker_library_missing:
  description: Whether the host has a Docker engine, but not the library by which its ports are proved (python3-docker).
  returned: with O(state=present)
  type: bool
guarded_ports:
  description: The ports that the rules guard.
  returned: with O(state=present)
  type: list
  elements: int
  sample: [6379, 6380]
missing_packages:
  description: Packages that have to be installed first. Outside check mode the module fails because of them.
  returned: when there are any
  type: list
  elements: str
  sample: [iptables]
pending:
  description: Whether the rules are on trial and have to be confirmed.
  returned: success
  type: bool
ufw_deny_ports:
  description:
    - The guarded ports that UFW may deny as well. With O(backend=nftables) these are only the ones that are open to
      nobody, because there what UFW drops does not get in.
  returned: with O(state=present)
  type: list
  elements: int
  sample: [6379, 6380]
ufw_enabled:
  description: Whether UFW is enabled on the host.
  returned: with O(state=present)
  type: bool
"""


from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import HostProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    backends as firewall_backends,
    policy as firewall_policy,
    trial as firewall_trial,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.run import present
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import (
    networks as host_networks,
)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            **firewall_policy.policy_spec(required=False),
            ssh_ports=dict(type="list", elements="int", default=[]),
            backend=dict(type="str", choices=list(firewall_backends.BACKENDS), default="iptables"),
            rollback_after=dict(type="int", default=0),
            state=dict(type="str", choices=["present", "confirmed"], default="present"),
        ),
        required_if=[("state", "present", ["ports"])],
        supports_check_mode=True,
    )
    options = module.params
    if options["rollback_after"] < 0:
        module.fail_json(msg="rollback_after: %d is no time; 0 keeps new rules at once" % options["rollback_after"])
    if options["state"] == "confirmed":
        firewall_trial.confirm(module)
    try:
        present(module, firewall_policy.build_policy(*(options[name] for name in firewall_policy.OPTIONS)))
    except (host_networks.PolicyProblem, HostProblem) as problem:
        module.fail_json(msg=str(problem))


if __name__ == "__main__":
    main()
