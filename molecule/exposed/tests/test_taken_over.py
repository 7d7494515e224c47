"""A droplet that was open is closed, and nothing of what it held is gone."""

from __future__ import annotations

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]


def test_outsider_finds_everything_closed(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")


def test_app_finds_the_data_that_was_there_before(as_app):
    assert as_app("GET", "customer:7") == "card-4000-0000-0000-7"


def test_all_keys_survived(admin):
    assert admin("DBSIZE") == "100"


def test_nobody_gets_in_without_a_login(app, addresses):
    for address in addresses:
        assert ping(app, f"{address}:6379")[f"{address}:6379"].startswith("-NOAUTH")


def test_the_container_still_serves_its_host(host):
    assert host.check_output("redis-cli -p 6380 GET session:1") == "token-of-ada"


def test_ufw_is_still_on_and_ssh_still_allowed(host):
    with host.sudo():
        status = host.check_output("ufw status")
    assert "Status: active" in status
    assert any(line.split()[:2] == ["22/tcp", "ALLOW"] for line in status.splitlines())


@pytest.mark.parametrize("command", ["FLUSHALL", "KEYS", "DEBUG"])
def test_dangerous_commands_are_gone(admin, command):
    assert admin(command, "__probe__").startswith("ERR unknown command")
