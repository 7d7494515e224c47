# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.sentinel import sentinel_problems

ROLE = Path(__file__).parents[5] / "roles" / "sentinel"
SECRET = "correct-horse-battery"
GOOD = {
    "redis_sentinel_hosts": ["db1", "db2", "db3"],
    "redis_instances": [{"name": "default"}],
    "redis_port": 6379,
    "redis_tls": "required",
    "redis_tls_port": 6380,
    "sentinel_port": 26379,
    "sentinel_quorum": 2,
    "sentinel_down_after_milliseconds": 5000,
    "sentinel_failover_timeout": 180000,
    "sentinel_parallel_syncs": 1,
    "sentinel_bind": ["127.0.0.1", "10.20.0.11"],
    "sentinel_admin_user": "admin",
    "sentinel_admin_password": SECRET,
    "sentinel_peer_user": "peer",
    "sentinel_peer_password": SECRET,
    "sentinel_auth_password": SECRET,
    "sentinel_clients": [{"name": "app", "passwords": [SECRET], "password_hashes": []}],
    "sentinel_renamed_commands": {"CONFIG": "other", "FLUSHALL": ""},
}


def client(**values):
    return [{"name": "app", "passwords": [SECRET], "password_hashes": [], **values}]


def test_a_good_policy_has_no_problems():
    assert sentinel_problems(GOOD) == []


def test_an_even_number_and_a_higher_quorum_are_fine():
    hosts = ["db1", "db2", "db3", "db4"]
    assert sentinel_problems({**GOOD, "redis_sentinel_hosts": hosts, "sentinel_quorum": 4}) == []


def test_nothing_is_said_where_no_sentinel_is_declared():
    assert sentinel_problems({**GOOD, "redis_sentinel_hosts": [], "sentinel_quorum": 9, "sentinel_port": 0}) == []


def test_the_members_count_where_the_role_is_used_alone():
    members = [{"host": "10.0.0.%d" % n, "port": 26379} for n in (1, 2)]
    problems = sentinel_problems({"sentinel_members": members, "sentinel_quorum": 2})
    assert problems[0].startswith("redis_sentinel_hosts names 2: name 3 or more")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "sentinel_quorum",
            4,
            "sentinel_quorum is 4, and redis_sentinel_hosts names 3: it would never be reached. Set 2",
        ),
        ("sentinel_quorum", 0, "sentinel_quorum is 0: set 1 to"),
        ("redis_sentinel_hosts", ["db1", "db2"], "redis_sentinel_hosts names 2: name 3 or more, or the loss of one"),
        ("redis_sentinel_hosts", ["db1", "db2", "db2", "db3"], "redis_sentinel_hosts names db2 twice."),
        ("sentinel_port", 6380, "sentinel_port is 6380, which is tls of instance default: set another one"),
        ("redis_instances", [{"name": "a", "tls_port": 26379}], "sentinel_port is 26379, which is tls of instance a"),
        ("sentinel_port", 70000, "sentinel_port is 70000: set 1 to 65535; it is a TCP port."),
        ("sentinel_down_after_milliseconds", 900, "sentinel_down_after_milliseconds is 900: set 1500 to"),
        ("sentinel_failover_timeout", 10, "sentinel_failover_timeout is 10: set 1000 to"),
        ("sentinel_parallel_syncs", 0, "sentinel_parallel_syncs is 0: set 1 to"),
        ("sentinel_bind", ["10.20.0.11"], "sentinel_bind lacks 127.0.0.1"),
        ("sentinel_bind", ["127.0.0.1", "-::1"], "sentinel_bind has loopback only"),
        ("sentinel_admin_password", "", "sentinel_admin_password is shorter than 16 characters"),
        ("sentinel_peer_password", "x", "sentinel_peer_password is shorter than 16 characters"),
        ("sentinel_auth_password", SECRET + " x", "sentinel_auth_password has a blank, a quote"),
        ("sentinel_peer_password", SECRET + '"', "sentinel_peer_password has a blank, a quote"),
        ("sentinel_admin_user", "default", "sentinel_admin_user is default, which is off on a Sentinel"),
        ("sentinel_peer_user", "admin", "sentinel_peer_user is admin, as sentinel_admin_user is"),
        ("sentinel_peer_user", "the peer", "sentinel_peer_user is 'the peer': set a name without blanks"),
        ("sentinel_clients", client(name="peer"), "sentinel_clients[0].name is peer, as sentinel_peer_user is"),
        ("sentinel_clients", client(passwords=[]), "sentinel_clients[0] (app) has 0 passwords: set one or two."),
        ("sentinel_clients", client(passwords=[SECRET] * 3), "sentinel_clients[0] (app) has 3 passwords"),
        ("sentinel_clients", client(passwords=["short"]), "sentinel_clients[0].passwords[0] (app) is shorter than"),
        (
            "sentinel_clients",
            client(password_hashes=["x"]),
            "sentinel_clients[0].password_hashes[0] (app) is no SHA-256",
        ),
        ("sentinel_renamed_commands", {"CONFIG": ""}, "sentinel_renamed_commands disables CONFIG, which the Sentinels"),
        ("sentinel_renamed_commands", {"slaveof": ""}, "sentinel_renamed_commands disables SLAVEOF"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_set(name, value, problem):
    problems = sentinel_problems({**GOOD, name: value})
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_no_password_is_told():
    for name in ("sentinel_admin_password", "sentinel_peer_password", "sentinel_auth_password"):
        assert "hush hush" not in str(sentinel_problems({**GOOD, name: "hush hush"}))
    assert "hush" not in str(sentinel_problems({**GOOD, "sentinel_clients": client(passwords=["hush"])}))


def test_every_variable_that_is_checked_exists_and_can_be_left_out():
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    mine = [name for name in GOOD if name.startswith("sentinel_")]
    assert set(mine) <= set(spec)
    for name in mine:
        assert sentinel_problems({key: value for key, value in GOOD.items() if key != name}) == []
