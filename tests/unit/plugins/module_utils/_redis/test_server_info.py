# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import info as server_info

INFO = {
    "redis_version": "7.0.15",
    "redis_mode": "standalone",
    "role": "master",
    "connected_slaves": "1",
    "slave0": "ip=10.0.0.6,port=6379,state=online,offset=14,lag=0",
    "errorstat_NOAUTH": "count=3",
    "db0": "keys=2,expires=0,avg_ttl=0",
    "aof_enabled": "1",
}


def entry(reason, what, user):
    return [
        *(b"count", 2, b"reason", reason, b"context", b"toplevel", b"object", what, b"username", user),
        *(b"age-seconds", b"4.25", b"client-info", b"id=5 addr=10.0.0.9:51888 laddr=10.0.0.5:6379 name=x user=app"),
    ]


def test_what_the_server_says():
    result = server_info.describe(INFO, [], [])
    assert (result["kind"], result["version"]) == ("redis", "7.0.15")
    assert result["role"]["replicas"][0]["ip"] == "10.0.0.6"
    assert result["errorstats"] == {"NOAUTH": 3}
    assert result["keyspace"] == {"db0": {"keys": 2, "expires": 0, "avg_ttl": 0}}
    assert result["persistence"] == {"aof_enabled": 1}


def test_valkey_is_known_by_its_own_version():
    assert server_info.release_of({"redis_version": "7.2.4", "valkey_version": "8.1.1"}) == ("valkey", "8.1.1")


def test_the_acl_log_holds_no_data():
    log = [
        entry(b"command", b"config|set", b"app"),
        entry(b"key", b"customer:canary", b"app"),
        entry(b"channel", b"canary", b"app"),
        entry(b"auth", b"AUTH", b"canary-password-as-user"),
        entry(b"auth", b"AUTH", b"app"),
    ]
    entries = server_info.acl_entries(log, [b"app", b"default"])
    assert "canary" not in repr(entries)
    assert entries[0] == {
        "reason": "command",
        "context": "toplevel",
        "command": "config|set",
        "user": "app",
        "address": "10.0.0.9:51888",
        "count": 2,
        "age_seconds": 4.25,
    }
    assert [one["user"] for one in entries[3:]] == ["(not an ACL user)", "app"]


def test_an_acl_log_that_can_not_be_read_is_not_an_empty_one():
    assert server_info.acl_entries(Exception("no permissions"), None) is None
    assert server_info.acl_entries([], []) == []


class Dpkg:
    """dpkg-query of a host with these packages: {name: (version, source)}; owner: of every path."""

    def __init__(self, packages, owner=None):
        self.packages, self.owner = packages, owner

    def __call__(self, command):
        if command[1] == "--search":
            return (0, "%s: %s\n" % (self.owner, command[2]), "") if self.owner else (1, "", "no path found")
        version, source = self.packages.get(command[-1], ("", ""))
        return (0, "installed\t%s\t%s\n" % (version, source), "") if version else (1, "", "no packages found")


@pytest.mark.parametrize(
    ("packages", "owner", "name", "found"),
    [
        ({"redis-tools": ("1", "redis"), "redis-server": ("1", "redis")}, "redis-tools", None, "redis-server"),
        ({"redis-tools": ("1", "redis"), "redis-server": ("2", "redis")}, "redis-tools", None, "redis-tools"),
        ({"redis-tools": ("1", "redis")}, "redis-tools", None, "redis-tools"),
        ({"redis-server": ("1", "redis")}, None, None, None),
        ({"redis-server": ("1", "redis")}, None, "redis-server", "redis-server"),
        ({"redis-server": ("1", "redis")}, "redis-server", "redis-sentinel", None),
    ],
)
def test_the_package_of_the_running_program(packages, owner, name, found):
    package = server_info.package_of(Dpkg(packages, owner), os.getpid(), "redis", name)
    assert (package and package["name"]) == found
    assert not package or package["replaced"] is False


def test_a_server_out_of_sight_has_no_package():
    assert server_info.package_of(Dpkg({"redis-server": ("1", "redis")}, "redis-server"), None, "redis") is None
    found = server_info.version_findings(INFO, None, False, "here")
    assert {entry["status"] for entry in found} == {"skipped"}


def test_an_upgraded_package_without_a_restart_is_no_fix(monkeypatch):
    packages = {"redis-server": ("5:7.0.15-1~deb12u10", "redis")}
    monkeypatch.setattr(server_info, "_program", lambda pid: "/usr/bin/redis-server (deleted)")
    package = server_info.package_of(Dpkg(packages, "redis-server"), 42, "redis")
    assert package["replaced"]
    found = server_info.version_findings(INFO, package, True, "here")
    assert {entry["status"] for entry in found} == {"fail"}
    assert "not restarted" in found[0]["actual"]


def test_a_package_without_the_fixes_fails_once_for_each_group():
    package = {"name": "redis-server", "version": "5:7.0.15-1~deb12u1", "source": "redis", "replaced": False}
    found = server_info.version_findings(INFO, package, True, "here")
    assert [entry["status"] for entry in found].count("fail") == 6
    assert len({entry["subject"] for entry in found}) == len(found) == 7
    assert {entry["id"] for entry in found} == {"RH-VER-01"}
