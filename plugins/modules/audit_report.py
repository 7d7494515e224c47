#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_report
short_description: One report of the findings of all hosts
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Collects the findings of all hosts of the play, applies waivers, shows a table, writes C(report.json) and
    C(report.txt) to a directory of the controller, and fails when a control fails or could not be checked.
  - Runs once for the play, on the controller.
  - A host that was lost during the play, or has no findings, gets a finding with status V(error). So does a check that
    ended without findings and was not skipped, and what a host sends that is no finding of this collection.
  - Titles and severities are the catalogue's, whatever a host says, and texts lose what a terminal would obey.
options:
  findings_var:
    description:
      - Name of the variable of each host that holds its findings, as a list of findings, a registered result of a
        verify module (also of a loop), or a list of any of these, or a dictionary of such lists.
      - The C(verify) tasks of the roles keep theirs in the default, each under the name of its role. To have others in
        the report, do the same.
      - An entry may also be a dict with C(results) (such results), C(proves) (controls or their families), C(of) (names
        of the loop for which the policy wants the check, V('') without a loop) and C(also) (a control beside, and for
        which of them). What the check does not say then is a finding with status V(error), even where it was skipped.
    type: str
    default: celebrum_findings
    aliases: [results]
  hosts:
    description:
      - The hosts of the report. By default all hosts of the play.
      - To get a report even if no host of a play can be reached, run this in a later play on C(localhost), with the
        hosts named here.
    type: list
    elements: str
  path:
    description:
      - Directory on the controller. It is made with mode 0700 when it is missing; the files get mode 0600, because they
        describe weaknesses. Relative paths begin at the playbook's directory.
    type: path
    required: true
  title:
    description:
      - First line of the report.
    type: str
    default: Redis audit
  fail:
    description:
      - Whether the task fails when a finding has the status V(fail) or V(error). The report is written before.
    type: bool
    default: true
  waivers:
    description:
      - Failed findings that are accepted for a time. They get the status V(waived).
      - A waiver that has ended does not apply, and the report says so. A finding with status V(error) can't be waived.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The control, such as V(RH-CFG-03).
        type: str
        required: true
      reason:
        description: Why it is accepted.
        type: str
        required: true
      until:
        description: Last day on which it is accepted, in UTC, as in V(2027-01-31).
        type: str
        required: true
      host:
        description: The host, one of the inventory. Without it, all hosts are meant.
        type: str
      subject:
        description: The finding's subject, exactly. Without it, all subjects are meant.
        type: str
notes:
  - Hosts of later batches (C(serial)) have no findings yet when the first report is written.
attributes:
  check_mode:
    description: Can run in check mode and return the same result as otherwise.
    support: full
    details: Shows the table and fails as otherwise, but writes no file.
  diff_mode:
    description: Returns details on what has changed, when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
    details: The task is changed when the report says something else than the one that was there. The files are written
      anew each time, with the time of the audit.
"""

EXAMPLES = r"""
- name: Write the report of the audit
  celebrum.redis_hardening.audit_report:
    path: /srv/reports
    waivers:
      - id: RH-CFG-03
        host: cache1
        reason: Its clients hold idle connections until they are updated, see ticket 4711.
        until: "2027-01-31"
"""

RETURN = r"""
msg:
  description: The totals in one sentence, and where the report is.
  returned: always
  type: str
  sample: "22 passed, 2 failed, 0 waived, 1 skipped, 0 errors; open doors: 1; see /srv/reports/report.txt."
path:
  description: The file with the report as JSON.
  returned: always
  type: str
  sample: /srv/reports/report.json
totals:
  description: Number of findings with each status, and of failed ones of each severity.
  returned: always
  type: dict
  sample:
    pass: 22
    fail: 2
    waived: 0
    skipped: 1
    error: 0
    failed_by_severity: {critical: 1, high: 0, medium: 1, low: 0}
open_doors:
  description: Number of findings of severity critical that failed, waived or not.
  returned: always
  type: int
  sample: 1
"""
