# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

OPEN = """\
services:
  cache:
    image: redis:7
    command: redis-server --requirepass hunter2hunter2
    ports:
      - "${BIND:-127.0.0.1}:6379:6379"
"""
CLOSED = "services:\n  cache:\n    image: redis:7\n    expose: ['6379']\n"


@pytest.fixture
def verify(run_module, tmp_path):
    """A function: run the module on the directory, away from the engine of the machine that carries the tests."""

    def run(*paths, **options):
        arguments = {"paths": [str(path) for path in paths or [tmp_path]], "containers": False, **options}
        return run_module("docker_compose_verify", arguments)

    return run


@pytest.fixture
def write(tmp_path):
    def to(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return to


def verdicts(result):
    return sorted((one["id"], one["status"]) for one in result["findings"])


def test_lines_to_change(verify, write):
    path = write("shop/docker-compose.yml", OPEN)
    result = verify()
    secret, port = sorted(result["findings"], key=lambda one: one["id"])
    assert (port["id"], port["status"], port["subject"]) == ("RH-NET-07", "fail", f"{path}:6")
    assert port["remediation"] == f'{path}:6: write expose: ["6379"] in place of the whole of ports'
    assert (secret["id"], secret["status"], secret["subject"]) == ("RH-HST-04", "fail", f"{path}:4")
    assert f"{path}:4: write command:" in secret["remediation"]
    assert "hunter2" not in str(result)
    assert result["files"] == [str(path)]


def test_nothing_to_change(verify, write):
    write("compose.yaml", CLOSED)
    result = verify()
    assert verdicts(result) == [("RH-HST-04", "pass"), ("RH-NET-07", "pass")]
    assert result["findings"][0]["actual"] == "1 Compose file(s) read, nothing found"


def test_the_env_file_beside_it_counts(verify, write):
    write("compose.yaml", OPEN)
    assert ("RH-NET-07", "pass") in verdicts(verify(allow_loopback=True))
    write(".env", "BIND=0.0.0.0\n")
    assert ("RH-NET-07", "fail") in verdicts(verify(allow_loopback=True))


@pytest.mark.parametrize(
    "name",
    [
        "compose.yml",
        "docker-compose.yaml",
        "docker-compose.prod.yml",
        "compose.override.yaml",
        "a/b/c/d/e/compose.yaml",
    ],
)
def test_files_that_are_found(verify, write, name):
    assert verify()["files"] == []
    path = write(name, OPEN)
    assert verify()["files"] == [str(path)]


@pytest.mark.parametrize(
    "name", ["stack.yml", "compose.txt", "node_modules/compose.yml", ".git/compose.yml", "a/b/c/d/e/f/compose.yaml"]
)
def test_files_that_are_not(verify, write, name):
    path = write(name, OPEN)
    assert verify()["files"] == []
    # Named, it is read whatever it is called.
    assert verify(path)["files"] == [str(path)]


def test_files_that_a_file_takes_in_are_read_too(verify, write):
    top = write("shop/compose.yaml", "include: [parts/store.yml, parts/gone.yml]\n")
    store = write(
        "shop/parts/store.yml", "include: [../compose.yaml]\nservices: {a: {extends: {file: base, service: b}}}\n"
    )
    base = write("shop/parts/base", "services:\n  b:\n    image: redis\n    ports: ['6379']\n")
    result = verify(top)
    assert result["files"] == sorted(map(str, [top, store, base]))
    assert ("RH-NET-07", "fail", f"{base}:4") in [
        (one["id"], one["status"], one["subject"]) for one in result["findings"]
    ]


def test_links_are_not_followed_into_other_places(verify, write, tmp_path):
    write("outside/compose.yaml", OPEN)
    (tmp_path / "home").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "home" / "link")
    assert verify(tmp_path / "home")["files"] == []


def test_what_can_not_be_read_passes_no_control(verify, write):
    path = write("compose.yaml", "services: [")
    result = verify()
    assert verdicts(result) == [("RH-HST-04", "error"), ("RH-NET-07", "error")]
    assert "line 1" in result["findings"][0]["actual"]
    write("compose.yaml", "#" * 300_000)
    assert verdicts(verify()) == [("RH-HST-04", "error"), ("RH-NET-07", "error")]
    path.unlink()
    assert "No such file" in verify(path)["findings"][0]["actual"]


def test_a_pipe_in_the_place_of_a_file_does_not_hang(verify, write, tmp_path):
    os.mkfifo(tmp_path / "compose.yaml")
    write("shop/compose.yaml", CLOSED)
    os.mkfifo(tmp_path / "shop" / ".env")
    result = verify()
    assert verdicts(result) == [("RH-HST-04", "error"), ("RH-NET-07", "error")]
    assert "no plain file" in result["findings"][0]["actual"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(verify, write, encoding):
    write("compose.yaml", "").write_text(OPEN, encoding=encoding)
    write(".env", "").write_text("BIND=0.0.0.0\n", encoding=encoding)
    assert verdicts(verify(allow_loopback=True)) == [("RH-HST-04", "fail"), ("RH-NET-07", "fail")]


def test_passwords_of_configs_are_named(verify, write):
    path = write("compose.yaml", "configs:\n  conf:\n    content: |\n      requirepass hunter2hunter2\n")
    (secret,) = [one for one in verify()["findings"] if one["status"] == "fail"]
    assert (secret["subject"], secret["actual"]) == (
        f"{path}:4",
        "config conf: its content has a password after requirepass",
    )


def test_the_files_of_containers_are_read(run_module, write):
    path = write("deep/a/b/c/d/e/f/g/any-name.yml", OPEN)
    label = f"{path},/gone/compose.yaml"
    docker = write("bin/docker", f"#!/bin/sh\nprintf '%s\\n' '{label}' '' '{label}'\n")
    docker.chmod(0o755)
    env = {"PATH": f"{docker.parent}:{os.environ['PATH']}"}
    assert run_module("docker_compose_verify", {"paths": []}, env=env)["files"] == [str(path)]
    assert run_module("docker_compose_verify", {"paths": [], "containers": False}, env=env)["files"] == []
    docker.write_text("#!/bin/sh\nexit 1\n")
    assert run_module("docker_compose_verify", {"paths": []}, env=env)["files"] == []
