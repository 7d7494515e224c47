# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_config and input that is wrong: clear messages, nothing changed, no secret anywhere."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from config_lab import arguments, declared, everything, get
from test_redis_config_data import refused

CANARY = "canary-0b9d41"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"settings": {"maxmemroy": "1gb"}}, "no directive maxmemroy (did you mean maxmemory?)"),
        ({"settings": {"maxmemory": "banana"}}, "maxmemory must be a size"),
        ({"settings": {"include": "/etc/x"}}, "include can't be set here"),
        ({"renamed_commands": {"CONFGI": ""}}, "no command CONFGI (did you mean CONFIG?)"),
        ({"path": "/nowhere/redis.conf"}, "the directory /nowhere is missing"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_changed(server, run_module, options, part):
    server.start()
    settings = declared(server, timeout=77) | options.get("settings", {})
    args = arguments(server, settings) | {name: value for name, value in options.items() if name != "settings"}
    if "path" in options:
        # On a bare host the package makes the directory; check mode says what would happen then.
        assert run_module("redis_config", args, check=True)["changed"]
        result = run_module("redis_config", args)
        assert part in result["msg"] and get(server.client(), "timeout") == "0"
    else:
        refused(server, run_module, args, part)


def test_what_only_the_server_knows_to_be_wrong(server, run_module):
    server.start()
    settings = declared(server, timeout=77) | {"proc-title-template": "{no-such-variable}"}
    # With its program, check mode knows it, too.
    refused(server, run_module, arguments(server, settings, server_binary=server.binary), "does not start with this")
    result = run_module("redis_config", arguments(server, settings))
    assert "The server refuses" in result["msg"] and not result["changed"]
    assert get(server.client(), "timeout") == "0"


def test_a_key_that_does_not_fit_its_certificate_is_found_before_a_first_start(server, run_module):
    settings = declared(server) | {"tls-key-file": server.tls["client_key_file"]}
    args = arguments(server, settings, live="never", server_binary=server.binary)
    result = run_module("redis_config", args)
    assert "does not start with this configuration" in result["msg"] and "key" in result["msg"].lower()
    assert not server.config.exists()
    args["settings"] = declared(server)
    assert run_module("redis_config", args)["file_changed"]
    server.restart()


def test_a_typing_error_on_a_host_without_a_server(server, run_module):
    args = arguments(server, declared(server, maxmemroy="1gb"), live="auto")
    assert "Unknown directive maxmemroy (did you mean maxmemory?)" in run_module("redis_config", args)["msg"]
    args["server_binary"] = server.binary
    result = run_module("redis_config", args)
    assert "did you mean maxmemory?" in result["msg"] and "does not start" in result["msg"]
    assert not server.config.exists()


def test_the_file_alone_on_a_host_without_a_server(server, run_module):
    args = arguments(server, declared(server, timeout=5), live="auto", server_binary=server.binary)
    assert run_module("redis_config", args | {"live": "required"})["connection_problem"] == "unreachable"
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = run_module("redis_config", args, check=check)
        assert result["changed"] == changed and not result["restart_required"] and not result["live_changed"]
    server.restart()
    assert get(server.client(), "timeout") == "5"
    assert not run_module("redis_config", args)["changed"]


def test_never_live_tells_a_restart_from_the_file(server, run_module):
    server.start()
    args = arguments(server, declared(server, timeout=5), live="never", login_password="wrong")
    run_module("redis_config", args)
    assert get(server.client(), "timeout") == "0"
    args["settings"]["timeout"] = 6
    result = run_module("redis_config", args)
    assert result["restart_directives"] == ["timeout"]
    assert not run_module("redis_config", args)["restart_required"]


def test_a_server_that_refuses_the_login_is_not_taken_for_none(server, run_module):
    server.start("requirepass right\n")
    content = server.config.read_bytes()
    args = arguments(server, declared(server), live="auto")
    for login in ({}, {"login_password": "wrong"}, {"login_user": "nobody", "login_password": "wrong"}):
        result = run_module("redis_config", args | login)
        assert result["connection_problem"] == "auth"
    assert server.config.read_bytes() == content


def test_a_user_without_the_rights_is_told_which(server, run_module):
    rules = "user default off\nuser {0} on >pw ~* -@all +ping +info +command +acl|cat {1}\n"
    server.start(acl_text=rules.format("little", "") + rules.format("reader", "+config|get").splitlines()[1] + "\n")
    args = arguments(server, declared(server, timeout=5, aclfile=str(server.aclfile)), login_password="pw")
    assert "+config|get" in run_module("redis_config", args | {"login_user": "little"})["msg"]
    result = run_module("redis_config", args | {"login_user": "reader"})
    assert "+config|set" in result["msg"] and not result["changed"]


@pytest.mark.parametrize(
    "replies",
    [
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"+PONG\r\n", b""],
        [b"+PONG\r\n", b"*9\r\n*2\r\n$6\r\nconf"],
        [b"+PONG\r\n", b":5\r\n"],
        [b"+PONG\r\n", b"*7\r\n" + b"*1\r\n$4\r\ninfo\r\n" * 7 + b"$5\r\nhello\r\n"],
    ],
)
def test_what_does_not_answer_like_a_server(run_module, replies, tmp_path):
    def serve():
        connection = listener.accept()[0]
        with connection:
            for reply in replies:
                connection.recv(65536)
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        args = {"login_port": listener.getsockname()[1], "login_timeout": 1, "path": str(tmp_path / "x.conf")}
        result = run_module("redis_config", args | {"settings": {"timeout": 5}, "live": "auto"})
        thread.join()
    assert result["failed"] and result["msg"] and "Traceback" not in json.dumps(result)
    assert not (tmp_path / "x.conf").exists()


def test_values_that_are_not_utf_8(server, run_module):
    server.start()
    client = server.client()
    client.execute_command("CONFIG", "SET", "proc-title-template", b"\xff {title}")
    server.config.write_bytes(server.config.read_bytes() + b'# \xfe\nproc-title-template "\xff"\n')
    args = arguments(server, declared(server) | {"proc-title-template": "\u00e9 {title}"})
    result = run_module("redis_config", args, diff=True)
    assert result["live_changed"]["proc-title-template"]["before"] == "\\xff {title}"
    assert client.execute_command("CONFIG", "GET", "proc-title-template")[1] == "\u00e9 {title}".encode()
    assert not run_module("redis_config", args)["changed"]
    server.restart()
    assert not run_module("redis_config", args)["changed"]


def test_secrets_are_nowhere_to_be_seen(server, run_module, tmp_path):
    old, new = CANARY + "-old", CANARY + ' "new" \\ '
    server.start("masterauth %s\n# requirepass %s\n" % (old, old))
    args = arguments(server, declared(server), secret_settings={"masterauth": new, "requirepass": new})
    args |= {"server_binary": server.binary}
    for check in (True, False):
        result = run_module("redis_config", args, check=check, diff=True)
        assert result["live_changed"].keys() == {"masterauth", "requirepass"}
        assert result["live_changed"]["masterauth"]["before"].startswith("sha256:")
        assert "masterauth sha256:" in result["diff"][0]["before"]
        result.pop("invocation")
        assert CANARY not in json.dumps(result)
    client = server.client(password=new)
    assert get(client, "masterauth") == new and get(client, "requirepass") == new
    login = {"login_password": new}
    again = run_module("redis_config", args | login, diff=True)
    assert not again["changed"]
    server.restart()
    assert not run_module("redis_config", args | login)["changed"]
    # Not when something fails either.
    for change in ({"settings": {"proc-title-template": "{no}"}}, {"renamed_commands": {"X": "y"}}):
        failed = run_module("redis_config", args | login | change, diff=True)
        failed.pop("invocation")
        assert failed["failed"] and CANARY not in json.dumps(failed)
    for entry in client.execute_command("SLOWLOG", "GET", "100"):
        assert CANARY.encode() not in b" ".join(entry[3])
    assert CANARY not in (server.folder / "server.log").read_text()


def test_the_invocation_hides_them_too(server, run_module):
    server.start()
    secrets = {"secret_settings": {"masterauth": "canary-1"}, "current_password": "canary-2"}
    args = arguments(server, declared(server), take_over=True, login_password="canary-3", **secrets)
    result = run_module("redis_config", args)
    assert result["changed"] and result["invocation"] and "canary" not in json.dumps(result)


@pytest.mark.parametrize("name", ["redis_config", "redis_config_verify"])
def test_a_secret_in_the_wrong_place_is_hidden(server, run_module, name):
    server.start()
    for setting in ({"requirepass": CANARY}, {"user": "x on >" + CANARY}):
        result = run_module(name, {**server.login, "settings": setting})
        assert result["failed"] and CANARY not in json.dumps(result)


def test_check_mode_asks_without_setting_anything(server, run_module):
    server.start()
    client = server.client()
    before = everything(client)
    settings = declared(server, timeout=5, databases=3, appendonly=True, maxclients=50, hz=50)
    run_module("redis_config", arguments(server, settings), check=True)
    assert everything(client) == before
    info = client.execute_command("INFO", "commandstats").decode()
    line = next(line for line in info.splitlines() if "config|set" in line)
    calls = int(line.split("calls=")[1].split(",")[0])
    failed = int(line.split("failed_calls=")[1].split(",")[0])
    assert calls == failed == 5
