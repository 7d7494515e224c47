# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    command_verify as redis_command_verify,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.command_verify import SOMETHING, Evidence
from hypothesis import given, strategies as st

BUILT_IN = ("CONFIG", "DEBUG", "FLUSHALL", "GET", "KEYS", "MONITOR", "SHUTDOWN", "SLAVEOF")


def observe(table, policy, dry_run=False):
    """What the witnesses say of a server; table: name -> the command behind it."""
    names = redis_command_verify.names_to_ask(policy)
    if dry_run:
        return Evidence(bound={name: SOMETHING if name in table else None for name in names}, known=set(BUILT_IN))
    return Evidence(bound={name: table.get(name) for name in names}, existing=set(table.values()), known=set(BUILT_IN))


def table_of(policy):
    """The command table of a server on which the policy is in force."""
    names = {command: policy.get(command, command) for command in BUILT_IN}
    return {name: command for command, name in names.items() if name}


STOCK = table_of({})
policies = st.dictionaries(
    st.sampled_from(BUILT_IN), st.one_of(st.just(""), st.text("XYZ", min_size=3)), min_size=1
).filter(lambda policy: len(set(filter(None, policy.values()))) == len(list(filter(None, policy.values()))))


@given(policies)
def test_a_policy_in_force_passes_command_by_command(policy):
    findings = redis_command_verify.judge(policy, observe(table_of(policy), policy), "here:1")
    assert [f["status"] for f in findings if f["id"] != "RH-CMD-03"] == ["pass"] * len(policy)
    assert {f["subject"] for f in findings} == set(policy)


@given(policies)
def test_a_stock_server_fails_every_command_of_a_policy(policy):
    for dry_run in (False, True):
        findings = redis_command_verify.judge(policy, observe(STOCK, policy, dry_run), "here:1")
        assert [f["status"] for f in findings if f["id"] != "RH-CMD-03"] == ["fail"] * len(policy)


@given(policies, policies)
def test_one_policy_is_never_taken_for_another(declared, applied):
    evidence = observe(table_of(applied), declared)
    findings = {
        f["subject"]: f["status"]
        for f in redis_command_verify.judge(declared, evidence, "here:1")
        if f["id"] != "RH-CMD-03"
    }
    for command, new in declared.items():
        assert (findings[command] == "pass") == (applied.get(command) == new), command


@pytest.mark.parametrize(
    ("table", "policy", "state"),
    [
        ({"KEYS": "KEYS"}, {"KEYS": ""}, "present"),
        ({"KEYS": "KEYS"}, {"KEYS": "K2"}, "present"),
        ({"K2": "KEYS"}, {"KEYS": "K2"}, "renamed"),
        ({"K2": "KEYS"}, {"KEYS": ""}, "hidden"),
        ({"K3": "KEYS"}, {"KEYS": "K2"}, "hidden"),
        ({"K2": "MONITOR"}, {"KEYS": "K2"}, "removed"),
        ({"GET": "GET"}, {"KEYS": ""}, "removed"),
        ({"GET": "GET"}, {"KEY": ""}, "unknown"),
        # The name of one command given to another: as declared, and behind the policy's back.
        ({"KEYS": "MONITOR"}, {"KEYS": "", "MONITOR": "KEYS"}, "removed"),
        ({"KEYS": "MONITOR"}, {"KEYS": ""}, "present"),
    ],
)
def test_states(table, policy, state):
    assert redis_command_verify.state_of(next(iter(policy)), policy, observe(table, policy)) == state


def test_a_name_that_answers_counts_more_than_command_info():
    evidence = Evidence(bound={"KEYS": None}, answered={"KEYS": True})
    (found,) = redis_command_verify.judge({"KEYS": ""}, evidence, "here:1")
    assert found["status"] == "fail"
    assert "COMMAND INFO does not know it" in found["actual"]


def test_a_misspelt_command_is_an_error_and_not_a_pass():
    (found,) = redis_command_verify.judge({"FLUSHAL": ""}, observe(STOCK, {"FLUSHAL": ""}), "here:1")
    assert (found["id"], found["status"]) == ("RH-CMD-01", "error")


def test_without_the_list_of_commands_nothing_is_said_about_other_names():
    hidden = observe({"K3": "KEYS"}, {"KEYS": ""}, dry_run=True)
    (found,) = redis_command_verify.judge({"KEYS": ""}, hidden, "here:1")
    assert (found["status"], found["actual"]) == ("pass", "does not answer to its own name")


def test_a_new_name_that_runs_another_command_is_named():
    table = {"K2": "FLUSHALL"}
    (found,) = redis_command_verify.judge({"KEYS": "K2"}, observe(table, {"KEYS": "K2"}), "here:1")
    assert found["actual"] == "gone altogether; its new name runs FLUSHALL"


def doors(table, policy):
    found = redis_command_verify.judge(policy, observe(table, policy), "here:1")
    return {f["subject"]: (f["status"], f["actual"]) for f in found if f["id"] == "RH-CMD-03"}


def test_back_doors():
    scripting = {name: name for name in ("EVALSHA", "SCRIPT", "FCALL")}
    assert doors(scripting, {"EVAL": ""}) == {"EVAL": ("fail", "EVALSHA, FCALL, SCRIPT can be called")}
    assert doors({"GET": "GET"}, {"EVAL": ""}) == {"EVAL": ("pass", "nothing else does")}
    assert doors({"SLAVEOF": "SLAVEOF"}, {"REPLICAOF": ""})["REPLICAOF"][0] == "fail"
    assert doors({"FLUSHDB": "FLUSHDB"}, {"FLUSHALL": ""})["FLUSHALL"][0] == "fail"
    # Renamed to a declared name is the operator's decision; to another one it is not.
    assert doors({"F2": "FLUSHDB"}, {"FLUSHALL": "", "FLUSHDB": "F2"})["FLUSHALL"][0] == "pass"
    assert doors({"F3": "FLUSHDB"}, {"FLUSHALL": ""})["FLUSHALL"] == (
        "fail",
        "FLUSHDB (under a name that is not declared) can be called",
    )
    assert doors(STOCK, {"KEYS": ""}) == {}


def test_back_doors_are_named_in_the_fix():
    found = redis_command_verify.judge(
        {"FLUSHALL": ""}, observe(STOCK | {"FLUSHDB": "FLUSHDB"}, {"FLUSHALL": ""}), "here:1"
    )
    assert "FLUSHDB" in found[-1]["remediation"]


def test_every_back_door_has_an_inert_call():
    for command, others in redis_command_verify.BACK_DOORS.items():
        assert command not in others
        assert all(redis_command_verify.inert_call(name) for name in (command, *others))


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "SHUTDOWN", "SAVE", "MONITOR", "SYNC", "FAILOVER"])
def test_commands_that_run_without_arguments_are_never_called_without(command):
    assert redis_command_verify.inert_call(command) == [command, "__probe__"]


@pytest.mark.parametrize("command", ["DEL", "SET", "MSET", "PUBLISH", "QUIT", "RESET", "EXEC", "MY.MODULE"])
def test_what_has_no_known_inert_form_is_not_called(command):
    assert redis_command_verify.inert_call(command) is None


def test_reading_command_info():
    reply = [[b"config", -2, [], 0, 0, 0], None]
    assert redis_command_verify.read_bindings(["C2", "CONFIG"], reply) == {"C2": "CONFIG", "CONFIG": None}


def test_reading_lists_of_names():
    assert redis_command_verify.read_names([b"get"], [b"config|set"]) == {"GET", "CONFIG|SET"}
    assert redis_command_verify.read_names([b"get"], ValueError("NOPERM")) is None


@pytest.mark.parametrize(
    ("reply", "refused", "behind"),
    [
        (b"OK", False, SOMETHING),
        (b"User default has no permissions to run the 'keys' command", False, SOMETHING),
        (ValueError("ERR wrong number of arguments for 'keys' command"), False, SOMETHING),
        (ValueError("ERR Command 'keys' not found"), False, None),
        (ValueError("NOPERM this user has no permissions to run the 'acl|dryrun' command"), True, SOMETHING),
        (ValueError("ERR unknown command 'ACL', with args beginning with: 'DRYRUN'"), True, SOMETHING),
        (
            ValueError("ERR Unknown subcommand or wrong number of arguments for 'DRYRUN'. Try ACL HELP."),
            True,
            SOMETHING,
        ),
    ],
)
def test_reading_dry_runs(reply, refused, behind):
    assert redis_command_verify.is_refusal(reply) is refused
    assert redis_command_verify.read_dry_runs(["KEYS"], [reply]) == {"KEYS": behind}


@pytest.mark.parametrize(
    ("reply", "answered"),
    [
        (ValueError("unknown command 'KEYS', with args beginning with: "), False),
        (ValueError("ERR unknown command `KEYS`, with args beginning with: "), False),
        (ValueError("wrong number of arguments for 'keys' command"), True),
        (ValueError("unknown subcommand '__probe__'. Try COMMAND HELP."), True),
        (ValueError("NOPERM this user has no permissions"), True),
        (b"OK", True),
    ],
)
def test_telling_an_answer(reply, answered):
    assert redis_command_verify.is_answer(reply) is answered


def test_an_empty_policy_is_said_to_prove_nothing():
    (found,) = redis_command_verify.judge({}, Evidence(bound={}), "here:1")
    assert found["status"] == "skipped"
