"""Waivers."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report.waivers import (
    apply_waivers,
    host_problems,
    waiver_problems,
)

DAY = datetime.date(2027, 1, 31)


def failed(control="RH-CFG-03", host="h1", subject="timeout", status="fail"):
    return dict(finding(control, status, "300", "0", subject=subject), host=host)


def waiver(**other):
    return {"id": "RH-CFG-03", "reason": "Ticket 4711.", "until": "2027-01-31", "host": None, "subject": None, **other}


@pytest.mark.parametrize("until", ["2027-01-31", DAY, "9999-12-31"])
def test_good_waivers(until):
    assert waiver_problems([waiver(until=until)]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "RH-CFG-99"}, "waivers[0].id is 'RH-CFG-99'"),
        ({"reason": None}, "waivers[0] (RH-CFG-03) has no reason"),
        ({"reason": "  "}, "waivers[0] (RH-CFG-03) has no reason"),
        ({"until": None}, "waivers[0] (RH-CFG-03): until is ''"),
        ({"until": "next year"}, "until is 'next year'"),
        ({"until": "2027-02-30"}, "until is '2027-02-30'"),
        ({"until": "20270131"}, "until is '20270131'"),
    ],
)
def test_bad_waivers(change, words):
    (line,) = waiver_problems([waiver(**change)])
    assert words in line


def test_the_host_of_a_waiver_is_one_of_the_inventory():
    hosts = ["cache1", "db7"]
    assert host_problems([waiver(), waiver(host="cache1"), waiver(host="db7")], hosts) == []
    assert host_problems([waiver(), waiver(host="cahce1")], hosts, "audit_waivers") == [
        "audit_waivers[1].host (RH-CFG-03) is 'cahce1', which is no host of the inventory: did you mean cache1?"
    ]
    (line,) = host_problems([waiver(host="web")], hosts)
    assert line.endswith("name one, or leave it out.")
    assert len(host_problems([waiver(host="")], hosts)) == 1


@pytest.mark.parametrize("change", [{}, {"host": "h1"}, {"subject": "timeout"}, {"until": DAY}])
def test_a_failed_finding_is_waived(change):
    findings, notes = apply_waivers([failed()], [waiver(**change)], DAY)
    assert findings[0]["status"] == "waived"
    assert findings[0]["waiver"] == {"reason": "Ticket 4711.", "until": "2027-01-31"}
    assert notes == []


@pytest.mark.parametrize(
    ("change", "entry", "note"),
    [
        ({"until": "2027-01-30"}, {}, "ended on 2027-01-30 and does not apply"),
        ({"host": "h2"}, {}, "RH-CFG-03 h2 names nothing that fails"),
        ({"subject": "maxclients"}, {}, "RH-CFG-03 maxclients names nothing that fails"),
        ({}, {"control": "RH-CFG-02"}, "names nothing that fails"),
        ({}, {"status": "error"}, "names nothing that fails"),
        ({}, {"status": "pass"}, "names nothing that fails"),
    ],
)
def test_what_is_not_waived_stays_and_the_waiver_is_noted(change, entry, note):
    before = [failed(**entry)]
    findings, notes = apply_waivers(before, [waiver(**change)], DAY)
    assert findings == before
    assert len(notes) == 1
    assert note in notes[0]
