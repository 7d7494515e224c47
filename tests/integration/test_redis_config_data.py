# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_config and the data: what it does is never followed by a restart that loses a key or fails."""

from __future__ import annotations

import contextlib
import re
import socket

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import hazards
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.desired import HEADER
from config_lab import arguments, declared, everything, get
from conftest import free_ports

WRITES = """
    APPEND a 1; SETEX s 100 v; GETEX s PERSIST; EXPIRE a 100; INCRBYFLOAT f 1.5; HINCRBYFLOAT h x 1.5; PSETEX short 1 v;
    RPUSHX none v; LPUSHX none v; GEOADD g 1 1 m; GEORADIUS g 1 1 10 km STORE gs; SPOP none; SUNIONSTORE set1 none;
    SINTERSTORE set2 none; PFADD p 1; XAUTOCLAIM none g c 0 0; GETDEL f; MULTI; APPEND a 2; APPEND b 2; EXEC;
    BITOP NOT n a; SORT none STORE sorted; ZUNIONSTORE z 1 g; BZPOPMIN z 1; ZMPOP 1 gs MIN; COPY a c; RENAME c d;
    MOVE d 1; SWAPDB 0 0; EVAL return(redis.call('APPEND','e','1')) 0; APPEND l 1; EXPIREAT l 1; BLMPOP 1 1 none LEFT
"""


def fill(server):
    client = server.client()
    client.execute_command("SET", "key", "value")
    return client


def kept(server):
    return server.client().execute_command("GET", "key") == b"value"


def does_not_start(server, reason):
    # It listens before it loads its data, so restart() may or may not see it end.
    with contextlib.suppress(RuntimeError):
        server.restart()
    server.process.wait(timeout=5)
    assert reason in (server.folder / "server.log").read_text().lower()


def refused(server, run_module, args, part):
    """Run in check mode and for real: both fail with this text, and nothing is changed."""
    client = server.client()
    before, content = everything(client), server.config.read_bytes()
    for check in (True, False):
        result = run_module("redis_config", args, check=check)
        assert result.get("failed"), result
        assert part in result["msg"]
        assert not result["changed"]
    assert everything(client) == before
    assert server.config.read_bytes() == content


def test_turning_the_append_only_file_on_keeps_the_keys_over_a_restart(server, run_module):
    server.start()
    fill(server)
    args = arguments(server, declared(server, appendonly=True, databases=4))
    assert run_module("redis_config", args)["restart_required"]
    # At once: a server that still writes its first append-only file would not stop.
    server.restart()
    assert kept(server)


def test_in_the_file_only_it_would_have_lost_them(server, run_module):
    """What the rules for a server that does not run are for."""
    server.start("save 3600 1\n")
    fill(server)
    server.stop()
    args = arguments(server, declared(server, appendonly=True, save=["3600 1"]), live="auto")
    content = server.config.read_bytes()
    for check in (True, False):
        result = run_module("redis_config", args, check=check)
        assert "come up without them" in result["msg"] or "holds data" in result["msg"]
    assert server.config.read_bytes() == content
    server.config.write_text(server.config.read_text() + "appendonly yes\n")
    server.restart()
    assert not kept(server)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"dir": "/elsewhere"}, "a restart would look under /elsewhere"),
        ({"dir": None}, "dir is not declared"),
        ({"dbfilename": "other.rdb"}, "Set dbfilename: dump.rdb"),
        ({"appendonly": True, "appendfilename": "other.aof"}, "Set appendfilename: appendonly.aof"),
        ({"appendonly": True, "appenddirname": "other"}, "Set appenddirname: appendonlydir"),
        ({"databases": 2}, "Database 3 holds keys"),
    ],
)
def test_what_a_restart_would_not_find_is_refused(server, run_module, change, part):
    server.start("save 3600 1\n")
    client = fill(server)
    client.execute_command("SELECT", "3")
    client.execute_command("SET", "other", "value")
    settings = {name: value for name, value in declared(server, **change).items() if value is not None}
    refused(server, run_module, arguments(server, settings), part)


def test_an_append_only_file_that_is_not_declared_is_refused(server, run_module):
    server.start("appendonly yes\n")
    fill(server)
    refused(server, run_module, arguments(server, declared(server)), "appendonly is not declared")


@pytest.mark.parametrize(
    ("policy", "part"), [("allkeys-lru", "it would delete keys"), ("noeviction", "it would refuse writes")]
)
def test_a_bound_below_the_data_is_refused(server, run_module, policy, part):
    server.start()
    client = fill(server)
    client.execute_command("SET", "large", "x" * 3_000_000)
    settings = declared(server, maxmemory="2mb", maxmemory_policy=policy)
    refused(server, run_module, arguments(server, settings), part)
    assert client.execute_command("DBSIZE") == 2
    assert run_module("redis_config", arguments(server, settings | {"maxmemory": "100mb"}))["changed"]


def test_an_empty_server_may_move(server, run_module):
    server.start()
    other = server.folder / "other"
    other.mkdir()
    result = run_module("redis_config", arguments(server, declared(server, dir=str(other))))
    assert result["restart_directives"] == ["dir"]
    server.restart()
    assert get(server.client(), "dir") == str(other)


def test_turning_the_append_only_file_off_keeps_the_keys(server, run_module):
    server.start("appendonly yes\n")
    fill(server)
    args = arguments(server, declared(server, appendonly=False, save=["3600 1"], databases=4))
    run_module("redis_config", args)
    server.restart()
    assert kept(server)


@pytest.mark.parametrize(
    ("before", "after", "command"),
    [
        ({}, {"FLUSHDB": ""}, "FLUSHDB"),
        ({"FLUSHDB": "F1"}, {}, "F1"),
        ({"FLUSHDB": "F1"}, {"FLUSHDB": "F2"}, "F1"),
    ],
)
def test_a_rename_does_not_make_the_append_only_file_unreadable(server, run_module, before, after, command):
    lines = "".join("rename-command %s %s\n" % pair for pair in before.items())
    server.start("appendonly yes\n" + lines)
    client = server.client()
    client.execute_command("SET", "gone", "value")
    client.execute_command(command)
    fill(server)
    aof = next(server.folder.glob("appendonlydir/*.incr.aof"))
    assert command.encode() in aof.read_bytes()

    args = arguments(server, declared(server, appendonly=True), renamed_commands=after)
    predicted = run_module("redis_config", args, check=True)
    assert predicted["aof_rewritten"] and command.encode() in aof.read_bytes()
    done = run_module("redis_config", args)
    assert done["aof_rewritten"] and done["restart_directives"] == ["rename-command FLUSHDB"]
    server.restart()
    assert kept(server)
    last = run_module("redis_config", args)
    assert not last["aof_rewritten"] and not last["changed"] and not last["restart_required"]


def test_without_the_rewrite_it_would_have_been_unreadable(server, run_module):
    server.start("appendonly yes\n")
    server.client().execute_command("FLUSHDB")
    server.config.write_text(server.config.read_text() + 'rename-command FLUSHDB ""\n')
    does_not_start(server, "unknown command 'flushdb'")


def test_renames_of_commands_that_write_nothing_disturb_nobody(server, run_module):
    server.start("appendonly yes\n")
    fill(server)
    args = arguments(server, declared(server, appendonly=True), renamed_commands={"CONFIG": "C1", "KEYS": ""})
    result = run_module("redis_config", args)
    assert result["restart_required"] and not result["aof_rewritten"]
    server.restart()
    assert kept(server)


def test_a_rewrite_that_is_not_possible_is_refused(server, run_module):
    server.start('appendonly yes\nrename-command BGREWRITEAOF ""\n')
    fill(server)
    renamed = {"BGREWRITEAOF": "", "FLUSHALL": ""}
    args = arguments(server, declared(server, appendonly=True), renamed_commands=renamed)
    refused(server, run_module, args, "BGREWRITEAOF, which would fix that, is disabled")


def test_a_stopped_servers_append_only_file_is_looked_into(server, run_module):
    server.start("appendonly yes\n")
    server.client().execute_command("FLUSHDB")
    fill(server)
    server.stop()
    args = arguments(server, declared(server, appendonly=True), renamed_commands={"FLUSHDB": ""}, live="auto")
    content = server.config.read_bytes()
    assert "holds FLUSHDB" in run_module("redis_config", args)["msg"]
    assert server.config.read_bytes() == content
    args["renamed_commands"] = {"FLUSHALL": ""}
    result = run_module("redis_config", args)
    assert result["file_changed"] and not result["restart_required"]
    server.restart()
    assert kept(server)


def test_what_the_server_writes_by_itself_is_known(server, run_module):
    """Commands in the append-only file that no client has sent must be on the list of those that keep their names."""
    server.start("appendonly yes\n")
    client = server.client()
    sent = {"APPEND"}
    for line in WRITES.split(";"):
        name, *words = line.split()
        sent.add(name)
        try:
            client.execute_command(name, *words)
        except Exception as error:
            assert "NOGROUP" in str(error) or "no such key" in str(error).lower(), line
    for _attempt in range(20):
        client.execute_command("GET", "short")
    client.execute_command("CONFIG", "SET", "appendfsync", "always")
    content = b"".join(path.read_bytes() for path in server.folder.glob("appendonlydir/*.incr.aof"))
    written = {name.decode().upper() for name in re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n", content)}
    own = written - (sent - {"MULTI", "EXEC"})
    assert {"SELECT", "MULTI", "EXEC", "SET", "DEL", "PEXPIREAT"} <= own
    assert own <= hazards.WRITTEN_BY_THE_SERVER


def test_renaming_what_the_server_writes_is_refused_because_it_would_not_start_again(server, run_module):
    server.start()
    args = arguments(server, declared(server), renamed_commands={"select": "S1"})
    refused(server, run_module, args, "SELECT can't be renamed")
    server.start("appendonly yes\nrename-command SELECT S1\n")
    fill(server)
    does_not_start(server, "unknown command 'select'")


def test_a_replica_that_is_not_in_step_is_not_made_a_master_while_its_master_is_there(server, run_module):
    server.start()
    client = fill(server)
    with socket.create_server(("127.0.0.1", 0)) as master:
        # It is there, and sends nothing.
        client.execute_command("REPLICAOF", "127.0.0.1", master.getsockname()[1])
        args = arguments(server, declared(server), standalone=True)
        refused(server, run_module, args, "its link to its master 127.0.0.1:")
        assert client.execute_command("ROLE")[0] == b"slave"
    # With the master gone, what it has is all there is.
    assert run_module("redis_config", args)["changed"]
    assert client.execute_command("ROLE")[0] == b"master" and kept(server)


def stopped_or_refused(server, run_module, args, part):
    """Run as for a server that is stopped: it fails with this text, and the file is as before."""
    content = server.config.read_bytes()
    for check in (True, False):
        result = run_module("redis_config", args, check=check)
        assert result.get("failed") and part in result["msg"], result
    assert server.config.read_bytes() == content


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        ("include {folder}/local.conf", {"local.conf": "dir {folder}/old"}),
        ("include {folder}/conf.d/*.conf", {"conf.d/a.conf": "dir {folder}", "conf.d/b.conf": "dir old"}),
        ("include {folder}/local.conf", {"local.conf": "include more.conf", "more.conf": "dir {folder}/old"}),
        ("include {folder}/local.conf", {"local.conf": "appendonly yes"}),
        ("include {folder}/local.conf", {"local.conf": "dbfilename mine.rdb"}),
        ("dir ./old", {}),
    ],
)
def test_the_data_of_a_stopped_server_are_where_its_included_files_say(server, run_module, lines, files):
    (server.folder / "old").mkdir()
    (server.folder / "conf.d").mkdir()
    for name, text in files.items():
        (server.folder / name).write_text(text.format(folder=server.folder) + "\n")
    server.start("save 3600 1\n" + lines.format(folder=server.folder) + "\n")
    fill(server)
    server.stop()
    args = arguments(server, declared(server, save=["3600 1"]), live="auto")
    stopped_or_refused(server, run_module, args, "holds data")
    server.restart()
    assert kept(server)


def test_an_included_file_that_is_gone_is_refused(server, run_module):
    server.start(f"include {server.folder}/*.local\n")
    server.stop()
    server.config.write_text(server.config.read_text() + f"include {server.folder}/gone.conf\n")
    args = arguments(server, declared(server), live="auto")
    stopped_or_refused(server, run_module, args, "gone.conf can't be read")


@pytest.mark.parametrize("elsewhere", ["socket", "port", "address", "default directory", "renamed file"])
def test_a_server_that_runs_elsewhere_is_not_taken_for_stopped(server, run_module, elsewhere):
    """It has saved nothing yet, so its files say nothing."""
    server.start()
    fill(server)
    args = arguments(server, declared(server, save=["3600 1"]), live="auto")
    if elsewhere == "socket":
        server.client().execute_command("CONFIG", "SET", "port", "0")
    elif elsewhere == "port":
        args["login_port"] = 1
    elif elsewhere == "address":
        args["login_host"] = "127.0.0.99"
    elif elsewhere == "default directory":
        # What is left is where it listens.
        lines = [line for line in server.config.read_text().splitlines() if not line.startswith("dir ")]
        server.config.write_text("\n".join(lines) + "\n")
        args["login_port"] = 1
    else:
        args["login_port"], args["path"] = 1, str(server.config.rename(server.folder / "other.conf"))
        server.config = server.folder / "other.conf"
    stopped_or_refused(server, run_module, args, "process %d " % server.process.pid)
    # One that is stopped is not taken for running.
    server.stop()
    assert run_module("redis_config", args)["changed"]


def test_a_servers_neighbour_is_not_taken_for_it(server, run_module):
    server.start()
    fill(server)
    other, port = server.folder / "neighbour", free_ports(1)[0]
    other.mkdir()
    (other / "redis.conf").write_text(f"port {port}\ndir {other}\n")
    args = arguments(server, declared(server, dir=str(other), port=port), live="auto")
    args |= {"login_port": port, "path": str(other / "redis.conf")}
    assert run_module("redis_config", args)["changed"]


@pytest.mark.parametrize("ours", [True, False])
def test_a_config_that_is_renamed_in_an_included_file_is_used(server, run_module, ours):
    (server.folder / "local.conf").write_text("rename-command CONFIG cfg_local\n")
    server.start(f"include {server.folder}/local.conf\n")
    if ours:
        # Somebody has added the line to a file of this collection.
        server.config.write_text(f"{HEADER}\n{server.config.read_text()}")
    result = run_module("redis_config", arguments(server, declared(server, timeout=77)))
    assert result["live_changed"] and not any("disabled" in text for text in result.get("warnings", []))
    assert get(server.client(), "timeout", "cfg_local") == "77"


def test_without_config_the_included_files_say_where_the_data_are(server, run_module):
    (server.folder / "old").mkdir()
    (server.folder / "local.conf").write_text(f"dir {server.folder}/old\ndbfilename mine.rdb\n")
    server.start(f'include {server.folder}/local.conf\nrename-command CONFIG ""\n')
    fill(server)
    args = arguments(server, declared(server))
    stopped_or_refused(server, run_module, args, f"under dir {server.folder}/old")
    args = arguments(server, declared(server, dir=f"{server.folder}/old"))
    stopped_or_refused(server, run_module, args, "under dbfilename mine.rdb")
