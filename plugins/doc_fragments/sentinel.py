# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors argument_spec() of plugins/module_utils/_sentinel_ask.py. Of two fragments with an option of the same name
    # the first one holds, so this one has to stand before `connection`, which has another login_port.
    DOCUMENTATION = r"""
options:
  login_port:
    description:
      - TCP port of the Sentinel.
    type: int
    default: 26379
  master_name:
    description:
      - What the Sentinels call the group.
    type: str
    default: mymaster
  sentinels:
    description:
      - All Sentinels of the group, this one included. They are asked with the same login.
    type: list
    elements: dict
    suboptions:
      host:
        description: Address at which the others reach it.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 26379
  quorum:
    description:
      - How many Sentinels must hold the master for down before a failover is begun.
    type: int
  auth_user:
    description:
      - User with which the Sentinels log in to the data nodes.
    type: str
  auth_pass:
    description:
      - Its password.
    type: str
  renamed_commands:
    description:
      - The data nodes' renamed commands, original name to new name.
    type: dict
"""
