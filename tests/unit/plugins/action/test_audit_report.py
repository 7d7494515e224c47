"""The action audit_report, in a real playbook."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding

sys.path.insert(0, str(Path(__file__).parent))
import playbook

OPEN = finding("RH-NET-01", "fail", "closed", "open, answers PING", instance="10.0.0.1:6379")
IDLE = finding("RH-CFG-03", "fail", "300", "0", subject="timeout")
GOOD = finding("RH-ACL-01", "pass", "refused", "refused")
NO_LIBRARY = {"changed": False, "failed": False, "msg": "Failed to import the required Python library (redis)"}
COLLECT = {
    "ansible.builtin.set_fact": {"celebrum_findings": "{{ found }}"},
    "when": "found is defined",
}
LOSE = {"ansible.builtin.fail": {"msg": "lost"}, "when": "lost is defined"}


def report(**options):
    return {
        "celebrum.redis_hardening.audit_report": {"path": "out/reports", **options},
        "register": "outcome",
        "ignore_errors": True,
        "run_once": True,
    }


def run(folder, hosts, *arguments, **options):
    code, output, outcomes = playbook.run(folder, hosts, [COLLECT, LOSE, report(**options)], *arguments)
    outcome = next((outcome for outcome in outcomes.values() if outcome), None)
    path = folder / "out" / "reports" / "report.json"
    return outcome, json.loads(path.read_text()) if path.exists() else None, output


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    hosts = {
        "h1": {"found": [OPEN, GOOD]},
        "h2": {"found": [{"changed": False, "findings": [IDLE]}, {"results": [{"findings": [GOOD]}, NO_LIBRARY]}]},
        "unreached": {"found": [GOOD], "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
        "lost": {"found": [GOOD], "lost": True},
        "silent": {},
    }
    folder = tmp_path_factory.mktemp("audit")
    waivers = [{"id": "RH-CFG-03", "host": "h2", "reason": "Ticket 4711.", "until": "9999-12-31"}]
    ping = {"ansible.builtin.raw": "true", "when": "inventory_hostname == 'unreached'"}
    _code, output, outcomes = playbook.run(folder, hosts, [COLLECT, ping, LOSE, report(waivers=waivers)])
    written = json.loads((folder / "out" / "reports" / "report.json").read_text())
    return folder, output, outcomes["h1"], written


def test_the_report_has_every_host(audit):
    written = audit[3]
    assert list(written["hosts"]) == ["h1", "h2", "unreached", "lost", "silent"]
    statuses = {
        host: [found["status"] for found in written["findings"] if found["host"] == host] for host in written["hosts"]
    }
    assert statuses == {
        "h1": ["fail", "pass"],
        "h2": ["waived", "pass", "error"],
        "unreached": ["pass", "error"],
        "lost": ["pass", "error"],
        "silent": ["error"],
    }
    errors = {found["host"]: found["actual"] for found in written["findings"] if found["status"] == "error"}
    assert errors["h2"] == NO_LIBRARY["msg"]
    assert "unreachable" in errors["unreached"]
    assert "no findings" in errors["silent"]


def test_the_result_has_the_totals(audit):
    folder, _output, outcome, written = audit
    assert outcome["failed"] is True
    assert outcome["changed"] is True
    assert outcome["open_doors"] == written["open_doors"] == 1
    assert outcome["totals"] == written["totals"]
    assert outcome["path"] == str(folder / "out" / "reports" / "report.json")
    assert outcome["msg"].startswith("4 passed, 1 failed, 1 waived, 0 skipped, 4 errors; open doors: 1; see ")


def test_the_table_is_on_the_screen(audit):
    lines = audit[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Redis audit, "))
    table = lines[start : start + 40]
    assert ["h1", "1", "1", "0", "0", "0", "1", "0", "0", "0"] in [line.split() for line in table]
    assert "FAIL RH-NET-01 h1 10.0.0.1:6379 (critical)" in table
    assert "  found     open, answers PING" in table


def test_only_the_owner_can_read_it(audit):
    folder = audit[0] / "out" / "reports"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {item.name: stat.S_IMODE(item.stat().st_mode) for item in folder.iterdir()} == {
        "report.json": 0o600,
        "report.txt": 0o600,
    }
    assert "FAIL RH-NET-01 h1" in (folder / "report.txt").read_text()


def test_a_good_report_does_not_fail_and_a_second_one_changes_nothing(tmp_path):
    outcome, first, _output = run(tmp_path, {"h1": {"found": [GOOD]}})
    assert (outcome["failed"], outcome["changed"], outcome["open_doors"]) == (False, True, 0)
    (tmp_path / "out" / "reports" / "report.json").chmod(0o644)
    outcome, second, _output = run(tmp_path, {"h1": {"found": [GOOD]}})
    assert (outcome["failed"], outcome["changed"]) == (False, False)
    assert {**first, "generated": ""} == {**second, "generated": ""}
    assert stat.S_IMODE((tmp_path / "out" / "reports" / "report.json").stat().st_mode) == 0o600


def test_fail_false_reports_and_goes_on(tmp_path):
    outcome, written, _output = run(tmp_path, {"h1": {"found": [OPEN]}}, fail=False)
    assert outcome["failed"] is False
    assert written["totals"]["fail"] == 1


def test_check_mode_tells_and_writes_nothing(tmp_path):
    outcome, written, output = run(tmp_path, {"h1": {"found": [OPEN]}}, "--check")
    assert (outcome["failed"], outcome["changed"], written) == (True, True, None)
    assert "FAIL RH-NET-01 h1" in output
    assert not (tmp_path / "out").exists()


def test_hosts_that_are_named_and_no_others(tmp_path):
    hosts = {"h1": {"found": [GOOD]}, "h2": {}, "h3": {"found": [OPEN]}}
    playbook.run(tmp_path, hosts, [report(hosts=["h1", "h2"], findings_var="found")])
    written = json.loads((tmp_path / "out" / "reports" / "report.json").read_text())
    assert list(written["hosts"]) == ["h1", "h2"]
    assert [found["status"] for found in written["findings"]] == ["pass", "error"]


@pytest.mark.parametrize(
    ("waiver", "words"),
    [
        ({"id": "RH-NET-01", "reason": "", "until": "9999-12-31"}, "waivers[0] (RH-NET-01) has no reason"),
        ({"id": "RH-NET-01", "reason": "x"}, "until"),
        ({"id": "RH-NET-01", "reason": "x", "until": "9999-12-31", "host": "h11"}, "did you mean h1?"),
    ],
)
def test_a_waiver_without_reason_end_or_host_is_refused(tmp_path, waiver, words):
    outcome, written, output = run(tmp_path, {"h1": {"found": [OPEN]}}, waivers=[waiver])
    assert outcome["failed"] is True
    assert words in outcome["msg"]
    assert written is None


def test_an_expired_waiver_does_not_apply_and_says_so(tmp_path):
    waiver = {"id": "RH-NET-01", "reason": "x", "until": "2020-01-31"}
    outcome, written, output = run(tmp_path, {"h1": {"found": [OPEN]}}, waivers=[waiver])
    assert outcome["failed"] is True
    assert written["totals"]["fail"] == 1
    assert "The waiver for RH-NET-01 ended on 2020-01-31 and does not apply." in output


STRANGE = {
    "no status": [{**OPEN, "status": "perhaps"}],
    "no control": [{**OPEN, "id": "RH-XXX-01"}],
    "no text": [{**OPEN, "actual": [1]}],
    "escape": [{**OPEN, "subject": "\x1b]0;owned\x07"}],
    "deep": json.loads("[" * 60 + "]" * 60),
    "no names": [{"proves": 7, "of": 8, "results": 9}],
    "nothing": [{"proves": "RH-HST", "of": ["default"], "results": [{"skipped": True}]}],
}


def test_what_is_no_finding_is_an_error_of_its_host_and_the_others_have_their_report(tmp_path):
    hosts = {"good": {"found": [GOOD]}, **{name.replace(" ", "_"): {"found": found} for name, found in STRANGE.items()}}
    outcome, written, output = run(tmp_path, hosts)
    assert outcome["failed"] is True
    assert list(written["hosts"]) == list(hosts)
    found = {host: [(one["id"], one["status"]) for one in written["findings"] if one["host"] == host] for host in hosts}
    assert found.pop("good") == [("RH-ACL-01", "pass")]
    assert found.pop("escape") == [("RH-NET-01", "fail")]
    assert set(map(tuple, found.values())) == {(("RH-AUD-01", "error"),)}
    assert "\x1b" not in output + json.dumps(written) and "\\u001b" not in json.dumps(written)


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "out").touch()
    _code, _output, outcomes = playbook.run(tmp_path, {"h1": {"found": [GOOD]}}, [COLLECT, report()])
    assert outcomes["h1"]["failed"] is True
    assert outcomes["h1"]["msg"].startswith("path: the report can't be written to ")
