"""What dpkg and apt say, and what follows from it."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import packages as host_packages
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.packages import Package, Step
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.versions import FIXES
from hypothesis import given, strategies as st

OLD, NEW = "5:7.0.15-1~deb12u1", "5:7.0.15-1~deb12u10"
WANTED = ["redis-server", "redis-tools"]
LIBRARIES = ["python3-redis"]
LIBRARY = {"python3-redis": Package("4.3.4-3", False, "installed", "python-redis")}


def host(version=OLD, held=False, **others):
    """Return what a host has: server and tools in a version, and others (name with _ for -)."""
    found = {name: Package(version, held, "installed", "redis") for name in WANTED}
    found.update({name.replace("_", "-"): package for name, package in others.items()})
    return {**found, **LIBRARY}


def test_dpkg_tells_versions_holds_and_what_was_interrupted():
    found = host_packages.parse_installed(
        "redis-server\t5:7.0.15-1~deb12u10\thold\tok\tinstalled\tredis\n"
        "redis-tools\t5:7.0.15-1~deb12u10\tinstall\treinstreq\thalf-configured\tredis\n"
        "redis-sentinel\t5:7.0.15-1~deb12u7\tdeinstall\tok\tconfig-files\tredis\n"
        "ufw\t\tpurge\tok\tnot-installed\tufw\n"
    )
    assert found["redis-server"] == Package(NEW, True, "installed", "redis")
    assert [name for name, package in found.items() if package.held] == ["redis-server"]
    assert [name for name, package in found.items() if package.installed] == ["redis-server"]
    assert [name for name, package in found.items() if package.unfinished] == ["redis-tools"]
    assert [name for name, package in found.items() if package.broken] == ["redis-tools"]
    assert [name for name, package in found.items() if package.present] == ["redis-server", "redis-tools"]


def test_apt_knows_the_versions_of_all_repositories_newest_first():
    known = host_packages.parse_known(
        "redis-server | 5:7.0.15-1~deb12u7 | http://deb.example.org/debian bookworm/main amd64 Packages\n"
        "redis-server | 5:7.0.15-1~deb12u10 | http://security.example.org bookworm-security/main amd64 Packages\n"
        "redis-server | 5:7.0.15-1~deb12u10 | http://mirror.example.org/debian bookworm-security/main amd64 Packages\n"
        "redis-server | 5:9.9.9-1 | http://deb.example.org/debian bookworm/main Sources\n"
        "redis-tools |  5:8.0.2-1 | file:/opt/old ./ Packages\n"
        "N: Unable to locate package nothing\n"
    )
    assert known == {"redis-server": [NEW, "5:7.0.15-1~deb12u7"], "redis-tools": ["5:8.0.2-1"]}


def test_a_simulation_tells_upgrades_additions_and_removals():
    steps = host_packages.parse_steps(
        "NOTE: This is only a simulation!\n"
        "Inst redis-server [5:7.0.15-1~deb12u1] (5:7.0.15-1~deb12u10 Debian-Security:12/oldstable [amd64]) []\n"
        "Inst liblzf1 (3.6-3 Debian:12/oldstable [amd64])\n"
        "Remv shop [1.0-1]\n"
        "Purg till [2.0-1]\n"
        "Conf redis-server (5:7.0.15-1~deb12u10 Debian-Security:12/oldstable [amd64])\n"
    )
    assert steps == [
        Step("redis-server", OLD, NEW),
        Step("liblzf1", "", "3.6-3"),
        Step("shop", "1.0-1", ""),
        Step("till", "2.0-1", ""),
    ]


def test_a_bare_host_gets_any_version_or_the_pinned_one():
    assert host_packages.plan({}, WANTED, LIBRARIES) == ([*WANTED, *LIBRARIES], [])
    assert host_packages.plan({}, WANTED, LIBRARIES, OLD) == (
        [f"redis-server={OLD}", f"redis-tools={OLD}", "python3-redis"],
        [],
    )


def test_without_a_pin_nothing_that_is_there_is_upgraded():
    assert host_packages.plan(host(), WANTED, LIBRARIES) == ([], [])


def test_what_is_missing_comes_in_the_version_of_what_runs():
    wanted = [*WANTED, "redis-sentinel"]
    assert host_packages.plan(host(), wanted, LIBRARIES).requests == [f"redis-sentinel={OLD}"]
    # Tools alone run nothing: they may be upgraded together with the server that comes.
    tools = {"redis-tools": Package(OLD, False, "installed", "redis")}
    assert host_packages.plan(tools, WANTED, []).requests == ["redis-server"]


def test_what_dpkg_was_interrupted_at_counts_as_missing():
    broken = host(redis_tools=Package(NEW, False, "half-installed", "redis"))
    assert host_packages.plan(broken, WANTED, LIBRARIES).requests == [f"redis-tools={OLD}"]
    assert host_packages.unfinished(broken, WANTED, LIBRARIES)
    other = host(redis_sentinel=Package(NEW, False, "unpacked", "redis"))
    assert host_packages.plan(other, WANTED, LIBRARIES).requests == [f"redis-sentinel={OLD}"]


def test_what_dpkg_refuses_to_go_on_without_is_installed_anew_first():
    unpacked, broken = Package(NEW, False, "unpacked", "redis"), Package(OLD, False, "half-installed", "redis", True)
    requests = [f"redis-server={NEW}", f"redis-tools={NEW}", "python3-redis"]
    assert host_packages.to_reinstall(requests, {**host(), "redis-server": broken}) == requests
    there = {"redis-server": unpacked, "redis-tools": broken}
    assert host_packages.to_reinstall(requests, there) == requests[1:]
    assert host_packages.to_reinstall(requests, {"redis-server": unpacked}) == []
    assert host_packages.to_reinstall([], there) == []


def test_what_was_removed_counts_as_missing():
    gone = {name: package._replace(state="config-files") for name, package in host().items()}
    assert host_packages.plan(gone, WANTED, LIBRARIES).requests == [*WANTED, *LIBRARIES]
    assert not host_packages.unfinished(gone, WANTED, LIBRARIES)


def test_what_else_is_broken_on_the_host_is_left_alone():
    assert not host_packages.unfinished(host(shop=Package("1", False, "half-configured", "shop")), WANTED, LIBRARIES)
    assert host_packages.unfinished(host(redis=Package("1", False, "unpacked", "redis")), WANTED, LIBRARIES)
    assert host_packages.unfinished({"python3-redis": Package("1", False, "unpacked", "x")}, WANTED, LIBRARIES)


def test_latest_asks_for_all_of_the_source_and_no_library_that_is_there():
    there = host(redis_sentinel=Package(OLD, False, "installed", "redis"))
    assert host_packages.plan(there, WANTED, LIBRARIES, latest=True).requests == [*WANTED, "redis-sentinel"]


def test_a_pin_is_for_all_of_the_source_and_beats_latest():
    there = host(redis_sentinel=Package(OLD, False, "installed", "redis"))
    for latest in (False, True):
        assert host_packages.plan(there, WANTED, LIBRARIES, OLD, latest) == ([], [])
        assert host_packages.plan(there, WANTED, LIBRARIES, NEW, latest) == (
            [f"{name}={NEW}" for name in (*WANTED, "redis-sentinel")],
            [],
        )


def test_a_downgrade_is_refused():
    (problem,) = host_packages.plan(host(NEW), WANTED, LIBRARIES, OLD).problems
    assert f"redis_package_version) is {OLD}" in problem and f"redis-server {NEW}, redis-tools {NEW}" in problem


def test_a_version_that_apt_does_not_know_is_refused_with_those_it_knows():
    known = {"redis-server": [NEW, OLD], "redis-tools": [NEW]}
    requests = [f"redis-server={OLD}", f"redis-tools={OLD}", "redis-sentinel=" + OLD, "python3-redis"]
    problems = host_packages.unknown_versions(requests, known, OLD)
    assert len(problems) == 2
    assert f"no redis-tools {OLD}" in problems[0] and problems[0].endswith(f"knows: {NEW}.")
    assert problems[1].endswith("knows: none.")
    (problem,) = host_packages.unknown_versions([f"redis-tools={OLD}"], known, "")
    assert "upgrade.yml" in problem and "redis_package_version" not in problem
    assert host_packages.unknown_versions([f"redis-server={OLD}"], known, OLD) == []


def test_apt_must_remove_nothing_and_take_nothing_back():
    problems = host_packages.step_problems([Step("shop", "1.0-1", ""), Step("liba", "2", "1")], host(), True)
    assert problems[0] == "apt would remove shop." and "liba back from 2 to 1" in problems[1] and len(problems) == 2
    assert host_packages.step_problems([Step("liba", "", "1"), Step("libb", "1", "2")], host(), True) == []


def test_a_hold_that_is_not_ours_is_respected():
    steps = [Step("redis-server", OLD, NEW), Step("liba", "1", "2")]
    (problem,) = host_packages.step_problems(steps, host(held=True), None)
    assert "redis-server would go" in problem and "redis_hold_package" in problem
    for hold in (True, False):
        assert host_packages.step_problems(steps, host(held=True), hold) == []
    assert host_packages.step_problems(steps, host(), None) == []


@pytest.mark.parametrize("held", [True, False])
def test_holds_are_set_and_taken_away(held):
    names = [*WANTED, "redis-sentinel", "redis"]
    there = host(held=held, redis_sentinel=Package(OLD, held, "config-files", "redis"))
    assert host_packages.wrong_holds(there, names, not held) == WANTED
    assert host_packages.wrong_holds(there, names, held) == []
    assert host_packages.wrong_holds(there, names, None) == []


def test_check_mode_foresees_versions_and_that_apt_drops_holds():
    broken = Package(OLD, False, "half-installed", "redis", True)
    before = {**host(held=True, redis_sentinel=broken, shop=broken), "redis-server": broken}
    after = host_packages.foresee(
        before, [*WANTED, "redis-sentinel", "redis"], [Step("redis-server", OLD, NEW), Step("liba", "", "1")]
    )
    assert after["redis-sentinel"] == Package(OLD, False, "installed", "redis") and after["shop"] == broken
    assert after["redis-server"] == Package(NEW, False, "installed", "redis")
    assert after["redis-tools"].held and after["liba"].version == "1"


def test_the_difference_is_told_with_holds():
    before, after = host(held=True), host(NEW)
    assert host_packages.describe(before, after) == f"redis-server {OLD} (on hold)\nredis-tools {OLD} (on hold)\n"
    assert host_packages.describe(after, before) == f"redis-server {NEW}\nredis-tools {NEW}\n"
    assert host_packages.describe(before, before) == ""
    gone = {"redis-server": Package(OLD, False, "config-files", "redis")}
    assert host_packages.describe(gone, {}) == ""


def test_a_version_below_the_floor_is_known():
    cves, floor = host_packages.lacking("redis", OLD)
    assert "CVE-2025-49844" in cves and "CVE-2026-23479" not in cves
    assert floor == NEW
    assert host_packages.lacking("redis", "5:7.0.15-1~deb12u8") == (["CVE-2026-81934"], NEW)
    assert host_packages.lacking("redis", NEW) == ([], "")
    assert host_packages.lacking("valkey", "8.1.1+dfsg1-3")[1] == "8.1.1+dfsg1-3+deb13u3"
    # Not one of Debian's numbers: nothing is known about it here.
    assert host_packages.lacking("redis", "6:7.4.1-1rl1~bookworm1") == ([], "")
    assert host_packages.lacking("redis", "") == ([], "")
    assert {cve for fix in FIXES for cve in fix["cves"]} > set(cves)


states = st.sampled_from(
    ["installed", "half-configured", "unpacked", "half-installed", "config-files", "not-installed"]
)
numbers = st.sampled_from([OLD, "5:7.0.15-1~deb12u7", NEW])
packages = st.builds(Package, numbers, st.booleans(), states, st.just("redis"))
hosts = st.dictionaries(st.sampled_from([*WANTED, "redis-sentinel", "redis"]), packages)


@given(hosts, st.sampled_from(["", OLD, NEW]))
def test_present_never_asks_for_a_newer_server_without_a_pin(installed, version):
    plan = host_packages.plan(installed, WANTED, [], version)
    for name, package in installed.items():
        asked = [request for request in plan.requests if request.split("=")[0] == name]
        if package.installed and not version:
            assert asked == []
        if package.installed and version and package.version != version:
            assert asked == [f"{name}={version}"]


@given(hosts, st.sampled_from([True, False]))
def test_after_its_holds_are_right_nothing_is_wrong(installed, hold):
    names = host_packages.family(installed, WANTED)
    wrong = host_packages.wrong_holds(installed, names, hold)
    after = {**installed, **{name: installed[name]._replace(held=hold) for name in wrong}}
    assert host_packages.wrong_holds(after, names, hold) == []
    assert bool(wrong) == (host_packages.describe(installed, after) != "")
