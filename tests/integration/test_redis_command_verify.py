# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest
import redis
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    command_verify as redis_command_verify,
)

DANGEROUS = sorted(redis_command_verify._INERT_BARE | redis_command_verify._INERT_WITH_ARGUMENT)
HARDENED = {
    "FLUSHALL": "",
    "FLUSHDB": "",
    "DEBUG": "",
    "MODULE": "",
    "KEYS": "",
    "MONITOR": "",
    "SAVE": "",
    "SHUTDOWN": "stop_7f",
    "CONFIG": "config_7f",
    "REPLICAOF": "",
    "SLAVEOF": "",
}


def lines_of(renamed):
    return "\n".join('rename-command %s "%s"' % entry for entry in renamed.items())


def verify(run_module, server, renamed, **options):
    return run_module("redis_command_verify", {**server.login, "renamed_commands": renamed, **options})


def by_subject(result, control=None):
    return {one["subject"]: one for one in result["findings"] if control in (None, one["id"])}


class Snapshot:
    """Everything that a command could have disturbed; the server must be told apart from the moving clock only."""

    def __init__(self, server, **login):
        self.client, self.other = server.client(**login), server.client(single_connection_client=True, **login)
        self.config = "CONFIG" if self.client.execute_command("COMMAND", "INFO", "CONFIG")[0] else "config_7f"
        for number in range(50):
            self.client.execute_command("SET", "key:%d" % number, "value")
        self.client.execute_command("LPUSH", "list", "a", "b")
        # Others are connected: one that would come back under another id, and a subscriber.
        self.other_id = self.other.execute_command("CLIENT", "ID")
        self.subscriber = server.client(**login).pubsub()
        self.subscriber.subscribe("news")
        self.client.execute_command(self.config, "RESETSTAT")
        self.before = self.take()

    def take(self):
        ask = self.client.execute_command
        names, cursor = [], b"0"
        while True:
            cursor, page = ask("SCAN", cursor, "COUNT", 1000)
            names += page
            if cursor == b"0":
                break
        persistence = ask("INFO", "persistence").decode()
        return dict(
            data={name: ask("DUMP", name) for name in sorted(names)},
            role=ask("ROLE"),
            settings=ask(self.config, "GET", "*"),
            users=ask("ACL", "LIST"),
            denials=ask("ACL", "LOG"),
            other=(self.other.execute_command("CLIENT", "ID"), self.other_id),
            subscribers=ask("PUBSUB", "NUMSUB", "news"),
            run=[line for line in ask("INFO", "server").decode().splitlines() if line.startswith("run_id")],
            saves=[line for line in persistence.splitlines() if line.startswith(("rdb_saves", "rdb_last_save_time"))],
            rewrites=[line for line in persistence.splitlines() if line.startswith("aof_rewrites")],
            commands=ask("COMMAND", "COUNT"),
        )

    def calls(self):
        """Which commands were called, and how often; rejected and failed calls count."""
        counted = {}
        for line in self.client.execute_command("INFO", "commandstats").decode().splitlines()[1:]:
            name, _colon, values = line.removeprefix("cmdstat_").partition(":")
            figures = dict(entry.split("=") for entry in values.split(","))
            counted[name.upper()] = (
                int(figures["calls"]),
                int(figures["rejected_calls"]) + int(figures["failed_calls"]),
            )
        return counted


# What the snapshot itself calls, and the module.
HARMLESS = {
    *("SCAN", "DUMP", "ROLE", "CONFIG|GET", "CONFIG|RESETSTAT", "ACL|LIST", "ACL|LOG", "CLIENT|ID", "INFO"),
    *("PUBSUB|NUMSUB", "COMMAND|COUNT", "COMMAND|INFO", "COMMAND|LIST", "ACL|CAT", "PING", "AUTH"),
}


@pytest.mark.parametrize("renamed", [{}, HARDENED], ids=["stock", "hardened"])
def test_nothing_is_disturbed(server, run_module, renamed):
    server.start(lines_of(renamed))
    snapshot = Snapshot(server)
    result = verify(run_module, server, {**dict.fromkeys(DANGEROUS, ""), **renamed})
    assert result["changed"] is False
    assert len(result["commands"]) == len({*DANGEROUS, *renamed})
    assert snapshot.take() == snapshot.before
    # No command was so much as tried, whether or not it exists.
    assert set(snapshot.calls()) <= HARMLESS


def test_the_calls_are_inert_even_when_the_command_is_there(server):
    """The safety net by itself: each call, sent by a user who may do everything, to a server that has the command."""
    server.start("enable-debug-command yes\nenable-module-command yes")
    snapshot = Snapshot(server)
    exists = {name for name in DANGEROUS if snapshot.client.execute_command("COMMAND", "INFO", name)[0]}
    assert exists >= {"DEBUG", "FLUSHALL", "MIGRATE", "MODULE", "MONITOR", "PSYNC", "REPLICAOF", "SAVE", "SHUTDOWN"}
    for name in sorted(exists):
        with pytest.raises(redis.ResponseError, match="wrong number of arguments|syntax error|subcommand"):
            snapshot.client.execute_command(*redis_command_verify.inert_call(name))
    assert snapshot.take() == snapshot.before
    ran = {name: calls for name, (calls, _refused) in snapshot.calls().items() if calls and name not in HARMLESS}
    # These take any number of arguments, so they themselves refuse what they do not know.
    assert set(ran) <= {"BGSAVE", "FAILOVER", "FLUSHALL", "FLUSHDB", "REPLCONF", "SHUTDOWN"}


def test_the_calls_have_a_wrong_number_of_arguments(server):
    """The server's own word on it."""
    server.start()
    for name, info in zip(DANGEROUS, server.client().execute_command("COMMAND", "INFO", *DANGEROUS), strict=True):
        if info is None:
            continue
        arity, length = info[1], len(redis_command_verify.inert_call(name))
        if name in ("BGSAVE", "COMMAND", "FAILOVER", "FLUSHALL", "FLUSHDB", "REPLCONF", "SHUTDOWN"):
            assert (arity, length) == (-1, 2), name
        else:
            assert length != arity if arity > 0 else length < -arity, name


def test_a_hardened_server(server, run_module):
    server.start(lines_of(HARDENED))
    result = verify(run_module, server, HARDENED)
    assert {one["status"] for one in result["findings"]} == {"pass"}
    assert {one["id"] for one in result["findings"]} == {"RH-CMD-01", "RH-CMD-02", "RH-CMD-03"}
    assert result["commands"] == {name: "renamed" if new else "removed" for name, new in HARDENED.items()}
    checked = run_module("redis_command_verify", {**server.login, "renamed_commands": HARDENED}, check=True)
    assert checked["findings"] == result["findings"]


def test_a_stock_server(server, run_module):
    server.start()
    result = verify(run_module, server, HARDENED)
    assert {one["status"] for one in result["findings"]} == {"fail"}
    assert set(result["commands"].values()) == {"present"}


def test_every_way_to_be_wrong(server, run_module):
    server.start(lines_of({"KEYS": "keys_1", "MONITOR": "monitor_1", "EVAL": "", "SAVE": "BGSAVE_1", "SLAVEOF": ""}))
    declared = {
        "KEYS": "",  # hidden, not disabled
        "MONITOR": "monitor_2",  # under another name than declared
        "EVAL": "",  # disabled, with back doors
        "BGSAVE": "bgsave_1",  # the new name runs another command
        "MODULE": "",  # not applied
        "FLUSHAL": "",  # misspelt
        "config": "config_1",  # not applied; a command's name has no case
        "SLAVEOF": "",  # disabled, REPLICAOF is there
    }
    result = verify(run_module, server, declared)
    assert result["commands"] == {
        "KEYS": "hidden",
        "MONITOR": "hidden",
        "EVAL": "removed",
        "BGSAVE": "present",
        "MODULE": "present",
        "FLUSHAL": "unknown",
        "CONFIG": "present",
        "SLAVEOF": "removed",
    }
    statuses = {
        name: one["status"]
        for name, one in {**by_subject(result, "RH-CMD-01"), **by_subject(result, "RH-CMD-02")}.items()
    }
    assert statuses == {
        **dict.fromkeys(("KEYS", "MONITOR", "BGSAVE", "MODULE", "CONFIG"), "fail"),
        **dict.fromkeys(("EVAL", "SLAVEOF"), "pass"),
        "FLUSHAL": "error",
    }
    doors = by_subject(result, "RH-CMD-03")
    assert {name: one["status"] for name, one in doors.items()} == {"EVAL": "fail", "SLAVEOF": "fail"}
    assert doors["SLAVEOF"]["actual"] == "REPLICAOF can be called"
    for name in ("EVALSHA", "SCRIPT", "EVAL_RO", "FCALL", "FUNCTION"):
        assert name in doors["EVAL"]["actual"]


def test_a_name_given_to_another_command(server, run_module):
    server.start('rename-command KEYS ""\nrename-command MONITOR keys')
    declared = {"KEYS": "", "MONITOR": "keys"}
    assert verify(run_module, server, declared)["commands"] == {"KEYS": "removed", "MONITOR": "renamed"}
    assert verify(run_module, server, {"KEYS": ""})["commands"] == {"KEYS": "present"}


def test_each_absent_name_is_called_once(server, run_module):
    """The server itself says that they are unknown, at the price that the documentation names."""
    server.start(lines_of(HARDENED))
    client = server.client()
    client.execute_command("config_7f", "RESETSTAT")
    verify(run_module, server, HARDENED)
    errors = client.execute_command("INFO", "errorstats").decode().splitlines()[1:]
    assert errors == ["errorstat_ERR:count=%d" % len(HARDENED)]


def test_a_server_that_lets_everybody_in_is_judged_too(server, run_module):
    server.start()
    result = verify(run_module, server, {"KEYS": ""}, login_user="admin", login_password="not yet known there")
    assert result["commands"] == {"KEYS": "present"}


def test_debug_and_module_locked_are_not_removed(server, run_module):
    server.start("enable-debug-command no\nenable-module-command no")
    assert verify(run_module, server, {"DEBUG": "", "MODULE": ""})["commands"] == {
        "DEBUG": "present",
        "MODULE": "present",
    }
    server.start(lines_of({"DEBUG": "", "MODULE": ""}))
    assert verify(run_module, server, {"DEBUG": "", "MODULE": ""})["commands"] == {
        "DEBUG": "removed",
        "MODULE": "removed",
    }


def test_a_server_whose_command_is_disabled(server, run_module):
    server.start(lines_of({"COMMAND": "", "KEYS": "", "CONFIG": "config_7f"}))
    declared = {"COMMAND": "", "KEYS": "", "CONFIG": "config_7f", "MONITOR": "", "SAVE": "save_7f"}
    result = verify(run_module, server, declared)
    assert result["commands"] == {
        "COMMAND": "removed",
        "KEYS": "removed",
        "CONFIG": "renamed",
        "MONITOR": "present",
        "SAVE": "present",
    }


def test_a_login(server, run_module):
    users = "user default off resetpass\nuser admin on >secret ~* &* +@all\nuser app on >secret ~* -@all +ping +get\n"
    server.start(lines_of({"KEYS": ""}), acl_text=users)
    assert "wants a login" in verify(run_module, server, {"KEYS": ""})["msg"]
    admin = verify(run_module, server, {"KEYS": ""}, login_user="admin", login_password="secret")
    assert admin["commands"] == {"KEYS": "removed"}
    assert server.client("admin", "secret").execute_command("ACL", "LOG") == []
    app = verify(run_module, server, {"KEYS": ""}, login_user="app", login_password="secret")
    assert app["failed"] is True
    assert "+command" in app["msg"]


@pytest.mark.parametrize("renamed", [{"CONFIG|SET": ""}, {"KEYS": "a b"}, {"KEYS": "x", "SAVE": "X"}, {"KEYS": None}])
def test_what_can_not_be_declared_is_refused(run_module, renamed):
    result = run_module("redis_command_verify", {"login_port": 1, "renamed_commands": renamed})
    assert result["failed"] is True
    assert result["msg"].startswith("renamed_commands: ")


def test_hundreds_of_names_take_less_than_a_second(server, run_module):
    server.start()
    stock = server.client().execute_command("COMMAND", "LIST")
    names = sorted(name.decode().upper() for name in stock if b"|" not in name)
    declared = {**{name: "%s_NEW" % name for name in names[:200]}, **dict.fromkeys(names[200:], "")}
    declared = {name: new for name, new in declared.items() if name.isascii()}
    assert len(declared) >= 230

    def timed(renamed):
        started = time.monotonic()
        result = verify(run_module, server, renamed)
        return result, time.monotonic() - started

    _one, start_of_python = timed({"KEYS": ""})
    result, seconds = min((timed(declared) for _again in range(3)), key=lambda one: one[1])
    # That is a fifth of a second where the machine is not busy.
    assert seconds < 7 * start_of_python
    assert set(result["commands"].values()) == {"present"}
