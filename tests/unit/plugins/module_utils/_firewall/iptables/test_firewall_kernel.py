# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's rules beside the wanted ones.

The saves come from Debian 12 (iptables 1.8.9) with Docker and UFW; Debian 13 (1.8.11) prints the same.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    kernel as iptables_kernel,
    rules as iptables_rules,
)

SAVES = Path(__file__).with_name("iptables_saves")
POLICY = firewall_policy.build_policy(
    [
        {"port": 6379, "sources": ["10.20.0.5", "10.20.1.0/24", "fd00:20::/64"], "purpose": "data"},
        {"port": 6380, "sources": ["10.20.1.0/24", "fd00:20::/64", "10.20.0.5"], "purpose": "tls"},
        {"port": 7000, "sources": ["10.20.1.0/24"], "purpose": "data"},
        {"port": 7001, "sources": [], "purpose": "data"},
    ],
    [7002],
    ["docker0", "br-+", "docker_gwbridge"],
)


def save(family):
    return (SAVES / ("bookworm.v%d" % family)).read_text()


def differences(text, family):
    return iptables_kernel.differences(iptables_kernel.parse_save(text), iptables_rules.render(POLICY, family))


@pytest.mark.parametrize("family", [4, 6])
def test_rendered_rules_are_what_the_kernel_shows(family):
    assert differences(save(family), family) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("-A INPUT -p tcp -j REDIS-PORTS\n", "", "the jump from INPUT of filter to REDIS-PORTS is missing"),
        ("-A INPUT -p tcp -j", "-A INPUT -j LOG\n-A INPUT -p tcp -j", "REDIS-PORTS is rule 2, not the first"),
        ("-A INPUT -p tcp -j", "-A INPUT -j REDIS-PORTS\n-A INPUT -p tcp -j", "REDIS-PORTS is rule 2, not the first"),
        ("-A FORWARD -j", "-A INPUT -p tcp -j REDIS-PORTS\n-A FORWARD -j", "several jumps from INPUT of filter"),
        ("-A FORWARD -p tcp -j REDIS-PORTS-DOCKER\n", "", "FORWARD of mangle to REDIS-PORTS-DOCKER is missing"),
        ("-A DOCKER-USER -p tcp -j REDIS-PORTS-DOCKER\n", "", "the jump from DOCKER-USER of filter"),
        (
            "-s 10.20.0.5/32 -j ACCEPT",
            "-s 10.20.0.6/32 -j ACCEPT",
            "the chain REDIS-PORTS-6379 of filter has other rules",
        ),
        ("*filter\n", "*filter\n:REDIS-PORTS-9 - [0:0]\n", "the chain REDIS-PORTS-9 of filter is left over"),
    ],
)
def test_each_difference_is_told(old, new, expected):
    text = save(4)
    changed = text.replace(old, new, 1)
    assert changed != text
    (found,) = differences(changed, 4)
    assert expected in found


def test_an_empty_kernel_lacks_everything():
    found = differences("", 4)
    assert len(found) == 6 + 3 + 3
    assert all(one.endswith("is missing") for one in found)


def test_order_within_a_chain_counts():
    text = save(4)
    lines = text.splitlines()
    at = lines.index("-A REDIS-PORTS-6379 -s 10.20.0.5/32 -j ACCEPT")
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    assert differences("\n".join(lines), 4) == ["the chain REDIS-PORTS-6379 of filter has other rules"]


def test_rules_file_touches_our_chains_only():
    for family in firewall_policy.FAMILIES:
        text = iptables_rules.rules_file(iptables_rules.render(POLICY, family))
        assert text.endswith("COMMIT\n")
        for line in text.splitlines():
            assert re.match(r"#|\*(filter|mangle)$|COMMIT$|:REDIS-PORTS\S* - \[0:0\]$|-A REDIS-PORTS", line), line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("*filter\n:REDIS-PORTS - [0:0]\n-A INPUT -p tcp -j REDIS-PORTS\n", None),
        ("*filter\n-A REDIS-PORTS -p tcp -j DROP\n", "a chain REDIS-PORTS of filter with other content exists"),
        ("*mangle\n-A REDIS-PORTS-DOCKER-1 -j DROP\n", "a chain REDIS-PORTS-DOCKER-1 of mangle"),
        (
            "*filter\n:REDIS-PORTS - [0:0]\n-A OUTPUT -j REDIS-PORTS\n",
            "REDIS-PORTS of filter exists to which OUTPUT jumps",
        ),
        ("*filter\n:MY-REDIS-PORTS - [0:0]\n-A MY-REDIS-PORTS -j DROP\n", None),
    ],
)
def test_foreign_chains(text, expected):
    found = iptables_kernel.foreign_chain(iptables_kernel.parse_save(text))
    assert (expected in found) if expected else found is None


def test_own_chains_are_not_foreign():
    for family in firewall_policy.FAMILIES:
        assert iptables_kernel.foreign_chain(iptables_kernel.parse_save(save(family))) is None


def test_listings_of_the_kernel_and_of_the_policy_agree():
    for family in firewall_policy.FAMILIES:
        actual = iptables_kernel.listing(iptables_kernel.parse_save(save(family)))
        assert actual == iptables_kernel.wanted_listing(iptables_rules.render(POLICY, family))
        assert "ufw" not in actual


def test_listing_shows_a_jump_out_of_place():
    kernel = iptables_kernel.parse_save("*filter\n:REDIS-PORTS -\n-A INPUT -j LOG\n-A INPUT -p tcp -j REDIS-PORTS\n")
    assert iptables_kernel.listing(kernel).splitlines() == [
        "*filter",
        "-A INPUT -p tcp -j REDIS-PORTS  # rule 2",
        "# REDIS-PORTS is empty",
    ]
