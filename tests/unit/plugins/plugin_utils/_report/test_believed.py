"""What is taken of the findings of a host that sends what it likes."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import believed, report
from hypothesis import given, strategies as st

GOOD = finding("RH-NET-01", "pass", "closed", "closed", subject="6379", instance="x:6379")
OPEN = finding("RH-NET-01", "fail", "closed", "open", subject="6379", instance="x:6379")


def test_what_is_in_order_stays_as_it_is():
    assert believed.believed([GOOD, OPEN]) == [GOOD, OPEN]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({**OPEN, "id": "RH-NET-99"}, "a finding of no control of this collection: 'RH-NET-99'"),
        ({**OPEN, "id": ["RH-NET-01"]}, "a finding of no control"),
        ({**OPEN, "id": {}}, "a finding of no control"),
        ({"id": None, "status": "pass"}, "a finding of no control"),
        ({**OPEN, "status": "perhaps"}, "a finding of RH-NET-01 with the status 'perhaps'"),
        ({**OPEN, "status": "waived"}, "with the status 'waived'"),
        ({**OPEN, "status": []}, "with the status []"),
        ({**OPEN, "actual": 7}, "without a text for actual"),
        ({**OPEN, "subject": None, "instance": {"a": 1}}, "without a text for subject, instance"),
        ({"id": "RH-NET-01", "status": "pass"}, "without a text for subject"),
        ({**OPEN, "id": "\x1b]0;x\x07" * 1000}, "a finding of no control"),
    ],
)
def test_what_is_none_is_an_error_of_the_host_and_the_rest_stays(entry, says):
    good, error = believed.believed([entry, GOOD, entry])
    assert good == GOOD
    assert (error["id"], error["status"]) == ("RH-AUD-01", "error")
    assert says in error["actual"]
    assert error["actual"].isprintable() and len(error["actual"]) < 300


def test_a_host_does_not_say_how_grave_it_is_nor_that_it_is_waived():
    lies = {"title": "Nothing", "severity": "low", "host": "other", "waiver": {"until": "x", "reason": "y"}}
    assert believed.believed([{**OPEN, **lies}]) == [OPEN]


def test_nothing_that_a_terminal_obeys_and_nothing_that_is_too_long():
    text = "a\x1b[2J\u202e\x9b\n\0\udcff" + "b" * 100_000
    [found] = believed.believed([{**OPEN, **dict.fromkeys(("actual", "subject", "instance", "remediation"), text)}])
    for name in ("actual", "subject", "instance", "remediation"):
        assert found[name].isprintable()
        assert len(found[name]) == believed.LENGTH
        assert found[name].startswith("a [2J     bbb")


def test_too_many_are_an_error():
    found = believed.believed([GOOD] * (believed.LARGEST + 5))
    assert len(found) == believed.LARGEST + 1
    assert (found[-1]["status"], found[-1]["id"]) == ("error", "RH-AUD-01")
    assert "30005 findings" in found[-1]["actual"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*OPEN, "results", "findings", "skipped"]), inner),
)


@given(ANYTHING)
def test_whatever_it_is_it_becomes_findings(anything):
    for one in believed.believed(report.findings_of(anything)):
        assert one["id"] in CONTROLS and one["status"] in believed.STATUSES
        assert set(one) == set(OPEN)


def test_lists_in_lists_have_an_end():
    nested = [GOOD]
    for _level in range(500):
        nested = [nested]
    [found] = report.findings_of(nested, "RH-ACL")
    assert (found["status"], found["subject"]) == ("error", "RH-ACL")


def full(family, name="default", leave=(), **more):
    found = [finding("%s-%02d" % (family, number), "pass", "x", "x") for number in believed.ALWAYS[family]]
    kept = [one for one in found if one["id"] not in leave]
    return {"findings": kept, "__redis_name": name, "ansible_loop_var": "__redis_name", **more}


def errors(check):
    found = report.findings_of([check])
    return [(one["instance"], one["subject"]) for one in found if one["status"] == "error"]


@pytest.mark.parametrize(
    ("results", "missing"),
    [
        ([full("RH-HST"), full("RH-HST", "7000")], []),
        ([full("RH-HST")], [("7000", "RH-HST-01 RH-HST-02")]),
        ([], [("default", "RH-HST-01 RH-HST-02"), ("7000", "RH-HST-01 RH-HST-02")]),
        ([full("RH-HST"), full("RH-HST", "7000", leave=["RH-HST-02"])], [("7000", "RH-HST-02")]),
        ([full("RH-HST"), {**full("RH-HST", "7000"), "findings": []}], [("7000", "RH-HST-01 RH-HST-02")]),
        ([full("RH-HST"), {**full("RH-HST", "7000"), "findings": [GOOD]}], [("7000", "RH-HST-01 RH-HST-02")]),
        # The module of a host may say that it was skipped.
        (
            [
                full("RH-HST"),
                {"skipped": True, "changed": False, "__redis_name": "7000", "ansible_loop_var": "__redis_name"},
            ],
            [("7000", "RH-HST-01 RH-HST-02")],
        ),
        # One that failed is told once, with why.
        (
            [full("RH-HST"), {"msg": "no library", "__redis_name": "7000", "ansible_loop_var": "__redis_name"}],
            [("7000", "RH-HST")],
        ),
        # Another name of its own choice does not help.
        ([full("RH-HST"), {**full("RH-HST", "7000"), "ansible_loop_var": "x"}], [("7000", "RH-HST-01 RH-HST-02")]),
    ],
)
def test_each_instance_is_proved(results, missing):
    assert errors({"proves": "RH-HST", "of": ["default", "7000"], "results": results}) == missing


def test_a_check_without_a_loop():
    check = {"proves": "RH-NET-03 RH-CMD", "of": [""], "results": [{"findings": [GOOD]}]}
    assert errors(check) == [("", "RH-NET-03 RH-CMD")]
    found = [finding(control, "skipped", "x", "x") for control in ("RH-NET-03", "RH-CMD-02")]
    assert errors({**check, "results": [{"findings": found}]}) == []
    assert errors({**check, "results": [{"skipped": True}]}) == [("", "RH-NET-03 RH-CMD")]
    assert errors({**check, "results": [{"skipped": True}], "of": []}) == []


def test_what_some_instances_need_beside():
    check = {"proves": "RH-HST", "of": ["default", "7000"], "also": {"RH-REP-07": ["7000"], "RH-HST-03": []}}
    check["results"] = [full("RH-HST"), full("RH-HST", "7000")]
    assert errors(check) == [("7000", "RH-REP-07")]


def test_the_families_are_those_of_the_catalogue():
    for family, numbers in believed.ALWAYS.items():
        for number in numbers or (1,):
            assert "%s-%02d" % (family, number) in CONTROLS
