# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port notice, told from everything else that answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit import port_probe as audit_port_probe

PROGRAM = Path(__file__).parents[5] / "roles/port_notice/files/port_notice/conversation.py"
_spec = importlib.util.spec_from_file_location("port_notice_conversation", PROGRAM)
program = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(program)


def said(port):
    text = program.notice_text(port, ["7000-7002"], contact="ops")
    return program.Conversation(text).feed(audit_port_probe.PING)


def test_what_the_program_says_is_the_notice():
    assert audit_port_probe.classify(said(6379), 6379) == "notice"
    assert audit_port_probe.classify(said(6379)) == "notice"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (said(6380), "text"),
        (b"-ERR unknown command 'PING'\r\n", "text"),
        (b"-ERR Port 6379 is reserved\r\n", "text"),
        (b" -ERR Port 6379 is reserved, there is no Redis here. Connect to port 7000", "open"),
        (b"-NOAUTH Port 6379 is reserved, there is no Redis here. Connect to port 7000", "auth"),
    ],
)
def test_others_are_not(answer, state):
    assert audit_port_probe.classify(answer, 6379) == state


@pytest.mark.parametrize("state", audit_port_probe.STATES)
def test_where_the_notice_is_expected_nothing_else_passes(state):
    targets = audit_port_probe.check_targets([dict(host="127.0.0.1", port=6379, expect="notice", label=None)])
    looks = [dict(state=state, detail="")]
    (found,) = audit_port_probe.judge(targets, looks)
    assert found["id"] == "RH-NET-01"
    assert found["status"] == {"notice": "pass", "error": "error"}.get(state, "fail")
    assert audit_port_probe.open_doors(targets, looks) == int(state not in ("closed", "filtered", "error", "notice"))
