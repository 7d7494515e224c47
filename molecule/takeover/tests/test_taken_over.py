"""Servers that others had set up are this collection's, with every key and every client."""

from __future__ import annotations

import time

import pytest
from neighbours import cli

testinfra_hosts = ["ansible://redis_servers"]
OLD = "the-password-of-the-old-server"


@pytest.fixture
def ask(host, password):
    """A function: run a command as the admin at a port."""
    return lambda port, *command: cli(host, "127.0.0.1", "admin", password("admin"), *command, port=port)


def test_every_key_is_there(ask, variables):
    for one in variables["lab_instances"]:
        keys = 301 if one["name"] == "login" else 300
        assert int(ask(one["port"], "DBSIZE")) == keys, one["name"]


def test_what_was_declared_as_printed_is_in_force(ask, variables):
    def said(port, directive, command="CONFIG"):
        return ask(port, command, "GET", directive).split("\n")[1]

    if variables["inventory_hostname"] == "trixie":
        assert said(6379, "appendonly") == "yes"
        assert said(6402, "dir") == "/opt/cache/data"
        return
    assert said(6401, "maxclients", "cfg_9f31") == "10000"
    assert said(6402, "notify-keyspace-events") == "xE"
    assert said(6402, "lua-time-limit") == "2000"
    assert said(6402, "hash-max-listpack-entries") == "64"
    assert said(6402, "client-output-buffer-limit").endswith("pubsub 67108864 16777216 90")


def test_the_client_with_the_old_password_goes_on(app, host, variables, ask):
    if variables["inventory_hostname"] != "trixie":
        pytest.skip("it is a client of the other droplet")
    before = int(app.check_output("cat /tmp/acknowledged"))
    for _attempt in range(100):
        if int(app.check_output("cat /tmp/acknowledged")) > before:
            break
        time.sleep(0.2)
    acknowledged = int(app.check_output("cat /tmp/acknowledged"))
    assert acknowledged > before
    assert int(ask(6401, "GET", "counter")) >= acknowledged


def test_the_old_files_are_kept_for_root_alone(host):
    with host.sudo():
        found = host.check_output("find /var/backups/redis-hardening -printf '%m %u %y %P\\n'").splitlines()
    assert {line.split()[0] for line in found if line.split()[2] == "d"} == {"700"}
    assert {tuple(line.split()[:2]) for line in found if line.split()[2] == "f"} == {("600", "root")}
    names = " ".join(found)
    assert "etc/redis/redis.conf" in names
    assert ("etc/redis/includes.d/a.conf" in names) is ("redis-includes.conf" in names)
