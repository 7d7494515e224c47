# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_acl against real servers, judged by what a plain client sees."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import threading

import pytest
import redis

SECRET = "correct-horse-battery"
ADMIN = {"name": "admin", "passwords": [SECRET], "commands": ["+@all"], "keys": ["*"], "channels": ["*"]}
APP = {
    "name": "app",
    "passwords": ["first-of-app", "second-of-app"],
    "commands": ["+@read", "+SET", "-@dangerous", "+config|get", "+subscribe", "+unsubscribe"],
    "keys": ["cache:*", "%R~ro:*"],
    "channels": ["news:*"],
    "selectors": ["(+get ~x:*)"],
}
USERS = [ADMIN, APP]
LOGIN = {"login_user": "admin", "login_password": SECRET}


def sha(password):
    return hashlib.sha256(password.encode()).hexdigest()


# What app can do: its own rights, and a neighbour of each.
ALLOWED = [
    *("get cache:1", "get ro:1", "get x:1", "mget cache:1 cache:2", "set cache:1 x"),
    *("config get x", "subscribe news:1", "unsubscribe"),
]
DENIED = [
    *("set ro:1 x", "get session:1", "set x:1 y", "append cache:1 x", "sort_ro cache:1", "keys cache:*", "flushall"),
    *("config set x y", "acl list", "select 1", "subscribe other", "eval x 0", "shutdown"),
]


def listing(server):
    """What a plain client sees of the users: ACL LIST, and what app can do."""
    client = server.client("admin", SECRET)
    lines = [line.decode("utf-8", "backslashreplace") for line in client.execute_command("ACL", "LIST")]
    lines = [line.replace(" sanitize-payload", "", 1) for line in lines]
    if server.version < (7, 2):
        # 7.0 prints other rules for the same commands, in an order of its own at each start.
        lines = [re.sub(r"^(user app .*?-@all )[^(]*", r"\1(...) ", line).strip() for line in lines]
    can = {}
    for command in (ALLOWED + DENIED) * any(line.startswith("user app ") for line in lines):
        can[command] = client.execute_command("ACL", "DRYRUN", "app", *command.split()) == b"OK"
    return sorted(lines), can


def expected(server):
    commands = "+@read +set -@dangerous +config|get +subscribe +unsubscribe" if server.version >= (7, 2) else "(...)"
    hashes = " ".join("#" + one for one in sorted(map(sha, APP["passwords"])))
    return [
        f"user admin on #{sha(SECRET)} ~* &* +@all",
        f"user app on {hashes} %R~ro:* ~cache:* resetchannels &news:* -@all {commands} (~x:* resetchannels -@all +get)",
        "user default off resetchannels -@all",
    ], {**dict.fromkeys(ALLOWED, True), **dict.fromkeys(DENIED, False)}


@pytest.fixture
def hardened(server, run_module):
    """A server that has the users, with its ACL file."""
    server.start(acl_text="user default on nopass ~* &* +@all\n")
    result = run_module("redis_acl", arguments(server, take_over=True))
    assert result.get("took_over"), result
    return server


def arguments(server, users=None, **options):
    return {**server.login, **LOGIN, "users": users or USERS, "aclfile": str(server.aclfile), **options}


def live_arguments(server, users=None, **options):
    return {**server.login, **LOGIN, "users": users or USERS, **options}


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


@pytest.mark.parametrize(
    ("rule", "option"),
    [
        ("+nosuchcommand", "commands"),
        ("+@nosuchcategory", "commands"),
        ("+config|nosuch", "commands"),
        ("+x", "selectors"),
    ],
)
def test_a_rule_that_the_server_does_not_know_changes_nothing(hardened, run_module, rule, option):
    before, content = listing(hardened), hardened.aclfile.read_text()
    users = [ADMIN, {**APP, "keys": ["changed:*"], option: [rule]}]
    result = run_module("redis_acl", arguments(hardened, users))
    assert result["failed"]
    assert "'app'" in result["msg"] and rule in result["msg"]
    assert (listing(hardened), hardened.aclfile.read_text()) == (before, content)


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


FILE_DRIFT = {
    "an extra line": lambda text: text + "user intruder on nopass ~* +@all\n",
    "a missing line": lambda text: "".join(line for line in text.splitlines(True) if "app" not in line),
    "no default": lambda text: "".join(line for line in text.splitlines(True) if "default" not in line),
    "an extra rule": lambda text: text.replace("+@all\n", "+@all\n").replace("~cache:*", "~cache:* ~session:*"),
    "a comment": lambda text: "# by hand\n" + text,
    "a double line": lambda text: text + "user default off resetchannels -@all\n",
    "a plain password": lambda text: text.replace("#" + sha(SECRET), ">" + SECRET),
    "an unknown rule": lambda text: text.replace("reset on", "reset on frobnicate"),
    "an empty file": lambda text: "",
}


def test_drift_of_the_file_alone_is_mended_in_the_file_alone(hardened, run_module):
    good = hardened.aclfile.read_text()
    for name, spoil in FILE_DRIFT.items():
        hardened.aclfile.write_text(spoil(good))
        assert hardened.aclfile.read_text() != good, name
        preview = run_module("redis_acl", arguments(hardened), check=True)
        assert preview["changed"] and preview["aclfile_changed"] and not preview["live_changed"], name
        assert hardened.aclfile.read_text() == spoil(good), name
        result = run_module("redis_acl", arguments(hardened))
        assert result["aclfile_changed"] and not result["live_changed"], name
        assert hardened.aclfile.read_text() == good, name
    hardened.aclfile.unlink()
    assert run_module("redis_acl", arguments(hardened))["aclfile_changed"]
    assert hardened.aclfile.read_text() == good


def test_mode_and_owner_of_the_file_are_drift(hardened, run_module):
    hardened.aclfile.chmod(0o644)
    preview = run_module("redis_acl", arguments(hardened), check=True)
    assert preview["aclfile_changed"] and not preview["live_changed"]
    assert stat.S_IMODE(hardened.aclfile.stat().st_mode) == 0o644
    assert run_module("redis_acl", arguments(hardened))["aclfile_changed"]
    assert stat.S_IMODE(hardened.aclfile.stat().st_mode) == 0o640
    if os.geteuid() == 0:
        owned = arguments(hardened, aclfile_owner="nobody", aclfile_group=str(hardened.aclfile.stat().st_gid))
        assert run_module("redis_acl", owned)["aclfile_changed"]
        assert hardened.aclfile.stat().st_uid != 0
        # A new content keeps the owner that is there.
        assert run_module("redis_acl", arguments(hardened, [ADMIN]))["aclfile_changed"]
        assert hardened.aclfile.stat().st_uid != 0


def test_what_the_server_saves_is_the_same_file_where_it_keeps_the_text(hardened, run_module):
    hardened.client("admin", SECRET).execute_command("ACL", "SAVE")
    hardened.aclfile.chmod(0o640)
    result = run_module("redis_acl", arguments(hardened), check=True)
    # What 7.0 saves are other rules, which a later version may read as more rights.
    assert result["changed"] == (hardened.version < (7, 2))


def test_a_file_of_nonsense_changes_nothing(hardened, run_module):
    hardened.aclfile.write_text("user default off\n<html>\n")
    before = listing(hardened)
    result = run_module("redis_acl", arguments(hardened, [ADMIN]))
    assert result["failed"] and f"aclfile {hardened.aclfile}, line 2 can't be read" in result["msg"]
    assert (listing(hardened), hardened.aclfile.read_text()) == (before, "user default off\n<html>\n")


def test_a_file_that_can_not_be_written_changes_nothing(hardened, run_module):
    before = listing(hardened)
    missing = str(hardened.folder / "none" / "users.acl")
    result = run_module("redis_acl", arguments(hardened, [ADMIN], aclfile=missing))
    assert result["failed"] and "does not exist" in result["msg"]
    result = run_module("redis_acl", arguments(hardened, [ADMIN], aclfile_owner="no-such-account"))
    assert result["failed"] and "no-such-account" in result["msg"]
    assert listing(hardened) == before
    # In check mode the folder may be one that an earlier task would create.
    assert run_module("redis_acl", arguments(hardened, aclfile=missing), check=True)["aclfile_changed"]


def test_a_set_that_locks_the_module_out_is_refused(hardened, run_module):
    before = listing(hardened)
    for users in (
        [APP],
        [{**ADMIN, "enabled": False}],
        [{**ADMIN, "passwords": ["another-password"]}],
        [{**ADMIN, "commands": ["+@all", "-@admin"]}],
    ):
        result = run_module("redis_acl", live_arguments(hardened, users))
        assert result["failed"] and "would lock out this login" in result["msg"]
    assert listing(hardened) == before


def test_when_no_new_login_succeeds_everything_is_put_back(hardened, run_module):
    admin = hardened.client("admin", SECRET, single_connection_client=True)
    admin.execute_command("ACL", "SETUSER", "old", "on", ">x", "+get")
    before, content = admin.execute_command("ACL", "LIST"), hardened.aclfile.read_text()
    # This connection and the module's first one: there is no room for the one that proves the login.
    admin.execute_command("CONFIG", "SET", "maxclients", "2")
    users = [
        {**ADMIN, "passwords": [SECRET, "next"]},
        {**APP, "keys": ["changed:*"]},
        {"name": "new", "passwords": ["of-the-new-one"]},
    ]
    result = run_module("redis_acl", arguments(hardened, users))
    assert result["failed"] and result["restored"] and not result["changed"]
    assert "put back as they were" in result["msg"] and "max number of clients" in result["msg"]
    assert sorted(admin.execute_command("ACL", "LIST")) == sorted(before)
    assert hardened.aclfile.read_text() == content
    admin.execute_command("CONFIG", "SET", "maxclients", "100")
    assert run_module("redis_acl", arguments(hardened, users))["removed"] == ["old"]


def test_a_server_with_a_password_is_taken_over(server, run_module):
    server.start("requirepass of-the-operator")
    options = live_arguments(server, take_over=True, take_over_password="of-the-operator")
    assert run_module("redis_acl", {**options, "take_over": False})["failed"]
    assert "Neither take_over_password" in run_module("redis_acl", {**options, "take_over_password": "wrong"})["msg"]
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


def test_without_a_server_only_the_file_is_written(server, run_module):
    options = arguments(server, live="auto", server_binary=server.binary)
    preview = run_module("redis_acl", options, check=True)
    assert preview["changed"] and not server.aclfile.exists()
    result = run_module("redis_acl", options)
    assert (result["aclfile_changed"], result["live_changed"]) == (True, [])
    assert not run_module("redis_acl", options)["changed"]
    assert not run_module("redis_acl", {**options, "live": "never"})["changed"]
    assert run_module("redis_acl", {**options, "live": "required"})["connection_problem"] == "unreachable"

    good = server.aclfile.read_text()
    wrong = run_module("redis_acl", {**options, "users": [ADMIN, {**APP, "commands": ["+nosuchcommand"]}]})
    assert wrong["failed"] and "+nosuchcommand" in wrong["msg"]
    blind = run_module("redis_acl", {**options, "users": [{**ADMIN, "commands": ["+get"]}, APP]})
    assert blind["failed"] and "would lock out this login" in blind["msg"]
    assert server.aclfile.read_text() == good

    server.start(acl_text=good)
    assert listing(server) == expected(server)
    assert not run_module("redis_acl", options)["changed"]


def test_without_a_server_purge_false_keeps_the_users_of_the_file(server, run_module):
    server.aclfile.write_text("user mine on nopass ~* +@all\n")
    options = arguments(server, live="never", purge=False)
    assert run_module("redis_acl", options)["changed"]
    assert "user mine reset on nopass ~*" in server.aclfile.read_text()
    assert not run_module("redis_acl", options)["changed"]
    assert run_module("redis_acl", {**options, "purge": True})["changed"]
    assert "mine" not in server.aclfile.read_text()


def test_a_hundred_thousand_users(hardened, run_module):
    admin = hardened.client("admin", SECRET)
    batch = admin.pipeline(transaction=False)
    for number in range(100_000):
        batch.execute_command("ACL", "SETUSER", "u%06d" % number, "on", ">x", "+get")
    batch.execute()
    options = live_arguments(hardened, login_timeout=60)
    preview = run_module("redis_acl", options, check=True, diff=True)
    assert len(preview["removed"]) == 100_000 and len(str(preview["diff"])) < 200_000
    assert len(run_module("redis_acl", options)["removed"]) == 100_000
    assert listing(hardened) == expected(hardened)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"login_port": 1}, "can't be reached"),
        ({"login_password": "wrong"}, "refused the login of user 'admin'"),
        ({"login_user": "app", "login_password": "first-of-app"}, "may not run PING"),
        ({"users": [ADMIN, {"name": "x"}]}, "'x': an enabled user needs a password: set passwords"),
        ({"users": [ADMIN, ADMIN]}, "declared twice"),
        ({"users": [ADMIN, {**APP, "name": "a b"}]}, "can't hold blanks"),
        ({"users": [ADMIN, {**APP, "keys": ["a\nuser b on nopass"]}]}, "keys, entry 1"),
        ({"users": [ADMIN, {**APP, "password_hashes": ["123"]}]}, "64 hex digits"),
    ],
)
def test_bad_input_changes_nothing(hardened, run_module, options, says):
    before, content = listing(hardened), hardened.aclfile.read_text()
    result = run_module("redis_acl", arguments(hardened, **options))
    assert result["failed"] and says in result["msg"], result["msg"]
    assert (listing(hardened), hardened.aclfile.read_text()) == (before, content)


def test_a_login_without_acl_rights_is_told_what_it_needs(hardened, run_module):
    hardened.client("admin", SECRET).execute_command("ACL", "SETUSER", "poor", "on", ">poor-password", "+ping")
    result = run_module("redis_acl", arguments(hardened, login_user="poor", login_password="poor-password"))
    assert result["failed"] and "grant it +acl" in result["msg"]


class Impostor(threading.Thread):
    """A server on loopback that answers every command with the same bytes and hangs up after `limit` commands."""

    def __init__(self, replies):
        super().__init__(daemon=True)
        self.replies, self.listener = replies, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            with client:
                for reply in self.replies:
                    if not client.recv(65536):
                        break
                    client.sendall(reply)


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ([b"+OK\r\n", b"+PONG\r\n", b"*2\r\n$6\r\nserver\r\n"], "can't be reached"),
        ([b"+OK\r\n", b"+PONG\r\n", b"*0\r\n$5\r\nadmin\r\n*1\r\n$9\r\nuser a"], "can't be reached"),
        ([b"+OK\r\n", b"+PONG\r\n", b"*0\r\n$5\r\nadmin\r\n*1\r\n$3\r\nfoo\r\n*0\r\n"], "'user <name>'"),
        (
            [b"+OK\r\n", b"+PONG\r\n", b"-ERR unknown command 'HELLO'\r\n" + b"-ERR unknown command 'ACL'\r\n" * 3],
            "no command ACL",
        ),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"] * 3, ""),
    ],
)
def test_replies_that_break_off_or_are_none(run_module, replies, says):
    impostor = Impostor(replies)
    result = run_module("redis_acl", {"login_port": impostor.port, **LOGIN, "users": USERS, "login_timeout": 2.0})
    impostor.listener.close()
    assert result["failed"] and says in result["msg"], result
    assert "Traceback" not in str(result)
    assert SECRET not in str(result)
