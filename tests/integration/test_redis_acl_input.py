# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What redis_acl refuses, and that nothing has changed then."""

from __future__ import annotations

import socket
import threading

import pytest
from acl_lab import (
    ADMIN,
    APP,
    LOGIN,
    SECRET,
    USERS,
    arguments,
    expected,
    harden,
    listing,
    live_arguments,
)


@pytest.fixture
def hardened(server, run_module):
    return harden(server, run_module)


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


# It takes long, and what it measures is our side.
@pytest.mark.parametrize("server", ["redis-8.0"], indirect=True)
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
