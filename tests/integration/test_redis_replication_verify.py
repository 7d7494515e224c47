# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_replication_verify with three real servers: each thing that can be wrong is made so, found, and fixed."""

from __future__ import annotations

import socket
import threading

import pytest
from conftest import NAMES
from test_redis_replication import Group
from waiting import wait_for

CRASH = ("RH-REP-08", "RH-REP-09")
USER, PASSWORD = "replica", "tortoise-of-the-replicas"


class Verified(Group):
    def verify(self, timeout=0, crash=False, **more):
        """Return the findings that do not pass, as {(control, server's number or its name): actual}.

        crash: those on what a crash may cost, which these servers are not set up for, instead of all others.
        """
        args = {"nodes": self.nodes(), "login_user": "admin", "login_password": "correct-horse-battery", **more}
        result = self.run_module("redis_replication_verify", {"replica_user": USER, "timeout": timeout, **args})
        assert not result.get("failed"), result
        assert not result["changed"]
        self.findings = [one for one in result["findings"] if (one["id"] in CRASH) == crash]
        return {(one["id"], self.number(one)): one["actual"] for one in self.findings if one["status"] != "pass"}

    def nodes(self):
        return [{"host": "127.0.0.1", "port": server.port} for server in self.servers]

    def number(self, finding):
        names = [f"127.0.0.1:{server.port}" for server in self.servers]
        return names.index(finding["instance"]) if finding["instance"] in names else finding["instance"]

    def tell(self, number, *words):
        return self.client(number).execute_command(*words)

    def follow(self, number, port, host="127.0.0.1"):
        self.tell(number, "REPLICAOF", host, port)
        wait_for(lambda: self.roles()[number] == self.following(port))

    def ports(self):
        return [server.port for server in self.servers]


@pytest.fixture(params=NAMES)
def group(request, certificates, tmp_path, run_module):
    made = Verified((request.param,) * 3, certificates, tmp_path, run_module)
    first, *others = made.ports()
    for number, _port in enumerate(others, 1):
        made.tell(number, "REPLICAOF", "127.0.0.1", first)
    wait_for(lambda: made.roles()[1:] == [made.following(first)] * 2)
    yield made
    for server in made.servers:
        server.stop()


def one(kind):
    """Run a test with this kind of server only, where the others say the same."""
    return pytest.mark.parametrize("group", [kind], indirect=True)


def test_a_group_passes_whoever_is_its_master(group):
    assert group.verify() == {}
    found = [(one["id"], group.number(one)) for one in group.findings]
    assert found == [
        *(("RH-REP-01", number) for number in range(3)),
        *(("RH-REP-02", number) for number in (1, 2)),
        *(("RH-REP-03", number) for number in range(3)),
        *(("RH-REP-04", number) for number in (1, 2)),
        *(("RH-REP-05", number) for number in (1, 2)),
        ("RH-REP-06", ""),
    ]
    _first, second, _third = group.ports()
    group.tell(1, "REPLICAOF", "NO", "ONE")
    group.follow(0, second)
    group.follow(2, second)
    assert group.verify(timeout=5) == {}


@one("redis-7.0")
def test_who_follows_whom(group):
    first, second, _third = group.ports()
    # A master of its own, with data.
    group.tell(1, "REPLICAOF", "NO", "ONE")
    group.tell(1, "SET", "a", "1")
    assert group.verify() == {("RH-REP-01", 1): "a master of its own, with 1 keys"}
    # A replica of a replica.
    group.follow(2, second)
    group.follow(1, first)
    chain = {key: actual for key, actual in group.verify().items() if key[0] == "RH-REP-01"}
    assert chain == {("RH-REP-01", 2): f"replica of 127.0.0.1:{second}, which is a replica itself"}
    # A master from outside the group.
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        group.tell(2, "REPLICAOF", "127.0.0.1", port)
        foreign = group.verify()
    assert foreign == {("RH-REP-01", 2): f"replica of 127.0.0.1:{port}, which is no server of the group"}
    # One that does not answer.
    group.follow(2, first)
    group.servers[2].stop()
    silent = group.verify()
    assert list(silent) == [("RH-REP-01", 2)]
    assert "can't be reached" in silent["RH-REP-01", 2]


def test_links(group):
    first, _second, _third = group.ports()
    # Cut off by a wrong password.
    group.tell(1, "CONFIG", "SET", "masterauth", "wrong-password")
    group.tell(0, "CLIENT", "KILL", "TYPE", "replica")
    wait_for(lambda: group.roles()[2] == group.following(first))
    down = group.verify()
    assert sorted(down) == [("RH-REP-02", 1), ("RH-REP-04", 1), ("RH-REP-06", "")]
    assert down["RH-REP-02", 1].startswith("its link is down")
    assert down["RH-REP-04", 1] == "it has no link now"
    assert PASSWORD not in down["RH-REP-06", ""] and "wrong-password" not in down["RH-REP-06", ""]
    # Fixed a little later, which is waited for.
    mend = threading.Timer(1, group.tell, (1, "CONFIG", "SET", "masterauth", PASSWORD))
    mend.start()
    assert group.verify(timeout=10) == {}
    # As somebody who may do more; and as the user that nobody should be.
    group.tell(1, "CONFIG", "SET", "masterauth", "correct-horse-battery", "masteruser", "admin")
    group.tell(0, "CLIENT", "KILL", "TYPE", "replica")
    wait_for(lambda: group.roles()[1:] == [group.following(first)] * 2)
    group.tell(1, "CONFIG", "SET", "masterauth", PASSWORD, "masteruser", USER)
    assert group.verify() == {("RH-REP-04", 1): "logged in as admin, without TLS"}
    assert group.verify(replica_user=None) == {}
    group.tell(0, "ACL", "SETUSER", "default", "on", "nopass", "+psync", "+replconf", "+ping")
    group.tell(1, "CONFIG", "SET", "masterauth", "", "masteruser", "")
    group.tell(0, "CLIENT", "KILL", "TYPE", "replica")
    wait_for(lambda: group.roles()[1:] == [group.following(first)] * 2)
    default = group.verify(replica_user=None)
    assert default.pop(("RH-REP-04", 1)) == "logged in as default, without TLS"
    assert list(default) == [("RH-REP-06", "")]


@one("valkey-8.1")
def test_tls(group):
    first = group.servers[0]
    plain = group.verify(require_tls=True)
    assert plain == {("RH-REP-04", number): "logged in as replica, without TLS" for number in (1, 2)}
    for number in range(3):
        group.tell(number, "CONFIG", "SET", "tls-replication", "yes")
    # The links that there are do not change with the setting.
    assert group.verify(require_tls=True) == plain
    for number in (1, 2):
        group.follow(number, first.tls_port)
    assert group.verify(require_tls=True, timeout=5) == {}


@one("redis-8.0")
def test_a_stranger_is_sent_the_data(group):
    first = group.servers[0]
    with socket.create_connection(("127.0.0.1", first.port)) as stranger:
        # It says that it is a server of the group.
        listening = f"REPLCONF listening-port {group.servers[1].port}"
        for words in (f"AUTH {USER} {PASSWORD}", listening, "PSYNC ? -1"):
            stranger.sendall(words.encode() + b"\r\n")
            assert stranger.recv(1000)[:1] == b"+"
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        wait_for(lambda: f"addr={address} ".encode() in group.tell(0, "CLIENT", "LIST", "TYPE", "replica"))
        assert group.verify() == {("RH-REP-03", 0): "user replica replicates it"}
        assert [one["subject"] for one in group.findings if one["status"] == "fail"] == [address]
    assert group.verify(timeout=5) == {}


@one("redis-8.0")
def test_writes_and_settings(group):
    group.tell(1, "CONFIG", "SET", "replica-read-only", "no")
    writable = group.verify()
    assert writable.pop(("RH-REP-05", 1)) == "taken"
    assert list(writable) == [("RH-REP-06", "")]
    assert group.tell(1, "DBSIZE") == 0
    group.tell(1, "CONFIG", "SET", "replica-read-only", "yes")
    for number in range(3):
        group.tell(number, "CONFIG", "SET", "min-replicas-to-write", 2)
    assert group.verify(timeout=5) == {}
    # The master lost the setting.
    group.tell(0, "CONFIG", "SET", "min-replicas-to-write", 0)
    first, second, third = (f"127.0.0.1:{port}" for port in group.ports())
    assert group.verify() == {("RH-REP-06", ""): f"min-replicas-to-write: 0 on {first}; 2 on {second} {third}"}
    # It needs more than there are, and so takes no writes.
    for number in range(3):
        group.tell(number, "CONFIG", "SET", "min-replicas-to-write", 3)
    assert group.verify() == {("RH-REP-02", 0): "2"}


def test_refused_input(run_module):
    twice = run_module("redis_replication_verify", {"nodes": [{"host": "127.0.0.1", "port": 1}] * 2})
    assert "names 127.0.0.1:1 twice" in twice["msg"]


@one("redis-7.0")
def test_what_a_crash_may_cost(group):
    assert set(group.verify(crash=True)) == {(control, number) for control in CRASH for number in range(3)}
    for number in range(3):
        group.tell(number, "CONFIG", "SET", "appendonly", "yes")
        group.tell(number, "CONFIG", "SET", "min-replicas-to-write", 1)
    assert group.verify(crash=True) == {} and len(group.findings) == 6
