# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Sentinel is told, and when it is told nothing."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel import plan as sentinel_plan
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.options import (
    option_problems,
    passed_on,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.plan import (
    GLOBAL,
    Peer,
    View,
    check,
    diff_of,
    held_by,
    parse_file,
    plan,
    settle,
    stale,
)
from hypothesis import given, strategies as st

ONE, TWO = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
SETTINGS = {setting: "" for setting in GLOBAL.values()} | {"resolve-hostnames": "no", "announce-port": "0"}
GROUP = [{"host": f"10.0.1.{number}", "port": 26379} for number in range(1, 4)]


def options(**more):
    """Return a module's options, none given but those that are required."""
    unset = ("down_after_milliseconds", "failover_timeout", "parallel_syncs", "auth_user", "auth_pass")
    return {
        **dict.fromkeys((*unset, *GLOBAL, "renamed_commands")),
        **{"state": "present", "master_name": "shop", "master_host": ONE[0], "master_port": ONE[1], "quorum": 2},
        **{"sentinels": GROUP, "timeout": 60, **more},
    }


def peer(number, watches=ONE, **more):
    where = f"10.0.1.{number}:26379"
    return Peer(where, frozenset({(f"10.0.1.{number}", 26379)}), f"id{number}", watches, **more)


def other(number):
    return {"ip": f"10.0.1.{number}", "port": "26379", "runid": f"id{number}", "flags": "sentinel"}


def view(**more):
    master = {"ip": ONE[0], "port": "6379", "flags": "master", "quorum": "2", "failover-timeout": "180000"}
    master |= {"down-after-milliseconds": "30000", "parallel-syncs": "1"}
    known = {"myid": "id1", "master": master, "watches": ONE, "others": (other(2), other(3)), "settings": SETTINGS}
    return View(**{**known, "peers": (peer(1), peer(2), peer(3)), "filed": parse_file("", "shop"), **more})


def commands(*arguments, **more):
    return [" ".join(step.words) for step in plan(*arguments, **more)]


def test_a_new_group():
    new = view(master=None, watches=None, others=())
    told = commands(options(auth_user="watcher", auth_pass="secret", announce_ip="10.0.1.1"), new, ONE)
    assert told == [
        "CONFIG SET announce-ip 10.0.1.1",
        "MONITOR shop 10.0.0.1 6379 2",
        "SET shop auth-user watcher",
        "SET shop auth-pass secret",
    ]


def test_what_is_not_given_is_left():
    assert commands(options(), view(), TWO) == []


def test_only_the_difference():
    wanted = options(quorum=3, down_after_milliseconds=30000, failover_timeout=60000, resolve_hostnames=False)
    assert commands(wanted, view(), ONE) == ["SET shop quorum 3", "SET shop failover-timeout 60000"]


def test_a_name_needs_resolving():
    new = view(master=None, watches=None)
    with pytest.raises(Refused, match="set resolve_hostnames"):
        plan(options(), new, ("db1", 6379))
    assert commands(options(resolve_hostnames=True), new, ("db1", 6379))[0] == "CONFIG SET resolve-hostnames yes"
    resolving = dataclasses.replace(new, settings={**SETTINGS, "resolve-hostnames": "yes"})
    assert commands(options(), resolving, ("db1", 6379)) == ["MONITOR shop db1 6379 2"]
    with pytest.raises(Refused, match="set resolve_hostnames"):
        plan(options(resolve_hostnames=False), resolving, ("db1", 6379))


def test_renames_are_passed_on_and_taken_off():
    filed = parse_file("sentinel rename-command shop config abc\nsentinel rename-command shop MULTI x\n", "shop")
    wanted = options(renamed_commands={"config": "abc", "SLAVEOF": "def", "FLUSHALL": "", "KEYS": "k", "SCRIPT": ""})
    assert commands(wanted, view(filed=filed), ONE) == [
        "SET shop rename-command MULTI MULTI",
        "SET shop rename-command SLAVEOF def",
    ]
    assert commands(options(), view(filed=filed), ONE) == []
    assert commands(options(renamed_commands={}), view(filed=filed), ONE) == [
        "SET shop rename-command CONFIG CONFIG",
        "SET shop rename-command MULTI MULTI",
    ]


def test_the_file_as_sentinels_write_it():
    text = """port 26379
# ??? sentinel auth-pass shop old
sentinel auth-pass shops other
sentinel auth-user shop watcher
sentinel auth-pass shop "se cret"
sentinel auth-pass shop se#cret
sentinel rename-command shop CONFIG abc
sentinel down-after-milliseconds shop 1000
sentinel auth-pass shops other
"""
    assert parse_file(text, "shop") == {
        "auth-user": "watcher",
        "auth-pass": "se#cret",
        "rename-command": {"CONFIG": "abc"},
    }


def test_absent():
    assert commands(options(state="absent"), view(peers=()), None) == ["REMOVE shop"]
    assert commands(options(state="absent"), view(master=None, watches=None, peers=()), None) == []


def test_secrets_are_in_no_diff():
    filed = {"auth-pass": "old-one", "auth-user": "", "rename-command": {}}
    steps = plan(options(auth_pass="new-one", sentinel_pass="peers-one"), view(filed=filed), ONE)
    assert diff_of(steps) == {
        "before": "sentinel-pass\nauth-pass (a password)\n",
        "after": "sentinel-pass (a password)\nauth-pass (another password)\n",
    }


def test_stale():
    gone = view(others=(other(2), other(3), other(9)))
    assert stale(gone) == ["10.0.1.9:26379"]
    assert commands(options(), gone, ONE) == []
    assert commands(options(), gone, ONE, forget_stale=True) == ["RESET shop"]
    assert stale(view()) == []
    # One that is declared and can't be asked now is not stale, by its address.
    down = (peer(1), peer(2), Peer("x", frozenset({("10.0.1.3", 26379)}), problem="is down"))
    assert stale(view(peers=down)) == []


@pytest.mark.parametrize("flags", ["master,s_down", "master,disconnected"])
def test_nothing_is_forgotten_while_the_master_is_down(flags):
    gone = view(others=(other(9),))
    with pytest.raises(Refused, match="the master is down"):
        plan(options(), dataclasses.replace(gone, master={**gone.master, "flags": flags}), ONE, forget_stale=True)


REPLICA = {"ip": TWO[0], "port": "6379", "flags": "slave", "role-reported": "slave"}


@pytest.mark.parametrize(
    ("more", "words", "passing"),
    [
        ({"peers": (peer(1), peer(2, TWO), peer(3))}, "10.0.1.2:26379 says 10.0.0.2:6379", True),
        ({"watches": TWO}, "this one says 10.0.0.2:6379", True),
        ({"replicas": (dict(REPLICA, **{"role-reported": "master"}),)}, "two masters.*10.0.0.2:6379", True),
        ({"peers": (peer(1), dataclasses.replace(peer(2), myid="id1"))}, "have the same id id1", False),
        ({"peers": (peer(2), peer(3))}, "none of those in sentinels", False),
        ({"master": {"flags": "master,o_down,failover_in_progress"}}, "failover is under way", True),
    ],
)
def test_refused(more, words, passing):
    with pytest.raises(Refused, match=words) as refused:
        check(view(**more))
    assert refused.value.passing is passing


def test_not_refused():
    check(view())
    check(view(replicas=(REPLICA, dict(REPLICA, flags="s_down,slave", **{"role-reported": "master"}))))
    # Those that are new, or down, or this one, whose own outer address may be closed to itself.
    check(view(peers=(peer(1), peer(2, None), Peer("x", problem="is down"))))
    check(view(peers=(peer(2), peer(3), Peer("x", problem="is down"), Peer("y", problem="is down"))))


def test_who_is_watched():
    assert held_by(view()) == ONE
    assert held_by(view(watches=None, peers=(peer(1, None), peer(2, TWO)))) == TWO
    assert held_by(view(watches=None, peers=(peer(1, None),))) is None


def test_the_sentinels_master_is_kept():
    assert settle(None, ONE, {}) == ONE
    assert settle(TWO, None, {}) == TWO
    assert settle(TWO, ONE, {TWO: "master", ONE: "slave of 10.0.0.2:6379"}) == TWO
    assert settle(TWO, ONE, {TWO: "master", ONE: "can't be reached"}) == TWO
    with pytest.raises(Refused, match="give master_host"):
        settle(None, None, {})


@pytest.mark.parametrize(
    ("held", "given"), [("master", "master"), ("slave of x:1", "master"), ("down", "master"), ("down", "down")]
)
def test_a_contradiction_is_told(held, given):
    with pytest.raises(Refused, match="10.0.0.2:6379, master_host is 10.0.0.1:6379.*%s.*%s" % (held, given)):
        settle(TWO, ONE, {TWO: held, ONE: given})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"quorum": 4}, "Take 2"),
        ({"quorum": 0}, "quorum must be 1 or more"),
        ({"quorum": 1, "sentinels": GROUP[:2]}, "names 2: a group needs 3"),
        ({"sentinels": [*GROUP, GROUP[0]]}, "names 10.0.1.1:26379 twice"),
        ({"master_host": "127.0.0.1"}, "another host to each"),
        ({"master_name": "shop*"}, "master_name"),
        ({"auth_pass": "two words"}, "auth_pass must be"),
        ({"sentinel_pass": "quo'te"}, "sentinel_pass must be"),
        ({"auth_user": 'quo"te'}, "auth_user must be"),
        ({"renamed_commands": {"MULTI": ""}}, "Sentinel needs MULTI"),
        ({"renamed_commands": {"CONFIG": "GET"}}, "renamed_commands: CONFIG"),
        ({"down_after_milliseconds": 0}, "down_after_milliseconds must be 1"),
    ],
)
def test_bad_options(more, words):
    told = " ".join(option_problems(options(**more)))
    assert words in told
    assert "two words" not in told


def test_good_options():
    assert option_problems(options(auth_pass="a!#$%&()*+,-./:;<=>?@[\\]^_`{|}~", auth_user="")) == []
    assert option_problems(options(renamed_commands={"KEYS": "", "CONFIG": "abc"})) == []
    assert option_problems({**options(state="absent"), "quorum": None, "sentinels": None}) == []
    assert passed_on(None) is None


words = st.text("abcXYZ019#-", min_size=0, max_size=6)
wishes = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("quorum", "down_after_milliseconds", "parallel_syncs"), st.integers(1, 5)),
        **dict.fromkeys(("auth_user", "auth_pass", "sentinel_pass", "announce_ip"), words),
        "resolve_hostnames": st.booleans(),
        "renamed_commands": st.dictionaries(
            st.sampled_from(["CONFIG", "MULTI", "KEYS"]), st.just("renamed"), max_size=1
        ),
    },
)


def told(before, steps):
    """Return the View of a Sentinel that carried the steps out."""
    master = dict(before.master or {}, flags="master")
    settings, filed = dict(before.settings), {**parse_file("", "shop"), **before.filed}
    filed["rename-command"] = dict(filed["rename-command"])
    for step in steps:
        if step.words[0] == "MONITOR":
            master["quorum"] = step.words[4]
        elif step.words[:2] == ("CONFIG", "SET"):
            settings[step.words[2]] = step.words[3]
        elif step.words[2] == "rename-command":
            filed["rename-command"][step.words[3]] = step.words[4]
        elif step.words[2] in ("auth-user", "auth-pass"):
            filed[step.words[2]] = step.words[3]
        else:
            master[step.words[2]] = step.words[3]
    return dataclasses.replace(before, master=master, watches=before.watches or ONE, settings=settings, filed=filed)


@given(wishes, wishes, st.booleans())
def test_a_second_plan_is_empty_and_no_address_is_ever_changed(first, second, new):
    known = view(master=None, watches=None) if new else view()
    for wanted in (options(**first), options(**second)):
        steps = plan(wanted, known, ONE)
        assert not [step for step in steps if step.words[0] in ("REMOVE", "RESET")]
        assert bool([step for step in steps if step.words[0] == "MONITOR"]) is (known.master is None)
        known = told(known, steps)
        assert plan(wanted, known, TWO) == []


def test_all_steps_of_a_secret_are_known_as_such():
    wanted = options(auth_pass="xxx", sentinel_pass="xxx")
    steps = plan(wanted, view(), ONE)
    assert [step.setting for step in steps if step.secret] == [step.setting for step in steps if "xxx" in step.words]
    assert sentinel_plan.SECRETS
