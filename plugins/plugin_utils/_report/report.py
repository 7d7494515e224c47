# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From findings to a report, and from reports to text for a terminal: pure functions.

An open door is a finding of severity critical that fails. A waiver accepts it; it stays open all the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count

from .believed import AUDITED, by_name, lacking, not_audited
from .waivers import apply_waivers

SCHEMA_VERSION = 1
WIDTH = 80
# Of lists and dicts around findings.
DEEPEST = 20
SEVERITIES = ("critical", "high", "medium", "low")
# The state of a control on a host is the worst of its findings.
_WORST_FIRST = ("fail", "error", "waived", "pass", "skipped")
# How much of a finding's expected and actual text is shown.
_SHOWN = 200
_MISSING = "not checked"


def findings_of(result, proves="", depth=0):
    """Return all findings in a list of findings, a registered result, a loop's result, or several of any of these.

    A result without findings that was not skipped becomes a finding with status error: the check has not run. proves:
    what is then not known; a dict with results may say it. It may also say for which names the policy wants the check
    (of), and controls that some of them need beside (also): what is missing then is an error, skipped or not.
    """
    if depth > DEEPEST:
        return [not_audited("its results are more than %d levels deep" % DEEPEST, proves=proves)]
    if isinstance(result, Mapping):
        if "id" in result and "status" in result:
            return [dict(result)]
        for name in ("results", "findings"):
            if name in result:
                found = findings_of(result[name], result.get("proves", proves), depth + 1)
                return found + (_unproved(result) if "of" in result else [])
        if result and all(isinstance(part, (list, tuple)) for part in result.values()):
            return [entry for part in result.values() for entry in findings_of(part, proves, depth + 1)]
        if result.get("skipped"):
            return []
        # As the roles call what they loop over.
        instance = result.get("__redis_name") or result.get("__pki_name", "")
        return [not_audited(result.get("msg") or "the check returned no findings", instance, proves)]
    if isinstance(result, (list, tuple)):
        return [entry for part in result for entry in findings_of(part, proves, depth + 1)]
    return [not_audited("instead of findings there is %.200r" % (result,))]


def _unproved(check):
    """Return an error for each name for which the policy wants a check that has not said all that it always says."""
    results, found = by_name(check["results"]), []
    for name in map(str, check["of"]):
        said = findings_of(results.get(name, []))
        if any(one["id"] == AUDITED and one["status"] == "error" for one in said):
            continue
        more = [control for control, names in check.get("also", {}).items() if name in names]
        missing = lacking(check["proves"], more, [str(one["id"]) for one in said])
        if missing:
            found.append(not_audited("the policy wants this proved, and the check says nothing of it", name, missing))
    return found


def once(findings):
    """Return the findings of a host; checks that gave no result for one and the same reason are one finding."""
    unknown = {}
    for one in findings:
        if one["id"] == AUDITED and one["status"] == "error":
            unknown.setdefault((one["instance"], one["actual"]), []).append(one["subject"])
    result = []
    for one in findings:
        if one["id"] == AUDITED and one["status"] == "error":
            subjects = unknown.pop((one["instance"], one["actual"]), None)
            if subjects is None:
                continue
            one = dict(one, subject=" ".join(dict.fromkeys(filter(None, subjects))))
        result.append(one)
    return result


def build_report(findings, waivers, generated, title):
    """Return the report of all hosts as a dict that can be written as JSON.

    findings: host -> its findings. waivers: without problems. generated: a datetime in UTC.
    """
    all_findings = [dict(entry, host=host) for host, entries in findings.items() for entry in entries]
    all_findings, notes = apply_waivers(all_findings, waivers, generated.date())
    return dict(
        schema_version=SCHEMA_VERSION,
        title=title,
        generated=generated.strftime("%Y-%m-%dT%H:%M:%SZ"),
        totals=_counts(all_findings),
        open_doors=sum(_is_open_door(entry) for entry in all_findings),
        hosts={host: _counts([entry for entry in all_findings if entry["host"] == host]) for host in findings},
        notes=notes,
        findings=all_findings,
    )


def _counts(findings):
    failed = [entry["severity"] for entry in findings if entry["status"] == "fail"]
    return dict(count(findings), failed_by_severity={severity: failed.count(severity) for severity in SEVERITIES})


def _is_open_door(entry):
    return entry["severity"] == "critical" and entry["status"] in ("fail", "waived")


_COLUMNS = ("passed", "failed", "waived", "skipped", "errors", "crit", "high", "med", "low")
_ROW = "%-26s %6s %6s %6s %7s %6s %4s %4s %3s %3s"


def text_report(report, limit=None):
    """Return the report as text of at most 80 columns. limit: how many failed findings to describe, worst first."""
    lines = [_short("%s, %s" % (report["title"], report["generated"])), "", _ROW % ("host", *_COLUMNS)]
    lines += [_row(host, totals) for host, totals in report["hosts"].items()]
    if len(report["hosts"]) > 1:
        lines.append(_row("all", report["totals"]))
    lines += ["", "Open doors (critical and failed, waived ones as well): %d" % report["open_doors"]]
    order = {severity: number for number, severity in enumerate(SEVERITIES)}
    failed = sorted(
        (entry for entry in report["findings"] if entry["status"] in ("fail", "error")),
        key=lambda entry: (order[entry["severity"]], entry["id"], entry["host"]),
    )
    for entry in failed[:limit]:
        lines += ["", *_described(entry)]
    if limit is not None and len(failed) > limit:
        lines += ["", "... and %d more." % (len(failed) - limit)]
    waived = [entry for entry in report["findings"] if "waiver" in entry]
    if waived or report["notes"]:
        lines.append("")
    for entry in waived:
        accepted = "%s until %s: %s" % (_named(entry), entry["waiver"]["until"], entry["waiver"]["reason"])
        lines += _wrapped("waived  ", accepted)
    for note in report["notes"]:
        lines += _wrapped("note    ", note)
    skipped = _skipped(report["findings"])
    lines += [""] * bool(skipped)
    for entry in skipped[:limit]:
        lines += _wrapped("skipped ", entry)
    if limit is not None and len(skipped) > limit:
        lines.append("... and %d more lines of what was skipped." % (len(skipped) - limit))
    return "\n".join(lines) + "\n"


def _skipped(findings):
    """Return a line for each reason for which something was skipped: which controls, on which hosts, why."""
    reasons = {}
    for entry in findings:
        if entry["status"] == "skipped":
            controls, hosts = reasons.setdefault(entry["actual"], ({}, {}))
            controls[entry["id"]] = hosts[entry["host"]] = True
    lines = []
    for reason, (controls, hosts) in reasons.items():
        where = ", ".join(hosts) if len(hosts) < 4 else "%d hosts" % len(hosts)
        lines.append("%s on %s: %s" % (" ".join(controls), where, _short(reason, _SHOWN)))
    return sorted(lines)


def _row(name, totals):
    severities = [totals["failed_by_severity"][severity] for severity in SEVERITIES]
    statuses = [totals[status] for status in ("pass", "fail", "waived", "skipped", "error")]
    return (_ROW % (_short(name, 26), *statuses, *severities)).rstrip()


def _named(entry):
    return " ".join(filter(None, (entry["id"], entry["host"], entry["instance"], entry["subject"])))


def _described(entry):
    lines = _wrapped("", "%s %s (%s)" % (entry["status"].upper(), _named(entry), entry["severity"]))
    lines += _wrapped("  ", entry["title"])
    lines += _wrapped("  expected  ", _short(entry["expected"], _SHOWN))
    lines += _wrapped("  found     ", _short(entry["actual"], _SHOWN))
    return lines + _wrapped("  fix       ", entry["remediation"])


def compare(before, after):
    """Return a table of two reports, before and after, of at most 80 columns, and what changed between them.

    Counts controls: one that fails for three users of a host counts once for that host.
    """
    old, new = _states(before), _states(after)
    rows = [("", "before", "after"), ("Failed controls", *(_failed(states) for states in (old, new)))]
    rows += [("  " + severity, *(_failed(states, severity) for states in (old, new))) for severity in SEVERITIES]
    rows.append(("Not checked, for an error", *(_failed(states, wanted="error") for states in (old, new))))
    rows.append(("Open doors", before["open_doors"], after["open_doors"]))
    lines = ["%-28s %8s %8s" % row for row in rows]
    changes = {"Fixed": [], "Failed before, now neither failed nor proved": [], "Failed now, but not before": []}
    mended, unclear, worse = changes.values()
    for key in sorted({**old, **new}):
        was, now = (states.get(key, (_MISSING, "", ""))[0] for states in (old, new))
        (host, control), (_state, severity, title) = key, new.get(key) or old[key]
        line = "%s %s %s: %s" % (control, severity, host, title)
        if was == "fail" and now == "pass":
            mended.append(line)
        elif was == "fail" and now != "fail":
            unclear.append("%s (%s)" % (line, now))
        elif now == "fail" and was != "fail":
            worse.append("%s (was: %s)" % (line, was))
    for heading, entries in changes.items():
        if entries:
            lines += ["", "%s: %d" % (heading, len(entries)), *(_short("  " + entry) for entry in entries)]
    return "\n".join(lines) + "\n"


def _states(report):
    """Return (host, control) -> (state, severity, title)."""
    states = {}
    for entry in report["findings"]:
        key = entry["host"], entry["id"]
        known = states.get(key, ("skipped",))[0]
        worst = min(known, entry["status"], key=_WORST_FIRST.index)
        states[key] = (worst, entry["severity"], entry["title"])
    return states


def _failed(states, severity=None, wanted="fail"):
    return sum(state == wanted and severity in (None, rank) for state, rank, _title in states.values())


def _plain(text):
    """Return text on one line without control characters: a hostile server must not write to the terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())


def _short(text, width=WIDTH):
    indent = " " * (len(text) - len(text.lstrip(" ")))
    text = indent + _plain(text)
    return text if len(text) <= width else text[: width - 3] + "..."


def _wrapped(prefix, text):
    indents = dict(initial_indent=prefix, subsequent_indent=" " * len(prefix))
    # The ids of controls stay whole.
    return textwrap.wrap(_plain(text), WIDTH, break_on_hyphens=False, **indents) or [prefix.rstrip()]
