# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    scratch_server as redis_scratch_server,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.scratch_server import (
    StartFailed,
    throwaway_server,
)

# A stand-in for a server: keeps its configuration and its arguments, then does what the first line says.
PROGRAM = """#!%s
import os, socket, sys, time
text = sys.stdin.read()
report = os.environ["REPORT"]
path = [line.split()[1] for line in text.splitlines() if line.startswith("unixsocket ")][-1]
open(report, "w").write(repr((sys.argv, text, os.getpid(), oct(os.stat(os.path.dirname(path)).st_mode))))
if "fail" in text.splitlines()[0]:
    print(open(os.environ["OUTPUT"]).read())
    sys.exit(1)
if "hang" in text.splitlines()[0]:
    time.sleep(60)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
if "late" in text.splitlines()[0]:
    time.sleep(0.3)
    print("the ACL file is wrong")
    sys.exit(1)
while True:
    one, _address = listener.accept()
    one.recv(100)
    one.sendall(b"-NOAUTH")
"""


class Program:
    def __init__(self, folder):
        self.binary = str(folder / "server")
        self.report, self.output = folder / "report", folder / "output"
        Path(self.binary).write_text(PROGRAM % sys.executable)
        os.chmod(self.binary, 0o755)

    @property
    def seen(self):
        return eval(self.report.read_text())


@pytest.fixture
def program(tmp_path, monkeypatch):
    one = Program(tmp_path)
    monkeypatch.setenv("REPORT", str(one.report))
    monkeypatch.setenv("OUTPUT", str(one.output))
    return one


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_nothing_remains_and_no_secret_is_in_argv(program):
    with throwaway_server(program.binary, ["ok", "requirepass canary"], ["user default on >canary2"]) as path:
        argv, text, pid, mode = program.seen
        folder = Path(path).parent
        assert stat.S_IMODE(os.stat(folder / "users.acl").st_mode) == 0o600
        assert (folder / "users.acl").read_text() == "user default on >canary2\n"
        assert "canary" not in Path(f"/proc/{pid}/cmdline").read_text()
    assert argv[1:] == ["-"]
    assert mode.endswith("700")
    assert "requirepass canary" in text
    assert gone(pid)
    assert not folder.exists()


def test_it_is_gone_after_an_exception_inside(program):
    with pytest.raises(KeyError), throwaway_server(program.binary, ["ok"]) as path:
        raise KeyError
    assert gone(program.seen[2])
    assert not Path(path).parent.exists()


def test_it_dies_with_its_parent(program):
    code = (
        "import os, signal\n"
        "from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import scratch_server\n"
        "with scratch_server.throwaway_server(%r, ['ok']):\n    os.kill(os.getpid(), signal.SIGKILL)\n" % program.binary
    )
    subprocess.run([sys.executable, "-c", code])
    for _attempt in range(100):
        if gone(program.seen[2]):
            break
        time.sleep(0.02)
    assert gone(program.seen[2])


def test_the_host_is_out_of_its_reach(program):
    lines = [
        "ok",
        "  Dir /var/lib/redis",
        "logfile /var/log/x",
        "replicaof 10.0.0.1 6379",
        "port 6379",
        "appendonly yes",
    ]
    with throwaway_server(program.binary, [*lines, "aclfile /etc/redis/users.acl", "save 1 1"]):
        text = program.seen[1]
    kept = text.splitlines()
    assert not re.search("/var/|/etc/|10.0.0.1", text)
    # The place of a line that is left out stays, for the line numbers of messages.
    assert kept[:6] == ["ok", "#", "#", "#", "port 6379", "appendonly yes"]
    for line in ("port 0", "tls-port 0", "appendonly no", 'save ""', "cluster-enabled no", "syslog-enabled no"):
        assert kept.index(line) > kept.index("save 1 1")


def test_the_reason_is_the_servers_own(program):
    program.output.write_text(
        "12:C 01 Jan 2026 10:00:00.000 * Redis version=7.0.15, just started\n"
        "12:M 01 Jan 2026 10:00:00.000 # WARNING Memory overcommit must be enabled!\n"
        "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 1\n"
        ">>> 'fail this'\nBad directive or wrong number of arguments\n"
    )
    with pytest.raises(StartFailed) as caught, throwaway_server(program.binary, ["fail this"]):
        pass
    assert caught.value.reason == (
        "Reading the configuration file, at line 1 >>> 'fail this' Bad directive or wrong number of arguments"
    )


@pytest.mark.parametrize(
    "output",
    [
        ">>> 'requirepass canary word'",
        ">>> '  MASTERAUTH \"canary'",
        "1:M 01 Jan 2026 10:00:00.000 # users.acl:2: Error in applying operation '>canary': bad",
        "1:M 01 Jan 2026 10:00:00.000 # the user's canary is wrong",
    ],
)
def test_secrets_are_not_in_the_reason(program, output):
    program.output.write_text(output + "\nwhy\n")
    with (
        pytest.raises(StartFailed, match="why") as caught,
        throwaway_server(program.binary, ["fail"], ["user x on >canary"]),
    ):
        pass
    assert "canary" not in caught.value.reason
    assert "***" in caught.value.reason


def test_a_server_that_does_not_answer_is_given_up(program):
    with (
        pytest.raises(StartFailed, match="did not answer within 0.5 s"),
        throwaway_server(program.binary, ["hang"], timeout=0.5),
    ):
        pass
    assert gone(program.seen[2])


def test_listening_is_not_enough(program):
    with pytest.raises(StartFailed, match="the ACL file is wrong"), throwaway_server(program.binary, ["late"]):
        pass


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(StartFailed, match="/nowhere can't be run: No such file"), throwaway_server("/nowhere", []):
        pass


def test_long_temporary_folders_do_not_break_the_socket(program, tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(redis_scratch_server.tempfile, "tempdir", str(folder))
    with throwaway_server(program.binary, ["ok"]) as path:
        assert len(path) < 108
