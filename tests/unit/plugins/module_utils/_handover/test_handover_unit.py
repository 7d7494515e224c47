# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file a unit starts its server from, and for how long its restart is waited for."""

from __future__ import annotations

import subprocess
import time
import types

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import unit as service_unit
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.unit import Service


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd", "/etc/redis/redis.conf"),
        ("/usr/bin/redis-server /var/lib/redis/conf/redis.conf", "/var/lib/redis/conf/redis.conf"),
        ("/usr/bin/redis-server --port 6380", None),
        ("/usr/bin/redis-server", None),
    ],
)
def test_config_file(command, file, monkeypatch):
    shown = "ExecStart={ path=/usr/bin/redis-server ; argv[]=%s ; ignore_errors=no ; pid=7 ; code=(null) }\n" % command
    service = Service(types.SimpleNamespace(params={"unit": "redis-server", "drop_in_name": "hardening.conf"}))
    monkeypatch.setattr(service, "systemctl", lambda *_words: shown)
    assert service.config_file() == file


def test_no_command_at_all(monkeypatch):
    service = Service(types.SimpleNamespace(params={"unit": "redis-server", "drop_in_name": "hardening.conf"}))
    monkeypatch.setattr(service, "systemctl", lambda *_words: "")
    assert service.config_file() is None


class Module:
    """What a Service needs of an AnsibleModule."""

    params = {"unit": "redis-server", "drop_in_name": "hardening.conf", "start_timeout": 1}

    def run_command(self, words):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, msg, **_more):
        raise RuntimeError(msg)


def test_a_server_that_does_not_end_is_not_waited_for_without_end(monkeypatch, tmp_path):
    """Debian's unit sets no limit, and a server that can't save its data goes on running."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\n[ "$1" != restart ] || exec sleep 60\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % tmp_path)
    monkeypatch.setattr(service_unit, "STOP_SECONDS", 0)
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="has not come to an end within 1 s. A server that can't save"):
        Service(Module()).restart()
    assert time.monotonic() < begun + 30


def test_a_server_that_does_not_start_is_told_of_with_its_own_words(monkeypatch, tmp_path):
    log = tmp_path / "redis.log"
    for name, script in {
        "systemctl": '[ "$1" != start ] || { echo bind: Cannot assign > %s; echo Job failed. >&2; exit 1; }' % log,
        "journalctl": "echo Main process exited",
    }.items():
        (tmp_path / name).write_text("#!/bin/sh\n%s\n" % script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % tmp_path)
    module = Module()
    module.params = {**Module.params, "log_file": str(log)}
    with pytest.raises(RuntimeError) as failed:
        Service(module).start()
    lines = str(failed.value).splitlines()
    assert lines[0] == "systemctl start redis-server.service: Job failed."
    assert lines[2::2] == ["    bind: Cannot assign", "    Main process exited"]
    # What was asked before the start has nothing to do with it.
    with pytest.raises(RuntimeError) as failed:
        Service(module).systemctl("start")
    assert str(failed.value) == "systemctl start: Job failed."
