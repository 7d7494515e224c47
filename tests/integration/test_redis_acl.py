# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_acl against real servers, judged by what a plain client sees."""

from __future__ import annotations

import stat

import pytest
import redis
from acl_lab import (
    ADMIN,
    APP,
    SECRET,
    arguments,
    expected,
    harden,
    listing,
    live_arguments,
    sha,
)


@pytest.fixture
def hardened(server, run_module):
    return harden(server, run_module)


def test_an_open_server_is_closed_and_stays_so(server, run_module):
    server.start(acl_text="user default on nopass ~* &* +@all\nuser old on >x ~* +@all\n")
    stranger = server.client()
    stranger.set("kept", "1")
    before = server.aclfile.read_text(), stranger.execute_command("ACL", "LIST")

    result = run_module("redis_acl", arguments(server))
    assert "refused the login of user 'admin'" in result["msg"]
    preview = run_module("redis_acl", arguments(server, take_over=True), check=True, diff=True)
    assert (server.aclfile.read_text(), stranger.execute_command("ACL", "LIST")) == before
    result = run_module("redis_acl", arguments(server, take_over=True), diff=True)
    for one in (preview, result):
        assert one["changed"] and one["took_over"] and one["aclfile_changed"]
        assert (one["live_changed"], one["removed"]) == (["admin", "app", "default"], ["old"])
    assert preview["diff"][:2] == result["diff"][:2]

    assert listing(server) == expected(server)
    with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
        server.client().execute_command("PING")
    for check in (True, False):
        again = run_module("redis_acl", arguments(server), check=check, diff=True)
        assert (again["changed"], again["took_over"], again["diff"]) == (False, False, [])

    server.restart()
    assert listing(server) == expected(server)
    assert not run_module("redis_acl", arguments(server), check=True)["changed"]


def test_no_secret_is_shown_or_written(server, run_module):
    server.start(acl_text="user default on nopass ~* &* +@all\nuser old on >passphrase-of-old ~* +@all\n")
    result = run_module("redis_acl", arguments(server, take_over=True), diff=True)
    result["invocation"]["module_args"].pop("aclfile")
    shown = str(result)
    for password in (SECRET, *APP["passwords"], "passphrase-of-old"):
        assert password not in shown
        assert sha(password) not in shown
        assert password not in server.aclfile.read_text()
    assert f"#{sha('passphrase-of-old')[:8]}..." in shown
    assert stat.S_IMODE(server.aclfile.stat().st_mode) == 0o640
    assert [path.name for path in server.folder.iterdir() if path.name.startswith(".acl-")] == []


DRIFT = {
    "an extra user": ["ACL SETUSER intruder on >x ~* &* +@all"],
    "an extra user whose name is no UTF-8": [b"ACL SETUSER intr\xff on >x ~* &* +@all"],
    "a missing user": ["ACL DELUSER app"],
    "an extra command": ["ACL SETUSER app +flushall"],
    "an extra subcommand": ["ACL SETUSER app +config|set"],
    "an extra category": ["ACL SETUSER app +@admin"],
    "a missing command": ["ACL SETUSER app -get"],
    "all commands": ["ACL SETUSER app +@all"],
    "an extra first argument": ["ACL SETUSER app +select|1"],
    "an extra password": ["ACL SETUSER app >backdoor"],
    "a missing password": ["ACL SETUSER app <second-of-app"],
    "no password needed": ["ACL SETUSER app nopass"],
    "off": ["ACL SETUSER app off"],
    "default on": ["ACL SETUSER default on nopass"],
    "default with rights": ["ACL SETUSER default +@all ~*"],
    "an extra key": ["ACL SETUSER app ~session:*"],
    "an extra key that is no UTF-8": [b"ACL SETUSER app ~\xfe:*"],
    "all keys": ["ACL SETUSER app allkeys"],
    "write where read was declared": ["ACL SETUSER app ~ro:*"],
    "an extra channel": ["ACL SETUSER app &*"],
    "an extra selector": [["ACL", "SETUSER", "app", "(+@all ~*)"]],
    "no selector": ["ACL SETUSER app clearselectors"],
    "payloads not checked": ["ACL SETUSER app skip-sanitize-payload"],
}


def test_every_drift_is_seen_and_mended_without_disturbing_others(hardened, run_module):
    server = hardened
    admin, app = server.client("admin", SECRET), server.client("app", "first-of-app")
    subscriber = server.client("app", "first-of-app").pubsub()
    subscriber.subscribe("news:1")
    assert subscriber.get_message(timeout=5)["type"] == "subscribe"
    identity = admin.execute_command("CLIENT", "ID")
    for name, commands in DRIFT.items():
        for command in commands:
            admin.execute_command(*(command if isinstance(command, list) else command.split()))
        drifted = admin.execute_command("ACL", "LIST")
        preview = run_module("redis_acl", arguments(server), check=True, diff=True)
        assert admin.execute_command("ACL", "LIST") == drifted, name
        result = run_module("redis_acl", arguments(server), diff=True)
        assert preview["changed"] and result["changed"], name
        assert (preview["live_changed"], preview["removed"]) == (result["live_changed"], result["removed"]), name
        assert preview["diff"] == result["diff"] and result["diff"], name
        assert not result["aclfile_changed"], name
        assert listing(server) == expected(server), name
        if name == "a missing user":
            # Deleting a user ends its connections; that was the test's doing.
            app = server.client("app", "first-of-app")
            subscriber = server.client("app", "first-of-app").pubsub()
            subscriber.subscribe("news:1")
            subscriber.get_message(timeout=5)
        assert app.execute_command("GET", "cache:1") is None, name
    assert not run_module("redis_acl", arguments(server), check=True)["changed"]
    assert admin.execute_command("CLIENT", "ID") == identity
    admin.execute_command("PUBLISH", "news:1", "still there")
    assert subscriber.get_message(timeout=5)["data"] == b"still there"


def test_the_connections_of_a_changed_user_live_on(hardened, run_module):
    app = hardened.client("app", "first-of-app", single_connection_client=True)
    identity = app.execute_command("GET", "cache:1"), app.connection._sock.getsockname()
    users = [ADMIN, {**APP, "passwords": ["new"], "commands": ["+get", "+append"]}]
    assert run_module("redis_acl", arguments(hardened, users))["live_changed"] == ["app"]
    assert (app.execute_command("GET", "cache:1"), app.connection._sock.getsockname()) == identity


def test_check_mode_writes_nothing_at_all(hardened, run_module):
    admin = hardened.client("admin", SECRET)
    admin.execute_command("ACL", "SETUSER", "app", "+flushall")
    admin.execute_command("CONFIG", "RESETSTAT")
    content, mtime = hardened.aclfile.read_bytes(), hardened.folder.stat().st_mtime_ns
    assert run_module("redis_acl", arguments(hardened, [ADMIN, {**APP, "keys": ["other"]}]), check=True)["changed"]
    stats = admin.execute_command("INFO", "commandstats").decode()
    lines = [line for line in stats.splitlines() if "acl|setuser" in line or "acl|deluser" in line]
    # One ACL SETUSER, which the server refused.
    assert len(lines) == 1 and "cmdstat_acl|setuser:calls=1," in lines[0] and "failed_calls=1" in lines[0]
    assert (hardened.aclfile.read_bytes(), hardened.folder.stat().st_mtime_ns) == (content, mtime)


def test_purge_false_leaves_other_users_alone_also_after_a_restart(hardened, run_module):
    admin = hardened.client("admin", SECRET)
    admin.execute_command("ACL", "SETUSER", b"mine\xff", "on", ">x", b"~\xfe*", "+get")
    mine = [line for line in listing(hardened)[0] if "mine" in line]
    result = run_module("redis_acl", arguments(hardened, purge=False))
    assert (result["unmanaged"], result["removed"], result["live_changed"]) == (["mine\\xff"], [], [])
    assert result["aclfile_changed"]
    assert not run_module("redis_acl", arguments(hardened, purge=False))["changed"]
    hardened.restart()
    assert [line for line in listing(hardened)[0] if "mine" in line] == mine
    assert run_module("redis_acl", arguments(hardened))["removed"] == ["mine\\xff"]


def test_a_server_with_a_password_is_taken_over(server, run_module):
    server.start("requirepass of-the-operator")
    options = live_arguments(server, take_over=True, current_password="of-the-operator")
    assert run_module("redis_acl", {**options, "take_over": False})["failed"]
    assert "Neither current_password" in run_module("redis_acl", {**options, "current_password": "wrong"})["msg"]
    assert run_module("redis_acl", options, check=True)["took_over"]
    result = run_module("redis_acl", options)
    assert result["took_over"] and result["changed"]
    assert listing(server) == expected(server)
    again = run_module("redis_acl", options)
    assert (again["took_over"], again["changed"]) == (False, False)


def test_a_rotation_in_two_steps_needs_no_take_over(hardened, run_module):
    both = [{**ADMIN, "passwords": [SECRET, "the-next-one"]}, APP]
    assert run_module("redis_acl", live_arguments(hardened, both))["live_changed"] == ["admin"]
    only = [{**ADMIN, "passwords": ["the-next-one"]}, APP]
    result = run_module("redis_acl", live_arguments(hardened, only, login_password="the-next-one"))
    assert result["live_changed"] == ["admin"]
    with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
        hardened.client("admin", SECRET).execute_command("PING")


def test_tls_and_the_unix_socket(hardened, run_module):
    for way in (
        {"login_port": hardened.tls_port, "tls": True, **hardened.tls},
        {"login_port": 1, "login_unix_socket": hardened.socket},
    ):
        assert run_module("redis_acl", {**live_arguments(hardened), **way})["msg"] == "The users are as declared."
        assert run_module("redis_acl", {**live_arguments(hardened, [ADMIN]), **way})["removed"] == ["app"]
        assert run_module("redis_acl", {**live_arguments(hardened), **way})["live_changed"] == ["app"]


def test_a_renamed_acl_command_is_found_under_either_name(hardened, run_module):
    options = arguments(hardened, renamed_commands={"ACL": "XACL-1", "FLUSHALL": ""})
    assert not run_module("redis_acl", options)["changed"]
    hardened.config.write_text(hardened.config.read_text() + 'rename-command ACL XACL-1\nrename-command FLUSHALL ""\n')
    hardened.restart()
    assert not run_module("redis_acl", options)["changed"]
    users = [ADMIN, {**APP, "keys": ["changed:*"]}]
    assert run_module("redis_acl", {**options, "users": users})["live_changed"] == ["app"]
    assert not run_module("redis_acl", {**options, "users": users}, check=True)["changed"]
    result = run_module("redis_acl", {**options, "renamed_commands": {}})
    assert result["failed"] and "give its new name in renamed_commands" in result["msg"]
    result = run_module("redis_acl", {**options, "renamed_commands": {"ACL": "a b"}})
    assert result["failed"] and "renamed_commands" in result["msg"]
