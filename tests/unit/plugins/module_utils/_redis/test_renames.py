# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    commands as redis_commands,
    live_commands as redis_live_commands,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem
from hypothesis import given, strategies as st

ORIGINALS = st.sampled_from(["CONFIG", "FLUSHALL", "DEBUG", "GET", "SET", "EVAL", "KEYS"])
TARGETS = ORIGINALS | st.sampled_from(["", "x", "y", "config_1", "a b", "a|b", "Ä", 'q"'])


class Server:
    """Takes rename-command lines as a server does, and answers COMMAND INFO and transactions as one."""

    def __init__(self, lines=(), denied=()):
        self.table = {name: name for name in redis_commands.COMMANDS}
        self.denied = set(denied)
        self.ran = []
        self.transaction = False
        for line in lines:
            _directive, original, new = line.split()
            self.table[original] = self.table.pop(original)
            if new == '""':
                del self.table[original]
            else:
                assert new.upper() not in self.table or new.upper() == original, "target exists: " + line
                self.table[new.upper()] = self.table.pop(original)

    def __call__(self, _client, commands):
        return [self.answer(*command) for command in commands]

    def answer(self, name, *words):
        original = self.table.get(name.upper())
        if original is None:
            return Exception("unknown command '%s'" % name)
        if original in self.denied:
            return Exception("this user has no permissions to run the '%s' command" % original.lower())
        if original == "COMMAND":
            return [
                [self.table[word.upper()].lower().encode()] if word.upper() in self.table else None
                for word in words[1:]
            ]
        if original in ("MULTI", "DISCARD"):
            self.transaction = original == "MULTI"
            return b"OK"
        if not self.transaction:
            self.ran.append(original)
        return b"QUEUED"


@pytest.fixture
def server(monkeypatch):
    def install(**options):
        fake = Server(**options)
        monkeypatch.setattr(redis_live_commands, "pipeline", fake)
        return fake

    return install


@pytest.mark.parametrize(
    ("renamed", "part"),
    [
        ({"CONFIG": "X", "debug": "x"}, "same new name"),
        ({"CONFIG": "GET"}, "is a command that exists"),
        ({"config": "get"}, "is a command that exists"),
        ({"CONFIG": "a b"}, "without blanks"),
        ({"CONFIG": "a|b"}, "without blanks"),
        ({"CONFIG": "a'b"}, "without blanks"),
        ({"CONFIG": "näme"}, "without blanks"),
        ({"CONFIG|SET": "x"}, "only whole commands"),
        ({"": "x"}, "not the name of a command"),
        ({"CONFIG": "x", "config": ""}, "listed twice"),
        ({"CONFIG": "config"}, "renamed to itself"),
        ({"CONFIG": None}, "must be text"),
        ({"GET": "SET", "SET": "GET"}, "circle"),
    ],
)
def test_impossible_sets_are_refused(renamed, part):
    assert any(part in problem for problem in redis_commands.rename_problems(renamed))
    with pytest.raises(ValueError, match="renamed_commands: "):
        redis_commands.normalise(renamed)


@pytest.mark.parametrize(
    "renamed", [{}, None, {"CONFIG": "", "DEBUG": ""}, {"config": "x-1"}, {"GET": "SET", "SET": "S1"}]
)
def test_possible_sets_are_taken(renamed):
    assert redis_commands.rename_problems(renamed) == []


def test_a_name_is_freed_before_it_is_taken():
    lines = redis_commands.rename_lines({"GET": "SET", "SET": "KEYS", "KEYS": "k", "DEBUG": ""})
    assert lines == [
        'rename-command DEBUG ""',
        "rename-command KEYS k",
        "rename-command SET KEYS",
        "rename-command GET SET",
    ]


@given(st.dictionaries(ORIGINALS, TARGETS, max_size=6))
def test_what_is_not_refused_is_taken_by_a_server(renamed):
    if not redis_commands.rename_problems(renamed):
        Server(lines=redis_commands.rename_lines(renamed))


def test_live_names_of_a_server_with_and_without_the_renames(server):
    renamed = {"config": "C1", "DEBUG": ""}
    server()
    assert redis_live_commands.live_names(None, renamed, ["CONFIG", "DEBUG", "info"]) == {
        "CONFIG": "CONFIG",
        "DEBUG": "DEBUG",
        "INFO": "INFO",
    }
    server(lines=redis_commands.rename_lines(renamed))
    assert redis_live_commands.live_names(None, renamed, ["CONFIG", "DEBUG", "INFO"]) == {
        "CONFIG": "C1",
        "DEBUG": None,
        "INFO": "INFO",
    }


def test_a_name_that_belongs_to_another_command_now_is_not_taken_for_the_old_one(server):
    server(lines=["rename-command SET S1", "rename-command GET SET"])
    assert redis_live_commands.live_names(None, {}, ["SET", "GET"]) == {"SET": None, "GET": None}
    assert redis_live_commands.live_names(None, {"GET": "SET", "SET": "S1"}, ["SET", "GET"]) == {
        "SET": "S1",
        "GET": "SET",
    }


@pytest.mark.parametrize(
    ("options", "renamed"),
    [
        ({"lines": ['rename-command COMMAND ""', "rename-command CONFIG C1"]}, {"COMMAND": "", "CONFIG": "C1"}),
        ({"lines": ["rename-command CONFIG C1"], "denied": ["COMMAND"]}, {"CONFIG": "C1"}),
        (
            {"lines": ["rename-command COMMAND C0", "rename-command CONFIG C1", "rename-command MULTI M1"]},
            {"COMMAND": "C0", "CONFIG": "C1", "MULTI": "M1"},
        ),
    ],
)
def test_live_names_without_the_command_command(server, options, renamed):
    fake = server(**options)
    names = redis_live_commands.live_names(None, renamed, ["CONFIG", "FLUSHALL", "EVAL", "QUIT"])
    assert names == {"CONFIG": "C1", "FLUSHALL": "FLUSHALL", "EVAL": "EVAL", "QUIT": "QUIT"}
    assert fake.ran == []
    assert not fake.transaction


def test_a_server_that_can_not_be_asked_runs_nothing_and_is_a_clear_error(server):
    fake = server(denied=["COMMAND", "MULTI"])
    with pytest.raises(ConnectionProblem, match="grant \\+command") as caught:
        redis_live_commands.live_names(None, {}, ["FLUSHALL"])
    assert caught.value.kind == "permission"
    assert fake.ran == []


def test_nothing_asked_needs_no_server():
    assert redis_live_commands.live_names(None, {"CONFIG": "x"}, []) == {}
