# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import directives as table, values
from config_lab import arguments, declared, everything, get

CHANGES = {
    "maxmemory": "100mb",
    "maxmemory-policy": "allkeys-lru",
    "timeout": 300,
    "save": ["3600 1", "300 100"],
    "appendonly": True,
    "client-output-buffer-limit": ["replica 512mb 128mb 60"],
    "notify-keyspace-events": "KEA",
    "bind": ["127.0.0.1", "-::1"],
    "oom-score-adj-values": [0, 100, 200],
    "databases": 4,
    "tcp-backlog": 128,
}
PRINTED = {
    "maxmemory": "104857600",
    "maxmemory-policy": "allkeys-lru",
    "timeout": "300",
    "save": "3600 1 300 100",
    "appendonly": "yes",
    "client-output-buffer-limit": "normal 0 0 0 slave 536870912 134217728 60 pubsub 33554432 8388608 60",
    "notify-keyspace-events": "AKE",
    "bind": "127.0.0.1 -::1",
    "oom-score-adj-values": "0 100 200",
    "databases": "4",
    "tcp-backlog": "128",
}
RESTART = {"databases", "tcp-backlog"}


def test_check_run_check_run_and_a_restart_agree_with_the_server_itself(server, run_module):
    server.start()
    client = server.client()
    client.execute_command("SET", "key", "value")
    args = arguments(server, declared(server, **CHANGES), server_binary=server.binary)
    before, file_before = everything(client), server.config.read_bytes()

    predicted = run_module("redis_config", args, check=True, diff=True)
    assert everything(client) == before
    assert server.config.read_bytes() == file_before
    assert not list(server.folder.glob("appendonlydir"))

    done = run_module("redis_config", args, diff=True)
    assert done == predicted | {"invocation": done["invocation"]}
    assert done["changed"] and done["file_changed"] and done["restart_required"]
    assert set(done["live_changed"]) == CHANGES.keys() - RESTART
    assert set(done["restart_directives"]) == RESTART
    assert done["live_changed"]["maxmemory"] == {"before": "0", "after": "100mb"}
    for name, printed in PRINTED.items():
        assert (get(client, name) == printed) == (name not in RESTART), name

    for check in (True, False):
        again = run_module("redis_config", args, check=check, diff=True)
        assert not again["changed"] and not again["diff"] and not again["live_changed"]
        assert set(again["restart_directives"]) == RESTART

    server.restart()
    client = server.client()
    assert {name: get(client, name) for name in PRINTED} == PRINTED
    assert client.execute_command("GET", "key") == b"value"
    last = run_module("redis_config", args, diff=True)
    assert not last["changed"] and not last["restart_required"] and not last["diff"]


def test_the_file_says_what_is_declared_and_nothing_else(server, run_module):
    server.start("maxclients 500\n# a comment\n")
    run_module("redis_config", arguments(server, declared(server, save=["60 1"])))
    lines = server.config.read_text().splitlines()
    assert lines[0].startswith("#")
    found = [line.split(" ", 1) for line in lines[1:]]
    assert [name for name, _value in found] == sorted(declared(server))
    assert dict(found)["save"] == "60 1"
    assert dict(found)["port"] == str(server.port)


def test_drift_in_either_the_file_or_the_server_is_a_change(server, run_module):
    server.start()
    args = arguments(server, declared(server, timeout=300))
    run_module("redis_config", args)
    client = server.client()

    client.execute_command("CONFIG", "SET", "timeout", "0")
    result = run_module("redis_config", args)
    assert result["changed"] and not result["file_changed"]
    assert result["live_changed"] == {"timeout": {"before": "0", "after": "300"}}
    assert get(client, "timeout") == "300"

    content = server.config.read_text()
    server.config.write_text(content + "hz 20\n")
    result = run_module("redis_config", args, diff=True)
    assert result["changed"] and result["file_changed"] and not result["live_changed"]
    assert "hz 20" in result["diff"][0]["before"]
    assert server.config.read_text() == content


def test_a_server_alone_can_be_changed_without_a_file(server, run_module):
    server.start()
    before = server.config.read_bytes()
    result = run_module("redis_config", {**server.login, "settings": {"timeout": 7, "databases": 5}})
    assert result["live_changed"] == {"timeout": {"before": "0", "after": "7"}}
    assert result["restart_directives"] == ["databases"]
    assert get(server.client(), "timeout") == "7"
    assert server.config.read_bytes() == before


def test_it_works_with_config_renamed_before_and_after_it_is_in_force(server, run_module):
    server.start()
    renamed = {"CONFIG": "C-7f3a", "DEBUG": ""}
    args = arguments(server, declared(server, timeout=5), renamed_commands=renamed)
    first = run_module("redis_config", args)
    assert first["restart_directives"] == ["rename-command CONFIG", "rename-command DEBUG"]
    assert get(server.client(), "timeout") == "5"
    server.restart()
    client = server.client()
    assert get(client, "timeout", command="C-7f3a") == "5"
    client.execute_command("C-7f3a", "SET", "timeout", "6")
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = run_module("redis_config", args, check=check)
        assert result["changed"] == changed
        assert not result["restart_required"]
    assert get(client, "timeout", command="C-7f3a") == "5"

    # A new name for CONFIG: the old one is known from the file.
    args["renamed_commands"] = {"CONFIG": "C-other"}
    args["settings"]["timeout"] = 8
    result = run_module("redis_config", args)
    assert result["restart_directives"] == ["rename-command CONFIG", "rename-command DEBUG"]
    assert get(client, "timeout", command="C-7f3a") == "8"
    server.restart()
    assert not run_module("redis_config", args)["restart_required"]


def test_commands_that_were_disabled_by_somebody_else_want_a_restart(server, run_module):
    server.start('rename-command FLUSHALL ""\n')
    server.config.write_text(server.config.read_text().replace('rename-command FLUSHALL ""\n', ""))
    result = run_module("redis_config", arguments(server, declared(server)))
    assert result["restart_directives"] == ["rename-command FLUSHALL"]
    server.restart()
    assert not run_module("redis_config", arguments(server, declared(server)))["restart_required"]


def test_a_server_without_config_is_handled_by_its_file(server, run_module):
    server.start()
    args = arguments(server, declared(server, timeout=5), renamed_commands={"CONFIG": ""})
    run_module("redis_config", args)
    server.restart()
    result = run_module("redis_config", args)
    assert not result["changed"] and not result["restart_required"]
    assert "CONFIG is disabled" in str(result["warnings"])
    args["settings"]["timeout"] = 6
    result = run_module("redis_config", args)
    assert result["file_changed"] and result["restart_directives"] == ["timeout"]


def test_the_port_can_change_under_the_connection(server, run_module):
    server.start()
    old, new = server.port, server.tls_port + 100
    args = arguments(server, declared(server, port=new, timeout=9))
    result = run_module("redis_config", args)
    assert result["live_changed"]["port"] == {"before": str(old), "after": str(new)}
    server.port = new
    assert get(server.client(), "timeout") == "9"
    assert not run_module("redis_config", args | server.login)["changed"]
    assert run_module("redis_config", args)["connection_problem"] == "unreachable"


def test_addresses_that_the_host_does_not_have_change_nothing(server, run_module):
    server.start()
    client = server.client()
    before, file_before = everything(client), server.config.read_bytes()
    settings = declared(server, bind=["10.255.255.1"], appendonly=True, timeout=5)
    result = run_module("redis_config", arguments(server, settings))
    assert result["failed"] and "bind" in result["msg"] and not result["changed"]
    assert everything(server.client()) == before
    assert server.config.read_bytes() == file_before


def test_owner_group_and_mode(server, run_module):
    server.start()
    args = arguments(server, declared(server))
    run_module("redis_config", args)
    assert stat.S_IMODE(server.config.stat().st_mode) == 0o640
    server.config.chmod(0o644)
    for check in (True, False):
        result = run_module("redis_config", args, check=check, diff=True)
        assert result["changed"] and not result["file_changed"]
        assert "0644" in result["diff"][0]["before"] and "0640" in result["diff"][0]["after"]
    assert not run_module("redis_config", args)["changed"]
    if os.getuid() == 0:
        args |= {"owner": "daemon", "group": "daemon", "mode": "0600"}
        args["settings"]["timeout"] = 5
        assert run_module("redis_config", args)["changed"]
        state = server.config.stat()
        assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (1, 1, 0o600)
        assert not run_module("redis_config", args)["changed"]
        # What is not declared stays when the file is replaced.
        run_module("redis_config", arguments(server, declared(server, timeout=4)))
        assert (server.config.stat().st_uid, server.config.stat().st_gid) == (1, 1)
    result = run_module("redis_config", args | {"owner": "nobody-here", "settings": declared(server, timeout=6)})
    assert "owner: nobody-here does not exist" in result["msg"]
    assert get(server.client(), "timeout") != "6"


def test_a_link_stays_a_link(server, run_module):
    server.start()
    # Not below /tmp, where others can write.
    with tempfile.TemporaryDirectory(dir=Path.home()) as private:
        link = Path(private, "link.conf")
        link.symlink_to(server.config)
        run_module("redis_config", arguments(server, declared(server)) | {"path": str(link)})
        assert link.is_symlink()
    assert "Managed by" in server.config.read_text()


def test_over_tls_and_over_the_socket(server, run_module):
    server.start()
    args = {"path": str(server.config), "settings": declared(server, timeout=11)}
    tls = {"tls": True, "login_port": server.tls_port, **server.tls}
    assert run_module("redis_config", args | tls)["changed"]
    assert not run_module("redis_config", args | {"login_unix_socket": server.socket})["changed"]


def test_taking_over_an_open_server_and_one_with_the_old_password(server, run_module):
    server.start()
    args = arguments(server, declared(server, timeout=5), login_user="admin", login_password="new-admin")
    assert run_module("redis_config", args)["connection_problem"] == "auth"
    result = run_module("redis_config", args | {"take_over": True}, check=True)
    assert result["took_over"] and result["changed"]
    server.client().execute_command("CONFIG", "SET", "requirepass", "old")
    assert run_module("redis_config", args | {"take_over": True})["connection_problem"] == "auth"
    result = run_module("redis_config", args | {"take_over": True, "current_password": "old"})
    assert result["took_over"] and result["changed"]
    assert get(server.client(password="old"), "timeout") == "5"
    login = {"login_user": "default", "login_password": "old"}
    assert run_module("redis_config", args | login | {"take_over": True})["took_over"] is False


def test_a_replica_keeps_the_master_that_it_follows(server, run_module):
    server.start()
    client = server.client()
    settings = declared(server, replicaof="10.255.255.1 6379")
    # A server without keys whose file is not managed yet takes its master from the inventory.
    result = run_module("redis_config", arguments(server, settings), check=True)
    assert result["restart_directives"] == ["replicaof"]
    # One with keys does not.
    client.execute_command("SET", "key", "value")
    result = run_module("redis_config", arguments(server, settings))
    assert "replicaof" not in server.config.read_text() and not result["restart_required"]
    assert "kept, because" in str(result["warnings"])
    # After a failover the file follows the server, whatever is declared.
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    for wanted in (settings, declared(server)):
        result = run_module("redis_config", arguments(server, wanted))
        assert "replicaof 127.0.0.1 1\n" in server.config.read_text()
        assert not result["restart_required"]
    assert get(client, "replicaof") == "127.0.0.1 1"


def test_a_replica_stays_one_without_config_and_while_it_is_stopped(server, run_module):
    server.start('replicaof 127.0.0.1 1\nrename-command CONFIG ""\n')
    args = arguments(server, declared(server), live="auto", renamed_commands={"CONFIG": ""})
    for stop in (False, True):
        if stop:
            server.stop()
        for settings in (declared(server), declared(server, replicaof="10.255.255.1 6379")):
            server.config.write_text("replicaof 127.0.0.1 1\ndir %s\n" % server.folder)
            run_module("redis_config", args | {"settings": settings})
            assert "replicaof 127.0.0.1 1\n" in server.config.read_text()


def test_a_stopped_server_with_data_does_not_become_a_replica(server, run_module):
    server.start("save 60 1\n")
    server.client().execute_command("SET", "key", "value")
    server.stop()
    args = arguments(server, declared(server, replicaof="10.255.255.1 6379"), live="auto")
    assert "kept, because" in str(run_module("redis_config", args)["warnings"])
    assert "replicaof" not in server.config.read_text()
    server.config.unlink()
    (server.folder / "dump.rdb").unlink()
    run_module("redis_config", args)
    assert "replicaof 10.255.255.1 6379\n" in server.config.read_text()


def test_the_table_says_what_the_servers_say(server):
    server.start()
    client = server.client()
    present = {name.decode(): value.decode() for name, value in everything(client).items()}
    assert not {name for name in present if values.canonical(name) not in table.KNOWN}
    fixed = set()
    for name, value in present.items():
        with pytest.raises(Exception, match="CONFIG SET failed") as caught:
            client.execute_command("CONFIG", "SET", name, value, name, value)
        if "immutable config" in str(caught.value):
            fixed.add(values.canonical(name))
        assert ("protected config" in str(caught.value).split(" - ")[1]) == (name in table.PROTECTED)
    assert fixed == table.RESTART_ONLY & {values.canonical(name) for name in present}
    assert {
        name for name, value in present.items() if not values.same(name, values.live_arguments(name, value), value)
    } == set()


def test_nothing_is_left_behind(server, run_module):
    server.start()
    # A short path, since a socket lies in it.
    with tempfile.TemporaryDirectory() as place:
        settings = arguments(server, declared(server, timeout=5), server_binary=server.binary)
        run_module("redis_config", settings, env={"TMPDIR": place})
        assert os.listdir(place) == []
    assert not [entry for entry in os.listdir(server.folder) if entry.endswith(".new")]
