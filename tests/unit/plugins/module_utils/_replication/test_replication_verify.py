# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found about a replicated group."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication.plan import Node
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication.verify import (
    ALIKE,
    Link,
    ServerReply,
    group_findings,
    parse_info,
    parse_links,
)
from hypothesis import given, strategies as st

STREAM = "f" * 40
SETTINGS = dict.fromkeys(ALIKE, "") | {"masteruser": "replica", "masterauth": "s3cret", "min-replicas-to-write": "1"}
SETTINGS |= {"min-replicas-max-lag": "5", "appendonly": "yes"}


def place(number):
    return (f"10.0.0.{number}", 6379)


def server(number, master=None, link="up", keys=0, failover="no-failover", stream=STREAM, **more):
    """A server, which replicates the server of that number, or the address."""
    master = place(master) if isinstance(master, int) else master
    node = Node(f"s{number}", frozenset({place(number)}), master, (), link, keys, failover, stream)
    if master:
        more = {"outgoing": (Link(f"10.0.0.{number}:5000", "%s:%d" % master),), "written": "READONLY", **more}
        more = {"info": {"slave_repl_offset": "90"}, **more}
    return ServerReply(
        **{"name": f"s{number}", "addresses": node.addresses, "node": node, "settings": SETTINGS, **more}
    )


def of(number, user="replica", port=6379):
    """The master's end of the link of a replica."""
    return Link(f"10.0.0.1:{port}", f"10.0.0.{number}:5000", user)


def silent(number):
    return ServerReply(f"s{number}", frozenset({place(number)}), problem="no answer")


def group(*others, **master):
    return [server(1, **{"incoming": (of(2), of(3)), **master}), *(others or (server(2, 1), server(3, 1)))]


def trouble(asked, **more):
    """Return {(control, server or peer): actual} of what does not pass."""
    more = {"replica_user": "replica", **more}
    found = group_findings(asked, **more)
    return {(one["id"], one["instance"]): one["actual"] for one in found if one["status"] != "pass"}


def test_all_is_well():
    found = group_findings(group(), "replica")
    assert {one["status"] for one in found} == {"pass"}
    assert sorted({one["id"] for one in found}) == [
        *[f"RH-REP-0{number}" for number in range(1, 7)],
        "RH-REP-08",
        "RH-REP-09",
    ]
    assert trouble([server(1)]) == {}


def test_what_a_crash_may_cost():
    weak = SETTINGS | {"appendonly": "no", "min-replicas-to-write": "0"}
    found = trouble(group(server(2, 1, settings=weak), server(3, 1), settings=SETTINGS | {"min-replicas-max-lag": "0"}))
    assert found["RH-REP-08", "s2"] == "appendonly no"
    assert found["RH-REP-09", "s2"] == "min-replicas-to-write 0, min-replicas-max-lag 5"
    assert found["RH-REP-09", "s1"] == "min-replicas-to-write 1, min-replicas-max-lag 0"
    assert not {("RH-REP-08", "s3"), ("RH-REP-09", "s3")} & set(found)


def test_two_servers_may_do_without_a_replica_in_step():
    pair = [server(1, incoming=(of(2),), settings=SETTINGS | {"min-replicas-to-write": "0"}), server(2, 1)]
    found = group_findings(pair, "replica")
    assert {one["status"] for one in found if one["id"] == "RH-REP-09"} == {"skipped", "pass"}


@pytest.mark.parametrize("head", [1, 2, 3])
def test_any_server_may_be_the_master(head):
    others = [number for number in (1, 2, 3) if number != head]
    asked = [server(head, incoming=tuple(of(number) for number in others)), *(server(one, head) for one in others)]
    assert trouble(sorted(asked, key=lambda one: one.name)) == {}


@pytest.mark.parametrize(
    ("others", "wrong"),
    [
        ((server(2, 1), server(3, keys=7)), {"s3": "a master of its own, with 7 keys"}),
        (
            (server(2, 1), server(3, ("6.6.6.6", 1))),
            {"s3": "replica of 6.6.6.6:1, which is no server of the group"},
        ),
        ((server(2, 1), server(3, 2)), {"s3": "replica of s2, which is a replica itself"}),
        ((server(2, 1, failover="waiting-for-sync"), server(3, 1)), {"s2": "in a failover (waiting-for-sync)"}),
        ((server(2, 1), silent(3)), {"s3": "no answer"}),
        # Two that lead, none, and one that has been given up for another.
        ((server(2, 1), server(3), server(4, 3)), dict.fromkeys(("s1", "s2", "s3", "s4"), "")),
        ((server(2), server(3)), dict.fromkeys(("s1", "s2", "s3"), "of its own")),
        ((silent(2), server(3, 2)), {"s1": "a master of its own", "s2": "no answer", "s3": "replica of s2"}),
    ],
)
def test_roles(others, wrong):
    found = {name: text for (control, name), text in trouble(group(*others)).items() if control == "RH-REP-01"}
    assert found.keys() == wrong.keys()
    for name, words in wrong.items():
        assert words in found[name]


def test_nobody_is_the_master():
    found = trouble([server(1, 2), server(2, 1)])
    assert found["RH-REP-01", "s1"] == "replica of s2, which is a replica itself"
    assert ("RH-REP-01", "s2") in found


def test_a_master_that_does_not_answer_is_still_the_master():
    found = trouble([silent(1), server(2, 1, link="down"), server(3, 1, link="down")])
    assert sorted(found) == [("RH-REP-01", "s1"), ("RH-REP-02", "s2"), ("RH-REP-02", "s3")]
    assert sorted(trouble([silent(1), silent(2)])) == [("RH-REP-01", "s1"), ("RH-REP-01", "s2")]


@pytest.mark.parametrize(
    ("replica", "words"),
    [
        ({"link": "down", "info": {"master_link_down_since_seconds": "7"}}, "its link is down, for 7 s"),
        (
            {"link": "down", "info": {"master_sync_in_progress": "1"}, "stream": "e" * 40},
            "its link is down, it is being sent all data",
        ),
        ({"stream": "e" * 40}, "its data is of another replication id"),
        ({"info": {"slave_repl_offset": "80"}}, "10 bytes behind"),
        ({"info": {"slave_repl_offset": "90"}}, None),
        ({"info": {"slave_repl_offset": "91"}}, None),
    ],
)
def test_in_step(replica, words):
    found = trouble(group(server(2, 1, **replica), server(3, 1)), goals={STREAM: 90})
    assert found.get(("RH-REP-02", "s2")) == words


@pytest.mark.parametrize(("there", "ok"), [("0", False), ("1", True)])
def test_a_master_that_takes_no_writes(there, ok):
    found = trouble(group(info={"min_slaves_good_slaves": there}))
    assert found == ({} if ok else {("RH-REP-02", "s1"): "0"})


def strangers(asked):
    return [one["subject"] for one in group_findings(asked) if (one["id"], one["status"]) == ("RH-REP-03", "fail")]


def test_strangers():
    assert strangers(group(incoming=(of(2), of(3), of(9)))) == ["10.0.0.9:5000"]
    # From the host of a replica, which is connected itself.
    twice = Link("10.0.0.1:6379", "10.0.0.2:6000", "replica")
    assert strangers(group(incoming=(of(2), of(3), twice))) == ["10.0.0.2:6000"]
    # On a replica.
    hidden = Link("10.0.0.2:6379", "10.0.0.9:5000", "replica")
    assert strangers(group(server(2, 1, incoming=(hidden,)), server(3, 1))) == ["10.0.0.9:5000"]


def test_replicas_whose_own_end_is_not_known():
    # Addresses are translated: as many links as there are replicas, and one that is too many.
    through = [Link("10.0.0.1:6379", f"172.17.0.1:{port}", "replica") for port in (1, 2, 3)]
    assert trouble(group(incoming=tuple(through[:2]))) == {}
    assert strangers(group(incoming=tuple(through))) == ["172.17.0.1:3"]
    # It is brought in step, or can't be asked: by its address.
    waiting = server(3, 1, link="down", outgoing=())
    assert strangers(group(server(2, 1), waiting)) == strangers(group(server(2, 1), silent(3))) == []
    assert strangers(group(server(2, 1), waiting, incoming=(of(2), of(9)))) == ["10.0.0.9:5000"]
    assert strangers(group(server(2, 1), silent(3), incoming=(of(2), of(9)))) == ["10.0.0.9:5000"]
    # But one for each.
    more = Link("10.0.0.1:6379", "10.0.0.3:6000", "replica")
    assert strangers(group(server(2, 1), silent(3), incoming=(of(2), of(3), more))) == ["10.0.0.3:6000"]
    mute = server(3, 1, outgoing=None)
    assert strangers(group(server(2, 1), mute, incoming=(of(2), of(3), of(9)))) == ["10.0.0.9:5000"]
    # IPv6, as CLIENT LIST writes it.
    six = dataclasses.replace(silent(3), addresses=frozenset({("fd00::3", 6379)}))
    link = Link("[fd00::1]:6379", "[fd00::3]:5000", "replica")
    assert strangers(group(server(2, 1), six, incoming=(of(2), link))) == []


@pytest.mark.parametrize(
    ("link", "more", "words"),
    [
        (of(2, "default"), {}, "logged in as default, without TLS"),
        (of(2, "default"), {"replica_user": None}, "logged in as default, without TLS"),
        (of(2, ""), {"replica_user": None}, "logged in as nobody, without TLS"),
        (of(2, "admin"), {}, "logged in as admin, without TLS"),
        (of(2, "admin"), {"replica_user": None}, None),
        (of(2), {"require_tls": True}, "logged in as replica, without TLS"),
        (of(2, port=6380), {"require_tls": True}, None),
        (of(2, "admin", port=6380), {"require_tls": True}, "logged in as admin, with TLS"),
        (Link("", "10.0.0.2:5000", "replica"), {}, "the server does not tell"),
    ],
)
def test_logins(link, more, words):
    asked = [server(1, incoming=(link,), tls_port=6380), server(2, 1)]
    assert trouble(asked, **more) == ({("RH-REP-04", "s2"): words} if words else {})


def test_a_link_that_is_not_there():
    found = trouble(group(server(2, 1), server(3, 1, link="down", outgoing=()), incoming=(of(2),)))
    assert found == {("RH-REP-02", "s3"): "its link is down", ("RH-REP-04", "s3"): "it has no link now"}


def test_without_client_list():
    found = trouble(group(incoming=None))
    assert found == dict.fromkeys([("RH-REP-03", "s1"), ("RH-REP-04", "s1")], "CLIENT LIST is not available")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("READONLY", "pass"),
        ("value is not an integer or out of range", "fail"),
        ("NOPERM no permissions", "error"),
        (None, "skipped"),
    ],
)
def test_writes(answer, status):
    found = group_findings([server(1, incoming=(of(2),)), server(2, 1, written=answer)])
    assert [one["status"] for one in found if one["id"] == "RH-REP-05"] == [status]


def test_settings_differ_and_secrets_are_not_shown():
    other = server(3, 1, settings=SETTINGS | {"min-replicas-to-write": "0", "masterauth": "0ther"})
    found = trouble(group(server(2, 1), other))
    assert found == {
        ("RH-REP-06", ""): "masterauth: one value on s1 s2; another on s3. min-replicas-to-write: 1 on s1 s2; 0 on s3",
        ("RH-REP-09", "s3"): "min-replicas-to-write 0, min-replicas-max-lag 5",
    }
    empty = server(3, 1, settings=SETTINGS | {"masterauth": ""})
    assert "nothing on s3" in trouble(group(server(2, 1), empty))["RH-REP-06", ""]


def test_parsing():
    assert parse_info("# Replication\r\nrole:slave\r\nmaster_host:fd00::1\r\n") == {
        "role": "slave",
        "master_host": "fd00::1",
    }
    (link,) = parse_links("id=7 addr=[fd00::2]:5000 laddr=[fd00::1]:6380 fd=9 name= flags=S user=replica\n")
    assert (link, link.host, link.port) == (Link("[fd00::1]:6380", "[fd00::2]:5000", "replica"), "fd00::2", 6380)
    assert parse_links("\n") == ()


links = st.builds(of, st.integers(1, 9), st.sampled_from(["replica", "default", ""]), st.sampled_from([6379, 6380]))
servers = st.one_of(
    st.builds(silent, st.integers(1, 4)),
    st.builds(
        server,
        st.integers(1, 4),
        st.one_of(st.none(), st.integers(1, 5)),
        st.sampled_from(["up", "down"]),
        incoming=st.one_of(st.none(), st.lists(links, max_size=4).map(tuple)),
        outgoing=st.one_of(st.none(), st.just(())),
    ),
)


@given(st.lists(servers, min_size=1, max_size=4, unique_by=lambda one: one.name), st.booleans())
def test_whatever_the_servers_say_there_are_findings(asked, require_tls):
    found = group_findings(asked, "replica", require_tls)
    assert sorted(one["instance"] for one in found if one["id"] == "RH-REP-01") == sorted(one.name for one in asked)
    there = [one for one in asked if not one.problem]
    good = [one for one in found if (one["id"], one["status"]) == ("RH-REP-01", "pass")]
    masters = [one for one in there if one.node.master is None]
    assert sum(one["actual"] == "master" for one in good) <= 1
    if len(masters) > 1:
        assert len(good) < len(there)
