# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.notice import RESERVED_PORTS
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.notice import notice_problems

ROLES = Path(__file__).parents[5] / "roles"
SSH = {22: "SSH's own port", 2222: "ansible_port"}
GOOD = {
    "port_notice_enabled": True,
    "port_notice_ports": [6379, 6380],
    "port_notice_use_ports": ["7000-7002", "7010"],
    "port_notice_documentation": "https://wiki.example.org/redis",
    "port_notice_contact": "",
    "port_notice_connections": 1,
    "port_notice_attempts": 1,
    "redis_port": 7000,
    "firewall_ports": [{"port": 7000, "sources": []}, {"port": 6379, "purpose": "reserved"}],
}


def test_a_good_policy_has_no_problems():
    assert notice_problems(GOOD, SSH) == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("port_notice_ports", [6379, 80], "port_notice_ports has 80: set ports from 1024 to 65535."),
        ("port_notice_ports", [65536], "port_notice_ports has 65536: set ports"),
        ("port_notice_ports", [2222], "port_notice_ports has 2222, the port of SSH (ansible_port): remove it."),
        ("redis_port", 6380, "port_notice_ports has 6380, which is redis_port: remove it."),
        (
            "firewall_ports",
            [{"port": 6380}],
            "port_notice_ports has 6380, which is opened by firewall_ports: remove it.",
        ),
        ("port_notice_ports", [63790], "port_notice_ports has 63790, which is the notice's own"),
        ("port_notice_use_ports", [], "port_notice_use_ports is empty: name the ports"),
        ("port_notice_use_ports", ["seven"], "port_notice_use_ports has seven: set ports, or ranges"),
        ("port_notice_use_ports", ["7002-7000"], "port_notice_use_ports has 7002-7000: set ports"),
        ("port_notice_use_ports", ["7000-99999"], "port_notice_use_ports has 7000-99999: set ports"),
        ("port_notice_use_ports", ["0"], "port_notice_use_ports has 0: set ports"),
        (
            "port_notice_use_ports",
            ["6300-6400"],
            "port_notice_use_ports has 6300-6400, which the notice itself answers",
        ),
        ("port_notice_documentation", "a\r\n+OK", "port_notice_documentation has control characters"),
        ("port_notice_contact", "a\x00", "port_notice_contact has control characters"),
        ("port_notice_connections", 0, "port_notice_connections is 0: set at least 1."),
        ("port_notice_attempts", -1, "port_notice_attempts is -1: set at least 1."),
    ],
)
def test_what_is_wrong_is_told(name, value, problem):
    found = notice_problems({**GOOD, name: value}, SSH)
    assert [one[: len(problem)] for one in found] == [problem] * len(found)
    assert found


def test_what_is_not_run_is_not_checked():
    wrong = {**GOOD, "port_notice_ports": [80], "port_notice_use_ports": []}
    assert notice_problems({**wrong, "port_notice_enabled": False}, SSH) == []
    assert notice_problems({"redis_port": 6379}, SSH) == []
    assert notice_problems({**wrong, "port_notice_ports": []}, SSH) == []


def load(path):
    return yaml.safe_load((ROLES / path).read_text())


def test_the_role_and_the_firewall_agree():
    assert load("port_notice/vars/main.yml")["__port_notice_led_port"] == firewall_policy.NOTICE_PORT
    enabled = load("port_notice/defaults/main.yml")["port_notice_enabled"]
    firewall = load("firewall/defaults/main.yml")
    assert firewall["firewall_reserved_notice"] == "{{ port_notice_enabled | default(%s) }}" % enabled[3:-3]
    assert firewall["firewall_reserved_ports"] == list(RESERVED_PORTS)
