"""Two servers on a host, each with its own process, files, users and ports; Redis and Valkey alike."""

from __future__ import annotations

import pytest
from neighbours import cli, ping

testinfra_hosts = ["ansible://redis_servers"]


@pytest.fixture
def engine(variables):
    return variables.get("redis_engine", "redis")


def test_the_declared_engine_answers(engine, password, host):
    answer = cli(host, "127.0.0.1", "admin", password("admin"), "INFO", "server")
    assert ("valkey_version:" in answer) == (engine == "valkey")


def test_each_has_a_process_of_its_own(host, engine):
    pids = {host.check_output(f"systemctl show -P MainPID {engine}-server{name}") for name in ("", "@sessions")}
    assert len(pids - {"0"}) == 2


def test_each_has_its_own_limits_and_data(host, engine, password):
    for port, memory, folder in ((6379, 256, ""), (7005, 64, "/sessions")):
        login = {"port": port}
        assert cli(host, "127.0.0.1", "admin", password("admin"), "CONFIG", "GET", "maxmemory", **login).endswith(
            str(memory * 2**20)
        )
        found = cli(host, "127.0.0.1", "admin", password("admin"), "CONFIG", "GET", "dir", **login)
        assert found.split()[-1] == f"/var/lib/{engine}{folder}"


def test_a_user_of_one_is_unknown_to_the_other(app, variables, password):
    address = variables["ansible_host"]
    assert cli(app, address, "app", password("app"), "SET", "session:1", "ada", port=7005) == "OK"
    assert "WRONGPASS" in cli(app, address, "app", password("app"), "SET", "session:1", "ada")


def test_all_ports_are_closed_to_strangers(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 7005, 7006)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")


def test_none_answers_without_a_login(app, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 7005)]
    assert all(answer.startswith("-NOAUTH") for answer in ping(app, *targets).values())


def test_neither_can_write_the_others_data(host, engine):
    pid = host.check_output(f"systemctl show -P MainPID {engine}-server@sessions")
    mounts = host.check_output(f"cat /proc/{pid}/mounts")
    writable = [line.split()[1] for line in mounts.splitlines() if line.split()[3].startswith("rw")]
    assert f"/var/lib/{engine}/sessions" in writable
    assert f"/var/lib/{engine}" not in writable
