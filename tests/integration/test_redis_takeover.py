# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_takeover against real servers: what it says of them, and that they are as before."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.desired import HEADER
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.processes import unit_of
from config_lab import declared, get

KEYS = 300
PASSWORD = "the-old-password"
ADMIN = {"name": "admin", "passwords": ["a-long-password-of-admin"], "commands": ["+@all"], "keys": ["*"]}


@pytest.fixture
def look(server, run_module):
    """Run the module for this server; the tests' servers belong to the unit of the tests, if to any."""
    with open("/proc/self/cgroup", encoding="ascii") as cgroup:
        unit = unit_of(cgroup.read())

    def run(settings=None, **more):
        arguments = dict(
            unit=unit,
            config=str(server.config),
            server_binary=server.binary,
            settings=declared(server, **{"maxclients": 100, "timeout": 300, "maxmemory": "100mb", **(settings or {})}),
            users=[ADMIN],
        )
        return run_module("redis_takeover", {**arguments, **more}, check=more.pop("check", False))

    return run


def kinds(result):
    return sorted({loss["kind"] for loss in result["losses"]})


def test_a_server_as_it_comes_has_nothing_to_lose(server, look):
    server.start("maxmemory-policy noeviction")
    server.client().execute_command("SET", "key", "value")
    result = look({"maxmemory-policy": "noeviction"})
    assert (result.get("failed"), result["losses"], result["needed"]) == (None, [], True)
    assert result["files"] == [str(server.config)]


def test_all_that_would_be_lost_is_named_at_once_and_nothing_changes(server, look):
    included = server.folder / "conf.d"
    included.mkdir()
    (included / "more.conf").write_text(
        "rename-command CONFIG cfg_9f31\nnotify-keyspace-events Ex\nlua-time-limit 2000\nappendonly yes\n"
    )
    server.start(f"include {included}/*.conf")
    client = server.client()
    for number in range(KEYS):
        client.execute_command("SET", f"key:{number}", "x" * 20000)
    client.execute_command("CLIENT", "SETNAME", "the-app")
    result = look({"maxmemory": "3mb", "maxmemory_policy": "allkeys-lru", "appendonly": False})
    assert result["failed"] and not result["changed"]
    assert kinds(result) == ["", "clients", "directives", "events", "eviction", "persistence"]
    assert "redis_take_over_allow: [eviction, persistence, clients, events, directives]" in result["msg"]
    for said in ("cfg_9f31", "the-app", "lua-time-limit 2000", "300 keys use"):
        assert said in result["msg"], said
    assert client.execute_command("DBSIZE") == KEYS
    assert get(client, "maxmemory", "cfg_9f31") == "0"
    assert ADMIN["passwords"][0] not in str(result)

    # As it asks for: what is declared is no loss, and what is allowed is let go.
    settings = {"maxmemory": "30mb", "maxmemory_policy": "allkeys-lru", "appendonly": True}
    settings |= {"notify_keyspace_events": "Ex", "lua_time_limit": 2000}
    result = look(settings, renamed_commands={"config": "cfg_9f31"}, allow=["clients"])
    assert (result.get("failed"), kinds(result)) == (None, ["clients"])
    # What the module was given as users must not be cut out of what it says of the server's own.
    assert "settings" not in result["variables"] and result["missing"]


def test_the_old_password_is_the_way_in(server, look):
    server.start(f"requirepass {PASSWORD}")
    result = look()
    assert result["failed"] and "can't be asked" in result["msg"] and "redis_current_password" in result["msg"]
    result = look(current_password=PASSWORD)
    assert (result.get("failed"), result["losses"]) == (None, [])
    assert PASSWORD not in str(result)


def test_the_admin_is_the_first_way_in(server, look):
    server.start("", f"user default off\nuser admin on >{ADMIN['passwords'][0]} ~* &* +@all\nuser shop on >x ~* +get\n")
    result = look({"aclfile": str(server.aclfile)}, login_user="admin", login_password=ADMIN["passwords"][0])
    assert result["failed"] and kinds(result) == ["users"] and "shop" in result["msg"] and "admin," not in result["msg"]
    login = dict(login_user="admin", login_password=ADMIN["passwords"][0], refuse=False)
    shown, kept = (
        look({"aclfile": str(server.aclfile)}, **login, hashes=hashes)["variables"] for hashes in (False, True)
    )
    entry = {"name": "shop", "commands": ["+get"], "keys": ["*"]}
    assert shown["users"] == [entry]
    assert kept["users"] == [{**entry, "password_hashes": [hashlib.sha256(b"x").hexdigest()]}]


def test_a_replica_would_be_cut_off(server, look):
    server.start()
    client = server.client()
    # What a replica says before it is sent anything.
    client.execute_command("REPLCONF", "listening-port", "7999")
    link = client.connection_pool.get_connection()
    link.send_command("PSYNC", "?", "-1")
    link.read_response()
    result = look()
    link.disconnect()
    assert kinds(result) == ["replication"] and "127.0.0.1" in result["msg"]


def test_a_server_elsewhere_can_not_be_taken_for_stopped(server, look):
    server.start()
    result = look({"port": server.port + 1}, plaintext_port=server.tls_port + 1)
    # Its process is not found by the port then, so that another test's may be meant; its own file is read in any case.
    assert result["files"] == [str(server.config)]


def test_a_server_of_another_unit_is_not_taken_over(server, look):
    server.start("maxmemory 64mb")
    result = look(unit="redis-server")
    assert result["failed"] and [loss["kind"] for loss in result["losses"]] == [""]
    assert f"port {server.port}" in result["msg"] and f"process {server.process.pid} " in result["msg"]
    assert "systemctl unmask redis-server" in result["msg"]


def test_a_server_of_this_collection_is_not_looked_at(server, look):
    server.start("notify-keyspace-events Ex")
    server.config.write_text(HEADER + "\n" + server.config.read_text())
    result = look()
    assert (result["needed"], result["losses"]) == (False, [])


def test_a_server_that_is_stopped_is_told_by_its_file(server, look):
    server.config.write_text("notify-keyspace-events Ex\nappendonly yes\nloadmodule /opt/bf.so\n")
    result = look({"appendonly": False}, unit="no-such-unit")
    assert result["failed"] and kinds(result) == ["events", "modules", "persistence"] and result["server"] == ""
