"""The report and its texts."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import STATUSES, finding
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import report as report_report
from hypothesis import given, strategies as st

NOW = datetime.datetime(2027, 1, 31, 23, 59, 58, tzinfo=datetime.UTC)


def build(findings, waivers=()):
    return report_report.build_report(findings, list(waivers), NOW, "Redis audit")


def entry(control="RH-NET-01", status="fail", **other):
    return finding(control, status, "closed", "open", **other)


def states(**hosts):
    """Make a report of host -> {control: status}."""
    return build({h: [entry(c.replace("_", "-"), s) for c, s in controls.items()] for h, controls in hosts.items()})


@pytest.mark.parametrize(
    ("result", "statuses"),
    [
        ([], []),
        ([entry(), entry(status="pass")], ["fail", "pass"]),
        ({"changed": False, "failed": False, "findings": [entry()]}, ["fail"]),
        ({"results": [{"findings": [entry()]}, {"findings": [entry(status="pass")]}], "msg": "done"}, ["fail", "pass"]),
        ([[entry()], {"findings": []}, {"results": []}], ["fail"]),
        ({"changed": False, "skipped": True}, []),
        ({"changed": False, "failed": False, "msg": "no library"}, ["error"]),
        ({"results": [{"unreachable": True, "msg": "ssh"}]}, ["error"]),
        ("text", ["error"]),
        (None, ["error"]),
    ],
)
def test_findings_are_found_in_results(result, statuses):
    assert [found["status"] for found in report_report.findings_of(result)] == statuses


def test_a_check_that_failed_tells_why():
    (found,) = report_report.findings_of({"failed": False, "msg": "The Python library redis is missing"})
    assert found["id"] == "RH-AUD-01"
    assert found["actual"] == "The Python library redis is missing"
    assert found["remediation"]


def test_checks_that_failed_for_one_reason_are_one_finding():
    why = {"failed": False, "msg": "127.0.0.1:6379 can't be reached"}
    results = [
        {"proves": "RH-ACL", "results": [{**why, "__redis_name": "default"}, {**why, "__redis_name": "7000"}]},
        {"proves": "RH-CMD", "results": [{**why, "__redis_name": "default"}, {"findings": [entry()]}]},
        {"proves": "RH-CMD", "results": [{**why, "__redis_name": "default"}]},
        {"proves": "RH-TLS", "results": [{"msg": "no certificate"}]},
        {"proves": "RH-SEN", "results": [{"changed": False, "skipped": True}]},
    ]
    found = report_report.once(report_report.findings_of(results))
    assert [(one["id"], one["instance"], one["subject"], one["actual"]) for one in found] == [
        ("RH-AUD-01", "default", "RH-ACL RH-CMD", why["msg"]),
        ("RH-AUD-01", "7000", "RH-ACL", why["msg"]),
        ("RH-NET-01", "", "", "open"),
        ("RH-AUD-01", "", "RH-TLS", "no certificate"),
    ]
    assert report_report.once([entry(), entry()]) == [entry(), entry()]


def test_what_was_skipped_is_told_with_its_reason():
    skipped = [entry("RH-HST-03", "skipped"), entry("RH-VER-01", "skipped"), entry("RH-VER-01", "skipped")]
    report = build({"h1": skipped, **{"g%d" % at: [entry("RH-ACL-01", "skipped")] for at in range(5)}})
    report["findings"][0]["actual"] = "in a container"
    text = report_report.text_report(report)
    assert "skipped RH-HST-03 on h1: in a container\n" in text
    assert "skipped RH-VER-01 RH-ACL-01 on 6 hosts: open\n" in text
    assert "... and 1 more lines of what was skipped." in report_report.text_report(report, limit=1)
    assert "skipped RH" not in report_report.text_report(build({"h1": [entry()]}))


def test_the_report_counts():
    waiver = {"id": "RH-NET-01", "reason": "Lab.", "until": "2027-01-31", "host": "h2", "subject": None}
    report = build(
        {
            "h1": [entry(), entry("RH-CFG-03"), entry("RH-ACL-01", "pass"), entry("RH-HST-03", "skipped")],
            "h2": [entry(), entry("RH-VER-01", "error")],
        },
        [waiver],
    )
    assert report["schema_version"] == 1
    assert report["generated"] == "2027-01-31T23:59:58Z"
    by_severity = {"critical": 1, "high": 0, "medium": 0, "low": 1}
    counts = {"pass": 1, "fail": 2, "skipped": 1, "failed_by_severity": by_severity}
    assert report["totals"] == {**counts, "waived": 1, "error": 1}
    assert report["hosts"]["h1"] == {**counts, "waived": 0, "error": 0}
    assert report["open_doors"] == 2, "a waived door is open"
    assert [found["host"] for found in report["findings"]] == ["h1"] * 4 + ["h2"] * 2
    assert json.loads(json.dumps(report)) == report


def test_the_text_describes_what_failed_worst_first():
    text = report_report.text_report(
        build(
            {
                "h1": [
                    entry("RH-CFG-03", instance="127.0.0.1:6379", subject="timeout"),
                    entry(),
                    entry("RH-ACL-01", "pass"),
                    entry("RH-ACL-03", "error"),
                ]
            }
        )
    )
    lines = text.splitlines()
    assert [line.split() for line in lines[2:4]] == [
        ["host", "passed", "failed", "waived", "skipped", "errors", "crit", "high", "med", "low"],
        ["h1", "1", "2", "0", "0", "1", "1", "0", "0", "1"],
    ]
    assert "Open doors (critical and failed, waived ones as well): 1" in lines
    assert [line for line in lines if line.startswith(("FAIL", "ERROR"))] == [
        "FAIL RH-NET-01 h1 (critical)",
        "ERROR RH-ACL-03 h1 (high)",
        "FAIL RH-CFG-03 h1 127.0.0.1:6379 timeout (low)",
    ]
    assert "  expected  closed" in lines
    assert "  found     open" in lines
    assert "  fix       Set redis_timeout above 0 and run site.yml." in lines
    assert "RH-ACL-01" not in text


def test_several_hosts_have_a_sum():
    text = report_report.text_report(build({"h1": [entry()], "h2": [entry()]}))
    assert ["all", "0", "2", "0", "0", "0", "2", "0", "0", "0"] in [line.split() for line in text.splitlines()]


def test_the_terminal_gets_no_more_than_the_limit():
    text = report_report.text_report(build({"h%d" % n: [entry()] for n in range(5)}), limit=2)
    assert text.count("FAIL") == 2
    assert "... and 3 more." in text


def test_waivers_and_notes_are_shown():
    waivers = [
        {"id": "RH-NET-01", "reason": "Lab only.", "until": "2027-01-31"},
        {"id": "RH-CFG-03", "reason": "x", "until": "2026-01-31"},
    ]
    text = report_report.text_report(build({"h1": [entry()]}, waivers))
    assert "waived  RH-NET-01 h1 until 2027-01-31: Lab only." in text
    assert "note    The waiver for RH-CFG-03 ended on 2026-01-31 and does not apply." in text


findings = st.builds(
    finding,
    st.sampled_from(sorted(CONTROLS)),
    st.sampled_from(STATUSES),
    st.text(max_size=300),
    st.text(max_size=300),
    instance=st.text(max_size=90),
    subject=st.text(max_size=90),
    remediation=st.text(max_size=200),
)
reports = st.dictionaries(st.text(min_size=1, max_size=90), st.lists(findings, max_size=4), max_size=3).map(build)


@given(reports, st.none() | st.integers(0, 3))
def test_texts_fit_a_terminal_and_hold_nothing_that_steers_it(report, limit):
    check_text(report_report.text_report(report, limit))


@given(reports, reports)
def test_comparisons_fit_a_terminal_and_hold_nothing_that_steers_it(before, after):
    check_text(report_report.compare(before, after))


def check_text(text):
    lines = text.split("\n")
    assert max(map(len, lines)) <= 80
    assert all(letter.isprintable() for line in lines for letter in line)


@given(reports)
def test_counts_add_up(report):
    for status in STATUSES:
        assert report["totals"][status] == sum(found["status"] == status for found in report["findings"])
        assert report["totals"][status] == sum(totals[status] for totals in report["hosts"].values())
    assert sum(report["totals"]["failed_by_severity"].values()) == report["totals"]["fail"]


def rows(text):
    table = text.split("\n\n")[0].splitlines()[1:]
    return {line[:28].strip(): tuple(map(int, line[28:].split())) for line in table}


def test_before_and_after():
    before = states(
        h1={"RH_NET_01": "fail", "RH_ACL_01": "fail", "RH_CFG_03": "fail", "RH_HST_02": "error", "RH_CFG_01": "pass"},
        h2={"RH_NET_01": "fail", "RH_ACL_03": "fail"},
    )
    after = states(
        h1={"RH_NET_01": "pass", "RH_ACL_01": "pass", "RH_CFG_03": "pass", "RH_HST_02": "pass", "RH_CFG_01": "fail"},
        h2={"RH_NET_01": "error"},
    )
    text = report_report.compare(before, after)
    assert rows(text) == {
        "Failed controls": (5, 1),
        "critical": (3, 0),
        "high": (1, 0),
        "medium": (0, 1),
        "low": (1, 0),
        "Not checked, for an error": (1, 1),
        "Open doors": (3, 0),
    }
    sections = {part.splitlines()[0]: part.splitlines()[1:] for part in text.split("\n\n")[1:]}
    assert list(sections) == [
        "Fixed: 3",
        "Failed before, now neither failed nor proved: 2",
        "Failed now, but not before: 1",
    ]
    assert [line.split()[0] for line in sections["Fixed: 3"]] == ["RH-ACL-01", "RH-CFG-03", "RH-NET-01"]
    unproved = sections["Failed before, now neither failed nor proved: 2"]
    assert unproved[0].startswith("  RH-ACL-03 high h2: ")
    assert unproved[1].startswith("  RH-NET-01 critical h2: ")
    assert sections["Failed now, but not before: 1"][0].startswith("  RH-CFG-01 medium h1: ")


def test_a_control_counts_once_and_by_its_worst_finding():
    before = build({"h1": [entry(subject=name) for name in "abc"] + [entry(status="pass")]})
    after = build({"h1": [entry(status="pass"), entry(subject="b"), entry(status="error")]})
    assert rows(report_report.compare(before, after))["Failed controls"] == (1, 1)
    assert rows(report_report.compare(before, after))["Open doors"] == (3, 1)
    assert "Mended" not in report_report.compare(before, after)


def test_nothing_changed():
    report = states(h1={"RH_NET_01": "fail"})
    assert "\n\n" not in report_report.compare(report, report)
