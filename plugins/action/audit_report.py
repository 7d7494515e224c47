# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""See plugins/modules/audit_report.py for the documentation."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import STATUSES
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.arguments import checked_arguments
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import (
    believed,
    files,
    report as report_report,
    waivers as report_waivers,
)

# More failed findings than these are in report.txt only.
SHOWN = 15
_WAIVER = dict(
    id=dict(type="str", required=True),
    reason=dict(type="str", required=True),
    until=dict(type="str", required=True),
    host=dict(type="str"),
    subject=dict(type="str"),
)
_OPTIONS = dict(
    findings_var=dict(type="str", default="celebrum_findings", aliases=["results"]),
    hosts=dict(type="list", elements="str"),
    path=dict(type="path", required=True),
    title=dict(type="str", default="Redis audit"),
    fail=dict(type="bool", default=True),
    waivers=dict(type="list", elements="dict", default=[], options=_WAIVER),
)


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        arguments = checked_arguments(self, _OPTIONS)
        result = super().run(tmp, task_vars)
        inventory = {*((task_vars.get("groups") or {}).get("all") or ()), *(arguments["hosts"] or ())}
        problems = report_waivers.waiver_problems(arguments["waivers"])
        problems += report_waivers.host_problems(arguments["waivers"], inventory)
        if problems:
            raise AnsibleActionFail("\n".join(["The waivers are refused, no report was written:", *problems]))

        report = report_report.build_report(
            self._collect(arguments["hosts"], arguments["findings_var"], task_vars),
            arguments["waivers"],
            datetime.datetime.now(datetime.UTC),
            arguments["title"],
        )
        folder = self._loader.path_dwim(arguments["path"])
        path, text_path = (os.path.join(folder, "report" + end) for end in (".json", ".txt"))
        changed = _content(report) != _content(_read(path))
        if not task_vars.get("ansible_check_mode"):
            try:
                os.makedirs(folder, mode=0o700, exist_ok=True)
                files.write(path, json.dumps(report, indent=2) + "\n")
                files.write(text_path, report_report.text_report(report))
            except OSError as error:
                raise AnsibleActionFail("path: the report can't be written to %s: %s" % (folder, error)) from error
        # Not in the result, where callbacks indent and quote it beyond the width of a terminal.
        Display().display("\n" + report_report.text_report(report, limit=SHOWN))

        totals = report["totals"]
        result.update(
            changed=changed,
            path=path,
            totals=totals,
            open_doors=report["open_doors"],
            failed=arguments["fail"] and bool(totals["fail"] or totals["error"]),
            msg="%d passed, %d failed, %d waived, %d skipped, %d errors; open doors: %d; see %s."
            % (*(totals[status] for status in STATUSES), report["open_doors"], text_path),
        )
        return result

    def _collect(self, hosts, name, task_vars):
        """Return host -> findings; hosts that can't have any get one that says so."""
        lost = set()
        if hosts is None:
            hosts = task_vars["ansible_play_hosts_all"]
            lost = set(hosts) - set(task_vars["ansible_play_hosts"])
        collected = {}
        for host in map(str, hosts):
            findings = self._of_host(task_vars["hostvars"], host, name)
            if host in lost:
                findings.append(
                    believed.not_audited("the host failed or was unreachable before the audit was complete")
                )
            elif not findings:
                findings.append(believed.not_audited("the host has no findings in the variable %s" % name))
            collected[host] = report_report.once(findings)
        return collected

    def _of_host(self, hostvars, host, name):
        if host not in hostvars or name not in hostvars[host]:
            return []
        try:
            findings = report_report.findings_of(_native(hostvars[host][name]))
        except AnsibleError as error:
            findings = [believed.not_audited("the variable %s can't be evaluated: %s" % (name, error))]
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            findings = [believed.not_audited("the variable %s has what is no result: %s" % (name, error))]
        return believed.believed(findings)


def _native(value):
    """Return plain Python values: variables may be evaluated only when they are looked at."""
    if isinstance(value, Mapping):
        return {str(key): _native(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_native(entry) for entry in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _content(report):
    """Return what a report says, without when."""
    return {key: value for key, value in report.items() if key != "generated"}


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
