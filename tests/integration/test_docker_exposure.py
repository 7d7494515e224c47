# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module asks this machine's engine about containers of our own. What strangers can reach is tested on droplets."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from conftest import SERVERS, free_ports

NAME = f"rh-exposure-{os.getpid()}"
OPTIONS = {"ports": [{"port": 6379}]}
SERVER = ("/bin/redis-server", "--protected-mode", "no", "--save", "", "--bind", "0.0.0.0")


def docker(*words, check=True):
    return subprocess.run(["docker", *words], check=check, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture(scope="module")
def image():
    """An image of a server's few files, for containers that start with it."""
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        pytest.skip("no Docker engine answers here")
    folder = SERVERS / "redis-7.0"
    if not (folder / "bin").is_dir():
        pytest.fail("redis-7.0 is missing: ./run test integration brings the servers")
    name = f"{NAME}:test"
    files = subprocess.run(["tar", "-C", str(folder), "-c", "."], check=True, capture_output=True).stdout
    subprocess.run(["docker", "import", "-", name], input=files, check=True, capture_output=True, timeout=60)
    yield name
    docker("image", "rm", "-f", name, check=False)


@pytest.fixture
def start(image):
    """A function that starts a server in a container with these options of docker run."""
    names = []

    def run(*options, command=SERVER, verb="run"):
        names.append(f"{NAME}-{len(names)}")
        detached = ["-d"] if verb == "run" else []
        docker(verb, *detached, "--name", names[-1], *options, image, *command)
        return names[-1]

    yield run
    for name in names:
        docker("rm", "-f", name, check=False)


def ask(run_module, name):
    """Return what the module says of one container, and its finding if there is one."""
    result = run_module("docker_exposure_verify", OPTIONS)
    assert not result.get("failed") and not result["changed"], result
    entry = next(one for one in result["containers"] if one["name"] == name)
    return entry, next((one for one in result["findings"] if one["subject"] == f"container {name}"), None)


def test_a_published_port(start, run_module):
    (port,) = free_ports(1)
    name = start("-p", f"127.0.0.1:{port}:6379")
    entry, finding = ask(run_module, name)
    published, *others = entry["published"]
    assert (published["way"], published["host_address"], published["host_port"]) == ("published", "127.0.0.1", port)
    assert (published["option"], published["container_port"]) == (f"-p 127.0.0.1:{port}:6379", 6379)
    assert {(one["way"], one["container_port"]) for one in others} == {("direct", 6379)}
    assert entry["recognised"] == "runs redis-server, exposes port 6379"
    assert finding["status"] == ("fail" if any(one["reachable"] for one in entry["published"]) else "pass")


def test_the_network_of_the_host(start, run_module):
    """The container's sockets are told from all others of the host."""
    (port,) = free_ports(1)
    name = start("--network", "host", command=[*SERVER[:-1], "127.0.0.1", "--port", str(port)])
    entry, finding = ask(run_module, name)
    assert [(one["way"], one["host_address"], one["host_port"]) for one in entry["published"]] == [
        ("host", "127.0.0.1", port)
    ]
    assert (entry["published"][0]["reachable"], finding["status"]) == (False, "pass")


def test_without_a_network_there_is_no_way(start, run_module):
    entry, finding = ask(run_module, start("--network", "none"))
    assert (entry["published"], finding["status"]) == ([], "pass")


def test_a_container_that_was_never_started(start, run_module):
    name = start("--restart", "on-failure", "-p", "127.0.0.1::6379", verb="create")
    entry, finding = ask(run_module, name)
    assert entry["pending"] and finding["actual"].startswith("stopped; when it starts again, published 127.0.0.1:")


def test_other_containers_have_no_finding(start, run_module):
    name = start("--network", "none", command=["/bin/redis-server", "--version"])
    entry, finding = ask(run_module, name)
    assert (entry["published"], entry["pending"], finding) == ([], False, None)
