# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from config_lab import declared

CONTROLS = {
    *("RH-NET-04", "RH-NET-05", "RH-CFG-01", "RH-CFG-02", "RH-CFG-03", "RH-CFG-04", "RH-CFG-05", "RH-CMD-04"),
}
POLICY = {
    "protected-mode": True,
    "maxmemory": "100mb",
    "maxmemory-policy": "noeviction",
    "maxclients": 500,
    "timeout": 300,
    "databases": 4,
    "notify-keyspace-events": "KEA",
    "save": ["3600 1"],
}


def verify(server, run_module, settings, **options):
    result = run_module("redis_config_verify", {**server.login, "settings": settings, **options})
    assert not result.get("failed"), result
    assert result["changed"] is False
    return result["findings"]


def failed(findings):
    return {(entry["id"], entry["subject"]) for entry in findings if entry["status"] != "pass"}


def test_an_unhardened_server_fails_and_a_hardened_one_passes(server, run_module):
    server.start("protected-mode no\nenable-debug-command yes\nbind * -::*\n")
    settings = declared(server) | POLICY
    options = {"login_user": "admin", "login_password": "not-there-yet"}
    findings = verify(server, run_module, settings, **options)
    assert {entry["id"] for entry in findings} == CONTROLS
    assert "error" not in {entry["status"] for entry in findings}
    assert failed(findings) == {
        *(("RH-NET-04", ""), ("RH-NET-05", ""), ("RH-CFG-01", ""), ("RH-CFG-02", ""), ("RH-CFG-03", "")),
        *(("RH-CFG-05", name) for name in ("databases", "notify-keyspace-events", "save")),
        ("RH-CMD-04", "enable-debug-command"),
    }
    run_module("redis_config", {**server.login, "path": str(server.config), "settings": settings})
    server.restart()
    findings = verify(server, run_module, settings)
    assert failed(findings) == set()
    assert {entry["id"] for entry in findings} == CONTROLS


def test_what_somebody_changed_live_is_found(server, run_module):
    server.start()
    settings = declared(server) | POLICY
    run_module("redis_config", {**server.login, "path": str(server.config), "settings": settings})
    server.restart()
    client = server.client()
    for name, value, control, subject in (
        ("maxmemory", "0", "RH-CFG-01", ""),
        ("maxmemory-policy", "allkeys-lru", "RH-CFG-01", ""),
        ("timeout", "0", "RH-CFG-03", ""),
        ("notify-keyspace-events", "", "RH-CFG-05", "notify-keyspace-events"),
        ("protected-mode", "no", "RH-NET-05", ""),
        ("bind", "127.0.0.1 127.0.0.2", "RH-NET-04", ""),
        ("port", "0", "RH-NET-04", ""),
    ):
        before = client.execute_command("CONFIG", "GET", name)[1]
        client.execute_command("CONFIG", "SET", name, value)
        findings = verify(server, run_module, settings, login_unix_socket=server.socket)
        assert failed(findings) == {(control, subject)}, name
        client.execute_command("CONFIG", "SET", name, before)
    assert failed(verify(server, run_module, settings)) == set()


@pytest.mark.parametrize("tls", [False, True])
def test_the_kernel_sees_the_sockets_whatever_the_connection(server, run_module, tls):
    server.start()
    options = {"tls": True, "login_port": server.tls_port, **server.tls} if tls else {}
    (entry,) = [one for one in verify(server, run_module, declared(server), **options) if one["id"] == "RH-NET-04"]
    assert entry["status"] == "pass"
    ends = sorted([f"127.0.0.1:{server.port}", f"127.0.0.1:{server.tls_port}"])
    assert entry["actual"] == "listens on " + ", ".join(ends)


def test_a_log_that_is_gone_is_found(server, run_module):
    server.start()
    # Another line would make the file anew.
    server.client().execute_command("CONFIG", "SET", "loglevel", "warning")
    (server.folder / "server.log").unlink()
    findings = verify(server, run_module, declared(server))
    assert ("RH-CFG-04", "") in failed(findings)


def test_it_works_with_config_renamed_and_without_it(server, run_module):
    server.start("rename-command CONFIG C1\n")
    settings = declared(server, timeout=0)
    (entry,) = [
        one
        for one in verify(server, run_module, settings, renamed_commands={"CONFIG": "C1"})
        if one["id"] == "RH-CFG-05"
    ]
    assert entry["status"] == "pass"
    server.start('rename-command CONFIG ""\n')
    findings = verify(server, run_module, settings, renamed_commands={"CONFIG": ""})
    status = {entry["id"]: entry["status"] for entry in findings}
    assert status["RH-NET-04"] == "pass" and status["RH-CFG-05"] == "skipped" and status["RH-CFG-01"] == "fail"


def test_one_connection_is_enough(server, run_module):
    server.start()
    client = server.client()

    def connections():
        info = client.execute_command("INFO", "stats").decode()
        return int(info.split("total_connections_received:")[1].split()[0])

    for name in ("redis_config", "redis_config_verify", "redis_version_verify"):
        before = connections()
        args = {**server.login, "settings": declared(server)} if name != "redis_version_verify" else server.login
        run_module(name, args)
        assert connections() == before + 1, name


def test_secrets_are_nowhere_to_be_seen(server, run_module):
    server.start("requirepass canary-live\nmasterauth canary-master\n")
    secrets = {"masterauth": "canary-declared", "requirepass": "canary-live"}
    findings = verify(server, run_module, declared(server), secret_settings=secrets, login_password="canary-live")
    assert ("RH-CFG-05", "masterauth") in failed(findings)
    assert ("RH-CFG-05", "requirepass") not in failed(findings)
    assert "canary" not in json.dumps(findings)


@pytest.mark.parametrize("name", ["redis_config_verify", "redis_version_verify"])
def test_no_server_and_no_login_are_clear_failures(server, run_module, name):
    assert run_module(name, server.login)["connection_problem"] == "unreachable"
    server.start("requirepass right\n")
    assert run_module(name, server.login)["connection_problem"] == "auth"
    assert run_module(name, {**server.login, "login_password": "wrong"})["connection_problem"] == "auth"
