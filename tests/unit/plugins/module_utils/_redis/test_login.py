# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which logins are tried, in which order, and where."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import login
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem

PARAMS = {
    "login_port": 1,
    "login_user": "admin",
    "login_password": "secret",
    "login_password_file": None,
    "login_password_env": None,
    "login_previous_password": "before",
    "take_over": True,
    "current_password": "old",
}
WITHOUT_OPTION = {name: value for name, value in PARAMS.items() if name != "take_over"}
LADDER = [("admin", "secret"), (None, "old"), "anonymous"]


class Logins:
    """Servers that take the logins in .takes; .problems are those of ports at which none answers."""

    def __init__(self):
        self.takes, self.tried, self.ports, self.problems = set(), [], [], {}

    def open_client(self, params, anonymous=False):
        name = "anonymous" if anonymous else (params["login_user"], params["login_password"])
        self.tried.append(name)
        self.ports.append(params["login_port"])
        if params["login_port"] in self.problems:
            raise self.problems[params["login_port"]]
        if name not in self.takes:
            raise ConnectionProblem("auth", "refused at %d" % params["login_port"])
        return name


@pytest.fixture
def server(monkeypatch):
    found = Logins()
    monkeypatch.setattr(login.redis_connection, "open_client", found.open_client)
    return found


@pytest.mark.parametrize("params", [PARAMS, WITHOUT_OPTION])
@pytest.mark.parametrize(
    ("takes", "expected"),
    [
        ({("admin", "secret"), "anonymous"}, (("admin", "secret"), False, False)),
        ({(None, "old"), "anonymous"}, ((None, "old"), False, True)),
        ({"anonymous"}, ("anonymous", True, True)),
    ],
)
def test_the_ways_in_are_tried_in_order(server, params, takes, expected):
    server.takes = takes
    entry = login.open_somehow(params)
    assert (entry.client, entry.anonymous, entry.took_over) == expected
    assert server.tried == LADDER[: len(server.tried)]


def test_the_login_that_worked_is_told(server):
    server.takes = {(None, "old")}
    params = login.open_somehow(PARAMS).params
    assert params["login_password"] == "old" and params["login_user"] is None
    # It belongs to another user.
    assert params["login_previous_password"] is None


def test_without_take_over_only_the_login_is_tried(server):
    server.takes = {(None, "old"), "anonymous"}
    with pytest.raises(ConnectionProblem) as problem:
        login.open_somehow({**PARAMS, "take_over": False})
    assert server.tried == [("admin", "secret")]
    # What is not tried is not recommended.
    assert "current_password" not in str(problem.value)


def test_no_way_in_names_the_refused_login(server):
    with pytest.raises(ConnectionProblem, match="refused at 1 Neither current_password") as problem:
        login.open_somehow(PARAMS)
    assert problem.value.kind == "auth"
    assert login.hinted(problem.value) == str(problem.value)


@pytest.mark.parametrize("kind", ["unreachable", "tls", "timeout", "loading", "permission", "protocol"])
def test_what_is_no_refusal_is_not_answered_by_another_login(server, kind):
    server.problems = {1: ConnectionProblem(kind, "closed")}
    with pytest.raises(ConnectionProblem, match=r"^closed$"):
        login.open_somehow(PARAMS)
    assert server.tried == LADDER[:1]


def test_each_place_is_asked_by_all_logins(server):
    server.problems = {1: ConnectionProblem("unreachable", "closed")}
    server.takes = {"anonymous"}
    entry = login.open_somehow(PARAMS, [{}, {"login_port": 2}, {"login_port": 3}])
    assert entry.params["login_port"] == 2
    assert server.tried == [LADDER[0], *LADDER] and server.ports == [1, 2, 2, 2]


def test_a_refusal_tells_more_than_a_port_that_is_closed(server):
    server.problems = {1: ConnectionProblem("unreachable", "closed"), 3: ConnectionProblem("tls", "no")}
    with pytest.raises(ConnectionProblem, match="refused at 2"):
        login.open_somehow(PARAMS, [{}, {"login_port": 2}, {"login_port": 3}])
    with pytest.raises(ConnectionProblem, match="closed"):
        login.open_somehow(PARAMS, [{}, {"login_port": 3}])


def problem_of(error):
    problem = ConnectionProblem("unreachable", "closed")
    problem.__cause__ = error
    return problem


@pytest.mark.parametrize(
    ("live", "error", "stopped"),
    [
        ("auto", OSError(errno.ECONNREFUSED, "refused"), True),
        ("auto", OSError(errno.ENOENT, "no socket"), True),
        ("auto", OSError(errno.EHOSTUNREACH, "no route"), False),
        ("auto", ConnectionResetError(errno.ECONNRESET, "reset"), False),
        ("required", OSError(errno.ECONNREFUSED, "refused"), False),
    ],
)
def test_only_a_refused_connection_is_a_server_that_is_not_there(server, live, error, stopped):
    server.problems = {1: problem_of(error)}
    if stopped:
        assert login.open_if_it_runs({**PARAMS, "live": live}) is None
        return
    with pytest.raises(ConnectionProblem, match="closed"):
        login.open_if_it_runs({**PARAMS, "live": live})
