# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_sentinel_verify with real servers and Sentinels; in plain text, and by TLS alone."""

from __future__ import annotations

import pytest
from conftest import NAMES
from sentinel_lab import DATA, SECRET, SENTINEL, WATCHER, Group, wait_for


@pytest.fixture(scope="module", params=NAMES[:1])
def group(request, tmp_path_factory, run_module):
    one = Group(request.param, tmp_path_factory.mktemp("sentinels"), run_module)
    try:
        one.ready().run_all()
        one.know_each_other().soon_down(3000)
        yield one
    finally:
        one.stop()


def verify(group, **more):
    known = group.options(0)
    wanted = {key: value for key, value in known.items() if key.startswith(("login", "auth", "tls", "c"))}
    wanted.update((key, known[key]) for key in ("sentinels", "quorum", "renamed_commands"))
    wanted.update(group.tls)
    result = group.run_module("redis_sentinel_verify", {**wanted, "replicas": 2, "timeout": 0, **more})
    assert not result.get("failed"), result
    assert WATCHER not in str(result["findings"])
    assert SECRET not in str(result["findings"])
    return result["findings"]


def failed(group, **more):
    return {
        (entry["id"], entry["subject"]): entry["actual"]
        for entry in verify(group, **more)
        if entry["status"] not in ("pass", "skipped")
    }


def test_a_sound_group_passes(group):
    logs = [one.ask("ACL", "LOG") for one in group.data]
    findings = verify(group, timeout=10)
    assert {entry["id"] for entry in findings if entry["status"] == "pass"} == {f"RH-SEN-0{n}" for n in range(1, 7)}
    assert [entry["id"] for entry in findings if entry["status"] != "pass"] == ["RH-SEN-07"]
    links = [entry for entry in findings if entry["id"] == "RH-SEN-05"]
    assert [entry["actual"] for entry in links] == ["logged in, all allowed"] * 3
    assert [one.ask("ACL", "LOG") for one in group.data] == logs
    assert b"role:master" in group.data[0].ask("INFO", "replication")


def test_a_right_that_is_missing_is_found_before_the_failover(group):
    group.data[1].ask("ACL", "SETUSER", "sentinel", "-config|rewrite")
    try:
        wrong = failed(group)
    finally:
        group.data[1].ask("ACL", "SETUSER", "sentinel", "+config|rewrite")
    ((key, actual),) = wrong.items()
    assert key == ("RH-SEN-05", f"127.0.0.1:{group.data[1].port}")
    assert actual.startswith("CONFIG REWRITE: ")


def test_plain_text_where_tls_is_required(group):
    wrong = failed(group, require_tls=True)
    assert {key[0] for key in wrong} == {"RH-SEN-07"}
    assert len(wrong) == 6, "its own port, the master, two replicas, two Sentinels"


def test_an_open_sentinel_is_found(group):
    own = group.sentinels[0]
    own.ask("ACL", "SETUSER", "default", "on", "nopass", "+ping")
    try:
        assert failed(group) == {("RH-SEN-01", ""): "it is let in"}
    finally:
        own.ask("ACL", "SETUSER", "default", "reset")


def test_a_wrong_password_is_found(group):
    own = group.sentinels[0]
    own.ask("SENTINEL", "SET", "mymaster", "auth-pass", "drifted")
    wait_for(lambda: "s_down" in own.row("MASTER", "mymaster")["flags"], 60)
    assert ("RH-SEN-05", f"127.0.0.1:{group.data[0].port}") in failed(group)
    assert group.run(0)["changes"] == ["auth-pass"]
    group.know_each_other()


def test_a_quorum_that_is_lost_is_found(group):
    for one in group.sentinels[1:]:
        one.kill()
    wait_for(lambda: {key[0] for key in failed(group)} == {"RH-SEN-02", "RH-SEN-04"}, 60)
    assert "NOQUORUM" in failed(group)[("RH-SEN-04", "")]


@pytest.mark.parametrize("kind", NAMES[1:2])
def test_tls_alone(kind, tmp_path, certificates, run_module):
    settings = f"""tls-ca-cert-file {certificates}/ca.crt
tls-cert-file {certificates}/server.crt
tls-key-file {certificates}/server.key
tls-replication yes
"""
    tls = {"tls": True, "ca_certs": f"{certificates}/ca.crt", "client_cert_file": f"{certificates}/client.crt"}
    tls["client_key_file"] = f"{certificates}/client.key"
    group = Group(kind, tmp_path, run_module, DATA + settings, SENTINEL + settings, tls)
    try:
        group.ready().run_all()
        group.know_each_other()
        findings = verify(group, require_tls=True, timeout=10)
        assert {entry["status"] for entry in findings} == {"pass"}, findings
        assert [entry["id"] for entry in findings].count("RH-SEN-07") == 6
    finally:
        group.stop()
