from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.container import (
    compose_bytes,
    container_problems,
)
from hypothesis import given, strategies as st

ROLES = Path(__file__).parents[5] / "roles"
PASSWORD = "0123456789abcdef"  # noqa: S105


DEFAULTS = yaml.safe_load((ROLES / "redis_container" / "defaults" / "main.yml").read_text())


def settings(**other):
    plain = {name: value for name, value in DEFAULTS.items() if "{{" not in str(value)}
    plain["redis_container_admin_password"] = plain["redis_container_health_password"] = PASSWORD
    return {**plain, **{"redis_container_" + name: value for name, value in other.items()}}


def user(**other):
    return {"name": "shop", "enabled": True, "passwords": [PASSWORD], "password_hashes": [], **other}


def test_defaults_are_fine():
    assert container_problems(settings()) == []
    assert container_problems({}) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        # As in the role redis, under this role's names.
        ({"maxmemory": "0"}, "redis_container_maxmemory is 0, which is unbounded"),
        ({"timeout": 0}, "redis_container_timeout is 0"),
        ({"save": ["often"]}, "redis_container_save[0] is 'often'"),
        ({"users": [user(passwords=[])]}, "redis_container_users[0] (shop) is enabled without a password"),
        ({"users": [user(name="admin")]}, "set another redis_container_admin_user"),
        ({"admin_password": "short"}, "redis_container_admin_password is shorter"),
        ({"renamed_commands": {"CONFIG": ""}}, "redis_container_renamed_commands: this collection needs CONFIG"),
        # Its own.
        ({"dir": "redis"}, "redis_container_dir is 'redis'"),
        ({"dir": "/opt"}, "redis_container_dir is '/opt'"),
        ({"dir": "/etc/redis"}, "redis_container_dir is '/etc/redis'"),
        ({"dir": "/opt/../etc/redis"}, "redis_container_dir"),
        ({"dir": "/opt/my redis"}, "blanks"),
        ({"name": "Redis"}, "redis_container_name is 'Redis'"),
        ({"volume": "/data"}, "redis_container_volume is '/data'"),
        ({"network": "host"}, "redis_container_network is host, one of Docker's own"),
        ({"image": "redis"}, "redis_container_image is redis, which changes unasked"),
        ({"image": "redis:latest"}, "which changes unasked"),
        ({"image": "registry.example.org:5000/redis"}, "which changes unasked"),
        ({"image": "redis:8 # x"}, "redis_container_image is 'redis:8 # x'"),
        ({"user": "redis"}, 'set numbers, as in "999:999"'),
        ({"user": "0:0"}, "which is root"),
        ({"user": "999:0"}, "which is root"),
        ({"memory": "lots"}, "redis_container_memory is 'lots'"),
        ({"memory": "256m"}, "the kernel would kill the server"),
        ({"memory": "319m"}, "the kernel would kill the server"),
        ({"stop_timeout": 0}, "redis_container_stop_timeout is 0"),
        ({"start_timeout": 0}, "redis_container_start_timeout is 0"),
        ({"users": [user(name="healthcheck")]}, "redis_container_users[0].name is healthcheck"),
        ({"admin_user": "healthcheck"}, "redis_container_admin_user is healthcheck"),
        ({"health_password": "short"}, "redis_container_health_password is shorter"),
        ({"health_password": PASSWORD + "\\n"}, "redis_container_health_password has a blank"),
    ],
)
def test_refused(other, words):
    (line,) = container_problems(settings(**other))
    assert words in line


@pytest.mark.parametrize(
    "other",
    [
        {"image": "registry.example.org:5000/team/valkey:8.1"},
        {"image": "redis@sha256:" + 64 * "a"},
        {"memory": "320m"},
        {"memory": "1g", "maxmemory": "700mb"},
        {"dir": "/srv/cache"},
        {"user": "999:1000"},
        {"users": [user()]},
    ],
)
def test_taken(other):
    assert container_problems(settings(**other)) == []


def test_no_password_is_told():
    for name in ("admin_password", "health_password"):
        assert "geheim" not in "".join(container_problems(settings(**{name: "geheim\\ "})))


@given(st.text())
def test_any_text_is_judged_without_a_crash(text):
    for name in ("dir", "name", "network", "volume", "image", "user", "memory", "health_password"):
        container_problems(settings(**{name: text}))


@pytest.mark.parametrize(("text", "size"), [("512m", 2**29), ("1GB", 2**30), ("7", 7), ("1t", None), ("m", None)])
def test_memory_of_compose(text, size):
    assert compose_bytes(text) == size
