"""What other hosts on the network see."""

from __future__ import annotations

import pytest
from neighbours import cli, ping

testinfra_hosts = ["ansible://redis_servers"]


def test_outsider_finds_all_redis_ports_closed(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")


def test_outsider_still_reaches_ssh(outsider, addresses):
    """The closed ports above are closed by the policy and not by a broken network."""
    for address in addresses:
        assert ping(outsider, f"{address}:22")[f"{address}:22"].startswith("SSH-2.0")


def test_app_must_log_in(app, addresses):
    for address in addresses:
        assert ping(app, f"{address}:6379")[f"{address}:6379"].startswith("-NOAUTH")


def test_app_works_with_its_own_keys(as_app):
    assert as_app("SET", "app:greeting", "hello") == "OK"
    assert as_app("GET", "app:greeting") == "hello"
    assert as_app("SET", "other:greeting", "hello").startswith("NOPERM")


@pytest.mark.parametrize("command", [("CONFIG_of_this_test", "GET", "dir"), ("ACL", "LIST"), ("EVAL", "return 1", "0")])
def test_app_is_denied_what_it_does_not_need(as_app, command):
    assert as_app(*command).startswith("NOPERM")


def test_wrong_password_and_retired_user_are_refused(app, variables, password):
    address = variables["ansible_host"]
    assert "WRONGPASS" in cli(app, address, "app", "wrong-" + password("app"), "PING")
    assert "WRONGPASS" in cli(app, address, "retired", password("app"), "PING")
