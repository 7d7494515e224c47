# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import versions
from hypothesis import given, settings, strategies as st

PARTS = st.lists(
    st.sampled_from(["0", "1", "10", "01", "~", "+", ".", "a", "Z", "deb12u", "rc", "~~"]), max_size=6
).map("".join)
VERSIONS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "0:", "1:", "5:"]),
    st.sampled_from("0123"),
    PARTS,
    st.just("") | PARTS.map("-{}1".format),
)
LUA, PARSING, TLS = versions.FIXES[2], versions.FIXES[5], versions.FIXES[6]


def package(version, source="redis"):
    return {"name": source + "-server", "version": version, "source": source}


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_are_ordered(one, two, three):
    assert versions.compare(one, one) == 0
    assert versions.compare(one, two) == -versions.compare(two, one)
    first, second, third = sorted([one, two, three], key=versions._key)
    assert versions.compare(first, second) <= 0
    assert versions.compare(second, third) <= 0
    assert versions.compare(first, third) <= 0


@pytest.mark.skipif(not shutil.which("dpkg"), reason="compares with dpkg")
@settings(max_examples=60, deadline=None)
@given(VERSIONS, VERSIONS)
def test_dpkg_agrees(one, two):
    order = {-1: "lt", 0: "eq", 1: "gt"}[versions.compare(one, two)]
    assert subprocess.run(["dpkg", "--compare-versions", one, order, two]).returncode == 0


@pytest.mark.parametrize(
    ("fix", "version", "source", "status"),
    [
        (LUA, "5:7.0.15-1~deb12u5", "redis", "fail"),
        (LUA, "5:7.0.15-1~deb12u6", "redis", "pass"),
        (LUA, "5:7.0.15-1~deb12u10", "redis", "pass"),
        (LUA, "5:8.0.2-3", "redis", "fail"),
        (LUA, "5:8.0.2-3+deb13u1", "redis", "pass"),
        (LUA, "8.1.1+dfsg1-3", "valkey", "fail"),
        (LUA, "8.1.1+dfsg1-3+deb13u1", "valkey", "pass"),
        (PARSING, "5:7.0.15-1~deb12u1", "redis", "pass"),
        (PARSING, "5:8.0.2-3+deb13u2", "redis", "fail"),
        (TLS, "5:7.0.15-1~deb12u9", "redis", "fail"),
        (TLS, "5:7.0.15-1~deb12u10", "redis", "pass"),
        (TLS, "8.1.1+dfsg1-3+deb13u2", "valkey", "fail"),
        # Numbered by others: a higher number that says nothing about Debian's fixes.
        (TLS, "5:7.0.15-1", "redis", "error"),
        (TLS, "5:7.0.15-1ubuntu0.24.04.2", "redis", "error"),
        (TLS, "6:7.0.15-1rl1~bookworm1", "redis", "error"),
        (TLS, "5:7.0.15-1~deb12u10", "somebody-else", "error"),
        (TLS, "9.0.1-1", "valkey", "error"),
    ],
)
def test_the_revision_of_the_package_decides(fix, version, source, status):
    kind = "valkey" if source == "valkey" else "redis"
    assert versions.assess(fix, kind, "7.0.15", package(version, source))[0] == status


def test_the_release_does_not_decide_where_there_is_a_package():
    old = package("5:7.0.15-1~deb12u1")
    assert {versions.assess(LUA, "redis", release, old)[0] for release in ("7.0.15", "9.9.9")} == {"fail"}


def test_a_newer_release_of_somebody_else_has_the_fix():
    assert versions.assess(LUA, "redis", "8.2.2", package("6:8.2.2-1rl1~bookworm1"))[0] == "pass"


@pytest.mark.parametrize(
    ("fix", "release", "status"),
    [
        (LUA, "6.2.19", "fail"),
        (LUA, "6.2.20", "pass"),
        (LUA, "7.0.15", "fail"),
        (LUA, "8.2.1", "fail"),
        (LUA, "8.2.2", "pass"),
        (LUA, "8.4.0", "pass"),
        (PARSING, "7.0.15", "pass"),
        (PARSING, "7.2.13", "fail"),
    ],
)
def test_the_release_decides_without_a_package(fix, release, status):
    assert versions.assess(fix, "redis", release)[0] == status


def test_releases_of_valkey_are_not_guessed():
    assert versions.assess(LUA, "valkey", "9.9.9")[0] == "error"


def test_the_newest_packages_seen_have_all_fixes():
    newest = {"5:7.0.15-1~deb12u10": "redis", "5:8.0.2-3+deb13u3": "redis", "8.1.1+dfsg1-3+deb13u3": "valkey"}
    for version, source in newest.items():
        for fix in versions.FIXES:
            assert versions.assess(fix, source, "0.0.0", package(version, source))[0] == "pass"


def test_every_fix_knows_every_suite_and_its_floors_are_debians():
    for fix in versions.FIXES:
        assert set(fix["debian"]) == set(versions.DEBIAN)
        for suite, floor in fix["debian"].items():
            assert floor is None or versions.DEBIAN[suite][1].fullmatch(floor)
