"""The role redis_container: what it has in common with the role redis stays the same, and its project opens nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import (
    exposure as compose_exposure,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import settings as inventory_settings

ROLES = Path(__file__).parents[2] / "roles"
TEMPLATE = ROLES / "redis_container" / "templates" / "compose.yaml.j2"
# What is the container's own: its paths, and what it leaves to Docker.
OTHER_SETTINGS = {
    "bind",
    "port",
    "protected-mode",
    "aclfile",
    "logfile",
    "dir",
    "pidfile",
    "unixsocket",
    "unixsocketperm",
    "tls-port",
    "tls-replication",
    "tls-cluster",
}


# Where the role redis goes by the topology, a container stands alone.
BY_TOPOLOGY = {"appendonly": {"default": False}}


def load(role, *path):
    return yaml.safe_load(ROLES.joinpath(role, *path).read_text())


def options(role):
    return load(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]


def shared():
    own = {"dir"}
    mine = {name[len("redis_container_") :] for name in options("redis_container")}
    theirs = {name[len("redis_") :] for name in options("redis")}
    return sorted((mine & theirs) - own)


def test_enough_is_shared():
    assert len(shared()) >= 20


@pytest.mark.parametrize("name", shared())
def test_defaults_and_types_are_those_of_the_role_redis(name):
    mine, theirs = options("redis_container")["redis_container_" + name], options("redis")["redis_" + name]
    for key in ("type", "elements", "default", "choices", "options", "no_log"):
        assert mine.get(key) == BY_TOPOLOGY.get(name, {}).get(key, theirs.get(key)), key
    defaults = [load(role, "defaults", "main.yml")[role + "_" + name] for role in ("redis", "redis_container")]
    if "{{" not in str(defaults[0]) and name not in BY_TOPOLOGY:
        assert defaults[0] == defaults[1]


def test_settings_are_those_of_the_role_redis():
    names = set(options("redis")) | {"redis_aclfile", "redis_pidfile"}
    values = {name.removeprefix("redis_"): "{{ %s }}" % name for name in names}
    theirs = inventory_settings.settings({**values, "settings": {}, "tls": "off", "topology": "standalone"}, "")
    mine = load("redis_container", "vars", "main.yml")["__redis_container_settings"]
    for name in (set(mine) | set(theirs)) - OTHER_SETTINGS:
        assert str(mine.get(name)).replace("redis_container_", "redis_") == str(theirs.get(name)), name
    assert (mine["protected-mode"], mine["logfile"]) == (True, "")


def project(**other):
    """Return the text of the Compose file that the role writes with its defaults."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701
    environment.filters["to_json"] = json.dumps
    defaults = load("redis_container", "defaults", "main.yml")
    variables = {**defaults, "__redis_container_used": {"file": "redis-docker.conf"}, **other}
    return environment.from_string((ROLES / "redis_container" / "templates" / "compose.yaml.j2").read_text()).render(
        variables
    )


def test_the_project_passes_our_own_check():
    assert compose_exposure.faults(project(), range(1, 65536)) == []
    # The check is not blind to it: with a port published, it sees the server.
    assert compose_exposure.faults(project().replace("    read_only: true\n", "    ports: ['9000:9000']\n", 1), [])


def test_the_project_is_confined():
    content = yaml.safe_load(project())
    (service,) = content["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "999:999"
    assert service["mem_limit"] == service["memswap_limit"] == "512m"
    assert content["networks"] == {"redis": {"name": "redis", "internal": True}}
    assert service["networks"] == ["redis"]
    assert not {"ports", "environment", "env_file", "network_mode", "privileged", "cap_add", "devices"} & set(service)
    binds = [volume for volume in service["volumes"] if volume["type"] == "bind"]
    assert {volume["target"] for volume in binds if not volume.get("read_only")} == {"/run/redis"}
    assert not any(volume["bind"]["create_host_path"] for volume in binds)


def test_no_secret_goes_into_the_project():
    assert not re.search(r"{{[^}]*(?:password|users)", TEMPLATE.read_text())
