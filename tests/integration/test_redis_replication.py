# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_replication with three real servers."""

from __future__ import annotations

import subprocess

import pytest
import redis
from conftest import NAMES, Server, free_ports
from waiting import wait_for

SECRET = "correct-horse-battery"
ACL = f"""user default off
user admin on >{SECRET} ~* &* +@all
user replica on >tortoise-of-the-replicas resetchannels -@all +psync +replconf +ping
"""
CONFIG = "masteruser replica\nmasterauth tortoise-of-the-replicas\nrepl-diskless-sync-delay 0\n"


class Group:
    def __init__(self, names, certificates, folder, run_module):
        self.run_module = run_module
        tls = {"ca_certs": str(certificates / "ca.crt")}
        self.servers = []
        for number, name in enumerate(names):
            place = folder / f"n{number}"
            place.mkdir()
            server = Server(name, place, tls)
            for part in ("server.crt", "server.key"):
                (folder / part).write_bytes((certificates / part).read_bytes())
            self.servers.append(server.start(CONFIG, ACL))

    def client(self, number):
        return self.servers[number].client("admin", SECRET)

    def roles(self):
        """Ask each server: 'master', or the port that it follows with its link up."""
        found = []
        for number in range(3):
            role = self.client(number).execute_command("ROLE")
            found.append("master" if role[0] == b"master" else (int(role[2]), role[3]))
        return found

    def following(self, port):
        return (port, b"connected")

    def run(self, check=False, diff=False, **more):
        nodes = [{"host": "127.0.0.1", "port": server.port} for server in self.servers]
        args = {"nodes": nodes, "login_user": "admin", "login_password": SECRET, "timeout": 10, **more}
        return self.run_module("redis_replication", args, check=check, diff=diff)


@pytest.fixture(params=NAMES)
def group(request, certificates, tmp_path, run_module):
    names = request.param if isinstance(request.param, tuple) else (request.param,) * 3
    made = Group(names, certificates, tmp_path, run_module)
    yield made
    for server in made.servers:
        server.stop()


@pytest.mark.parametrize("group", [("redis-8.0", "redis-7.0", "redis-8.0")], indirect=True)
def test_an_older_server_is_no_replica_of_a_newer_one(group):
    result = group.run()
    second, first = (f"127.0.0.1:{group.servers[number].port}" for number in (1, 0))
    words = f"{second} is compatible with Redis 7.0 and can't load the data of {first}, which is with 8.0"
    assert result.get("failed") and words in result["msg"]
    assert group.roles() == ["master"] * 3


@pytest.mark.parametrize("group", [("redis-7.0", "redis-8.0", "valkey-8.1")], indirect=True)
def test_newer_servers_are_replicas_of_an_older_one(group):
    assert group.client(0).set("order:1", "paid")
    assert group.run()["changed"]
    assert [group.client(number).get("order:1") for number in (1, 2)] == [b"paid"] * 2


def test_made_kept_through_a_failover_and_mended(group):
    first, second, third = (server.port for server in group.servers)
    assert group.client(0).set("order:1", "paid")

    predicted = group.run(check=True, diff=True)
    assert predicted["changed"]
    assert predicted["joined"] == [f"127.0.0.1:{second}", f"127.0.0.1:{third}"]
    assert f"127.0.0.1:{second} replica of 127.0.0.1:{first}\n" in predicted["diff"]["after"]
    assert group.roles() == ["master"] * 3

    result = group.run(diff=True)
    assert {name: result[name] for name in ("changed", "master", "joined", "diff")} == {
        name: predicted[name] for name in ("changed", "master", "joined", "diff")
    }
    assert group.roles() == ["master", group.following(first), group.following(first)]
    assert group.client(2).execute_command("GET", "order:1") == b"paid"
    for check in (True, False):
        assert not group.run(check=check)["changed"]

    # A failover: what the inventory's order says does not matter any more.
    group.client(1).execute_command("REPLICAOF", "NO", "ONE")
    for number in (0, 2):
        group.client(number).execute_command("REPLICAOF", "127.0.0.1", second)
    assert group.client(1).set("order:2", "paid")
    again = group.run()
    assert not again["changed"]
    assert again["master"] == f"127.0.0.1:{second}"
    assert group.roles() == [group.following(second), "master", group.following(second)]

    # One that lost its place comes back.
    group.client(2).execute_command("REPLICAOF", "NO", "ONE")
    group.client(2).execute_command("FLUSHALL")
    assert group.run()["joined"] == [f"127.0.0.1:{third}"]
    assert group.client(2).execute_command("GET", "order:2") == b"paid"
    # And says so in its file.
    group.servers[2].restart()
    wait_for(lambda: group.roles()[2] == group.following(second))


def refused(group, words, **more):
    before = group.roles(), [group.client(number).execute_command("DBSIZE") for number in range(3)]
    for check in (True, False):
        result = group.run(check=check, timeout=1, **more)
        assert result["failed"]
        assert words in result["msg"]
    assert (group.roles(), [group.client(number).execute_command("DBSIZE") for number in range(3)]) == before


def test_refused_with_nothing_changed(group):
    assert group.client(0).set("a", "1")
    assert group.client(2).set("b", "1")
    refused(group, "are masters with data of their own")
    refused(group, "refused the login", login_password="wrong-password")
    assert "names 127.0.0.1:1 twice" in group.run(nodes=[{"host": "127.0.0.1", "port": 1}] * 2)["msg"]
    group.client(2).execute_command("FLUSHALL")
    assert group.run()["changed"]

    # Split: the third leads a life of its own, with data.
    group.client(2).execute_command("REPLICAOF", "NO", "ONE")
    assert group.client(2).set("c", "1")
    refused(group, "and would lose them")
    # Mutual replicas, as a stale inventory makes them.
    group.client(2).execute_command("FLUSHALL")
    group.run()
    group.client(0).execute_command("REPLICAOF", "127.0.0.1", group.servers[1].port)
    result = group.run(timeout=1)
    assert "none of the servers is a master" in result["msg"]


def test_one_that_is_down_stops_it(group):
    group.run()
    group.servers[1].stop()
    result = group.run()
    assert "no server was told to follow another" in result["msg"]
    assert str(group.servers[1].port) in result["msg"]


def test_a_replica_that_can_not_log_in_is_told(group):
    group.client(1).execute_command("CONFIG", "SET", "masterauth", "wrong-password")
    result = group.run(timeout=2)
    assert result["failed"]
    assert f"127.0.0.1:{group.servers[1].port} did not get in step" in result["msg"]


def test_sentinels_have_to_agree(group, tmp_path):
    group.run()
    first, second, _third = (server.port for server in group.servers)
    (port,) = free_ports(1)
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nrequirepass sentinels-own-password\n"
        f"sentinel monitor mymaster 127.0.0.1 {first} 1\nsentinel auth-user mymaster admin\n"
        f"sentinel auth-pass mymaster {SECRET}\n"
    )
    sentinel = subprocess.Popen([group.servers[0].binary, str(file), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port, password="sentinels-own-password", protocol=2)
        wait_for(lambda: answers(client))
        told = {"sentinels": [{"host": "127.0.0.1", "port": port}], "sentinel_password": "sentinels-own-password"}
        assert not group.run(**told)["changed"]
        assert "watches no master" in group.run(**told, sentinel_master_name="cache", timeout=0)["msg"]
        client.execute_command("SENTINEL", "REMOVE", "mymaster")
        client.execute_command("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", second, 1)
        refused(group, f"the Sentinels hold 127.0.0.1:{second} for the master", **told)
    finally:
        sentinel.kill()
        sentinel.wait()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False
