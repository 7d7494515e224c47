# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import live as live_config
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.desired import desired, hidden_names
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.verify import Verify

PRESENT = {
    "bind": "127.0.0.1 -::1",
    "port": "6379",
    "tls-port": "0",
    "cluster-port": "0",
    "protected-mode": "yes",
    "maxmemory": "1073741824",
    "maxmemory-policy": "noeviction",
    "maxclients": "1000",
    "timeout": "300",
    "logfile": "",
    "enable-debug-command": "no",
    "enable-module-command": "no",
    "enable-protected-configs": "no",
    "databases": "4",
    "hz": "10",
    "requirepass": "canary",
}
SETTINGS = {
    "bind": ["127.0.0.1", "-::1"],
    "port": 6379,
    "maxmemory": "1gb",
    "maxmemory-policy": "noeviction",
    "maxclients": 1000,
    "timeout": 300,
    "logfile": "",
    "databases": 4,
}
ENDS = {("127.0.0.1", 6379), ("::1", 6379)}


def verify(settings=None, ends=ENDS, info=None, secrets=None, names=None, **present):
    changed = {name.replace("_", "-"): value for name, value in present.items()}
    found = {name: value for name, value in (PRESENT | changed).items() if value is not None}
    live = live_config.Live(None, names or {}, {"redis_version": "7.0.15", **(info or {})}, found, (set(), set()))
    wanted = desired(SETTINGS if settings is None else settings, secrets or {}, {})
    return Verify(live, wanted, "here:6379", ends, None, hidden_names(secrets))


def statuses(one):
    return {(entry["id"], entry["subject"]): entry["status"] for entry in one.findings()}


def only(one, control):
    (entry,) = [entry for entry in one.findings() if entry["id"] == control]
    return entry


def test_a_server_as_declared_passes_everywhere():
    assert set(statuses(verify()).values()) == {"pass"}
    controls = {control for control, _subject in statuses(verify())}
    assert controls == {
        *("RH-NET-04", "RH-NET-05", "RH-CFG-01", "RH-CFG-02", "RH-CFG-03", "RH-CFG-04", "RH-CFG-05", "RH-CMD-04")
    }


@pytest.mark.parametrize(
    ("present", "control", "subject"),
    [
        ({"bind": "* -::*"}, "RH-NET-04", ""),
        ({"protected_mode": "no"}, "RH-NET-05", ""),
        ({"maxmemory": "0"}, "RH-CFG-01", ""),
        ({"maxmemory_policy": "allkeys-lru"}, "RH-CFG-01", ""),
        ({"maxclients": "10000"}, "RH-CFG-02", ""),
        ({"timeout": "0"}, "RH-CFG-03", ""),
        ({"timeout": "600"}, "RH-CFG-03", ""),
        ({"logfile": "/tmp/x"}, "RH-CFG-04", ""),
        ({"databases": "16"}, "RH-CFG-05", "databases"),
        ({"databases": None}, "RH-CFG-05", "databases"),
        ({"enable_debug_command": "local"}, "RH-CMD-04", "enable-debug-command"),
        ({"enable_module_command": "yes"}, "RH-CMD-04", "enable-module-command"),
        ({"enable_protected_configs": "yes"}, "RH-CMD-04", "enable-protected-configs"),
    ],
)
def test_each_difference_fails_its_control_and_no_other(present, control, subject):
    failed = [key for key, status in statuses(verify(**present)).items() if status != "pass"]
    assert failed == [(control, subject)]


@pytest.mark.parametrize(
    ("ends", "ok"),
    [
        (ENDS, True),
        ({("127.0.0.1", 6379)}, True),
        ({("::1", 6379)}, False),
        ({("0.0.0.0", 6379)}, False),
        (ENDS | {("10.0.0.5", 6379)}, False),
        (ENDS | {("127.0.0.1", 6380)}, False),
        (set(), False),
    ],
)
def test_the_kernel_decides_what_is_listened_on(ends, ok):
    assert (only(verify(ends=ends), "RH-NET-04")["status"] == "pass") == ok


def test_tls_and_cluster_ports_belong_to_the_declared_ones():
    settings = SETTINGS | {"tls-port": 6380}
    ends = ENDS | {("127.0.0.1", 6380), ("127.0.0.1", 16379)}
    one = verify(settings, ends=ends, info={"cluster_enabled": "1"}, tls_port="6380")
    assert only(one, "RH-NET-04")["status"] == "pass"
    assert only(verify(settings, ends=ends, tls_port="6380"), "RH-NET-04")["status"] == "fail"


@pytest.mark.parametrize(("port", "status"), [(7777, "pass"), (16379, "fail"), (None, "fail")])
def test_a_cluster_port_of_its_own_is_expected(port, status):
    ends = ENDS | ({("127.0.0.1", port)} if port else set())
    one = verify(SETTINGS | {"cluster-port": 7777}, ends=ends, info={"cluster_enabled": "1"}, cluster_port="7777")
    assert only(one, "RH-NET-04")["status"] == status


def test_without_the_kernel_the_servers_word_has_to_do():
    assert only(verify(ends=None), "RH-NET-04")["status"] == "pass"
    entry = only(verify(ends=None, bind="*"), "RH-NET-04")
    assert entry["status"] == "fail"
    assert entry["actual"] == "bind *, port 6379 (its sockets can't be seen from here)"


def test_no_bound_and_no_timeout_fail_even_if_that_is_declared():
    one = verify({"maxmemory": 0, "timeout": 0}, maxmemory="0", timeout="0")
    assert only(one, "RH-CFG-01")["status"] == "fail"
    assert only(one, "RH-CFG-01")["expected"] == "maxmemory above 0"
    assert only(one, "RH-CFG-03")["expected"] == "timeout above 0"
    assert only(one, "RH-CFG-03")["status"] == "fail"


def test_what_is_not_declared_is_not_judged():
    one = statuses(verify({}))
    for control in ("RH-NET-04", "RH-CFG-02", "RH-CFG-04"):
        assert one[control, ""] == "skipped"
    assert one["RH-CFG-01", ""] == one["RH-CFG-03", ""] == one["RH-CFG-05", ""] == "pass"


def test_each_other_setting_that_differs_is_a_finding():
    one = verify(SETTINGS | {"hz": 20}, databases="16")
    assert [entry["subject"] for entry in one.findings() if entry["id"] == "RH-CFG-05"] == ["databases", "hz"]


def test_replicaof_is_not_judged():
    assert (
        statuses(verify(SETTINGS | {"replicaof": "10.0.0.1 6379"}, replicaof="10.0.0.2 6379"))["RH-CFG-05", ""]
        == "pass"
    )


def test_secrets_are_fingerprints():
    one = verify(secrets={"requirepass": "canary-two", "tls-protocols": "canary-three"}, tls_protocols="canary-four")
    assert statuses(one)["RH-CFG-05", "requirepass"] == "fail"
    assert "canary" not in repr(one.findings())


def test_settings_are_called_as_they_were_declared_and_stay_secret_under_their_other_names():
    one = verify(secrets={"slave-announce-ip": "canary"}, replica_announce_ip="canary-two")
    assert statuses(one)["RH-CFG-05", "slave-announce-ip"] == "fail"
    assert "canary" not in repr(one.findings())


def test_expected_comes_from_what_is_declared_only():
    for entry in verify(maxmemory="5", maxclients="7", timeout="9", databases="11").findings():
        assert not {"5", "7", "9", "11"} & set(entry["expected"].replace(",", " ").split())


def test_a_server_without_config_is_judged_by_what_it_tells_otherwise():
    info = {"maxmemory": "1073741824", "maxmemory_policy": "noeviction", "maxclients": "10000"}
    one = verify(info=info)
    one.live.values = None
    again = Verify(one.live, one.wanted, "here", {("127.0.0.1", 6379)}, None)
    found = statuses(again)
    assert found["RH-CFG-01", ""] == found["RH-NET-04", ""] == "pass"
    assert found["RH-CFG-02", ""] == "fail"
    assert {status for (control, _subject), status in found.items() if control in ("RH-NET-05", "RH-CFG-05")} == {
        "skipped"
    }


def test_before_7_0_only_disabled_commands_lock():
    locks = {"enable_debug_command": None, "enable_module_command": None, "enable_protected_configs": None}
    assert only(verify(names={"DEBUG": "DEBUG", "MODULE": None}, **locks), "RH-CMD-04")["status"] == "fail"
    assert only(verify(names={"DEBUG": None, "MODULE": None}, **locks), "RH-CMD-04")["status"] == "pass"


def test_a_log_that_is_not_there_fails(tmp_path):
    import os

    settings = {"logfile": str(tmp_path / "log")}
    for expected in ("fail", "pass"):
        one = verify(settings, logfile=str(tmp_path / "log"))
        one.pid = os.getpid()
        assert only(one, "RH-CFG-04")["status"] == expected
        (tmp_path / "log").touch()
