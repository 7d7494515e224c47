# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

CANARY = "canary-61c2"


def info(server, run_module, **options):
    result = run_module("redis_version_verify", {**server.login, **options})
    assert not result.get("failed"), result
    assert result["changed"] is False
    return result


def test_kind_and_version(server, run_module):
    server.start()
    found = info(server, run_module)["redis_info"]
    assert found["kind"] == server.kind
    assert tuple(int(part) for part in found["version"].split(".")[:2]) == server.version
    assert found["process_id"] == server.process.pid
    assert found["role"]["role"] == "master"
    assert found["persistence"]["aof_enabled"] == 0
    assert found["clients"]["maxclients"] == 10000


def test_denials_are_seen_without_data(server, run_module):
    server.start(acl_text="user default on nopass ~* &* +@all\nuser app on >%s ~a:* -@all +get +publish\n" % CANARY)
    app = server.client("app", CANARY)
    for command in (("FLUSHALL",), ("GET", CANARY), ("PUBLISH", CANARY, "x")):
        with pytest.raises(Exception, match="permission"):
            app.execute_command(*command)
    with pytest.raises(Exception, match="WRONGPASS|invalid"):
        server.client(CANARY, "wrong").execute_command("PING")
    server.client().execute_command("SET", CANARY, CANARY)
    counted = server.client().execute_command("INFO", "errorstats").decode().split()[2:]
    result = info(server, run_module)
    found = result["redis_info"]
    assert CANARY not in json.dumps(result)
    assert {entry["reason"] for entry in found["acl_log"]} == {"command", "key", "channel", "auth"}
    assert {"errorstat_%s:count=%d" % pair for pair in found["errorstats"].items()} == set(counted)
    assert found["errorstats"].keys() >= {"NOPERM", "WRONGPASS"}
    assert found["keyspace"]["db0"]["keys"] == 1


def test_replication_is_seen(server, run_module):
    server.start()
    server.client().execute_command("REPLICAOF", "127.0.0.1", "1")
    role = info(server, run_module)["redis_info"]["role"]
    assert (role["role"], role["master_port"], role["master_link_status"]) == ("slave", 1, "down")


def test_a_user_with_few_rights_gets_what_there_is(server, run_module):
    server.start(acl_text="user default off\nuser few on >pw -@all +ping +info +command\n")
    found = info(server, run_module, login_user="few", login_password="pw")["redis_info"]
    assert found["acl_log"] is None
    assert found["kind"] == server.kind


def test_it_works_with_info_renamed(server, run_module):
    server.start("rename-command INFO I1\nrename-command ACL A1\n")
    found = info(server, run_module, renamed_commands={"INFO": "I1", "ACL": "A1"})["redis_info"]
    assert found["kind"] == server.kind and found["acl_log"] == []
    assert "INFO is disabled" in run_module("redis_version_verify", server.login)["msg"]


def test_a_server_from_no_package_is_judged_by_its_release(server, run_module):
    server.start()
    result = info(server, run_module)
    assert result["redis_info"]["package"] == {}
    status = {entry["subject"]: entry["status"] for entry in result["findings"]}
    assert len(status) == 7
    assert set(status.values()) <= ({"pass", "fail"} if server.kind == "redis" else {"error"})


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="looks at a Debian package")
def test_a_package_that_is_named_is_looked_at(server, run_module):
    server.start()
    package = info(server, run_module, package="dpkg")["redis_info"]["package"]
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "dpkg"], capture_output=True, text=True).stdout
    assert package == {"name": "dpkg", "version": version, "source": "dpkg", "replaced": False}


@pytest.mark.skipif(not shutil.which("redis-server"), reason="needs Debian's package redis-server")
def test_the_package_is_found_from_the_running_program(server, run_module):
    real, server.binary = server.binary, shutil.which("redis-server")
    owner = subprocess.run(["dpkg-query", "-S", server.binary], capture_output=True)
    if owner.returncode != 0:
        pytest.skip("redis-server is from no package")
    server.start()
    result = info(server, run_module)
    assert result["redis_info"]["package"]["name"] == "redis-server"
    assert all("redis-server" in entry["actual"] for entry in result["findings"])
    server.binary = real
