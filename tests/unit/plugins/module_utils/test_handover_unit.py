# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file a unit starts its server from."""

from __future__ import annotations

import types

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service_unit import Service


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
