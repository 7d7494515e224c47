# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of the host, of a real server and of one that says what it likes."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest


def options(server, **more):
    places = dict(config=str(server.config), dir=str(server.folder), logfile=f"{server.folder}/server.log")
    return {**server.login, **places, **more}


def statuses(result, control):
    assert not result.get("failed"), result
    return {one["subject"]: (one["status"], one["actual"]) for one in result["findings"] if one["id"] == control}


def test_a_server_is_judged_by_its_own_process_and_files(server, run_module):
    server.start()
    result = run_module("redis_host_verify", options(server))
    assert statuses(result, "RH-HST-01")["dir"] == ("pass", str(server.folder))
    assert set(statuses(result, "RH-HST-02")) == {
        *("account", "capabilities", "no new privileges", "system call filter", "writable places", "umask")
    }
    assert "config_file" not in statuses(result, "RH-HST-01")
    elsewhere = statuses(run_module("redis_host_verify", options(server, config="/etc/hostname")), "RH-HST-01")
    assert elsewhere["config_file"] == ("fail", f"the server says that it has {server.config}")


def test_a_socket_leads_to_the_process_too(server, run_module):
    server.start()
    result = run_module("redis_host_verify", options(server, login_unix_socket=server.socket, login_port=1))
    assert statuses(result, "RH-HST-01")["dir"] == ("pass", str(server.folder))


def test_a_directory_that_was_changed_live_is_seen(server, run_module, tmp_path):
    server.start("enable-protected-configs yes" if server.kind == "valkey" or server.version >= (7, 0) else "")
    (tmp_path / "other").mkdir()
    server.client().execute_command("CONFIG", "SET", "dir", str(tmp_path / "other"))
    assert statuses(run_module("redis_host_verify", options(server)), "RH-HST-01")["dir"][0] == "fail"


@pytest.fixture
def liar(tmp_path):
    """A server that says it is a process and has files that are all in order."""
    decoy = subprocess.Popen(["sleep", "600"], cwd=tmp_path)
    says = {b"dir": tmp_path, b"aclfile": tmp_path / "users.acl", b"logfile": tmp_path / "log"}
    for path in (tmp_path / "redis.conf", *list(says.values())[1:]):
        path.touch(mode=0o600)

    def bulk(text):
        return b"$%d\r\n%s\r\n" % (len(text), text)

    def answer(words):
        lines = words.split(b"\r\n")
        if b"COMMAND" in lines:
            return b"*1\r\n*1\r\n" + bulk(b"config")
        if b"INFO" in lines:
            text = "redis_version:7.0.0\r\nprocess_id:%d\r\nconfig_file:%s/redis.conf\r\n" % (decoy.pid, tmp_path)
            return bulk(text.encode())
        if b"CONFIG" in lines:
            return b"*2\r\n" + bulk(lines[-2]) + bulk(str(says.get(lines[-2], "")).encode())
        return b"+PONG\r\n"

    def serve(listener):
        while True:
            client, _address = listener.accept()
            with client:
                while words := client.recv(65536):
                    client.sendall(answer(words))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        decoy.kill()
        decoy.wait()


def test_a_server_that_lies_passes_nothing(liar, run_module, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "redis.conf").touch(mode=0o644)
    places = dict(config=str(tmp_path / "own" / "redis.conf"), dir="/var/lib/redis-x", aclfile="/x/users.acl")
    result = run_module("redis_host_verify", {"login_port": liar, **places})
    assert {status for status, _actual in statuses(result, "RH-HST-02").values()} == {"error"}
    files = statuses(result, "RH-HST-01")
    assert files.pop(f"{places['config']} (owner)")
    assert {status for status, _actual in files.values()} == {"fail"}
    assert set(files) == {places["config"], "config_file", "aclfile"}
