# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role declares is what a server says that was started with it: otherwise it is restarted in each run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import (
    instances as inventory_instances,
    settings as inventory_settings,
)

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "roles/redis/defaults/main.yml").read_text())


def instance(server, topology):
    [value] = inventory_instances.values({**DEFAULTS, "redis_topology": topology})
    return value | {
        "port": server.port,
        "tls": "optional",
        "tls_port": server.tls_port,
        "bind": [server.host],
        "aclfile": str(server.aclfile),
        "dir": str(server.folder),
        "logfile": f"{server.folder}/server.log",
        "pidfile": f"{server.folder}/server.pid",
        "replica_password": "r" * 32,
    }


@pytest.mark.parametrize("topology", ["standalone", "replication", "cluster"])
def test_a_server_that_was_started_with_it_needs_no_restart(server, run_module, topology):
    for name, there in (("ca.crt", "ca.crt"), ("redis.crt", "server.crt"), ("redis.key", "server.key")):
        (server.folder / name).symlink_to(server.folder.parent / there)
    server.aclfile.write_text("user default on nopass ~* &* +@all\n")
    value = instance(server, topology)
    args = {
        **server.login,
        "path": str(server.config),
        "settings": inventory_settings.settings(value, str(server.folder)),
        "secret_settings": inventory_settings.secret_settings(value),
    }
    assert run_module("redis_config", args | {"live": "never"})["changed"]
    server.restart()
    again = run_module("redis_config", args, check=True, diff=True)
    assert (again["changed"], again["restart_required"]) == (False, False), again
