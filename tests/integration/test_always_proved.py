# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report misses in a check is what the check always says: of servers without anything, and hardened ones."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report.believed import lacking

CHECKS = {
    "redis_acl_verify": "RH-ACL",
    "redis_command_verify": "RH-CMD",
    "redis_config_verify": "RH-CFG RH-NET-04 RH-NET-05 RH-CMD-04",
    "redis_host_verify": "RH-HST",
    "redis_version_verify": "RH-VER",
    "redis_tls_verify": "RH-TLS",
}
RENAMES = {"CONFIG": "", "DEBUG": "", "MODULE": ""}
DISABLED = "".join('rename-command %s ""\n' % name for name in RENAMES)


@pytest.mark.parametrize("config", ["", "requirepass x\n", DISABLED], ids=["open", "password", "disabled"])
def test_each_check_says_it(server, run_module, config):
    server.start(config)
    login = {**server.login, "login_password": "x"} if "requirepass" in config else server.login
    renamed = {"renamed_commands": RENAMES if config == DISABLED else {}}
    options = {
        "redis_acl_verify": {"users": [], **renamed},
        "redis_command_verify": renamed,
        "redis_config_verify": {"settings": {"maxmemory": "1gb"}, **renamed},
        "redis_host_verify": {"config": str(server.config), "dir": str(server.folder), **renamed},
        "redis_version_verify": renamed,
        "redis_tls_verify": {"login_port": server.tls_port, **server.tls, "key_file": "/etc/hostname"},
    }
    for name, proves in CHECKS.items():
        result = run_module(name, {**login, **options[name]})
        assert not result.get("failed"), result
        assert lacking(proves, [], [one["id"] for one in result["findings"]]) == "", name


def test_a_port_without_a_server_for_tls(server, run_module):
    result = run_module("redis_tls_verify", {**server.login, "login_port": 1, "key_file": "/etc/hostname"})
    assert lacking("RH-TLS", [], [one["id"] for one in result["findings"]]) == ""
