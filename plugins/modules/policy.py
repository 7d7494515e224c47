#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy
short_description: Refuse a policy that is mistyped, contradicts itself, or would leave Redis open
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Checks the variables of the host against what the roles of this collection know, before anything is changed.
    Runs on the controller and does not connect to the host.
  - Variables that begin with the name of a role of this collection but are known to none, keys of dictionaries that are
    unknown, and values of another type than the declared one, are refused. So is text where a list is meant, which
    Ansible's own check of role arguments lets pass without converting it.
  - Values that have the right type but would leave Redis open, lock out the operator, or keep the server from starting
    are refused; see the notes.
  - All problems are reported at once, one line each, with the variable's name, its value unless it is a secret, and
    what to set instead.
options:
  roles:
    description:
      - Names of roles of this collection whose variables are checked.
      - Unknown variables are looked for among the names of all roles of the collection.
    type: list
    elements: str
    required: true
notes:
  - "Refused are for example: a V(redis_bind) that others can reach with no V(redis_allowed_sources); the whole internet
    as an allowed source; a port of SSH as a Redis port; an enabled user without a password; a password of less than 16
    characters; an unbounded V(redis_maxmemory); a V(redis_timeout) of 0; C(CONFIG) or C(ACL) disabled; a directory of
    the system as V(redis_dir); a system other than Debian 12 and 13 without V(redis_allow_untested_system)."
  - Sources by group, host or DNS name are resolved as P(celebrum.redis_hardening.firewall_ports#lookup) does, and
    refused where they mean nobody. So is a port on which Redis can be reached by others, and for which no source is
    named.
  - The system of the host is not asked for where P(celebrum.redis_hardening.documents#role) is the only role.
  - Names of your own that only look like variables of this collection go into V(redis_ignored_variables). Registered
    results and facts are never taken for mistyped variables.
  - While the values are evaluated, P(celebrum.redis_hardening.secret#lookup) is in check mode, so that a policy that is
    refused leaves no password file behind.
attributes:
  check_mode:
    description: Can run in check mode and return the same result as otherwise.
    support: full
  diff_mode:
    description: Returns details on what has changed, when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
    details: It changes nothing.
"""

EXAMPLES = r"""
- name: Refuse a policy that is wrong, before the first change
  hosts: redis
  pre_tasks:
    - name: Check the policy
      celebrum.redis_hardening.policy:
        roles: [firewall, redis]
"""

RETURN = r"""
msg:
  description: What is wrong, one line each after the first, or that nothing is.
  returned: always
  type: str
  sample: |-
    The policy is refused, nothing was changed:
    redis_prot is not a variable of this collection: did you mean redis_port? If it is yours, list it in
    redis_ignored_variables.
"""
