"""What the proof of the start guard makes of a unit and of whom it can ask."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.start_guard import COMMAND, judge

UNIT = "redis-server@7000"
LINE = "%s={ path=%s ; argv[]=%s %s %s ; ignore_errors=%s ; start_time=[n/a] }\n"


def shown(before="before", after="after", unit=UNIT, ignored="no", patience="infinity"):
    return "".join(
        LINE % (name, COMMAND, COMMAND, verb, unit, ignored)
        for name, verb in (("ExecStartPre", before), ("ExecStopPost", after))
    ) + ("TimeoutStartUSec=%s\n" % patience)


def test_a_unit_that_runs_it_and_can_ask_all():
    [found] = judge(shown(), {"10.0.3.11:26379": "", "10.0.3.12:6380": ""}, UNIT, "7000")
    assert (found["id"], found["status"]) == ("RH-REP-07", "pass")
    assert found["actual"] == "it asks 10.0.3.11:26379, 10.0.3.12:6380"


@pytest.mark.parametrize(
    ("show", "answers", "says"),
    [
        (shown(before="check"), {"a": ""}, "ExecStartPre of the unit does not run it"),
        (shown(after="before"), {"a": ""}, "ExecStopPost of the unit does not run it"),
        (shown(unit="redis-server"), {"a": ""}, "ExecStartPre of the unit does not run it"),
        (shown(ignored="yes"), {"a": ""}, "ExecStartPre of the unit does not run it"),
        ("TimeoutStartUSec=infinity\n", {"a": ""}, "ExecStartPre of the unit does not run it"),
        (shown(patience="1min 30s"), {"a": ""}, "systemd puts an end to a start that waits"),
        (shown(), {"a": "", "b": "refuses the login"}, "b can't be asked: refuses the login"),
        (shown(), "it does not run: no such file", "it does not run: no such file"),
        (shown(), {}, "it knows nobody whom it could ask"),
    ],
)
def test_what_is_wrong(show, answers, says):
    [found] = judge(show, answers, UNIT, "7000")
    assert found["status"] == "fail" and says in found["actual"]
