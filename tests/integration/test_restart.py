"""What is done for the data before a restart, on real servers."""

from __future__ import annotations

import subprocess
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.data_safety import (
    DataAtRisk,
    secure_data,
)


def params(server, **more):
    base = {"login_host": server.host, "login_port": server.port, "login_timeout": 5.0, "renamed_commands": {}}
    return {**base, **more}


def put_key(client):
    client.execute_command("SELECT", "3")
    client.execute_command("SET", "kept", "yes")


def test_keys_of_a_server_without_persistence_survive(server):
    server.start()
    put_key(server.client(db=3))
    secure_data(params(server), [])
    server.restart()
    assert server.client(db=3).execute_command("GET", "kept") == b"yes"


def test_keys_are_lost_without_it(server):
    """The danger is real: the test above can fail."""
    server.start()
    put_key(server.client(db=3))
    server.restart()
    assert server.client(db=3).execute_command("GET", "kept") is None


def test_empty_server_is_left_alone(server):
    server.start()
    secure_data(params(server), [])
    assert server.client().execute_command("CONFIG", "GET", "save") == [b"save", b""]


def test_renamed_commands(server):
    renamed = {"CONFIG": "cfg_else", "INFO": "info_else", "DBSIZE": "size_else", "BGSAVE": "save_else"}
    server.start("\n".join(f"rename-command {old} {new}" for old, new in renamed.items()))
    put_key(server.client(db=3))
    secure_data(params(server, renamed_commands=renamed), [])
    assert server.client().execute_command("cfg_else", "GET", "save")[1] != b""


def test_removed_config_is_refused(server):
    server.start('rename-command CONFIG ""')
    put_key(server.client(db=3))
    with pytest.raises(DataAtRisk, match="no CONFIG"):
        secure_data(params(server), [])


def test_old_password_is_used(server):
    server.start("requirepass the-old-one")
    put_key(server.client(password="the-old-one", db=3))
    secure_data(params(server, login_user="admin", login_password="new", current_password="the-old-one"), [])
    reply = server.client(password="the-old-one").execute_command("CONFIG", "GET", "save")
    assert reply[1] != b""


def test_unknown_password_is_refused_and_says_what_to_set(server):
    server.start("requirepass the-old-one")
    with pytest.raises(DataAtRisk, match="redis_current_password"):
        secure_data(params(server, login_user="admin", login_password="new"), [])


def test_server_on_another_port_is_found(server):
    server.start()
    put_key(server.client(db=3))
    elsewhere = params(server, login_port=1)
    secure_data(elsewhere, [server.port])
    assert server.client().execute_command("CONFIG", "GET", "save")[1] != b""


def test_save_that_fails_is_refused(server):
    # The directory of the data is gone: BGSAVE fails, and so would the save at SIGTERM.
    gone = server.folder / "gone"
    gone.mkdir()
    server.start(f"dir {gone}")
    put_key(server.client(db=3))
    gone.rmdir()
    with pytest.raises(DataAtRisk, match="can't save"):
        secure_data(params(server), [])
    assert server.client().execute_command("CONFIG", "GET", "save") == [b"save", b""]


def test_last_save_that_failed_is_tried_again(server):
    # The file can't take the place of a directory.
    file = server.folder / "dump.rdb"
    server.start("save 3600 1\nstop-writes-on-bgsave-error no")
    # It answers once it has looked for the file.
    put_key(server.client(db=3))
    file.mkdir()
    client = server.client()
    client.execute_command("BGSAVE")
    while b"rdb_last_bgsave_status:err" not in client.execute_command("INFO", "persistence"):
        time.sleep(0.02)
    with pytest.raises(DataAtRisk, match="can't save"):
        secure_data(params(server), [])
    file.rmdir()
    secure_data(params(server), [])
    assert file.is_file()


def test_what_others_have_need_not_be_saved_but_the_server_must_end(server):
    file = server.folder / "dump.rdb"
    server.start("stop-writes-on-bgsave-error no")
    put_key(server.client(db=3))
    secure_data(params(server), [], others_have_them=True)
    client = server.client()
    assert client.execute_command("CONFIG", "GET", "save") == [b"save", b""]
    file.mkdir()
    client.execute_command("CONFIG", "SET", "save", "3600 1")
    client.execute_command("BGSAVE")
    while b"rdb_last_bgsave_status:err" not in client.execute_command("INFO", "persistence"):
        time.sleep(0.02)
    with pytest.raises(DataAtRisk, match="can't save"):
        secure_data(params(server), [], others_have_them=True)
    # The danger is real.
    server.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(timeout=1)
    file.rmdir()


def fails_to_save(client):
    client.execute_command("BGSAVE")
    while b"rdb_last_bgsave_status:err" not in client.execute_command("INFO", "persistence"):
        time.sleep(0.02)


def does_not_end(server):
    """The danger is real."""
    server.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(timeout=1)


@pytest.mark.parametrize("tried", [True, False])
@pytest.mark.parametrize("lines", ["appendonly yes\nsave 3600 1", "save 3600 1"])
@pytest.mark.parametrize("keys", [True, False])
def test_a_server_that_can_not_save_is_refused_whatever_else_it_has(server, lines, keys, tried):
    file = server.folder / "dump.rdb"
    server.start(lines)
    client = server.client(db=3)
    if keys:
        put_key(client)
    file.mkdir()
    if tried:
        fails_to_save(client)
    with pytest.raises(DataAtRisk, match="can't save"):
        secure_data(params(server), [])
    if not tried:
        # That it was tried keeps no client from writing.
        client.execute_command("SET", "more", "value")
        client.execute_command("DEL", "more")
    does_not_end(server)
    file.rmdir()
    secure_data(params(server), [])
    assert file.is_file()


def test_a_first_save_that_works_changes_nothing(server):
    server.start("appendonly yes\nsave 3600 1")
    put_key(server.client(db=3))
    secure_data(params(server), [])
    client = server.client()
    assert client.execute_command("CONFIG", "GET", "stop-writes-on-bgsave-error")[1] == b"yes"
    assert b"rdb_saves:1" in client.execute_command("INFO", "persistence")
    # It has one now.
    secure_data(params(server), [])
    assert b"rdb_saves:1" in client.execute_command("INFO", "persistence")


def test_the_first_version_of_the_append_only_file_is_waited_for(server):
    server.start()
    client = server.client(db=3)
    put_key(client)
    client.execute_command("CONFIG", "SET", "rdb-key-save-delay", "1500000")
    client.execute_command("CONFIG", "SET", "appendonly", "yes")
    secure_data(params(server), [])
    assert b"aof_rewrite_in_progress:0" in client.execute_command("INFO", "persistence")


@pytest.mark.parametrize("lines", ["", "save 3600 1"])
def test_without_config_an_append_only_file_is_enough(server, lines):
    server.start('appendonly yes\nrename-command CONFIG ""\n' + lines)
    put_key(server.client(db=3))
    secure_data(params(server), [])
    (server.folder / "dump.rdb").mkdir()
    fails_to_save(server.client())
    with pytest.raises(DataAtRisk, match="can't save"):
        secure_data(params(server), [])
    (server.folder / "dump.rdb").rmdir()
