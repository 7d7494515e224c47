# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors policy_spec() of plugins/module_utils/_firewall.py.
    DOCUMENTATION = r"""
options:
  ports:
    description: The guarded ports and who may reach them, as in M(celebrum.redis_hardening.redis_firewall).
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
  docker_bridges:
    description: Interfaces of Docker's bridges, whose traffic is the containers' own.
    type: list
    elements: str
    default: [docker0, br-+, docker_gwbridge]
"""

    NOTICE = r"""
options:
  reserved_action:
    description:
      - What becomes of a connection to a reserved port of the host from a source that is not named. It is dropped, or
        rejected (a TCP reset), or let through, limited in rate, to the notice of the role
        P(celebrum.redis_hardening.port_notice#role).
      - Reserved ports of containers are always dropped.
    type: str
    choices: [drop, reject, notice]
    default: drop
  reserved_notice:
    description:
      - Whether the host runs the notice of the role P(celebrum.redis_hardening.port_notice#role). The sources of all
        O(ports) may then see it on every reserved port of the host, and with O(reserved_action=notice) everyone.
      - They are led to port 63790, where nothing but the notice listens (a REDIRECT in the table C(nat)). The reserved
        ports themselves stay closed, so that a server that gets one of them by accident is reached by nobody.
    type: bool
    default: false
"""
