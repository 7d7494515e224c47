#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: take_over_report
short_description: Show the variables that keep what a server has
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Shows what M(celebrum.redis_hardening.redis_takeover) has found on a host, as variables to paste, and writes the
    same to a file on the controller, with the SHA-256 of the users' passwords, which are not shown.
  - Runs on the controller and does not connect to the host. In check mode no file is written.
options:
  results_var:
    description: Name of the variable that holds the registered result of the module, in a loop over instances.
    type: str
    default: __redis_looked
  path:
    description:
      - Directory on the controller. It is created with mode 0700 when it is missing; the file, named by the host, gets
        mode 0600.
    type: path
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return the same result without changing anything.
    support: full
  diff_mode:
    description: Returns details on what has changed, when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
"""

EXAMPLES = r"""
- name: Show what keeps the servers as they are
  celebrum.redis_hardening.take_over_report:
    path: ./take_over
"""

RETURN = r"""
file:
  description: The file, empty when there is nothing to keep.
  returned: always
  type: str
  sample: take_over/cache1.yml
"""
