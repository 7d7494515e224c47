"""What a server that did not start said last: bounded, printable, without secrets, and read over no link."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import last_words as service_last_words
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.last_words import (
    last_words,
    of_log,
    plain,
)

SECRET = "correct-horse-battery-staple"
BIND = (
    "9:M 30 Nov 2026 15:00:00.000 # Warning: Could not create server TCP listening socket 10.9.9.9:6379: bind: Cannot"
)


def journal(out, asked=None):
    def run_command(command):
        if asked is not None:
            asked.extend(command)
        return 0, out, ""

    return run_command


@pytest.fixture
def log(tmp_path):
    (tmp_path / "redis.log").write_text("old\n%s\n" % BIND)
    return tmp_path / "redis.log"


def test_the_log_and_the_journal_are_told(log):
    asked = []
    said = last_words(journal("Failed to start\n", asked), "redis-server.service", str(log), time.time())
    assert said.splitlines() == [
        "%s ends with:" % log,
        "    old",
        "    " + BIND,
        "journalctl --unit redis-server.service:",
        "    Failed to start",
    ]
    assert any(word.startswith("@") and abs(int(word[1:]) - time.time()) < 5 for word in asked)


def test_what_was_said_before_the_start_is_not_meant(log):
    os.utime(log, (1, 1))
    assert last_words(journal(""), "redis-server.service", str(log), time.time()) == ""


def test_a_server_without_a_log(tmp_path):
    assert last_words(journal("x"), "u.service", None, 1) == "journalctl --unit u.service:\n    x"
    assert of_log(str(tmp_path / "none"), 0) == of_log(str(tmp_path / "none" / "none"), 0) == ([], "")


@pytest.mark.parametrize("kind", ["link", "folder", "hard", "pipe", "directory"])
def test_nothing_is_read_over_a_link(tmp_path, log, kind):
    victim = tmp_path / "shadow"
    victim.write_text("root:%s\n" % SECRET)
    path = tmp_path / "log" / "redis.log"
    path.parent.mkdir()
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "hard":
        path.hardlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.parent.rmdir()
        path.parent.symlink_to(tmp_path)
        path = path.parent / "shadow"
    lines, note = of_log(str(path), 0)
    assert lines == []
    assert note.startswith("%s was not read: it is " % path)
    assert last_words(journal(""), "u.service", str(path), 0) == note


def test_it_is_bounded_and_printable():
    lines = plain("\n".join("%d \x1b[2J\r\x07" % number + "x" * 500 for number in range(50)))
    assert len(lines) == service_last_words.LINES
    assert all(len(line) == service_last_words.WIDTH and line.isprintable() for line in lines)
    assert lines[-1].startswith("49 ?[2J??x")


def test_of_a_big_log_only_the_end_is_read(log):
    log.write_bytes(b"z" * (1 << 20) + b"\nend \xff\n")
    assert of_log(str(log), 0)[0][-1] == "end \ufffd"


@pytest.mark.parametrize(
    "line",
    [
        ">>> 'requirepass %s'" % SECRET,
        ">>> 'requirepass \"%s\" more'" % SECRET,
        ">>> 'user app on >%s ~*'" % SECRET,
        ">>> 'sentinel auth-pass mymaster %s'" % SECRET,
        "'masterauth %s' is wrong" % SECRET,
        "user app on >%s ~* +@all" % SECRET,
        "Error in user declaration '>%s': Syntax error" % SECRET,
        "/etc/redis/users.acl:3: unknown #%s" % SECRET,
        "hash %s%s" % ("0" * 32, "abcdef" * 5 + "ab"),
    ],
)
def test_secrets_are_left_out(line):
    (shown,) = plain(line)
    assert SECRET not in shown
    assert "abcdef" not in shown


@pytest.mark.parametrize(
    "line", [BIND, "9:signal-handler (1) User requested shutdown...", "Reading the file, at line 3"]
)
def test_the_rest_is_told_as_it_is(line):
    assert plain(line) == [line]


def test_the_directive_that_is_wrong_is_named():
    assert plain(">>> 'maxmemroy 1gb'") == [">>> maxmemroy (the rest is not shown)"]
