# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_acl_verify against real servers: each thing that is broken by hand has to be found."""

from __future__ import annotations

import hashlib
import time

import pytest
import redis
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import probe as acl_probe

SECRET = "correct-horse-battery"
ADMIN = {
    "name": "admin",
    "passwords": [SECRET],
    "commands": ["+@all"],
    "keys": ["*"],
    "channels": ["*"],
    "allow_scripting": True,
}
APP = {
    "name": "app",
    "passwords": ["password-of-app"],
    "commands": ["+@read", "+@write", "-@dangerous", "-@scripting", "+ping", "+multi", "+discard", "+keys"],
    "keys": ["cache:*"],
}
USERS = [ADMIN, APP]
LOGIN = {"login_user": "admin", "login_password": SECRET}
CONTROLS = ["RH-ACL-0%d" % number for number in range(1, 8)]
MATRIX = [
    {"user": "app", "command": ["GET", "cache:1"], "allowed": True},
    {"user": "app", "command": ["GET", "session:1"], "allowed": False},
    {"user": "app", "command": ["FLUSHALL"], "allowed": False},
    {"user": "admin", "command": ["CONFIG", "GET", "x"], "allowed": True},
]
# What the operator writes down, sent by a plain client: this module must not depend on the other one.
LINES = (
    "user default off resetchannels -@all\n"
    f"user admin on #{hashlib.sha256(SECRET.encode()).hexdigest()} ~* &* +@all\n"
    f"user app on #{hashlib.sha256(b'password-of-app').hexdigest()} ~cache:* resetchannels "
    "-@all +@read +@write -@dangerous -@scripting +ping +multi +discard +keys\n"
)


def arguments(server, **options):
    return {**server.login, **LOGIN, "users": USERS, **options}


@pytest.fixture
def hardened(server):
    return server.start(acl_text=LINES)


def by_status(result, status):
    return sorted((one["id"], one["subject"]) for one in result["findings"] if one["status"] == status)


def test_a_hardened_server_passes_every_control(hardened, run_module):
    for way in (
        {},
        {"login_port": hardened.tls_port, "tls": True, **hardened.tls},
        {"login_port": 1, "login_unix_socket": hardened.socket},
    ):
        result = run_module("redis_acl_verify", {**arguments(hardened, matrix=MATRIX), **way})
        assert sorted({one["id"] for one in result["findings"]}) == CONTROLS, result
        assert by_status(result, "pass") == sorted((one["id"], one["subject"]) for one in result["findings"])
        assert result["changed"] is False
        assert result["summary"]["pass"] == len(result["findings"]) == 15
        where = way.get("login_unix_socket") or "127.0.0.1:%d" % way.get("login_port", hardened.port)
        assert {one["instance"] for one in result["findings"]} == {where}


def test_an_unhardened_server_is_reported_not_an_error(server, run_module):
    server.start()
    result = run_module("redis_acl_verify", arguments(server, matrix=MATRIX))
    assert sorted({one["id"] for one in result["findings"]}) == CONTROLS
    failed = by_status(result, "fail")
    for expected in (
        ("RH-ACL-01", ""),
        ("RH-ACL-02", "default"),
        ("RH-ACL-03", "admin"),
        ("RH-ACL-03", "app"),
        ("RH-ACL-03", "default"),
        ("RH-ACL-04", "default"),
        ("RH-ACL-05", "app: GET cache:1"),
        ("RH-ACL-05", "default"),
        ("RH-ACL-06", "default"),
    ):
        assert expected in failed
    # A user that does not exist is denied everything, which proves nothing.
    assert ("RH-ACL-05", "app: FLUSHALL") in by_status(result, "error")
    assert ("RH-ACL-06", "app") in by_status(result, "skipped")


BROKEN = {
    "ACL SETUSER default on nopass": [
        ("RH-ACL-01", ""),
        ("RH-ACL-02", "default"),
        ("RH-ACL-03", "default"),
        ("RH-ACL-04", "default"),
    ],
    "ACL SETUSER default on nopass +ping": [
        ("RH-ACL-01", ""),
        ("RH-ACL-02", "default"),
        ("RH-ACL-03", "default"),
        ("RH-ACL-04", "default"),
    ],
    "ACL SETUSER app nopass": [("RH-ACL-03", "app"), ("RH-ACL-04", "app")],
    "ACL SETUSER other on nopass": [("RH-ACL-03", "other"), ("RH-ACL-04", "other")],
    "ACL SETUSER other on >x": [("RH-ACL-03", "other")],
    "ACL SETUSER app >backdoor": [("RH-ACL-03", "app")],
    "ACL SETUSER app off": [("RH-ACL-03", "app"), ("RH-ACL-05", "app: GET cache:1")],
    "ACL SETUSER app ~session:*": [("RH-ACL-03", "app"), ("RH-ACL-05", "app: GET session:1")],
    "ACL SETUSER app +flushall": [("RH-ACL-03", "app"), ("RH-ACL-05", "app: FLUSHALL")],
    "ACL SETUSER app -get": [("RH-ACL-03", "app"), ("RH-ACL-05", "app: GET cache:1")],
    "ACL SETUSER app +eval": [("RH-ACL-03", "app"), ("RH-ACL-06", "app")],
    "ACL SETUSER app +fcall_ro": [("RH-ACL-03", "app"), ("RH-ACL-06", "app")],
    "ACL SETUSER default +config|set": [("RH-ACL-03", "default")],
    "ACL SETUSER default on >x +config|set": [("RH-ACL-03", "default"), ("RH-ACL-05", "default")],
}


def test_everything_that_is_broken_is_found_and_nothing_else(hardened, run_module):
    admin = hardened.client("admin", SECRET)
    for command, expected in BROKEN.items():
        admin.execute_command(*command.split())
        result = run_module("redis_acl_verify", arguments(hardened, matrix=MATRIX))
        assert by_status(result, "fail") == expected, command
        assert by_status(result, "error") == [], command
        for line in LINES.splitlines():
            admin.execute_command("ACL", "SETUSER", line.split()[1], "reset", *line.split()[2:])
        admin.execute_command("ACL", "DELUSER", "other")


def test_the_default_matrix_does_not_contradict_the_declaration(hardened, run_module):
    result = run_module("redis_acl_verify", arguments(hardened))
    found = {one["subject"]: one for one in result["findings"] if one["id"] == "RH-ACL-05"}
    # admin may do everything; app may run KEYS, because it is declared so.
    assert sorted(found) == ["app", "default"]
    assert "KEYS" not in found["app"]["expected"] and "CONFIG SET" in found["app"]["expected"]
    assert "KEYS" in found["default"]["expected"]
    assert result["summary"]["fail"] == 0


def test_write_brings_function_load(hardened, run_module):
    # A trap of the servers' own categories.
    hardened.client("admin", SECRET).execute_command("ACL", "SETUSER", "app", "+@write")
    users = [ADMIN, {**APP, "commands": [*APP["commands"], "+@write"]}]
    result = run_module("redis_acl_verify", arguments(hardened, users=users))
    assert by_status(result, "fail") == [("RH-ACL-06", "app")]
    (finding,) = [one for one in result["findings"] if one["status"] == "fail"]
    assert "FUNCTION LOAD" in finding["actual"] and "-@scripting" in finding["remediation"]


def test_scripts_that_were_run_are_reported(hardened, run_module):
    users = [{**ADMIN, "allow_scripting": False}, APP]
    app = hardened.client("app", "password-of-app")
    with pytest.raises(redis.ResponseError):
        app.execute_command("EVAL", "return 1", "0")
    (finding,) = scripting_finding(run_module("redis_acl_verify", arguments(hardened, users=users)))
    assert (finding["status"], finding["actual"]) == ("pass", "denied to app: EVAL")
    hardened.client("admin", SECRET).execute_command("EVAL", "return 1", "0")
    (finding,) = scripting_finding(run_module("redis_acl_verify", arguments(hardened, users=users)))
    assert finding["status"] == "fail" and "EVAL 1 times" in finding["actual"]
    (finding,) = scripting_finding(run_module("redis_acl_verify", arguments(hardened)))
    assert finding["status"] == "pass" and "EVAL 1 times" in finding["actual"]


def scripting_finding(result):
    return [one for one in result["findings"] if one["id"] == "RH-ACL-07"]


def test_renamed_and_disabled_commands(server, run_module):
    # The last one is not active yet.
    renamed = {"ACL": "XACL", "CONFIG": "XCONFIG", "FLUSHALL": "", "AUTH": "XAUTH"}
    lines = "\n".join("rename-command %s %s" % (name, new or '""') for name, new in renamed.items() if name != "AUTH")
    server.start(lines, acl_text=LINES)
    matrix = [*MATRIX, {"user": "app", "command": ["CONFIG", "SET", "x", "y"], "allowed": False}]
    result = run_module("redis_acl_verify", arguments(server, matrix=matrix, renamed_commands=renamed))
    assert by_status(result, "fail") == by_status(result, "error") == []
    admin = server.client("admin", SECRET)
    admin.execute_command("XACL", "SETUSER", "app", "+config", "+flushall")
    result = run_module("redis_acl_verify", arguments(server, matrix=matrix, renamed_commands=renamed))
    # The right to run a command that is gone allows nothing.
    assert by_status(result, "fail") == [("RH-ACL-03", "app"), ("RH-ACL-05", "app: CONFIG SET x y")]


def test_a_matrix_that_can_not_be_right_is_an_error_in_the_finding(hardened, run_module):
    matrix = [
        {"user": "app", "command": ["GETT", "x"], "allowed": False},
        {"user": "app", "command": ["CONFIG", "GETT"], "allowed": False},
        {"user": "app", "command": ["GET"], "allowed": False},
        {"user": "nobody", "command": ["GET", "x"], "allowed": False},
    ]
    result = run_module("redis_acl_verify", arguments(hardened, matrix=matrix))
    assert [subject for control, subject in by_status(result, "error") if control == "RH-ACL-05"] == sorted(
        "%s: %s" % (pair["user"], " ".join(pair["command"])) for pair in matrix
    )


def test_nothing_is_written(hardened, run_module):
    admin = hardened.client("admin", SECRET)
    before = admin.execute_command("ACL", "LIST")
    admin.execute_command("CONFIG", "RESETSTAT")
    run_module("redis_acl_verify", arguments(hardened, matrix=MATRIX))
    stats = admin.execute_command("INFO", "commandstats").decode()
    ran = {
        line.partition(":")[0].removeprefix("cmdstat_") for line in stats.splitlines() if line.startswith("cmdstat_")
    }
    read_only = {"acl|whoami", "acl|list", "acl|cat", "acl|dryrun", "acl|log", "auth", "hello", "ping", "info"}
    assert ran - {"config|resetstat", "client|setinfo", "command"} <= read_only
    assert admin.execute_command("ACL", "LIST") == before
    log = admin.execute_command("ACL", "LOG")
    assert {entry[entry.index(b"reason") + 1] for entry in log} == {b"auth"}


def test_a_login_that_may_not_read_the_acl_gets_errors_in_findings(hardened, run_module):
    hardened.client("admin", SECRET).execute_command("ACL", "SETUSER", "poor", "on", ">poor-password", "+ping")
    result = run_module("redis_acl_verify", arguments(hardened, login_user="poor", login_password="poor-password"))
    assert by_status(result, "pass") == [("RH-ACL-01", "")]
    assert [control for control, _subject in by_status(result, "error")] == CONTROLS[1:]
    assert "grant it +acl" in result["findings"][1]["actual"]


def test_users_whose_names_are_no_utf8_are_found(hardened, run_module):
    hardened.client("admin", SECRET).execute_command("ACL", "SETUSER", b"intr\xff", "on", "nopass", b"~\xfe*")
    result = run_module("redis_acl_verify", arguments(hardened))
    assert by_status(result, "fail") == [("RH-ACL-03", "intr\\xff"), ("RH-ACL-04", "intr\\xff")]


def test_an_unreachable_server_is_an_error(run_module):
    result = run_module("redis_acl_verify", {"login_port": 1, **LOGIN, "users": USERS})
    assert result["failed"] and result["connection_problem"] == "unreachable"


def test_bad_input_is_refused(hardened, run_module):
    for options, says in (
        ({"users": [ADMIN, {"name": "x"}]}, "'x'"),
        ({"matrix": [{"user": "app", "command": [], "allowed": True}]}, "empty command"),
    ):
        result = run_module("redis_acl_verify", arguments(hardened, **options))
        assert result["failed"] and says in result["msg"]


def test_queueing_agrees_with_dry_runs_and_runs_nothing(hardened):
    """The way for Redis 6, tried where ACL DRYRUN can tell whether it is right."""
    admin = hardened.client("admin", SECRET)
    admin.set("cache:1", "kept")
    params = {**hardened.login, "login_timeout": 5}
    commands = [
        *(["GET", "cache:1"], ["GET", "session:1"], ["SET", "cache:1", "lost"], ["FLUSHALL"], ["KEYS", "*"]),
        *(["SHUTDOWN", "NOSAVE"], ["CONFIG", "SET", "maxclients", "7"], ["DEL", "cache:1"], ["NOSUCH"], ["GET"]),
    ]
    outcomes = acl_probe.queue(params, "app", "password-of-app", commands, {})
    told = [admin.execute_command("ACL", "DRYRUN", "app", *command) == b"OK" for command in commands[:8]]
    assert [outcome.kind == "allowed" for outcome in outcomes[:8]] == told
    assert [outcome.kind for outcome in outcomes[8:]] == ["absent", "error"]
    assert sum(told) == 4
    assert admin.get("cache:1") == b"kept"
    assert admin.execute_command("CONFIG", "GET", "maxclients")[1] != b"7"
    (gone,) = acl_probe.queue(params, "app", "password-of-app", [["GET", "x"]], {"GET": None})
    (now,) = acl_probe.queue(params, "app", "password-of-app", [["EXEC"]], {})
    assert (gone.kind, now.kind) == ("absent", "skipped")


def test_queueing_is_not_tried_without_a_transaction(hardened):
    """Outside a transaction the commands would be run."""
    admin = hardened.client("admin", SECRET)
    admin.set("cache:1", "kept")
    admin.execute_command("ACL", "SETUSER", "app", "-multi")
    params = {**hardened.login, "login_timeout": 5}
    (outcome,) = acl_probe.queue(params, "app", "password-of-app", [["DEL", "cache:1"]], {})
    assert outcome.kind == "skipped" and "MULTI" in outcome.text
    assert admin.get("cache:1") == b"kept"
    (outcome,) = acl_probe.queue(params, "app", "wrong", [["DEL", "cache:1"]], {})
    assert outcome.kind == "skipped"


def test_two_hundred_users_take_about_a_second(hardened, run_module):
    admin = hardened.client("admin", SECRET)
    users, matrix = list(USERS), []
    for number in range(200):
        name = "user%d" % number
        users.append({**APP, "name": name, "passwords": ["password-of-%s" % name]})
        admin.execute_command("ACL", "SETUSER", name, "on", ">password-of-%s" % name, "~cache:*", *APP["commands"])
        matrix += [{**pair, "user": name} for pair in MATRIX[:2]]
    run = {"idle": [], "busy": []}
    for _attempt in range(4):
        for label, options in {"idle": {"users": USERS}, "busy": {"users": users, "matrix": matrix}}.items():
            start = time.monotonic()
            result = run_module("redis_acl_verify", arguments(hardened, **options))
            run[label].append(time.monotonic() - start)
    assert result["summary"]["fail"] == 0 and result["summary"]["pass"] > 1000
    # Measured by what Python and the module take to start, a fifth of a second: the machine may be busy.
    assert min(run["busy"]) < 10 * min(run["idle"]), run
