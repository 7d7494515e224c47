# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import (
    apply as acl_apply,
    users as acl_users,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.compare import CommandTable, differences
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem

ADMIN = {"name": "admin", "passwords": ["secret"], "commands": ["+@all"], "keys": ["*"], "channels": ["*"]}
APP = {"name": "app", "passwords": ["p"], "commands": ["+get"]}
LOGIN = {
    "login_host": "h",
    "login_port": 1,
    "login_user": "admin",
    "login_password": "secret",
    "login_password_file": None,
    "login_password_env": None,
}


class FakeServer:
    """A server's ACL without a server; client is the name of the connection, calls are (connection, action, names)."""

    where = "h:1"
    table = CommandTable(
        {"slow": ["acl", "acl|whoami", "acl|list", "acl|cat", "acl|setuser", "acl|deluser", "ping", "get"]}
    )

    def __init__(self, lines, whoami="admin"):
        self.users = {line.split()[1]: acl_users.parse_line(line)[0] for line in lines}
        self.live = dict(self.users)
        self.whoami, self.client, self.calls = whoami, "old", []
        self.fail = {}

    def differences(self, wanted, live):
        return differences(wanted, live, self.table, True)

    def _act(self, action, names):
        self.calls.append((self.client, action, list(names)))
        failure = self.fail.get((self.client, action))
        if isinstance(failure, Exception):
            raise failure
        return failure or {}

    def set_users(self, users):
        errors = self._act("set", [user.name for user in users])
        self.live.update((user.name, user) for user in users)
        return errors

    def delete_users(self, names):
        errors = self._act("delete", names)
        for name in names:
            self.live.pop(name, None)
        return errors

    def restore(self, names, before):
        assert before.users is self.users
        return self._act("restore", names)

    def list_users(self):
        self._act("list", [])
        return self.live


@pytest.fixture
def opened(monkeypatch):
    """Record the logins that are tried after the change; put an exception into it to refuse them."""
    logins = []

    def open_client(params):
        logins.append((params["login_user"], params["login_password"]))
        if logins[0] == "refuse":
            raise ConnectionProblem("auth", "refused")
        return "new"

    monkeypatch.setattr(acl_apply, "open_client", open_client)
    return logins


def plan_for(server, *entries, purge=True):
    return acl_apply.make_plan(server, acl_users.declared(list(entries)), purge)


OPEN = ["user default on nopass ~* &* +@all"]
CLOSED = ["user default off resetchannels -@all", acl_users.line_of(acl_users.declared([ADMIN])["admin"])]


def test_a_plan_names_missing_drifted_and_extra_users_only():
    server = FakeServer([*CLOSED, "user old off", "user app on >p +get +set"])
    plan = plan_for(server, ADMIN, APP)
    assert ([user.name for user in plan.change], plan.remove, plan.unmanaged) == (["app"], ["old"], [])
    plan = plan_for(server, ADMIN, APP, purge=False)
    assert (plan.remove, plan.unmanaged) == ([], ["old"])


def test_a_server_that_is_as_declared_gets_no_plan():
    server = FakeServer(CLOSED)
    assert plan_for(server, ADMIN) == acl_apply.Plan()


def test_the_diff_has_a_line_for_each_user_that_changes_and_no_hash():
    server = FakeServer([*CLOSED, "user old on >q ~*", "user app on >p +set"])
    diff = acl_apply.diff_of(server, plan_for(server, ADMIN, APP))
    app, old = acl_users.hash_of("p")[:8], acl_users.hash_of("q")[:8]
    assert (
        diff["before"]
        == f"user app on #{app}... resetchannels -@all +set\nuser old on #{old}... ~* resetchannels -@all\n"
    )
    assert diff["after"] == f"user app on #{app}... resetchannels -@all +get\n"


def test_the_diff_of_very_many_users_is_cut():
    server = FakeServer([*CLOSED, *("user u%05d off" % number for number in range(5000))])
    diff = acl_apply.diff_of(server, plan_for(server, ADMIN))
    assert diff["before"].count("\n") == 1001
    assert diff["before"].endswith("... and 4000 more users\n")


def test_the_own_user_is_set_last_and_users_are_deleted_after_the_new_login(opened):
    server = FakeServer(["user admin on >old +@all ~* &*", "user old off", *OPEN])
    acl_apply.apply(server, plan_for(server, ADMIN, APP), LOGIN)
    assert opened == [("admin", "secret")]
    assert [call for call in server.calls if call[1] != "list"] == [
        ("old", "set", ["app", "default", "admin"]),
        ("new", "set", []),
        ("new", "delete", ["old"]),
    ]


def test_the_user_of_a_server_that_is_taken_over_is_closed_through_the_new_login(opened):
    server = FakeServer(OPEN, whoami="default")
    assert acl_apply.apply(server, plan_for(server, ADMIN), LOGIN) == []
    assert [call for call in server.calls if call[1] == "set"] == [
        ("old", "set", ["admin"]),
        ("new", "set", ["default"]),
    ]


def test_a_refused_login_puts_everything_back_through_the_old_connection(opened):
    opened.append("refuse")
    server = FakeServer(OPEN, whoami="default")
    with pytest.raises(acl_apply.ApplyFailed, match="put back as they were, because: refused") as error:
        acl_apply.apply(server, plan_for(server, ADMIN, APP), LOGIN)
    assert error.value.restored
    assert server.calls[-1] == ("old", "restore", ["admin", "app"])


def test_a_login_that_may_not_list_users_puts_everything_back(opened):
    server = FakeServer(OPEN, whoami="default")
    server.fail["new", "list"] = ConnectionProblem("permission", "no ACL")
    with pytest.raises(acl_apply.ApplyFailed, match="no ACL"):
        acl_apply.apply(server, plan_for(server, ADMIN), LOGIN)
    assert server.calls[-1] == ("old", "restore", ["admin"])


def test_an_error_of_the_server_puts_everything_back(opened):
    server = FakeServer(OPEN, whoami="default")
    server.fail["old", "set"] = {"admin": "full"}
    with pytest.raises(acl_apply.ApplyFailed, match="'admin': full"):
        acl_apply.apply(server, plan_for(server, ADMIN), LOGIN)
    assert opened == []
    assert server.calls[-1] == ("old", "restore", ["admin"])


def test_a_failed_deletion_puts_all_users_back(opened):
    server = FakeServer([*CLOSED, "user old off"])
    server.fail["new", "delete"] = {"old": "no"}
    with pytest.raises(acl_apply.ApplyFailed):
        acl_apply.apply(server, plan_for(server, ADMIN, APP), LOGIN)
    assert server.calls[-1] == ("new", "restore", ["app", "old"])


@pytest.mark.parametrize("failure", [{"admin": "no"}, ConnectionProblem("unreachable", "gone")])
def test_a_failed_restore_is_admitted(opened, failure):
    opened.append("refuse")
    server = FakeServer(OPEN, whoami="default")
    server.fail["old", "restore"] = failure
    with pytest.raises(acl_apply.ApplyFailed, match="Putting them back failed too") as error:
        acl_apply.apply(server, plan_for(server, ADMIN), LOGIN)
    assert not error.value.restored


def test_a_user_that_is_changed_by_somebody_else_meanwhile_is_reported(opened):
    server = FakeServer([*CLOSED, "user app off"])
    plan = plan_for(server, ADMIN, APP)
    server.set_users = lambda users: {}
    assert "'app' of h:1 is still not as declared (enabled: the user is off" in acl_apply.apply(server, plan, LOGIN)[0]


def login(entries, server=None, purge=True, take_over=False, **options):
    return acl_apply.login_after({**LOGIN, **options}, entries, acl_users.declared(entries), server, purge, take_over)


def test_the_login_that_will_work_is_given_back():
    assert login([ADMIN], FakeServer(OPEN))["login_password"] == "secret"


@pytest.mark.parametrize(
    ("entries", "options", "says"),
    [
        ([APP], {}, "user 'admin' is not in users"),
        ([{**ADMIN, "enabled": False}], {}, "user 'admin' is off"),
        ([{**ADMIN, "passwords": ["other"]}], {}, "the password in use is not among those of user 'admin'"),
        ([ADMIN], {"login_password": None}, "login_password is not set"),
        ([ADMIN], {"login_user": None}, "user 'default' is off"),
        ([{**ADMIN, "commands": ["+@all", "-acl"]}], {}, "may not run acl|whoami, acl|list"),
        ([{**ADMIN, "commands": ["+acl"]}], {}, "may not run ping"),
    ],
)
def test_a_set_that_locks_the_login_out_is_refused(entries, options, says):
    with pytest.raises(acl_users.AclError) as error:
        login(entries, FakeServer(OPEN), **options)
    assert str(error.value).startswith("The declared users would lock out this login: ")
    assert says in str(error.value)
    assert "secret" not in str(error.value)


def test_take_over_may_come_back_with_another_declared_password():
    entries = [{**ADMIN, "passwords": ["other"]}]
    assert login(entries, FakeServer(OPEN), take_over=True)["login_password"] == "other"


def test_take_over_still_needs_a_login():
    with pytest.raises(acl_users.AclError, match="'admin' is not in users"):
        login([APP], FakeServer(OPEN), take_over=True)


def test_a_login_that_is_left_alone_needs_no_declaration():
    assert login([APP], FakeServer([*CLOSED]), purge=False)["login_user"] == "admin"
    with pytest.raises(acl_users.AclError):
        login([APP], FakeServer([*CLOSED]))


def test_without_a_server_the_login_is_checked_as_far_as_possible():
    assert login([{**ADMIN, "commands": ["+ping"]}])["login_user"] == "admin"
    with pytest.raises(acl_users.AclError):
        login([APP])
