# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would be open without the rules, from files, sockets and Docker's rules."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import rules as iptables_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import rules as nftables_rules
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._removal import dangers as removal_dangers

POLICY = firewall_policy.build_policy(
    [{"port": 7000, "sources": ["10.0.0.5"], "purpose": "data"}, {"port": 26379, "sources": [], "purpose": "sentinel"}],
    [6379, 6380],
    ["docker0"],
)


@pytest.mark.parametrize(
    "text",
    [iptables_rules.rules_file(iptables_rules.render(POLICY, 4)), nftables_rules.render(POLICY)],
    ids=["iptables", "nftables"],
)
def test_the_files_of_rules_tell_which_ports_they_close(text):
    assert removal_dangers.guarded_ports([text]) == {6379, 6380, 7000, 26379}


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 1
   1: 0B2A4D0A:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 2
   2: 0B2A4D0A:1B59 6401A8C0:9999 01 00000000:00000000 00:00000000 00000000   100        0 3
   3: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 4
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0 0 0 0
   1: 00000000000000000000000001000000:18EB 00000000000000000000000000000000:0000 0A 0 0 0 0
"""


def test_sockets_beyond_loopback():
    assert removal_dangers.open_sockets([TCP, TCP6]) == {7000, 22}


@pytest.mark.parametrize(
    ("settings", "ports"),
    [
        ({"bind": ["127.0.0.1", "-::1"], "port": ["6379"]}, set()),
        ({"bind": ["127.0.0.1", "10.0.0.5"], "port": ["6379"]}, {6379}),
        ({"bind": ["0.0.0.0"], "port": ["0"], "tls-port": ["6380"]}, {6380}),
        # Without a line the server listens everywhere.
        ({}, {6379}),
        ({"bind": ["*"], "port": ["7000"], "cluster-enabled": ["yes"]}, {7000, 17000}),
    ],
)
def test_a_server_that_is_stopped_opens_what_its_file_says(settings, ports):
    assert removal_dangers.configured_ports(settings) == ports


def test_what_docker_publishes_counts_by_either_port():
    saved = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8000 -j DNAT --to-destination 172.17.0.2:6379\n"
    assert removal_dangers.published_ports(saved) == {8000: 6379}
    found = removal_dangers.opened({6379, 7000}, {22, 7000}, {"redis-server": {6379}}, {8000: 6379, 80: 8080})
    assert set(found) == {6379, 7000, 8000}


def test_open_ports_are_named_by_the_operator():
    opening = {6379: "redis-server.service", 7000: "a process listens there"}
    assert "port 6379 (redis-server.service)" in removal_dangers.refusal(opening, [7000])
    assert "redis_remove_open_ports: [6379, 7000]" in removal_dangers.refusal(opening, [7000])
    assert removal_dangers.refusal(opening, [6379, 7000]) == removal_dangers.refusal({}, []) == ""


@pytest.mark.parametrize(
    ("place", "drop_ins", "fine"),
    [
        ("/var/lib/redis", [], True),
        ("/var/lib/redis/7000", [], True),
        ("/var/lib/redis-other", [], False),
        ("/srv/redis", [], False),
        ("/srv/redis", ["[Service]\nReadWritePaths=/srv/redis\n"], True),
    ],
)
def test_folders_that_the_packages_unit_may_not_write(place, drop_ins, fine):
    problem = removal_dangers.folder_problem("redis-server", {"dir": [place]}, "redis", drop_ins)
    assert (problem == "") is fine
    assert fine or "ReadWritePaths=" + place in problem
