# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import (
    probe as acl_probe,
    users as acl_users,
    verify as acl_verify,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.compare import CommandTable
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.probe import Outcome
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem

ALLOWED, DENIED = Outcome("allowed", "allowed"), Outcome("denied", "denied")
ABSENT, NO_USER = Outcome("absent", "the command was removed"), Outcome("no user", "the user does not exist")
LIVE = {"app": acl_users.User("app", enabled=True), "idle": acl_users.User("idle")}


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (None, "fail"),
        (ConnectionProblem("auth", "wants a login"), "pass"),
        (ConnectionProblem("permission", "no ping"), "fail"),
        (ConnectionProblem("timeout", "slow"), "error"),
    ],
)
def test_clients_without_a_login(problem, status):
    assert acl_verify.judge_anonymous(problem, "h:1")["status"] == status


@pytest.mark.parametrize(
    ("rules", "status", "actual"),
    [
        (["on", "nopass"], "fail", "on, without a password"),
        (["off", "nopass"], "pass", "off"),
        (["off"], "pass", "off"),
        (["on", ">p"], "pass", "on, with a password"),
    ],
)
def test_the_default_user(rules, status, actual):
    found = acl_verify.judge_default({"default": acl_users.parse("default", rules)}, "h:1")
    assert (found["status"], found["actual"]) == (status, actual)


def judge_users(live, wanted=("app",)):
    users = {name: acl_users.parse(name, ["on", ">p"]) for name in wanted}
    return acl_verify.judge_users(users, live, lambda a, b: [] if a == b else ["enabled"], "h:1")


def test_a_user_as_declared_passes():
    (found,) = judge_users({"app": acl_users.parse("app", ["on", ">p"])})
    assert (found["status"], found["subject"], found["instance"]) == ("pass", "app", "h:1")


def test_missing_changed_and_extra_users_fail_without_showing_a_hash():
    assert judge_users({})[0]["actual"] == "the user does not exist"
    changed, extra = judge_users(
        {"app": acl_users.parse("app", [">p"]), "ev\udcff": acl_users.parse("ev\udcff", ["on", ">x"])}
    )
    assert (changed["status"], changed["actual"]) == ("fail", "enabled: the user is off")
    assert (extra["status"], extra["subject"], extra["expected"]) == ("fail", "ev\\xff", "no such user")
    assert acl_users.hash_of("x")[:12] not in extra["actual"]


def test_very_many_extra_users_are_counted():
    found = judge_users({"u%d" % number: acl_users.User("u%d" % number) for number in range(1000)})
    assert len(found) == 1 + 200 + 1
    assert found[-1]["actual"] == "800 more users that are not declared"


def test_logins_with_random_passwords():
    outcomes = {"a": DENIED, "b": ALLOWED, "c": Outcome("error", "?")}
    assert [found["status"] for found in acl_verify.judge_passwords(outcomes, "h:1")] == ["pass", "fail", "error"]


@pytest.mark.parametrize(
    ("user", "outcome", "allowed", "status"),
    [
        ("app", ALLOWED, True, "pass"),
        ("app", ALLOWED, False, "fail"),
        ("app", DENIED, True, "fail"),
        ("app", DENIED, False, "pass"),
        ("app", ABSENT, True, "fail"),
        ("app", ABSENT, False, "pass"),
        ("idle", ALLOWED, True, "fail"),
        ("idle", ALLOWED, False, "pass"),
        ("none", NO_USER, True, "fail"),
        ("none", NO_USER, False, "error"),
        ("app", Outcome("error", "arity"), False, "error"),
        ("app", Outcome("skipped", "no DRYRUN"), True, "skipped"),
    ],
)
def test_the_matrix(user, outcome, allowed, status):
    pair = {"user": user, "command": ["GET", "x\udcff"], "allowed": allowed}
    (found,) = acl_verify.judge_matrix([pair], [outcome], LIVE, "h:1")
    assert (found["status"], found["subject"]) == (status, "%s: GET x\\xff" % user)


@pytest.mark.parametrize(
    ("user", "outcomes", "status", "actual"),
    [
        ("app", [DENIED, ABSENT], "pass", "denied"),
        ("app", [DENIED, ALLOWED], "fail", "allowed: SCRIPT LOAD"),
        ("idle", [DENIED, ALLOWED], "pass", "the user is off"),
        ("none", [NO_USER, NO_USER], "skipped", "the user does not exist"),
        ("app", [DENIED, Outcome("error", "arity")], "error", "arity"),
        ("app", [Outcome("skipped", "why"), Outcome("skipped", "why")], "skipped", "why"),
    ],
)
def test_denials_of_one_user(user, outcomes, status, actual):
    found = acl_verify.judge_denials("RH-ACL-06", user, ["eval", "script|load"], outcomes, LIVE, "h:1")
    assert (found["status"], found["actual"]) == (status, actual)
    assert found["expected"] == "denied: EVAL, SCRIPT LOAD"


@pytest.mark.parametrize(
    ("rules", "granted"),
    [
        (["+@all"], set(acl_verify.DEFAULT_DENIED)),
        (["+@all", "-@dangerous"], {"shutdown"}),
        (["+@read", "+config|set"], {"config|set"}),
        (["(+flushall)"], {"flushall"}),
        ([], set()),
    ],
)
def test_the_declaration_is_not_contradicted(rules, granted):
    names = set(acl_verify.DEFAULT_DENIED)
    table = CommandTable({"dangerous": sorted(names - {"shutdown"}), "slow": ["shutdown", "config", "acl", "module"]})
    denied = acl_verify.expected_denials(acl_users.parse("app", rules), table)
    assert set(denied) == names - granted


# As INFO commandstats of 7.0 and later has it.
STATS = """# Commandstats\r
cmdstat_get:calls=7,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r
cmdstat_eval:calls=3,usec=100,usec_per_call=33.33,rejected_calls=0,failed_calls=0\r
cmdstat_evalsha:calls=0,usec=0,usec_per_call=0.00,rejected_calls=4,failed_calls=0\r
cmdstat_script|load:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r
cmdstat_script|exists:calls=9,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r
"""


def test_scripts_that_ran_are_counted_and_refused_ones_are_not():
    assert acl_verify.scripts_run(STATS) == {"eval": 3, "script|load": 1}
    assert acl_verify.scripts_run("") == {}


def test_denied_scripts_are_found_in_the_acl_log():
    entry = [b"count", 1, b"reason", b"command", b"object", b"eval", b"username", b"app", b"age-seconds", b"1.2"]
    other = [b"count", 1, b"reason", b"auth", b"object", b"EVAL", b"username", b"root"]
    get = [b"count", 1, b"reason", b"command", b"object", b"get", b"username", b"app"]
    assert acl_verify.scripts_denied([entry, other, get]) == {"app": {"eval"}}


@pytest.mark.parametrize(
    ("calls", "denied", "anybody", "status"),
    [
        ({}, {}, False, "pass"),
        ({"eval": 3}, {}, False, "fail"),
        ({"eval": 3}, {}, True, "pass"),
        ({}, {"app": {"eval"}}, False, "pass"),
    ],
)
def test_who_runs_scripts(calls, denied, anybody, status):
    found = acl_verify.judge_scripts(calls, denied, anybody, "h:1")
    assert (found["status"], found["severity"]) == (status, "low")
    assert not denied or "denied to app: EVAL" in found["actual"]
    assert not calls or "EVAL 3 times" in found["actual"]


class FakeServer:
    acl = "ACL"
    table = CommandTable({"slow": ["flushall", "config", "config|set", "get"]})

    def __init__(self, *replies):
        self.replies = list(replies)

    def ask(self, commands):
        self.sent = commands
        return self.replies


@pytest.mark.parametrize(
    ("words", "reply", "kind"),
    [
        (["GET", "x"], b"OK", "allowed"),
        (["GET", "x"], b"User app has no permissions to run the 'get' command", "denied"),
        (["FLUSHALL"], Exception("Command 'flushall' not found"), "absent"),
        (["CONFIG", "SET", "a", "b"], Exception("Command 'config' not found"), "absent"),
        (["CONFIG", "NOSUCH"], Exception("Command 'config' not found"), "error"),
        (["FLUSHALLL"], Exception("Command 'flushalll' not found"), "error"),
        (["GET", "x"], Exception("User 'app' not found"), "no user"),
        (["GET"], Exception("wrong number of arguments for 'get' command"), "error"),
    ],
)
def test_answers_to_dry_runs(words, reply, kind):
    (outcome,) = acl_probe.dry_run(FakeServer(reply), [("app", words)], {})
    assert outcome.kind == kind


def test_dry_runs_use_the_live_names():
    server = FakeServer(b"OK")
    outcomes = acl_probe.dry_run(
        server, [("app", ["flushall"]), ("app\udcff", ["config", "SET"])], {"FLUSHALL": None, "CONFIG": "XCONFIG"}
    )
    assert [outcome.kind for outcome in outcomes] == ["absent", "allowed"]
    assert server.sent == [["ACL", "DRYRUN", b"app\xff", b"XCONFIG", b"SET"]]
