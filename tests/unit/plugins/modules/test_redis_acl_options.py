# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.doc_fragments import connection, users
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import run as acl_run
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem
from ansible_collections.celebrum.redis_hardening.plugins.modules import redis_acl, redis_acl_verify


class Stop(Exception):
    pass


def specification(module, monkeypatch):
    """Return the argument spec with which the module starts."""
    captured = {}

    def start(**arguments):
        captured.update(arguments)
        raise Stop

    monkeypatch.setattr(module, "AnsibleModule", start)
    with pytest.raises(Stop):
        module.main()
    return captured["argument_spec"]


def shape(options, inner):
    """Reduce options of documentation or code to what has to agree."""
    return {
        name: (
            option.get("type", "str"),
            option.get("elements"),
            option.get("default"),
            bool(option.get("required")),
            tuple(option.get("choices", ())),
            shape(option.get(inner) or {}, inner),
        )
        for name, option in options.items()
    }


@pytest.mark.parametrize("module", [redis_acl, redis_acl_verify])
def test_the_documentation_agrees_with_the_code(module, monkeypatch):
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    for fragment in (connection, users):
        documented.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])
    assert shape(documented, "suboptions") == shape(specification(module, monkeypatch), "options")


@pytest.mark.parametrize("module", [redis_acl, redis_acl_verify])
def test_every_secret_option_is_no_log(module, monkeypatch):
    spec = specification(module, monkeypatch)
    options = {**spec, **spec["users"]["options"]}
    for name in ("login_password", "passwords", "password_hashes", "take_over_password"):
        if name in options:
            assert options[name]["no_log"] is True, name


PARAMS = {
    "login_user": "admin",
    "login_password": "secret",
    "login_password_file": None,
    "login_password_env": None,
    "take_over": True,
    "take_over_password": "old",
}


@pytest.fixture
def server(monkeypatch):
    """A server that takes the logins in .takes; .tried are those that were tried."""

    class Logins:
        takes, tried = set(), []

    def open_client(params, anonymous=False):
        login = "anonymous" if anonymous else (params["login_user"], params["login_password"])
        Logins.tried.append(login)
        if login not in Logins.takes:
            raise ConnectionProblem("auth", "refused")
        return login

    monkeypatch.setattr(acl_run, "open_client", open_client)
    Logins.takes, Logins.tried = set(), []
    return Logins


@pytest.mark.parametrize(
    ("takes", "expected"),
    [
        ({("admin", "secret"), "anonymous"}, (("admin", "secret"), False)),
        ({(None, "old"), "anonymous"}, ((None, "old"), True)),
        ({"anonymous"}, ("anonymous", True)),
    ],
)
def test_the_ways_in_are_tried_in_order(server, takes, expected):
    server.takes = takes
    assert acl_run.connect_somehow(PARAMS) == expected
    assert server.tried == [("admin", "secret"), (None, "old"), "anonymous"][: len(server.tried)]


def test_without_take_over_only_the_login_is_tried(server):
    server.takes = {(None, "old"), "anonymous"}
    with pytest.raises(ConnectionProblem):
        acl_run.connect_somehow({**PARAMS, "take_over": False})
    assert server.tried == [("admin", "secret")]


def test_no_way_in_names_the_refused_login(server):
    with pytest.raises(ConnectionProblem, match="refused Neither take_over_password") as problem:
        acl_run.connect_somehow(PARAMS)
    assert problem.value.kind == "auth"


def test_a_server_that_can_not_be_reached_is_not_taken_over(server, monkeypatch):
    def unreachable(params, anonymous=False):
        assert not anonymous
        raise ConnectionProblem("unreachable", "closed")

    monkeypatch.setattr(acl_run, "open_client", unreachable)
    with pytest.raises(ConnectionProblem, match="closed"):
        acl_run.connect_somehow(PARAMS)
