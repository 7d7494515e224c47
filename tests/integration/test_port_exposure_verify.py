# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
import redis

MODULE = "ansible_collections.celebrum.redis_hardening.plugins.modules.port_exposure_verify"
NAMESPACE = ("unshare", "-rn")


def target(port, expect="closed", host="127.0.0.1"):
    return {"host": host, "port": port, "expect": expect}


def verdicts(result):
    return [(one["id"], one["status"]) for one in result["findings"]]


def states(result):
    return [one["state"] for one in result["ports"]]


def test_a_stock_server_is_an_open_door(server, run_module):
    server.start()
    free = server.port + 10000
    targets = [target(server.port), target(server.port, "reachable"), target(free), target(server.port, "any")]
    result = run_module("port_exposure_verify", {"targets": targets})
    assert states(result) == ["ping", "ping", "closed", "ping"]
    assert verdicts(result) == [
        ("RH-NET-01", "fail"),
        ("RH-NET-02", "pass"),
        ("RH-ACL-01", "fail"),
        ("RH-NET-01", "pass"),
    ]
    assert result["open_doors"] == 1
    assert result["summary"]["fail"] == 2
    assert result["changed"] is False
    checked = run_module("port_exposure_verify", {"targets": targets}, check=True)
    assert (checked["findings"], checked["open_doors"]) == (result["findings"], 1)


@pytest.mark.parametrize(
    "lines", ["requirepass secret", "requirepass s\nreplicaof 127.0.0.1 1\nreplica-serve-stale-data no"]
)
def test_a_server_with_a_login(server, run_module, lines):
    server.start(lines)
    result = run_module("port_exposure_verify", {"targets": [target(server.port), target(server.port, "reachable")]})
    assert states(result) == ["auth", "auth"]
    assert verdicts(result) == [("RH-NET-01", "fail"), ("RH-NET-02", "pass"), ("RH-ACL-01", "pass")]


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ("user default on nopass ~* -@all", "user"),
        ("replicaof 127.0.0.1 1\nreplica-serve-stale-data no", "ping"),
    ],
)
def test_an_error_that_only_a_client_without_a_login_gets(server, run_module, lines, state):
    server.start(lines)
    result = run_module("port_exposure_verify", {"targets": [target(server.port, "reachable")]})
    assert states(result) == [state]
    assert verdicts(result) == [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]


def test_a_server_busy_with_a_script(server, run_module):
    server.start("lua-time-limit 50")

    def loop():
        with pytest.raises(redis.ResponseError):
            server.client().execute_command("EVAL", "while true do end", "0")

    script = threading.Thread(target=loop)
    script.start()
    time.sleep(0.5)
    try:
        result = run_module("port_exposure_verify", {"targets": [target(server.port)]})
    finally:
        # A busy server does not end when it is told to.
        server.client().execute_command("SCRIPT", "KILL")
        script.join()
    assert states(result) == ["ping"]
    assert result["ports"][0]["detail"].startswith("-BUSY")


def test_a_server_without_room_for_clients(server, run_module):
    server.start("maxclients 1")
    client = server.client(single_connection_client=True)
    client.execute_command("PING")
    result = run_module("port_exposure_verify", {"targets": [target(server.port), target(server.port, "reachable")]})
    client.close()
    assert states(result) == ["open", "open"]
    assert verdicts(result) == [("RH-NET-01", "fail"), ("RH-NET-02", "fail")]


@pytest.mark.parametrize(
    ("lines", "state", "findings"),
    [
        ("", "tls", [("RH-NET-01", "fail"), ("RH-NET-02", "pass")]),
        ("tls-protocols TLSv1.2", "tls", [("RH-NET-01", "fail"), ("RH-NET-02", "pass")]),
        (
            "tls-auth-clients no",
            "tls-ping",
            [("RH-NET-01", "fail"), ("RH-NET-02", "pass"), ("RH-ACL-01", "fail")],
        ),
        (
            "tls-auth-clients no\nrequirepass secret",
            "tls-auth",
            [("RH-NET-01", "fail"), ("RH-NET-02", "pass"), ("RH-ACL-01", "pass")],
        ),
    ],
)
def test_tls(server, run_module, lines, state, findings):
    server.start(lines)
    targets = [target(server.tls_port), target(server.tls_port, "reachable")]
    result = run_module("port_exposure_verify", {"targets": targets})
    assert states(result) == [state, state]
    assert verdicts(result) == findings


def test_the_server_sees_nothing_but_ping(server, run_module):
    server.start()
    client = server.client()
    client.execute_command("CONFIG", "RESETSTAT")
    run_module("port_exposure_verify", {"targets": [target(server.port)], "attempts": 3})
    commands = client.execute_command("INFO", "commandstats").decode()
    assert "cmdstat_ping:calls=1," in commands
    assert sorted(line.split(":")[0] for line in commands.splitlines()[1:]) == [
        "cmdstat_config|resetstat",
        "cmdstat_ping",
    ]
    assert client.execute_command("ACL", "LOG") == []


def test_wrong_targets_are_refused_before_anything_is_probed(server, run_module):
    server.start()
    client = server.client()

    def connections():
        stats = client.execute_command("INFO", "stats").decode()
        return [line for line in stats.splitlines() if line.startswith("total_connections_received")]

    before = connections()
    wrong = [target(0), target(70000), target(6379, host="no-such-host.invalid")]
    result = run_module("port_exposure_verify", {"targets": [target(server.port), *wrong]})
    assert result["failed"] is True
    assert [f"target {number}" in result["msg"] for number in (1, 2, 3, 4)] == [False, True, True, True]
    for option in ({"timeout": 0}, {"parallel": 0}, {"attempts": 0}, {"attempts": 10**6}):
        result = run_module("port_exposure_verify", {"targets": [target(server.port)], **option})
        assert "must be" in result["msg"]
    assert connections() == before


def test_each_port_is_tried_at_each_address(server, run_module):
    server.start()
    free = server.port + 10000
    everywhere = {"addresses": ["127.0.0.1", "127.0.0.2"], "ports": [server.port, free]}
    result = run_module("port_exposure_verify", {**everywhere, "targets": [target(free)]})
    assert [(one["host"], one["port"]) for one in result["ports"]] == [
        ("127.0.0.1", free),
        ("127.0.0.1", server.port),
        ("127.0.0.1", free),
        ("127.0.0.2", server.port),
        ("127.0.0.2", free),
    ]
    assert states(result) == ["closed", "ping", "closed", "closed", "closed"]
    assert result["open_doors"] == 1
    reachable = run_module("port_exposure_verify", {**everywhere, "expect": "reachable"})
    assert {one["expect"] for one in reachable["ports"]} == {"reachable"}
    assert reachable["open_doors"] == 0


def test_no_targets_prove_nothing(run_module):
    result = run_module("port_exposure_verify", {"targets": []})
    assert verdicts(result) == [("RH-NET-01", "skipped")]


def test_no_redis_library_is_needed(server, run_module, tmp_path):
    server.start()
    (tmp_path / "redis.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = run_module("port_exposure_verify", {"targets": [target(server.port)]}, env={"PYTHONPATH": path})
    assert states(result) == ["ping"]


def in_a_network_of_its_own(setup, arguments):
    """Run the module in a network namespace after some shell lines; its address 10.99.0.1 is not a loopback one."""
    if subprocess.run([*NAMESPACE, "ip", "link"], capture_output=True).returncode:
        pytest.skip("network namespaces are not allowed here")
    lines = ["ip link set lo up", "ip address add 10.99.0.1/32 dev lo", setup, f"{sys.executable} -m {MODULE}"]
    done = subprocess.run(
        # The server of the setup ends with the namespace's first process, its parent.
        [*NAMESPACE, "--pid", "--fork", "--kill-child", "sh", "-e", "-c", "\n".join(lines)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_protected_mode(server):
    server.config.write_text(f'port {server.port}\nbind 10.99.0.1\nsave ""\ndir {server.folder}\n')
    start = f"{server.binary} {server.config} >/dev/null 2>&1 & sleep 1"
    targets = [target(server.port, host="10.99.0.1"), target(server.port, "reachable", host="10.99.0.1")]
    result = in_a_network_of_its_own(start, {"targets": targets})
    assert states(result) == ["protected", "protected"]
    # It turns the named clients away as well.
    assert verdicts(result) == [("RH-NET-01", "fail"), ("RH-NET-02", "fail")]
    assert "redis_users" in result["findings"][1]["remediation"]


def test_a_firewall_that_drops_and_one_that_rejects():
    if not shutil.which("iptables"):
        pytest.skip("iptables is not installed")
    rules = [
        "iptables -A INPUT -p tcp --dport 7000:7039 -j DROP",
        "iptables -A INPUT -p tcp --dport 7040 -j REJECT --reject-with tcp-reset",
        "iptables -A INPUT -p tcp --dport 7041 -j REJECT --reject-with icmp-admin-prohibited",
        "ip6tables -A INPUT -p tcp --dport 7042 -j REJECT --reject-with icmp6-adm-prohibited",
    ]
    targets = [target(port, host="10.99.0.1") for port in range(7000, 7042)] + [target(7042, host="::1")]
    started = time.monotonic()
    result = in_a_network_of_its_own("\n".join(rules), {"targets": targets, "timeout": 3.0})
    assert states(result) == ["filtered"] * 40 + ["closed"] * 3
    assert verdicts(result) == [("RH-NET-01", "pass")] * 43
    # 40 filtered ports, one timeout and not forty; the rest is the start of Python on a machine that may be busy.
    assert time.monotonic() - started < 12


def test_a_probe_by_somebody_whom_the_policy_lets_in(server, run_module):
    server.start("requirepass secret")
    arguments = {"targets": [target(server.port)]}
    for allowed, status in (([], "fail"), ([{"port": server.port, "sources": []}], "error")):
        result = run_module("port_exposure_verify", {**arguments, "allowed": allowed})
        assert verdicts(result) == [("RH-NET-01", status)]
    assert "on the host itself, 127.0.0.1" in result["findings"][0]["actual"]
    assert "audit_outside_hosts" in result["findings"][0]["remediation"]
    wrong = run_module("port_exposure_verify", {"targets": [target(server.port)], "allowed": [{"port": "x"}]})
    assert wrong["failed"]
