# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the notice on the reserved ports is, where the operator says nothing of it."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.notice import notice


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (False, [6379, 6380], [6379])),
        ({"redis_port": 7000}, (True, [6379, 6380], [7000])),
        ({"redis_port": 7000, "redis_tls": "optional"}, (False, [6379, 6380], [7000, 6380])),
        ({"redis_port": 7000, "redis_tls": "optional", "redis_tls_port": 7001}, (True, [6379, 6380], [7000, 7001])),
        # A port that TLS alone has closed is Redis' own all the same.
        ({"redis_tls": "required", "redis_tls_port": 7001}, (False, [6379, 6380], [7001])),
        ({"redis_port": 7000, "redis_topology": "cluster"}, (True, [6379, 6380], [7000])),
        (
            {"redis_instances": [], "redis_sentinel_hosts": ["s1"], "inventory_hostname": "s1"},
            (True, [6379, 6380], [26379]),
        ),
        (
            {"redis_port": 7000, "redis_sentinel_hosts": ["s1"], "inventory_hostname": "s1"},
            (True, [6379, 6380], [7000]),
        ),
        ({"redis_port": 7000, "firewall_reserved_ports": [7000, 6380]}, (False, [7000, 6380], [7000])),
        ({"redis_port": 7000, "firewall_reserved_ports": ["6380", 6380, "x"]}, (True, [6380], [7000])),
        ({"redis_port": 7000, "firewall_reserved_ports": []}, (True, [], [7000])),
        ({"redis_port": 7000, "firewall_ports": [{"port": 6379}]}, (True, [6380], [7000])),
        ({"redis_port": 7000, "firewall_ports": [{"port": "6380", "purpose": "tls"}]}, (True, [6379], [7000])),
        (
            {"redis_port": 7000, "firewall_ports": [{"port": 6379, "purpose": "reserved"}, {"port": 7000}]},
            (True, [6379, 6380], [7000]),
        ),
        # Wrong entries are reported where they stand.
        ({"redis_port": 7000, "firewall_ports": [6379, {"sources": []}, {"port": None}]}, (True, [6379, 6380], [7000])),
    ],
)
def test_the_notice_follows_from_the_ports(settings, expected):
    found = notice(settings)
    assert (found["enabled"], found["ports"], found["use_ports"]) == expected
