# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the engine and of the kernel."""

from __future__ import annotations

import types

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.exposure import engine as exposure_engine


def test_sockets_of_the_kernel():
    assert exposure_engine.parse_sockets(
        "head\n"
        "0: 0100007F:18EB 00000000:0000 0A 0:0 00:0 0 0 0 111 1\n"
        "1: 0B044D0A:0016 01044D0A:CBC6 01 0:0 02:0 0 0 0 222 2\n"
        "2: 00000000000000000000000001000000:18EC 0:0 0A 0:0 00:0 0 0 0 333 1\n"
    ) == [("111", "127.0.0.1", 6379), ("333", "::1", 6380)]


def test_without_docker_py_the_package_is_named(monkeypatch):
    monkeypatch.setattr(exposure_engine, "docker", None)
    with pytest.raises(exposure_engine.EngineProblem, match="apt-get install python3-docker"):
        exposure_engine.ask("/run/docker.sock")


def test_an_engine_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(exposure_engine.EngineProblem, match=r"engine at .*/none.sock does not answer"):
        exposure_engine.ask(f"{tmp_path}/none.sock")


def test_a_container_that_vanishes_is_left_out():
    docker = pytest.importorskip("docker")

    def inspect(which):
        if which == "gone":
            raise docker.errors.NotFound("gone")
        return {"Id": which}

    client = types.SimpleNamespace(
        containers=lambda all: [{"Id": "gone"}, {"Id": "here"}],
        inspect_container=inspect,
        networks=lambda: [{"Name": "docker_gwbridge", "Id": "n"}],
        inspect_network=lambda which: {"Name": "docker_gwbridge", "Containers": {}},
        info=lambda: {"Swarm": {"ControlAvailable": False}},
        version=lambda: {"Version": "20.10.24"},
    )
    answer = exposure_engine._ask(client)
    assert answer["containers"] == [{"Id": "here"}] and answer["services"] == []
    assert answer["networks"] == [{"Name": "docker_gwbridge", "Containers": {}}]
