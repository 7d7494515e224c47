# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors nodes_argument_spec() of plugins/module_utils/_replication_spec.py.
    DOCUMENTATION = r"""
options:
  nodes:
    description:
      - The servers of the group. They replace O(login_host), O(login_port) and O(login_unix_socket). The login is the
        same for all.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Address or name of the server, as seen from the host on which the module runs.
        type: str
        required: true
      port:
        description: Its port for clients, the TLS one with O(tls=true).
        type: int
        default: 6379
      address:
        description: Address at which the other servers reach it, where that is not O(nodes[].host).
        type: str
  renamed_commands:
    description: Commands and their new names, to talk to the servers with.
    type: dict
    default: {}
"""

    # Mirrors sentinels_argument_spec() of the same file.
    SENTINELS = r"""
options:
  sentinels:
    description: Sentinels that watch the group. All must agree with what the servers say.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Address or name.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 26379
  sentinel_master_name:
    description: What the Sentinels call the group.
    type: str
    default: mymaster
  sentinel_user:
    description: User for the Sentinels.
    type: str
  sentinel_password:
    description: Its password.
    type: str
"""
