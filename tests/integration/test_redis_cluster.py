"""A cluster's life: made, grown, shrunk, failed over, interrupted, and attacked. Its nodes are real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from cluster_lab import Lab, Writer, members, wait_for
from conftest import NAMES
from module_process import MODULES
from redis.crc import key_slot

SLOTS = 16384


@pytest.fixture(params=NAMES)
def lab(request, certificates, tmp_path):
    """Servers of one kind, the module talking to those of Redis 8 over TLS."""
    one = Lab(request.param, tmp_path, certificates, tls=request.param == "redis-8.0")
    yield one
    one.stop()


def wanted(lab, nodes=None, leaving=(), zones=3, **options):
    """Return the module's options for these nodes, which stand in so many zones."""
    entries = [lab.entry(node, zone=f"zone{at % zones}") for at, node in enumerate(nodes or lab.nodes)]
    return lab.options(entries + [lab.entry(node, state="absent") for node in leaving], **options)


def shares(node):
    """Return the numbers of slots of the masters that have some, as one node sees it."""
    return sorted(slots for _flags, _master, slots in members(node).values() if slots)


def verdicts(run_module, options):
    result = run_module("redis_cluster_verify", {k: v for k, v in options.items() if k not in ("timeout", "rebalance")})
    assert "findings" in result, result
    return {(entry["id"], entry["status"]) for entry in result["findings"]}, result["findings"]


def test_made_and_failed_over(lab, run_module):
    nodes = lab.add(6)
    options = wanted(lab, replicas=1)
    before = [members(node) for node in nodes]
    predicted = run_module("redis_cluster", options, check=True, diff=True)
    assert predicted["changed"] and [members(node) for node in nodes] == before
    made = run_module("redis_cluster", options, diff=True)
    assert made["changed"] and made["steps"] == predicted["steps"], made
    assert made["diff"] == predicted["diff"] and made["cluster_nodes"] == predicted["cluster_nodes"]
    assert shares(nodes[4]) == [5461, 5461, 5462]
    ids = {node.cluster("MYID"): at for at, node in enumerate(nodes)}
    for node, (flags, master, _slots) in members(nodes[0]).items():
        if "slave" in flags:
            assert ids[node] % 3 != ids[master] % 3, "a replica stands in its master's zone"
    assert run_module("redis_cluster", options)["changed"] is False
    statuses, findings = verdicts(run_module, options)
    # These nodes keep nothing on disk.
    expected = {(f"RH-CLU-0{number}", "pass") for number in range(1, 7)} | {("RH-CLU-07", "fail")}
    assert statuses == expected, findings

    # A master dies. Nothing is done without it; what became of it is left as it is when it comes back.
    nodes[0].stop(kill=True)
    refused = run_module("redis_cluster", options)
    assert (
        refused["failed"] and lab.name(nodes[0]) in refused["msg"] and "The cluster was not changed" in refused["msg"]
    )
    dead = next(node for node, at in ids.items() if at == 0)
    wait_for(lambda: "slave" not in members(nodes[1])[heir_of(dead, made, lab, ids)][0], 60)
    assert ("RH-CLU-01", "error") in verdicts(run_module, options)[0]
    nodes[0].start()
    again = run_module("redis_cluster", options, diff=True)
    assert again["changed"] is False, again
    now = members(nodes[1])
    assert "slave" in now[dead][0] and now[heir_of(dead, made, lab, ids)][2] == 5462


def heir_of(dead, made, lab, ids):
    """Return the id of the replica that the dead master had."""
    names = {lab.name(lab.nodes[at]): node for node, at in ids.items()}
    return next(names[row["name"]] for row in made["cluster_nodes"] if names.get(row["master"]) == dead)


def test_slots_move_under_a_writer(lab, run_module):
    first = lab.add(3)
    assert run_module("redis_cluster", wanted(lab, replicas=0))["changed"]
    new = lab.add(1)[0]
    with Writer(first[0]) as writer:
        options = wanted(lab, replicas=0)
        interrupt(options, lambda: 0 < members(new)[new.cluster("MYID")][2] < 3000)
        again = run_module("redis_cluster", options)
        assert again["changed"] and not [step for step in again["steps"] if "meets" in step], again
        assert shares(first[0]) == [4096] * 4
        assert run_module("redis_cluster", options)["changed"] is False
        gone = run_module("redis_cluster", wanted(lab, [first[0], first[2], new], [first[1]], replicas=0))
        assert gone["changed"], gone
        seen = len(writer.acknowledged)
        wait_for(lambda: len(writer.acknowledged) > seen + 50, 60)
    assert writer.lost() == [] and len(writer.acknowledged) > 300
    assert not writer.errors or all("AttributeError" in error for error in writer.errors), writer.errors
    assert shares(new) == [5461, 5461, 5462] and len(members(new)) == 3
    assert len(members(first[1])) == 1 and shares(first[1]) == []
    left = wanted(lab, [first[0], first[2], new], [first[1]], replicas=0)
    assert run_module("redis_cluster", left)["changed"] is False


def interrupt(options, condition):
    """Start the module and kill it when the condition holds."""
    parameters = {**options, "_ansible_check_mode": False, "_ansible_diff": False}
    process = subprocess.Popen(
        [sys.executable, "-m", MODULES + "redis_cluster"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
        text=True,
    )
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": parameters}))
    process.stdin.close()
    wait_for(condition, 60)
    process.kill()
    assert process.wait() == -9, "it was done before it could be interrupted"


def test_moves_that_were_begun_are_finished(lab, run_module):
    """Slots are left half moved in every way in which a run can end, keys on both sides."""
    nodes = lab.add(3)
    options = wanted(lab, replicas=0, rebalance=False)
    run_module("redis_cluster", options)
    one, two, three = nodes
    giver, taker = one.cluster("MYID"), two.cluster("MYID")
    names = {key_slot(f"k{number}".encode()): f"k{number}" for number in range(4000)}
    slots = sorted(slot for slot in names if slot < 5000)[:4]
    for slot in slots:
        one.client().execute_command("SET", names[slot], "kept")
    # 0: only the taker knows. 1: only the giver knows. 2: both. 3: both, and its key has gone over already.
    for slot in (slots[0], slots[2], slots[3]):
        two.cluster("SETSLOT", slot, "IMPORTING", giver)
    for slot in slots[1:]:
        one.cluster("SETSLOT", slot, "MIGRATING", taker)
    migrate = (
        "MIGRATE",
        "127.0.0.1",
        two.tls_port,
        names[slots[3]],
        0,
        5000,
        "AUTH2",
        "admin",
        "correct-horse-battery",
    )
    assert one.client().execute_command(*migrate) == b"OK"
    # An older try left a copy; the giver's is the one that clients see.
    asking = two.client().pipeline(transaction=False)
    asking.execute_command("ASKING")
    asking.execute_command("SET", names[slots[2]], "stale")
    asking.execute()
    assert ("RH-CLU-02", "fail") in verdicts(run_module, {k: v for k, v in options.items() if k != "rebalance"})[0]
    finished = run_module("redis_cluster", options)
    assert finished["changed"], finished
    assert "[" not in "".join(node.cluster("NODES") for node in nodes)
    for slot in slots:
        assert two.client().execute_command("GET", names[slot]) == b"kept", slot
    assert run_module("redis_cluster", options)["changed"] is False


@pytest.mark.parametrize("lab", ["redis-7.0"], indirect=True)
def test_refused_with_nothing_changed(lab, run_module):
    nodes, extra = lab.add(3), lab.add(1)[0]
    run_module("redis_cluster", wanted(lab, nodes, replicas=0))
    before = [members(node) for node in lab.nodes]

    def refuse(options):
        result = run_module("redis_cluster", options)
        assert result.get("failed") and not result.get("changed") and result["steps"] == [], result
        assert [members(node) for node in lab.nodes] == before
        return result["msg"]

    assert "3 masters" not in (message := refuse(wanted(lab, nodes, replicas=1)))
    assert "1 masters" in message and "6 nodes" in message
    assert "that nodes does not name" in refuse(wanted(lab, [nodes[0], nodes[1], extra], replicas=0))
    nowhere = {"host": "127.0.0.1", "port": 1}
    options = wanted(lab, replicas=0)
    assert "127.0.0.1:1 " in refuse({**options, "nodes": [*options["nodes"], nowhere]})
    # A slot has to be its own before a node takes a key, as in a server that was a cluster of its own.
    extra.cluster("ADDSLOTS", *range(SLOTS))
    wait_for(lambda: extra.client().execute_command("SET", "foreign", "1") == b"OK", 60)
    before = [members(node) for node in lab.nodes]
    assert "different clusters" in refuse(options)
    # Only now is it no cluster any more, but there is its key.
    extra.cluster("DELSLOTS", *range(SLOTS))
    before = [members(node) for node in lab.nodes]
    assert "holds 1 keys" in (message := refuse(options)) and lab.name(extra) in message
    secret = refuse({**options, "login_password": "wrong-horse"})
    assert "refused the login" in secret and "wrong-horse" not in secret


def test_a_stranger_can_not_join(lab, run_module):
    nodes = lab.add(3)
    options = wanted(lab, replicas=0)
    run_module("redis_cluster", options)
    ours = set(members(nodes[0]))
    folder = lab.certificates
    # A CA of his own, or no TLS at all.
    if not (folder / "rogue.crt").exists():
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", "rogue.key", "-out", "rogue.crt", "-days", "2", "-subj", "/CN=rogue"),
            ],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    own = [f"tls-{name} {folder}/rogue.{end}" for name, end in (("cert-file", "crt"), ("key-file", "key"))]
    strangers = lab.add(1, *own, f"tls-ca-cert-file {folder}/rogue.crt") + lab.add(1, "tls-cluster no")
    for stranger in strangers:
        for node in nodes:
            stranger.cluster("MEET", "127.0.0.1", node.port, node.bus)
    # Twice the node timeout, after which an attempt is given up.
    time.sleep(5)
    assert all(set(members(node)) == ours for node in nodes)
    statuses, findings = verdicts(run_module, options)
    assert {("RH-CLU-03", "pass"), ("RH-CLU-05", "pass")} <= statuses, findings

    # One with a certificate gets in without any password, which is found, refused and undone.
    insider = lab.add(1)[0]
    insider.cluster("MEET", "127.0.0.1", nodes[0].port, nodes[0].bus)
    wait_for(lambda: all(len(members(node)) == 4 for node in nodes), 60)
    statuses, findings = verdicts(run_module, options)
    assert ("RH-CLU-03", "fail") in statuses, findings
    refused = run_module("redis_cluster", options)
    assert refused["failed"] and insider.cluster("MYID") in refused["msg"]
    insider.stop(kill=True)
    entries = [*options["nodes"], lab.entry(insider, state="absent")]
    assert run_module("redis_cluster", {**options, "nodes": entries})["changed"]
    assert all(set(members(node)) == ours for node in nodes)
    # An open bus is found.
    nodes[1].client().execute_command("CONFIG", "SET", "tls-cluster", "no")
    assert ("RH-CLU-05", "fail") in verdicts(run_module, options)[0]
