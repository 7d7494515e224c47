"""What the nodes themselves say of the cluster, and who reaches which of their ports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]
PORTS = (7000, 7001)


@pytest.fixture
def ask(host):
    """A function: run a command as the admin on one of the droplet's servers."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "credentials", "cluster")
    secret = (folder / "admin").read_text().strip()

    def run(port, *command):
        return host.check_output(
            f"REDISCLI_AUTH='{secret}' timeout 5 redis-cli --no-auth-warning --user admin --tls -p {port} "
            "--cert /etc/redis/tls/redis.crt --key /etc/redis/tls/redis.key --cacert /etc/redis/tls/ca.crt "
            + " ".join(command)
        )

    return run


def members(text):
    """Return {id: (host, port, flags, master, number of slots)} of a CLUSTER NODES reply."""
    found = {}
    for words in map(str.split, text.splitlines()):
        host, _colon, port = words[1].partition("@")[0].rpartition(":")
        spans = [word.partition("-")[::2] for word in words[8:]]
        count = sum(int(last or first) - int(first) + 1 for first, last in spans)
        found[words[0]] = (host, int(port), set(words[2].split(",")) - {"myself"}, words[3], count)
    return found


@pytest.mark.parametrize("port", PORTS)
def test_all_slots_are_served_and_replicas_stand_on_other_hosts(ask, port):
    assert "cluster_state:ok" in ask(port, "CLUSTER", "INFO")
    nodes = members(ask(port, "CLUSTER", "NODES"))
    assert {node[:2] for node in nodes.values()} == {(f"10.77.11.{n}", port) for n in (11, 12, 13) for port in PORTS}
    assert sum(node[4] for node in nodes.values()) == 16384
    masters = {name: node for name, node in nodes.items() if node[2] == {"master"}}
    replicas = [node for node in nodes.values() if node[2] == {"slave"}]
    assert len(masters) == len(replicas) == 3 and min(node[4] for node in masters.values()) > 5000
    assert {node[3] for node in replicas} == set(masters)
    for host, _port, _flags, master, _slots in replicas:
        assert host != masters[master][0]


@pytest.mark.parametrize("port", PORTS)
def test_the_bus_and_replication_speak_tls(ask, port):
    answer = ask(port, "CONFIG", "GET", "tls-cluster", "tls-replication", "port").splitlines()
    found = dict(zip(answer[::2], answer[1::2], strict=True))
    assert found == {"tls-cluster": "yes", "tls-replication": "yes", "port": "0"}


def test_who_reaches_what(host, app, outsider, variables):
    address = variables["ansible_host"]
    names = [f"{address}:{port}" for port in (7000, 7001, 17000, 17001)]
    assert set(ping(outsider, *names).values()) == {"closed"}
    # Over TLS only, but it is there.
    states = ping(app, *names)
    assert [states[name] == "closed" for name in names[2:]] == [True, True]
    for name in names[:2]:
        assert app.run(f"timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/{name[-4:]}'").rc == 0


def test_the_servers_own_folders(host):
    for port in PORTS:
        folder = f"/var/lib/redis/{port}"
        assert host.run(f"sudo -u redis test -w {folder}/nodes.conf").rc == 0
        assert host.run(f"sudo -u nobody test -r {folder}").rc != 0
        assert host.run(f"sudo -u redis test -w /etc/redis/redis-{port}.conf").rc != 0


@pytest.mark.parametrize("port", PORTS)
def test_the_servers_start_at_boot(host, port):
    assert host.check_output(f"systemctl is-enabled redis-server@{port}") == "enabled"
    assert host.check_output(f"systemctl is-active redis-server@{port}") == "active"
