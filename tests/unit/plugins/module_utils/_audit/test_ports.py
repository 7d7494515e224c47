# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit import port_probe as audit_port_probe
from hypothesis import given, strategies as st


def targets_of(*ports, expect="closed"):
    return audit_port_probe.check_targets(
        [dict(host="127.0.0.1", port=port, expect=expect, label=None) for port in ports],
    )


@given(st.binary(max_size=600))
def test_any_answer_has_a_state_and_a_printable_line(answer):
    assert audit_port_probe.classify(answer) in audit_port_probe.STATES
    shown = audit_port_probe.printable(answer)
    assert len(shown) <= 80
    assert shown.isascii() and shown.isprintable()


@given(st.binary(max_size=100))
def test_only_redis_words_make_an_answer_more_than_open(answer):
    if not answer.startswith((b"-", b"+PONG")):
        assert audit_port_probe.classify(answer) == "open"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (dict(host="127.0.0.1", port=0), "port 0 is not between"),
        (dict(host="127.0.0.1", port=65536), "port 65536 is not between"),
        (dict(host=" ", port=1), "empty host"),
        (dict(host="no-such-host.invalid", port=1), "no-such-host.invalid can't be resolved"),
        (dict(host="a" * 70 + ".example", port=1), "can't be resolved"),
        (dict(host="fe80::1%nosuch0", port=1), "fe80::1%nosuch0 can't be resolved"),
    ],
)
def test_wrong_targets_are_all_named_before_anything_is_probed(target, text):
    with pytest.raises(ValueError, match="target 2") as caught:
        audit_port_probe.check_targets([dict(host="127.0.0.1", port=1), target])
    assert text in str(caught.value)


def judged(state, expect, detail=""):
    targets = targets_of(6379, expect=expect)
    looks = [dict(state=state, detail=detail)]
    findings = audit_port_probe.judge(targets, looks)
    return [(f["id"], f["status"]) for f in findings], audit_port_probe.open_doors(targets, looks)


@pytest.mark.parametrize("state", audit_port_probe.STATES)
def test_closed_means_closed_or_filtered(state):
    if state == "error":
        assert judged(state, "closed") == ([("RH-NET-01", "error")], 0)
    elif state in ("closed", "filtered"):
        assert judged(state, "closed") == ([("RH-NET-01", "pass")], 0)
    else:
        assert judged(state, "closed") == ([("RH-NET-01", "fail")], 1)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("auth", [("RH-NET-02", "pass"), ("RH-ACL-01", "pass")]),
        ("tls-auth", [("RH-NET-02", "pass"), ("RH-ACL-01", "pass")]),
        ("tls", [("RH-NET-02", "pass")]),
        ("ping", [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]),
        ("tls-ping", [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]),
        ("user", [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]),
        ("error", [("RH-NET-02", "error")]),
        *((state, [("RH-NET-02", "fail")]) for state in ("filtered", "closed", "open", "notice", "text", "protected")),
    ],
)
def test_reachable_means_a_redis_that_demands_a_login(state, expected):
    assert judged(state, "reachable") == (expected, 0)


@pytest.mark.parametrize("state", audit_port_probe.STATES)
def test_any_judges_nothing(state):
    assert judged(state, "any") == ([], 0)


def test_findings_name_the_target_and_what_was_seen():
    targets = audit_port_probe.check_targets([dict(host="::1", port=17000, expect="closed", label="cluster bus")])
    (found,) = audit_port_probe.judge(targets, [dict(state="ping", detail="+PONG")])
    assert (found["instance"], found["subject"]) == ("[::1]:17000", "cluster bus")
    assert found["actual"] == "is a Redis that takes commands without a login (+PONG)"
    (found,) = audit_port_probe.judge(targets_of(6379), [dict(state="closed", detail="")])
    assert (found["instance"], found["subject"]) == ("127.0.0.1:6379", "port 6379")
