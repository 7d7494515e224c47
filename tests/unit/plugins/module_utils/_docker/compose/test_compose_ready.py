from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose.ready import (
    missing_packages,
    network_problem,
    numbers,
    os_release,
    ownership_problem,
)

BOOKWORM, TRIXIE = ("debian", 12), ("debian", 13)


@pytest.mark.parametrize(
    ("text", "version"), [("v2.26.1-4", (2, 26, 1)), ("2.9.0\n", (2, 9, 0)), ("", ()), ("dev", ()), ("5", (5,))]
)
def test_versions(text, version):
    assert numbers(text) == version


@pytest.mark.parametrize(
    ("version", "from_docker", "system", "packages"),
    [
        ("2.26.1", False, TRIXIE, []),
        ("2.18.0", False, BOOKWORM, []),
        ("2.40.3", True, BOOKWORM, []),
        ("10.0.0", False, ("ubuntu", 24), []),
        ("", False, TRIXIE, ["docker.io", "docker-cli", "docker-compose"]),
        ("", True, TRIXIE, ["docker-compose-plugin"]),
        ("", True, BOOKWORM, ["docker-compose-plugin"]),
        ("2.9.0", True, BOOKWORM, ["docker-compose-plugin"]),
    ],
)
def test_what_is_missing(version, from_docker, system, packages):
    assert missing_packages(version, "2.18.0", from_docker, *system) == (packages, "")


@pytest.mark.parametrize(
    ("version", "system", "words"),
    [
        (
            "",
            BOOKWORM,
            ["it is not there", "Debian 12 has no such plugin", "docker-compose-plugin", "Nothing was changed"],
        ),
        ("", ("ubuntu", 24), ["it is not there", "docker-compose-plugin"]),
        ("2.9.0", TRIXIE, ["the plugin is 2.9.0, and 2.18.0 is needed"]),
    ],
)
def test_what_can_not_be_had_is_refused_with_what_to_install(version, system, words):
    packages, problem = missing_packages(version, "2.18.0", False, *system)
    assert packages == []
    for word in words:
        assert word in problem
    assert ("Debian 12" in problem) == (system == BOOKWORM)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('ID=debian\nVERSION_ID="13"\n', ("debian", 13)),
        ("ID=ubuntu\nVERSION_ID='24.04'\n", ("ubuntu", 24)),
        ("ID=debian\n", ("debian", 0)),
        ("", ("", 0)),
    ],
)
def test_os_release(text, found):
    assert os_release(text) == found


@pytest.mark.parametrize(
    ("files", "owner", "words"),
    [
        ({"docker-compose.yml": False, "compose.yaml": True}, None, "/opt/redis/docker-compose.yml is somebody else's"),
        ({}, "", "There is a container named redis already, of no project"),
        ({}, "/opt/shop", "There is a container named redis already, of /opt/shop"),
    ],
)
def test_what_is_others_is_not_taken_over(files, owner, words):
    assert words in ownership_problem("/opt/redis", files, owner, "redis")


@pytest.mark.parametrize(("files", "owner"), [({}, None), ({"compose.yaml": True}, "/opt/redis")])
def test_our_own_project_goes_on(files, owner):
    assert ownership_problem("/opt/redis", files, owner, "redis") == ""


def test_network_that_exists_must_be_internal():
    assert network_problem("redis", None) == network_problem("redis", "true") == ""
    assert "network named redis already, and it is not internal" in network_problem("redis", "false")
