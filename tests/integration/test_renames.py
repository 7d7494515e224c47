# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    commands as redis_commands,
    live_commands as redis_live_commands,
)


def start(server, renamed):
    return server.start("\n".join(redis_commands.rename_lines(renamed)))


def test_names_before_and_after_the_renames_are_in_force(server):
    renamed = {"CONFIG": "C1", "DEBUG": "", "KEYS": "SCAN2"}
    asked = ["CONFIG", "DEBUG", "KEYS", "INFO"]
    server.start()
    assert redis_live_commands.live_names(server.client(), renamed, asked) == {name: name for name in asked}
    start(server, renamed)
    expected = {"CONFIG": "C1", "DEBUG": None, "KEYS": "SCAN2", "INFO": "INFO"}
    assert redis_live_commands.live_names(server.client(), renamed, asked) == expected
    for name in ("C1", "SCAN2"):
        with pytest.raises(Exception, match="wrong number of arguments"):
            server.client().execute_command(name)


def test_a_chain_of_names_is_taken_by_the_server(server):
    start(server, {"FLUSHALL": "FLUSHDB", "FLUSHDB": "KEYS", "KEYS": "K1"})
    names = redis_live_commands.live_names(
        server.client(), {"FLUSHALL": "FLUSHDB", "FLUSHDB": "KEYS", "KEYS": "K1"}, ["FLUSHALL", "KEYS"]
    )
    assert names == {"FLUSHALL": "FLUSHDB", "KEYS": "K1"}
    # Without the declaration the names belong to other commands, and are not taken for the old ones.
    assert redis_live_commands.live_names(server.client(), {}, ["FLUSHDB", "KEYS"]) == {"FLUSHDB": None, "KEYS": None}


@pytest.mark.parametrize("command", [{"COMMAND": ""}, {"COMMAND": "C0"}])
def test_names_without_the_command_command(server, command):
    start(server, {"CONFIG": "C1", **command})
    client = server.client()
    client.execute_command("SET", "key", "value")
    asked = ["CONFIG", "FLUSHALL", "SHUTDOWN", "SAVE", "DEBUG", "QUIT", "MONITOR", "PSYNC", "NOSUCH"]
    names = redis_live_commands.live_names(client, {"CONFIG": "C1", **command}, asked)
    assert names == {name: name for name in asked} | {"CONFIG": "C1", "NOSUCH": None}
    assert client.execute_command("GET", "key") == b"value"
    assert b"role:master" in client.execute_command("INFO", "replication")


def test_names_for_a_user_who_may_not_run_command(server):
    server.start(acl_text="user default on nopass ~* &* +@all\nuser little on >pw -@all +ping +multi +discard +get\n")
    client = server.client("little", "pw")
    assert redis_live_commands.live_names(client, {}, ["FLUSHALL", "GET", "NOSUCH"]) == {
        "FLUSHALL": "FLUSHALL",
        "GET": "GET",
        "NOSUCH": None,
    }


def test_the_list_of_commands_is_the_servers(server):
    server.start()
    client = server.client()
    real = {name.decode().upper() for kind in ("slow", "fast") for name in client.execute_command("ACL", "CAT", kind)}
    assert {name for name in real if "|" not in name} <= redis_commands.COMMANDS


@pytest.mark.parametrize("renamed", [{"CONFIG": "GET"}, {"GET": "a b"}, {"GET": "SET", "SET": "GET"}])
def test_what_is_refused_would_have_stopped_or_crippled_the_server(server, renamed):
    assert redis_commands.rename_problems(renamed)
    try:
        server.start("\n".join("rename-command %s %s" % pair for pair in renamed.items()))
    except (RuntimeError, FileNotFoundError):
        return
    pytest.fail("The server takes what rename_problems() refuses")
