# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors acl_argument_spec() of plugins/module_utils/_acl_spec.py.
    DOCUMENTATION = r"""
options:
  users:
    description:
      - The users, all of them. The user V(default) is always part of the set. Where it is not declared, it is off,
        without a password and without any right.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the user.
        type: str
        required: true
      enabled:
        description:
          - Whether the user can log in.
        type: bool
        default: true
      passwords:
        description:
          - Passwords in plain text. The server and the ACL file only get their SHA-256. Two at a time make a rotation
            seamless.
          - An enabled user needs a password here or in O(users[].password_hashes).
        type: list
        elements: str
        default: []
      password_hashes:
        description:
          - SHA-256 of passwords, 64 hexadecimal digits in lower case.
        type: list
        elements: str
        default: []
      commands:
        description:
          - Rules on commands, in order, such as V(+@read), V(-@dangerous), V(+config|get). They start from V(-@all), so
            that an empty list means no command.
        type: list
        elements: str
        default: []
      keys:
        description:
          - Patterns of keys. V(cache:*) means V(~cache:*). V(%R~cache:*) and V(%W~cache:*) are taken as they are.
          - V(*) means all keys. What ACL rules say otherwise, such as V(allkeys) or V(+get), is refused here. For a key
            of that name write V(~allkeys).
        type: list
        elements: str
        default: []
      channels:
        description:
          - Patterns of channels, with or without V(&). V(*) means all, and V(allchannels) is refused.
        type: list
        elements: str
        default: []
      selectors:
        description:
          - Further sets of rights, such as V((+get ~session:*)), with or without the parentheses.
        type: list
        elements: str
        default: []
      allow_scripting:
        description:
          - Whether the policy allows the user to run scripts. It grants nothing.
            M(celebrum.redis_hardening.redis_acl_verify) looks at it.
        type: bool
        default: false
      sanitize_payload:
        description:
          - Whether the server checks the payload of C(RESTORE) for this user.
        type: bool
        default: true
  renamed_commands:
    description:
      - Commands that the server knows by another name, above all V(ACL). Original name to new name, empty for a
        disabled command. The rename need not be active yet.
    type: dict
    default: {}
"""
