# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found about Sentinels."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.plan import Peer, View
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.verify import (
    judge,
    judge_anonymous,
    judge_link,
    judge_tls,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls.handshake import Outcome

ONE = ("10.0.0.1", 6379)
MASTER = {"ip": ONE[0], "port": "6379", "flags": "master", "role-reported": "master", "quorum": "2"}
REPLICA = {"ip": "10.0.0.2", "port": "6379", "flags": "slave", "role-reported": "slave"}
REPLICA |= {"master-link-status": "ok", "slave-priority": "100"}
OK = "OK 3 usable Sentinels. Quorum and failover authorization can be reached"


def other(number, flags="sentinel"):
    return {"ip": f"10.0.1.{number}", "port": "26379", "runid": f"id{number}", "flags": flags}


def peer(number, watches=ONE, **more):
    return Peer(f"s{number}", frozenset({(f"10.0.1.{number}", 26379)}), f"id{number}", watches, **more)


def view(**more):
    known = {"myid": "id1", "master": MASTER, "watches": ONE, "replicas": (REPLICA,)}
    return View(**{**known, "others": (other(2), other(3)), "peers": (peer(1), peer(2), peer(3)), **more})


def found(one, quorum=2, reply=OK, replicas=1):
    return {entry["id"]: entry for entry in judge(one, quorum, reply, replicas, "s1")}


def test_all_is_well():
    assert {key: entry["status"] for key, entry in found(view()).items()} == {
        f"RH-SEN-0{number}": "pass" for number in (2, 3, 4, 6)
    }


@pytest.mark.parametrize(
    ("more", "control", "words"),
    [
        ({"others": (other(2),)}, "RH-SEN-02", "s3 is not known"),
        ({"others": (other(2), other(3), other(9))}, "RH-SEN-02", "10.0.1.9:26379 is known and not declared"),
        ({"others": (other(2), other(3, "s_down,sentinel"))}, "RH-SEN-02", "10.0.1.3:26379 is down"),
        ({"peers": (peer(1), peer(2), peer(3, problem="no answer"))}, "RH-SEN-02", "s3 can't be asked: no answer"),
        ({"peers": (peer(1), peer(2, ("10.0.0.2", 6379)), peer(3))}, "RH-SEN-03", "s2 watches 10.0.0.2:6379"),
        ({"peers": (peer(1), peer(2, None), peer(3))}, "RH-SEN-03", "s2 watches no such group"),
        ({"master": dict(MASTER, **{"role-reported": "slave"})}, "RH-SEN-03", "says it is a slave"),
        (
            {"replicas": (dict(REPLICA, **{"role-reported": "master"}),)},
            "RH-SEN-03",
            "10.0.0.2:6379 says it is a master",
        ),
        ({"master": dict(MASTER, quorum="3")}, "RH-SEN-04", "quorum 3"),
        ({"replicas": ()}, "RH-SEN-06", "up: none"),
        ({"replicas": (dict(REPLICA, flags="slave,s_down"),)}, "RH-SEN-06", "not: 10.0.0.2:6379 (slave,s_down)"),
        ({"replicas": (dict(REPLICA, **{"master-link-status": "err"}),)}, "RH-SEN-06", "link to the master is err"),
        ({"replicas": (dict(REPLICA, **{"slave-priority": "0"}),)}, "RH-SEN-06", "priority is 0"),
    ],
)
def test_one_thing_is_wrong(more, control, words):
    entries = found(dataclasses.replace(view(), **more))
    assert [key for key, entry in entries.items() if entry["status"] != "pass"] == [control]
    assert words in entries[control]["actual"]


def test_the_quorum_must_be_reached():
    entry = found(view(), reply="NOQUORUM 1 usable Sentinels.")["RH-SEN-04"]
    assert (entry["status"], "NOQUORUM" in entry["actual"]) == ("fail", True)
    assert found(view(), quorum=None)["RH-SEN-04"]["status"] == "pass"


def test_nothing_is_watched():
    assert {entry["status"] for entry in found(View("id1")).values()} == {"fail"}


def test_anonymous_clients():
    assert judge_anonymous(None, "s1")["status"] == "fail"
    assert judge_anonymous(ConnectionProblem("auth", ""), "s1")["status"] == "pass"
    assert judge_anonymous(ConnectionProblem("timeout", "no answer"), "s1")["status"] == "error"


@pytest.mark.parametrize(
    ("flags", "rights", "status"),
    [
        ("master", [], "pass"),
        ("master", None, "pass"),
        ("master", ["CONFIG REWRITE: no permissions"], "fail"),
        ("master", "wrong password", "fail"),
        ("master,disconnected", [], "fail"),
        ("s_down,slave", None, "fail"),
    ],
)
def test_links(flags, rights, status):
    assert judge_link(dict(MASTER, flags=flags), rights, "s1")["status"] == status


@pytest.mark.parametrize(
    ("state", "row", "status"),
    [
        ("answered", MASTER, "fail"),
        ("refused", MASTER, "pass"),
        ("silent", None, "pass"),
        ("closed", None, "error"),
        ("refused", dict(MASTER, flags="master,disconnected"), "error"),
    ],
)
def test_tls(state, row, status):
    assert judge_tls("10.0.0.1:6379", Outcome(state, "said"), row, "s1")["status"] == status
