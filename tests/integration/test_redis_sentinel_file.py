# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Sentinel on the file that the module writes; systemd is a script that starts and stops it."""

from __future__ import annotations

import os
import stat
import subprocess
import time

import pytest
import redis
from conftest import NAMES, SERVERS, free_ports
from redis.backoff import NoBackoff
from redis.retry import Retry

SECRET = "correct-horse-battery"
SYSTEMCTL = """#!/bin/sh
echo "$1" >> {folder}/calls
pid=$(cat {folder}/pid 2>/dev/null) || pid=
case $1 in
  show)
    state=inactive; test -z "$pid" || state=active
    echo "ActiveState=$state"
    echo "ActiveEnterTimestampMonotonic=$(cat {folder}/entered 2>/dev/null || echo 0)" ;;
  stop)
    test -z "$pid" || {{
      kill $pid
      # It may stay behind as a zombie.
      while grep -q '^State:.[^Z]' /proc/$pid/status 2>/dev/null; do sleep 0.02; done
      rm {folder}/pid
    }} ;;
  start)
    umask 077
    {binary} {file} --sentinel >/dev/null 2>&1 &
    echo $! > {folder}/pid
    cut -d' ' -f1 /proc/uptime | tr -d . | sed 's/$/0000/' > {folder}/entered ;;
esac
"""


class Unit:
    def __init__(self, kind, folder, run_module):
        self.folder, self.run_module, self.file = folder, run_module, folder / "sentinel" / "sentinel.conf"
        self.port = free_ports(1)[0]
        script = folder / "bin" / "systemctl"
        script.parent.mkdir()
        binary = SERVERS / kind / "run"
        script.write_text(SYSTEMCTL.format(folder=folder, binary=binary, file=self.file))
        script.chmod(0o755)
        self.path = {"PATH": f"{script.parent}:{os.environ['PATH']}"}

    def systemctl(self, word):
        subprocess.run(["systemctl", word], env={**os.environ, **self.path}, check=True)

    def start(self):
        self.systemctl("start")
        return self.wait()

    def wait(self):
        end = time.monotonic() + 60
        while True:
            try:
                return self.client().ping()
            except redis.ConnectionError:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)

    def client(self, user="admin", password=SECRET):
        client = redis.Redis(
            **dict(port=self.port, username=user, password=password, protocol=2, socket_timeout=5),
            retry=Retry(NoBackoff(), 0),
        )
        client.response_callbacks.clear()
        return client

    def ask(self, *words):
        return self.client().execute_command(*words)

    def run(self, check=False, settings=None, **more):
        base = {"port": self.port, "tls-port": 0, "bind": "127.0.0.1", "protected-mode": True, "tls-replication": "no"}
        base |= {"dir": str(self.file.parent), "logfile": str(self.folder / "log")}
        options = {"path": str(self.file), "settings": base | (settings or {}), "admin_password": SECRET}
        options |= {"owner": "root", "group": "root", **more}
        result = self.run_module("redis_sentinel_file", options, check=check, diff=True, env=self.path)
        told = {key: value for key, value in result.items() if key != "invocation"}
        assert SECRET not in str(told) and "hush-hush" not in str(told)
        return result

    def calls(self):
        path = self.folder / "calls"
        return set(path.read_text().split()) if path.exists() else set()


@pytest.fixture(params=NAMES)
def unit(request, tmp_path, run_module):
    # Its own name for the directory: a fixture that is a link would be refused.
    unit = Unit(request.param, tmp_path.resolve(), run_module)
    yield unit
    unit.systemctl("stop")


@pytest.fixture
def watching(unit):
    """A unit that runs and watches a group that is down."""
    unit.run()
    unit.start()
    unit.ask("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", "1", "2")
    unit.ask("SENTINEL", "SET", "mymaster", "auth-pass", "hush-hush")
    (unit.folder / "calls").unlink()
    return unit


def test_a_sentinel_starts_on_it_and_lets_in_one_user(unit):
    assert unit.run(check=True)["changed"] and not unit.file.parent.exists()
    unit.file.parent.mkdir()
    assert unit.run(check=True)["created"] and not unit.file.exists()
    result = unit.run()
    assert result["changed"] and result["created"] and f"port {unit.port}" in result["diff"]["after"]
    assert stat.S_IMODE(unit.file.stat().st_mode) == 0o600 and stat.S_IMODE(unit.file.parent.stat().st_mode) == 0o700
    assert SECRET not in unit.file.read_text() and "#" not in result["diff"]["after"]
    assert unit.start()
    assert unit.ask("ACL", "WHOAMI") == b"admin"
    with pytest.raises(redis.AuthenticationError):
        unit.client(None, None).ping()
    for user, password in (("default", ""), ("admin", "wrong-horse-battery")):
        with pytest.raises(redis.AuthenticationError):
            unit.client(user, password).ping()


def test_what_the_sentinel_made_of_it_is_no_change(watching):
    before = watching.file.read_text()
    assert "sentinel monitor mymaster" in before
    for check in (True, False):
        result = watching.run(check=check)
        assert (result["changed"], result["changes"], result["created"]) == (False, [], False)
    assert watching.file.read_text() == before
    assert "stop" not in watching.calls()


def test_one_line_is_replaced_and_the_rest_is_kept(watching):
    myid = watching.ask("SENTINEL", "MYID")
    assert watching.run(check=True, settings={"acllog-max-len": 7})["changes"] == ["acllog-max-len"]
    assert "stop" not in watching.calls()
    # What the Sentinel learnt but has not written yet must survive as well.
    watching.ask("ACL", "SETUSER", "late", "on", ">the-late-one-s-password", "+ping")
    watching.ask("SENTINEL", "FLUSHCONFIG")
    result = watching.run(settings={"acllog-max-len": 7})
    assert result["changed"] and result["diff"]["after"] == "acllog-max-len 7\n"
    assert {"stop", "start"} <= watching.calls() and watching.wait()
    assert watching.ask("SENTINEL", "MYID") == myid
    assert watching.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster") == [b"127.0.0.1", b"1"]
    assert b"late" in watching.ask("ACL", "USERS")
    text = watching.file.read_text()
    assert "acllog-max-len 7\n" in text and "auth-pass mymaster hush-hush" in text
    assert not watching.run(settings={"acllog-max-len": 7})["changed"]


def test_one_that_is_stopped_stays_so(watching):
    watching.systemctl("stop")
    (watching.folder / "calls").unlink()
    assert watching.run(settings={"acllog-max-len": 7})["changed"]
    assert "start" not in watching.calls()


def test_a_newer_certificate_wants_a_restart(watching):
    certificate = watching.folder / "redis.crt"
    certificate.write_text("new")
    os.utime(certificate, (time.time() - 3600,) * 2)
    assert not watching.run(loaded_files=[str(certificate)])["restart_required"]
    certificate.touch()
    result = watching.run(loaded_files=[str(certificate), "/nowhere"])
    assert result["restart_required"] and result["changed"] and not result["changes"]
    watching.systemctl("stop")
    assert not watching.run(loaded_files=[str(certificate)])["restart_required"]


def test_tls_is_not_switched_while_a_group_is_watched(watching):
    before = watching.file.read_text()
    watching.file.parent.chmod(0o755)
    result = watching.run(settings={"port": 0, "tls-port": watching.port, "tls-replication": "yes"})
    assert (
        result["failed"] and "the Sentinel was not changed: the Sentinel watches mymaster without TLS" in result["msg"]
    )
    assert watching.file.read_text() == before and "stop" not in watching.calls()
    assert stat.S_IMODE(watching.file.parent.stat().st_mode) == 0o755


def test_what_is_too_open_is_closed(watching):
    watching.file.parent.chmod(0o755)
    watching.file.chmod(0o644)
    assert watching.run(check=True)["changed"] and stat.S_IMODE(watching.file.stat().st_mode) == 0o644
    assert watching.run()["changed"]
    assert stat.S_IMODE(watching.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(watching.file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_are_not_followed(unit, what):
    victim = unit.folder / "victim"
    if what == "file":
        victim.write_text("mine")
        unit.file.parent.mkdir()
        unit.file.symlink_to(victim)
    else:
        victim.mkdir()
        unit.file.parent.symlink_to(victim)
    assert unit.run()["failed"]
    assert victim.read_text() == "mine" if what == "file" else not list(victim.iterdir())


def test_a_setting_that_is_no_such_is_refused(unit):
    result = unit.run(settings={"sentinel": "monitor x 127.0.0.1 1 2", "port": "a b"})
    assert result["failed"] and "settings: sentinel does not belong here" in result["msg"] and "port" in result["msg"]
    assert not unit.file.parent.exists()
