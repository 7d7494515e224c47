# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A master that was killed asks real Sentinels, or real nodes of its cluster, before it starts again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from cluster_lab import Lab, members
from conftest import NAMES
from sentinel_lab import Group, wait_for

PROGRAM = Path(__file__).parents[2] / "roles" / "redis" / "files" / "start_guard"
# Runs the part that the server's user runs, as whoever runs the tests. Its last argument is the state.
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from guard import Guard
own = Guard(json.loads(sys.argv[2]))
print(json.dumps(own.check()) if sys.argv[3] == "check" else own.before(sys.argv[3], sys.argv[4]) or "started")
"""


@pytest.fixture(params=NAMES)
def group(request, tmp_path, run_module):
    one = Group(request.param, tmp_path, run_module)
    try:
        one.ready().run_all()
        yield one.know_each_other()
    finally:
        one.stop()


def settings(group, number):
    own = group.data[number]
    return {
        "config": str(own.file),
        "cluster": False,
        "port": own.port,
        "own": ["127.0.0.1"],
        "members": [["127.0.0.1", one.port] for one in group.data if one is not own],
        "sentinels": [["127.0.0.1", one.port] for one in group.sentinels],
        "master_name": "mymaster",
        "names": {"INFO": "INFO", "CLUSTER": "CLUSTER"},
        "tls": None,
    }


def guard(settings, state, allowed="/nonexistent"):
    words = [sys.executable, "-c", SCRIPT, str(PROGRAM), json.dumps(settings), state, allowed]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return out.strip(), said


def test_a_master_that_was_killed_comes_back_as_a_replica_with_all_that_was_acknowledged(group):
    old, secret = group.data[0], "tortoise-of-the-replicas"
    out, said = ended(guard(settings(group, 0), "check"))
    assert set(json.loads(out).values()) == {""} and len(json.loads(out)) == 5
    for number in range(500):
        old.ask("SET", f"k{number}", number)
    old.ask("WAIT", 2, 5000)
    old.kill()
    # Cleanly stopped, it would be the master at once.
    before = old.file.read_text()
    assert "starts: it was stopped cleanly" in ended(guard(settings(group, 0), "clean"))[1]
    assert old.file.read_text() == before
    # With a snapshot alone, or with an append-only file, it waits.
    waiting = guard(settings(group, 0), "crashed")
    assert "waits for the Sentinels to promote one of" in (first := waiting.stderr.readline())
    assert waiting.poll() is None and old.file.read_text() == before
    group.soon_down()
    out, said = ended(waiting)
    assert "starts as a replica" in said and secret not in out + first + said
    old.start()
    wait_for(lambda: b"master_link_status:up" in old.ask("INFO", "replication"), 60)
    assert old.ask("DBSIZE") == 500
    assert ended(guard(settings(group, 0), "crashed"))[1] == "redis-start-guard: starts: it is a replica\n"


def test_a_full_disk_loses_nothing_that_was_acknowledged(group):
    """Writes are refused then; and when the master dies of it, a replica has all that were taken."""
    old = group.data[0]
    disk = old.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        old.kill()
        with old.file.open("a") as file:
            file.write(f"dir {disk}\nappendonly yes\n")
        old.start()
        wait_for(old.client().ping, 60)
        wait_for(lambda: b"connected_slaves:2" in old.ask("INFO", "replication"), 60)
        client, acknowledged = old.client(), []
        with pytest.raises(redis.ResponseError, match="MISCONF"):
            for number in range(5000):
                client.execute_command("SET", f"k{number}", "x" * 2000)
                if client.execute_command("WAIT", 1, 1000):
                    acknowledged.append(f"k{number}")
        assert len(acknowledged) > 300
        old.kill()
        waiting = guard(settings(group, 0), "crashed")
        assert "waits for the Sentinels to promote one of" in waiting.stderr.readline()
        group.soon_down()
        assert "starts as a replica" in ended(waiting)[1]
        port = int(group.sentinels[0].row("MASTER", "mymaster")["port"])
        (new,) = [one for one in group.data if one.port == port]
        assert new is not old and new.ask("EXISTS", *acknowledged) == len(acknowledged)
    finally:
        old.kill()
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_without_a_majority_it_waits_until_somebody_allows_it(group, tmp_path):
    group.data[0].ask("SET", "k", 1)
    group.data[0].ask("WAIT", 2, 5000)
    group.data[0].kill()
    for one in group.sentinels[:2]:
        one.kill()
    group.sentinels[2].ask("SENTINEL", "SET", "mymaster", "down-after-milliseconds", 1500)
    allowed = tmp_path / "allowed"
    waiting = guard(settings(group, 0), "crashed", str(allowed))
    assert "1 of 3 Sentinels answer" in waiting.stderr.readline()
    time.sleep(3)
    assert waiting.poll() is None
    allowed.touch()
    assert "starts: it was allowed to by hand" in ended(waiting)[1]


@pytest.mark.parametrize("kind", NAMES)
def test_a_node_that_was_killed_waits_until_its_replica_has_its_slots(kind, tmp_path, certificates):
    lab = Lab(kind, tmp_path, certificates, tls=True)
    try:
        nodes = lab.add(4)
        first, *others = nodes

        def all_met():
            # A handshake that a busy machine did not end in time is forgotten.
            for other in others:
                first.cluster("MEET", "127.0.0.1", other.port, other.bus)
            time.sleep(1)
            return all(len(members(node)) == 4 for node in nodes)

        wait_for(all_met, 60)
        for node, slots in zip(nodes[:3], ((0, 5460), (5461, 10922), (10923, 16383)), strict=True):
            node.cluster("ADDSLOTSRANGE", *slots)
        nodes[3].cluster("REPLICATE", first.cluster("MYID"))
        wait_for(lambda: b"master_link_status:up" in nodes[3].client().execute_command("INFO", "replication"), 60)
        wait_for(lambda: all("cluster_state:ok" in node.cluster("INFO") for node in nodes), 60)
        own = {
            **{"config": str(first.folder / "server.conf"), "cluster": True, "port": first.tls_port},
            **{"own": ["127.0.0.1"], "members": [["127.0.0.1", node.tls_port] for node in others], "sentinels": []},
            **{"master_name": "", "names": {"INFO": "INFO", "CLUSTER": "CLUSTER"}},
            "tls": {
                **{"ssl_ca_certs": f"{certificates}/ca.crt", "ssl_certfile": f"{certificates}/client.crt"},
                "ssl_keyfile": f"{certificates}/client.key",
            },
        }
        out, _said = ended(guard(own, "check"))
        assert json.loads(out) == {f"127.0.0.1:{node.tls_port}": "" for node in others}
        first.stop(kill=True)
        assert "stopped cleanly" in ended(guard(own, "clean"))[1]
        # Long enough for nobody to have noticed yet.
        said = ended(guard(own, "crashed"))[1]
        assert "another node has its slots" in said
        assert members(nodes[3])[nodes[3].cluster("MYID")][2] == 5461
        first.start()
        wait_for(lambda: b"role:slave" in first.client().execute_command("INFO", "replication"), 60)
    finally:
        lab.stop()
