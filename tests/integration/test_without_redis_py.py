# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What proves, on a host without redis-py: it finds the same. And on a server that nobody has hardened yet."""

from __future__ import annotations

import pytest
from test_redis_acl_verify import LINES, LOGIN, MATRIX, USERS

WITHOUT = {"WITHOUT_REDIS_PY": "1"}
RENAMES = {"FLUSHALL": "", "DEBUG": ""}
MODULES = {
    "redis_acl_verify": {"users": USERS, "matrix": MATRIX},
    "redis_command_verify": {"renamed_commands": RENAMES},
    "redis_config_verify": {"settings": {"maxmemory": "512mb"}, "renamed_commands": RENAMES},
    "redis_version_verify": {"renamed_commands": RENAMES},
}
CONFIG = 'rename-command FLUSHALL ""\nrename-command DEBUG ""'


OLD = "password-from-before"


@pytest.fixture
def hardened(server):
    return server.start(CONFIG, acl_text=LINES)


@pytest.fixture
def unhardened(server):
    return server.start("requirepass %s" % OLD)


@pytest.mark.parametrize("name", MODULES)
def test_the_same_is_found(hardened, run_module, name):
    ways = [
        {"login_port": hardened.tls_port, "tls": True, **hardened.tls},
        {"login_port": 1, "login_unix_socket": hardened.socket},
        {},
    ]
    for way in ways if name == "redis_acl_verify" else ways[-1:]:
        arguments = {**hardened.login, **LOGIN, **MODULES[name], **way}
        found = [run_module(name, arguments, env=env) for env in ({}, WITHOUT)]
        assert found[0]["findings"] == found[1]["findings"], found[1]
        assert found[1]["findings"]


def test_what_changes_something_wants_the_library(hardened, run_module):
    result = run_module("redis_acl", {**hardened.login, **LOGIN, "users": USERS, "aclfile": "/x"}, env=WITHOUT)
    assert result["failed"]
    assert "python3-redis" in result["msg"]


@pytest.mark.parametrize(("name", "env"), [("redis_acl_verify", {}), *((name, WITHOUT) for name in MODULES)], ids=str)
def test_a_server_that_still_has_its_old_password(unhardened, run_module, name, env):
    arguments = {**unhardened.login, **LOGIN, **MODULES[name]}
    result = run_module(name, {**arguments, "current_password": OLD}, env=env)
    assert result["findings"], result
    assert result.get("anonymous", False) is False
    assert OLD not in str(result)
    refused = run_module(name, {**arguments, "current_password": "x" + OLD}, env=env)
    assert refused["failed"]
    assert refused["connection_problem"] == "auth"
