# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_config and a file that the server rewrites."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import desired as config
from config_lab import arguments, declared, get
from conftest import NAMES, Server
from waiting import wait_for

CANARY = "canary-5f2d"
ACL = "user default on nopass ~* &* +@all\n"
# What a server spells in its own way, adds up, or leaves out when it writes.
SPELLED = {
    "maxmemory": "100mb",
    "maxmemory-clients": "5%",
    "notify-keyspace-events": "KEA",
    "client-output-buffer-limit": ["replica 256mb 64mb 60"],
    "save": ["3600 1", "300 100"],
    "masteruser": "a b",
    "replica-announce-ip": "",
    "tls-protocols": "TLSv1.2 TLSv1.3",
    "slave-priority": 50,
    "unixsocketperm": "700",
    "oom-score-adj": True,
    "databases": 4,
    "repl-backlog-size": "2m",
    "proc-title-template": "{title} of mine",
}
RENAMED = {"CONFIG": "C-7f3a", "DEBUG": "", "KEYS": "K-1"}


def options(server, **more):
    settings = declared(server, **SPELLED, aclfile=str(server.aclfile), **more)
    secrets = {"secret_settings": {"masterauth": CANARY}}
    return arguments(server, settings, rewritten=True, renamed_commands=RENAMED, mode="0600", **secrets)


def managed(server, run_module, **more):
    """Start a server from the file that the module wrote."""
    server.start(acl_text=ACL)
    args = options(server, **more)
    assert run_module("redis_config", args)["changed"]
    start(server)
    return args


def start(server):
    """Start it as its unit does, whose command line and umask are seen in a file that it rewrites."""
    server.stop()
    words = [server.binary, str(server.config), "--supervised", "systemd", "--daemonize", "no"]
    server.process = subprocess.Popen(words, umask=0o077)
    wait_for(lambda: server.client().ping())


def rewrite(server, *commands):
    client = server.client()
    for words in commands:
        client.execute_command(*words)
    before = server.config.read_text()
    client.execute_command("C-7f3a", "REWRITE")
    return before != server.config.read_text()


def unchanged(server, run_module, args):
    """Check mode and a run say that there is nothing to do, and do nothing."""
    live, text = everything_of(server), server.config.read_text()
    inode = server.config.stat().st_ino
    for check in (True, False):
        result = run_module("redis_config", args, check=check, diff=True)
        assert not result.get("failed"), result
        assert (result["changed"], result["diff"], result["restart_directives"]) == (False, [], [])
        assert not result.get("warnings")
    assert (everything_of(server), server.config.read_text()) == (live, text)
    assert server.config.stat().st_ino == inode


def everything_of(server):
    reply = server.client().execute_command("C-7f3a", "GET", "*")
    return dict(zip(reply[::2], reply[1::2], strict=True))


def test_what_the_server_writes_by_itself_is_no_change(server, run_module):
    args = managed(server, run_module)
    unchanged(server, run_module, args)
    assert rewrite(server)
    assert "supervised systemd" in server.config.read_text()
    assert "latency-tracking-info-percentiles" in server.config.read_text()
    unchanged(server, run_module, args)
    # Without the option it is one.
    assert run_module("redis_config", args | {"rewritten": False}, check=True)["file_changed"]

    assert rewrite(server, ("REPLICAOF", "127.0.0.1", "6399"))
    assert "replicaof 127.0.0.1 6399\n" in server.config.read_text()
    unchanged(server, run_module, args)
    # The server starts from what was left there, and says the same.
    start(server)
    unchanged(server, run_module, args)
    assert rewrite(server, ("REPLICAOF", "NO", "ONE"))
    assert "replicaof" not in server.config.read_text()
    unchanged(server, run_module, args)


def test_a_master_that_the_file_does_not_name_is_a_change(server, run_module):
    args = managed(server, run_module)
    rewrite(server)
    server.client().execute_command("REPLICAOF", "127.0.0.1", "6399")
    result = run_module("redis_config", args, diff=True)
    assert result["file_changed"] and "\nreplicaof 127.0.0.1 6399\n" in result["diff"][0]["after"]
    unchanged(server, run_module, args)


def test_what_was_written_with_it_is_a_change(server, run_module):
    args = managed(server, run_module)
    rewrite(server)
    client = server.client()
    client.execute_command("C-7f3a", "SET", "maxmemory-samples", "7")
    client.execute_command("C-7f3a", "SET", "maxmemory", "50mb", "client-output-buffer-limit", "pubsub 0 0 0")
    rewrite(server)
    predicted = run_module("redis_config", args, check=True, diff=True)
    assert "maxmemory-samples 7" in server.config.read_text()
    assert get(client, "maxmemory", "C-7f3a") == str(50 << 20)
    done = run_module("redis_config", args, diff=True)
    assert done == predicted | {"invocation": done["invocation"]}
    assert done["changed"] and done["file_changed"] and set(done["live_changed"]) == {"maxmemory"}
    assert "maxmemory-samples 7\n" in done["diff"][0]["before"]
    assert "maxmemory-samples" not in done["diff"][0]["after"]
    assert "The file has maxmemory-samples, which is not declared" in str(done["warnings"])
    assert CANARY not in json.dumps({**done, "invocation": {}})
    assert get(client, "maxmemory", "C-7f3a") == str(100 << 20)
    assert "maxmemory-samples" not in server.config.read_text()
    unchanged(server, run_module, args)
    # As documented: the server still has it, and the next rewrite brings it back.
    assert get(client, "maxmemory-samples", "C-7f3a") == "7"
    rewrite(server)
    assert run_module("redis_config", args)["file_changed"]
    start(server)
    assert get(server.client(), "maxmemory-samples", "C-7f3a") == "5"
    rewrite(server)
    unchanged(server, run_module, args)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "include /etc/hosts\n",
        lambda text: text + "loadmodule /tmp/x.so\n",
        lambda text: text + "# a comment that an attacker likes\n",
        lambda text: text + "user evil on nopass +@all\n",
        lambda text: text + "rename-command GET g\n",
        lambda text: text + "save 60 1\n",
        lambda text: text + 'save ""\n',
        lambda text: text + "timeout 7\0\n",
        lambda text: text + 'broken "\n',
        lambda text: text + "enable-debug-command yes\n",
        lambda text: text + "maxmemory 1gb\n",
        lambda text: text + "client-output-buffer-limit normal 1mb 1mb 1\n",
        lambda text: text + "supervised upstart\n",
        lambda text: text + "daemonize yes\n",
        lambda text: text + "replicaof 192.0.2.66 6379\n",
        lambda text: text.replace("rename-command DEBUG", "rename-command MEMORY"),
        lambda text: text.replace("databases 4\n", ""),
        lambda text: text.replace(config.HEADER + "\n", ""),
        lambda text: text.replace("maxclients", "#maxclients"),
        lambda text: text.replace("logfile ", "logfile x "),
    ],
)
@pytest.mark.parametrize("server", NAMES[:1], indirect=True)
def test_drift_in_the_file_alone_is_undone(server, run_module, change):
    args = managed(server, run_module, maxclients=60)
    rewrite(server)
    drifted = change(server.config.read_text())
    assert drifted != server.config.read_text()
    server.config.write_text(drifted)
    for check in (True, False):
        result = run_module("redis_config", args, check=check, diff=True)
        assert result["changed"] and result["file_changed"] and not result["live_changed"]
        assert result["diff"][0]["before"] != result["diff"][0]["after"]
    unchanged(server, run_module, args)


@pytest.mark.parametrize("name", NAMES)
def test_a_failover_is_no_change(name, certificates, tmp_path, run_module):
    tls = {"ca_certs": str(certificates / "ca.crt")}
    for part in ("server.crt", "server.key"):
        (tmp_path / part).write_bytes((certificates / part).read_bytes())
    pair = []
    for number in range(2):
        (tmp_path / f"n{number}").mkdir()
        pair.append(Server(name, tmp_path / f"n{number}", tls))
    try:
        asked = [managed(server, run_module) for server in pair]
        for master, replica in ((0, 1), (1, 0)):
            rewrite(pair[master], ("REPLICAOF", "NO", "ONE"))
            rewrite(pair[replica], ("REPLICAOF", "127.0.0.1", pair[master].port))
            for server, args in zip(pair, asked, strict=True):
                unchanged(server, run_module, args)
    finally:
        for server in pair:
            server.stop()


@pytest.mark.parametrize("server", NAMES[:1], indirect=True)
def test_nothing_is_done_through_what_a_server_may_have_planted(server, run_module, tmp_path):
    args = managed(server, run_module, timeout=5)
    good = server.config.read_text()
    victim = tmp_path / "victim"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "server.conf").write_text(good)

    def planted(plant, words, path=server.config):
        plant()
        victim.write_text("mine\n")
        victim.chmod(0o640)
        for check in (True, False):
            result = run_module("redis_config", args | {"path": str(path), "owner": "65534"}, check=check, diff=True)
            assert result["failed"] and words in result["msg"], result
            assert not result["changed"]
        assert (victim.read_text(), victim.stat().st_uid, victim.stat().st_mode & 0o777) == ("mine\n", 0, 0o640)
        server.config.unlink()
        assert not list(server.folder.glob(".*.new"))

    # Something to do, so that a file would be written.
    args["settings"]["timeout"] = 9
    server.config.unlink()
    planted(lambda: server.config.symlink_to(victim), "not a plain file")
    planted(lambda: server.config.symlink_to(tmp_path / "not-there-yet"), "not a plain file")
    assert not (tmp_path / "not-there-yet").exists()
    planted(lambda: os.link(victim, server.config), "a second name elsewhere")
    planted(lambda: os.mkfifo(server.config), "not a plain file")
    link = server.folder / "conf"
    link.symlink_to(tmp_path / "elsewhere")
    server.config.write_text(good)
    planted(lambda: None, f"{link} is a symbolic link", link / "server.conf")
    assert (tmp_path / "elsewhere" / "server.conf").read_text() == good
    assert get(server.client(), "timeout", "C-7f3a") == "5"


@pytest.mark.parametrize("server", NAMES[:1], indirect=True)
def test_owner_group_and_mode(server, run_module):
    args = managed(server, run_module) | {"owner": "65534", "group": "65533"}
    server.config.chmod(0o644)
    for check in (True, False):
        result = run_module("redis_config", args, check=check, diff=True)
        assert result["changed"] and not result["file_changed"]
        assert result["diff"][0]["before"] == "group: 0\nmode: 0644\nowner: 0\n"
        assert result["diff"][0]["after"] == "group: 65533\nmode: 0600\nowner: 65534\n"
        assert server.config.stat().st_uid == (0 if check else 65534)
    unchanged(server, run_module, args)
    server.config.unlink()
    assert run_module("redis_config", args)["file_changed"]
    status = server.config.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (65534, 65533, 0o600)
    unchanged(server, run_module, args)
    for more, words in (
        ({"mode": "u=rw"}, "must be octal"),
        ({"owner": "nobody-of-that-name"}, "does not exist on this host"),
        ({"settings": {"port": 1}}, "set aclfile"),
    ):
        result = run_module("redis_config", args | more)
        assert result.get("failed") and words in result["msg"], result
    del args["path"]
    assert "path" in run_module("redis_config", args)["msg"]


@pytest.mark.parametrize("server", NAMES[:1], indirect=True)
def test_without_a_server_the_file_is_judged_alike(server, run_module):
    args = managed(server, run_module)
    rewrite(server, ("REPLICAOF", "127.0.0.1", "6399"))
    server.stop()
    for live in ("auto", "never"):
        for check in (True, False):
            result = run_module("redis_config", args | {"live": live}, check=check)
            assert (result["changed"], result["restart_required"]) == (False, False)
    server.config.write_text(server.config.read_text().replace("databases 4", "databases 5"))
    result = run_module("redis_config", args | {"live": "never"})
    assert result["file_changed"] and result["restart_directives"] == ["databases"]
    missing = args | {"live": "never", "path": str(Path(server.folder, "not", "there"))}
    assert run_module("redis_config", missing, check=True)["file_changed"]
    assert "is missing" in run_module("redis_config", missing)["msg"]
