# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors node_options() of plugins/module_utils/_cluster_ask.py.
    DOCUMENTATION = r"""
options:
  nodes:
    description:
      - The servers of the cluster, each running with C(cluster-enabled yes).
      - They replace O(login_host), O(login_port) and O(login_unix_socket). The login is the same for all.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description:
          - Address of the server, as seen from the host on which the module runs.
        type: str
        required: true
      port:
        description:
          - Its port for clients, the TLS one with O(tls=true).
        type: int
        required: true
      address:
        description:
          - Address at which the other nodes reach it, where that is not O(nodes[].host).
        type: str
      zone:
        description:
          - Name of what fails together, such as a rack. A master's replicas stand in other zones where possible.
          - Without it, O(nodes[].host) is the zone.
        type: str
      state:
        description:
          - V(absent) makes the node leave, after its slots have moved away. A node that is gone for good and owns no
            slots is forgotten.
          - Members that are not named are refused, never removed.
        type: str
        choices: [present, absent]
        default: present
  leaving:
    description:
      - Nodes that leave as if O(nodes) had them with O(nodes[].state=absent), each as C(HOST:PORT) or C(ZONE:PORT).
      - One that O(nodes) does not name any more is taken for a server at that address.
    type: list
    elements: str
    default: []
  replicas:
    description:
      - Replicas that each master has at least.
    type: int
    default: 1
  renamed_commands:
    description:
      - Commands and their new names, to talk to the servers with.
    type: dict
    default: {}
"""
