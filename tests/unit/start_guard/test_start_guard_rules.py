# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a member of a group that would start as a master does, by what the others say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles" / "redis" / "files" / "start_guard"


def load(name):
    spec = importlib.util.spec_from_file_location("start_guard_" + name, PROGRAM / (name + ".py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


rules, files = load("rules"), load("files")
OWN, OTHER = ("10.0.0.1", 6380), ("10.0.0.2", 6380)


def watch(number=1, address=OWN, **more):
    values = dict(mine=address == OWN, epoch=3, replicas=2, agreed=True, down_after=5.0, patience=75.0)
    return rules.Watch("s%d" % number, address=address, **{**values, **more})


def silent(number=1):
    return rules.Watch("s%d" % number, problem="refused")


def replica(number=2, **more):
    return rules.Member(
        "m%d" % number, address=("10.0.0.%d" % number, 6380), **dict(dict(follows=True, has_data=True), **more)
    )


def gone(number=2):
    return rules.Member("m%d" % number, problem="refused")


def leader(number=2):
    return rules.Member("m%d" % number, address=("10.0.0.%d" % number, 6380), master=True, has_data=True, replicas=1)


def judged(state, watches, members, waited=0.0, appendonly=True):
    found, why, address = rules.judge(state, watches, members, waited, appendonly)
    assert why and (address is None) == (found != rules.FOLLOW)
    return found


ALL = [watch(1), watch(2), watch(3)]


@pytest.mark.parametrize("state", ["clean", "crashed"])
def test_the_master_that_the_sentinels_name_is_followed_whatever_else_is_so(state):
    moved = watch(2, OTHER, epoch=4)
    for members in ([], [replica()], [leader()], [gone()]):
        found, _why, address = rules.judge(state, [watch(1), moved, watch(3)], members, 0.0, True)
        assert (found, address) == (rules.FOLLOW, OTHER)
    # What a server has that joins the group is not thrown away before anybody has asked.
    assert judged("first", [watch(1), moved, watch(3)], [leader()]) == rules.START


def test_of_two_opinions_the_later_one_counts():
    assert judged("clean", [watch(1, OTHER, epoch=3), watch(2, OWN, epoch=4)], [replica()], 11.0) == rules.START


def test_after_a_clean_stop_it_is_the_master_again_at_once():
    assert judged("clean", [watch(1, agreed=False), watch(2, agreed=False)], [replica()]) == rules.START


def test_a_clean_stop_that_the_sentinels_have_noticed_waits_for_what_they_do():
    """What it would take as the master, until they make it a replica, would be lost."""
    noticed, at_it = [watch(1), watch(2, agreed=False)], [watch(1, agreed=False, busy=True), watch(2, agreed=False)]
    assert [judged("clean", noticed, [replica()], waited) for waited in (0.0, 11.0)] == [rules.WAIT, rules.START]
    assert [judged("clean", at_it, [replica()], waited) for waited in (0.0, 11.0)] == [rules.WAIT, rules.WAIT]


@pytest.mark.parametrize("appendonly", [True, False])
@pytest.mark.parametrize("state", ["first", "crashed"])
def test_after_a_crash_it_waits_for_the_sentinels_whatever_it_keeps_on_disk(state, appendonly):
    assert judged(state, ALL, [replica()], 0.0, appendonly) == rules.WAIT
    assert judged(state, ALL, [replica()], 74.0, appendonly) == rules.WAIT
    assert judged(state, ALL, [replica()], 76.0, appendonly) == rules.START


def test_a_failover_under_way_is_waited_for():
    assert judged("crashed", [watch(1, busy=True), watch(2, busy=True)], [replica()], 76.0) == rules.WAIT


def test_without_a_majority_of_sentinels_nobody_can_decide():
    assert judged("crashed", [watch(1), silent(2), silent(3)], [replica()], 1e6) == rules.WAIT
    assert judged("crashed", [silent(1), silent(2), silent(3)], [replica()], 1e6) == rules.WAIT


def test_sentinels_that_do_not_agree_have_decided_nothing():
    alone = [watch(number, agreed=number == 1) for number in (1, 2, 3)]
    assert judged("crashed", alone, [replica()], 1e6) == rules.WAIT


def test_without_replicas_there_is_nothing_to_wait_for():
    assert judged("crashed", [watch(1, replicas=0)], []) == rules.START
    # Those that can't be reached may be about to come back, as after a power cut of all.
    assert judged("crashed", ALL, [gone()], 14.0) == rules.WAIT
    assert judged("crashed", ALL, [gone()], 16.0) == rules.START
    assert judged("first", ALL, [gone()]) == rules.START


def test_a_minority_knows_nothing_of_what_the_others_have_decided():
    alone = [watch(1), silent(2), silent(3)]
    assert judged("clean", alone, [gone()], 19.0) == rules.WAIT
    assert judged("clean", alone, [gone()], 21.0) == rules.START
    assert judged("clean", alone, [replica()], 11.0) == rules.START
    assert judged("crashed", alone, [gone()], 59.0) == rules.WAIT
    assert judged("crashed", alone, [gone()], 61.0) == rules.START


def test_who_refuses_the_login_is_not_silent():
    there = [rules.Watch("s1", problem="WRONGPASS", refused=True), silent(2), silent(3)]
    assert judged("crashed", there, [gone()], 1e6) == rules.WAIT
    assert judged("clean", there, [gone()], 21.0) == rules.START


def test_a_replica_without_data_has_nothing_to_lose():
    assert judged("crashed", [watch(1, replicas=0)], [replica(has_data=False)]) == rules.START


def test_the_first_start_of_a_group_does_not_wait():
    assert judged("first", [silent(1), silent(2)], [gone(2), gone(3)]) == rules.START
    # A server of a group to come is a master, too, as long as nobody follows it.
    assert judged("first", [], [rules.Member("m2", address=OTHER, master=True)]) == rules.START


def test_without_sentinels_the_replicas_tell():
    assert judged("crashed", [], [leader()]) == rules.FOLLOW
    promoted = rules.Member("m2", address=OTHER, master=True, has_data=True)
    assert judged("crashed", [], [promoted]) == judged("clean", [], [promoted]) == rules.FOLLOW
    assert judged("crashed", [], [leader(2), leader(3)], 1e6) == rules.WAIT
    assert judged("clean", [], [rules.Member("m2", address=OTHER, master=True)]) == rules.START
    assert judged("clean", [], [replica()]) == rules.START
    assert judged("crashed", [], [replica()], 0.0, True) == rules.START
    assert judged("crashed", [], [replica()], 1e6, False) == rules.WAIT
    assert judged("clean", [], [gone()]) == rules.START


def test_silence_is_waited_for():
    down = [silent(1), silent(2), silent(3)]
    assert judged("clean", down, [gone()], 19.0) == rules.WAIT
    assert judged("clean", down, [gone()], 21.0) == rules.START
    assert judged("crashed", down, [gone()], 59.0) == rules.WAIT
    assert judged("crashed", [], [gone()], 59.0) == rules.WAIT
    assert judged("crashed", down, [gone()], 61.0) == rules.START


def row(node, flags="master", master="-", slots=("0-5460",)):
    return dict(id=node, flags=set(flags.split(",")), master=master, slots=list(slots), link=True)


ME, HEIR = "a" * 40, "b" * 40
VIEW = [row(ME), row(HEIR, "slave", ME, ()), row("c" * 40, "myself,master", slots=("5461-16383",))]


def node(state, views, waited=0.0):
    found, why, address = rules.judge_node(state, ME, views, waited, 5.0)
    assert why and address is None
    return found


def test_a_node_waits_until_its_replica_has_taken_over():
    assert node("crashed", [VIEW]) == rules.WAIT
    assert node("first", [VIEW]) == rules.WAIT
    assert node("crashed", [VIEW], 39.0) == rules.WAIT
    assert node("crashed", [VIEW], 41.0) == rules.START
    assert node("clean", [VIEW]) == rules.START
    taken = [row(ME, "master,fail", slots=()), row(HEIR)]
    assert node("crashed", [VIEW, taken]) == rules.START


@pytest.mark.parametrize(
    "views",
    [
        [[row(ME), row("c" * 40, "myself,master")]],
        [[row(ME), row(HEIR, "slave,fail", ME, ())]],
        [[row("c" * 40, "myself,master")]],
    ],
)
def test_a_node_without_a_replica_does_not_wait(views):
    assert node("crashed", views) == rules.START


def test_a_node_that_nobody_answers():
    assert node("first", []) == rules.START
    assert node("crashed", [], 59.0) == rules.WAIT
    assert node("crashed", [], 61.0) == rules.START


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("masterauth secret", ["masterauth", "secret"]),
        ('masterauth "a b\\x41\\"\\n"', ["masterauth", 'a bA"\n']),
        ("masterauth 'it\\'s'", ["masterauth", "it's"]),
        ('save ""', ["save", ""]),
        (r'masterauth "\xc3\xa9\\x41"', ["masterauth", "é\\x41"]),
    ],
)
def test_a_line_is_read_as_the_server_does(line, words):
    assert files.words_of(line) == words


def test_the_configuration_is_read_and_the_master_named(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text('# a comment\nport 6380\nslaveof 10.0.0.9 1\nprimaryauth "x y"\nsave ""')
    found = files.read_config(path)
    assert found["masterauth"] == ["x y"] and found["replicaof"] == ["10.0.0.9", "1"] and found["save"] == [""]
    files.follow(str(path), "10.0.0.2", 6380)
    assert path.read_text() == '# a comment\nport 6380\nprimaryauth "x y"\nsave ""\nreplicaof 10.0.0.2 6380\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["redis.conf"]


def test_nodes_are_read():
    text = (
        "%s 10.0.0.1:7000@17000,, myself,master - 0 0 1 connected 0-5460 [93-<-%s]\n"
        "%s 10.0.0.2:7000@17000 slave %s 0 0 1 disconnected\nvars currentEpoch 3 lastVoteEpoch 0\n"
    ) % (ME, HEIR, HEIR, ME)
    first, second = files.parse_nodes(text)
    assert (first["id"], first["slots"], first["link"]) == (ME, ["0-5460"], True)
    assert (second["master"], second["slots"], second["link"]) == (ME, [], False)


def run(*words):
    return subprocess.run(
        [sys.executable, "-IB", str(PROGRAM), *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("unit", ["../etc", ".hidden", "a b", ""])
def test_a_unit_is_no_path(unit):
    assert "is no unit" in run("before", unit).stderr


def test_it_says_what_it_is_for():
    assert run().returncode and "ExecStartPre" in run().stderr and run("after").returncode
