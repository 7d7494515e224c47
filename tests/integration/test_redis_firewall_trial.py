# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New rules on trial: kept when they are confirmed, taken back when nobody does. Needs root."""

from __future__ import annotations

import time

import firewall_lab
import pytest
from firewall_lab import CONTAINER, FILES, HOST, NAMED, POLICY, STRANGER, host_file
from waiting import wait_for

TRIAL = "/run/redis-ports-block/trial"
# The stranger is let in: a change that is worth taking back.
OTHER = {**POLICY, "ports": [{"port": 6379, "sources": ["10.66.1.20"]}]}

CONFIRM = {"state": "confirmed"}


@pytest.fixture
def lab(tmp_path):
    with firewall_lab.Lab(tmp_path) as one:
        yield one


def on_trial(lab):
    return host_file(lab, TRIAL).exists()


def stranger_gets_in(lab):
    return lab.reaches("client", STRANGER[4], HOST[4], 6379)


def test_rules_that_nobody_confirms_are_taken_back(lab):
    lab.apply()
    before = lab.own_rules()
    result = lab.apply(OTHER | {"rollback_after": 2})
    assert result["changed"]
    assert result["pending"]
    assert stranger_gets_in(lab)
    assert lab.script("check") == 0, "while it is on trial, a server may start"
    assert host_file(lab, "/run/rollback-after").read_text() == "2\n"
    lab.time_is_up()
    wait_for(lambda: not on_trial(lab) and lab.own_rules() == before)
    assert not stranger_gets_in(lab)
    assert lab.script("check") == 0
    # As if nothing had been: the old policy is in place, the new one is a change.
    assert not lab.apply()["changed"]
    assert lab.apply(OTHER, check=True)["changed"]


def test_confirmed_rules_stay(lab):
    lab.apply()
    lab.apply(OTHER | {"rollback_after": 2})
    during = lab.own_rules()
    predicted = lab.apply(CONFIRM, check=True)
    assert predicted["changed"]
    assert predicted["pending"]
    assert on_trial(lab)
    result = lab.apply(CONFIRM)
    assert result["changed"]
    assert not result["pending"]
    assert not on_trial(lab)
    assert not host_file(lab, "/run/rollback").exists(), "there is no timer any more"
    lab.time_is_up()
    time.sleep(0.3)
    assert lab.own_rules() == during
    assert lab.script("check") == 0
    result = lab.apply(OTHER | {"rollback_after": 2})
    assert not result["changed"]
    assert not result["pending"]
    # After a start of the host, too.
    lab.sh("rm -rf /run/redis-ports-block; iptables -F; ip6tables -F; /usr/local/sbin/redis-ports-block apply")
    assert stranger_gets_in(lab)


def test_a_first_run_falls_back_to_closed(lab):
    assert stranger_gets_in(lab)
    assert lab.apply(POLICY | {"rollback_after": 2})["pending"]
    assert lab.reaches("client", NAMED[4], HOST[4], 6379)
    lab.time_is_up()
    wait_for(lambda: not on_trial(lab) and not lab.reaches("client", NAMED[4], HOST[4], 6379))
    # It waits for the rollback's end: IPv4 is closed before IPv6.
    assert lab.script("check") == 0
    ssh = [("client", NAMED[family], HOST[family], 22) for family in (4, 6)]
    others = [
        ("client", NAMED[family], target[family], port)
        for family in (4, 6)
        for target, port in ((HOST, 6379), (HOST, 7000), (HOST, 6380), (CONTAINER, 6379))
    ]
    assert lab.reached(*ssh, *others) == ssh


def test_a_start_of_the_host_ends_the_trial(lab):
    lab.apply()
    before = lab.own_rules()
    lab.apply(OTHER | {"rollback_after": 60})
    # What is in /run and in the kernel is gone, and so is the timer.
    lab.sh("kill $(cat /run/rollback); rm -rf /run/rollback /run/redis-ports-block")
    lab.sh("for t in iptables ip6tables; do $t -F; $t -X; $t -t mangle -F; $t -t mangle -X; done")
    lab.sh("/usr/local/sbin/redis-ports-block apply")
    assert lab.own_rules() == before


def test_confirming_what_was_taken_back_fails(lab):
    lab.apply()
    before = lab.own_rules()
    lab.apply(OTHER | {"rollback_after": 1})
    lab.time_is_up()
    wait_for(lambda: not on_trial(lab) and lab.own_rules() == before)
    result = lab.module("redis_firewall", CONFIRM)
    assert result["failed"]
    assert "taken back" in result["msg"]
    assert lab.own_rules() == before


def test_rules_that_were_tampered_with_are_not_confirmed(lab):
    lab.apply()
    lab.apply(OTHER | {"rollback_after": 60})
    lab.sh("iptables -F REDIS-PORTS")
    assert "could not be kept" in lab.module("redis_firewall", CONFIRM)["msg"]
    assert on_trial(lab)


def test_a_killed_run_is_taken_up_again(lab):
    """The next run finds a trial: it begins a new one, and what comes back in the end is what was last confirmed."""
    lab.apply()
    before = lab.own_rules()
    lab.apply(OTHER | {"rollback_after": 60})
    predicted = lab.apply(OTHER, check=True)
    assert "rules are on trial that were never confirmed" in predicted["differences"]
    result = lab.apply(OTHER | {"rollback_after": 60})
    assert result["changed"]
    assert result["pending"]
    third = {**POLICY, "ports": [{"port": 6379, "sources": ["10.66.1.0/24"]}]}
    assert lab.apply(third | {"rollback_after": 2})["pending"]
    lab.time_is_up()
    wait_for(lambda: not on_trial(lab) and lab.own_rules() == before)
    assert not host_file(lab, "/run/rollback").exists()


def test_without_seconds_the_rules_are_kept_at_once(lab):
    lab.apply(POLICY | {"rollback_after": 60})
    assert not lab.apply(OTHER)["pending"]
    assert not on_trial(lab)
    assert not host_file(lab, "/run/rollback").exists(), "the timer of the trial before is gone"
    assert lab.script("commit") != 0


def test_mending_is_no_trial(lab):
    lab.apply()
    for spoil in ("iptables -F", f"chmod 644 {FILES[0]}"):
        lab.sh(spoil)
        result = lab.apply(POLICY | {"rollback_after": 60})
        assert result["changed"]
        assert not result["pending"]
    assert not lab.apply()["changed"]


def test_no_timer_no_trial(lab):
    lab.apply()
    before = lab.own_rules()
    lab.sh("printf '#!/bin/sh\\nexit 1\\n' > /usr/sbin/systemd-run")
    result = lab.module("redis_firewall", OTHER | {"rollback_after": 60})
    assert result["failed"]
    assert "the rules before are back" in result["msg"]
    assert lab.own_rules() == before
    assert lab.script("check") == 0


def stand_in(lab, command, script):
    """Put a script in the place of a command that redis-ports-block calls."""
    host_file(lab, f"/usr/sbin/{command}").write_text(f"#!/bin/sh\n{script}\n")
    lab.sh(f"chmod 755 /usr/sbin/{command}")


def kept(lab):
    """Return the names and texts of the rules that outlive the host's next start."""
    folder = host_file(lab, "/etc/redis-ports-block")
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.name.startswith("rules.")}


def after_a_start(lab):
    """As a start of the host: what is in /run and in the kernel is gone."""
    lab.sh("[ ! -e /run/rollback ] || kill $(cat /run/rollback); rm -rf /run/rollback /run/redis-ports-block")
    lab.lose_all_rules()
    assert lab.script("apply") == 0
    assert lab.script("check") == 0
    return lab.own_rules()


@pytest.mark.parametrize("verb", ["cp", "chmod", "sync", "mv"])
@pytest.mark.parametrize("part", ["rules.v4", "rules.v6"])
def test_rules_that_can_not_be_written_are_not_kept(lab, verb, part):
    lab.apply()
    before, files = lab.own_rules(), kept(lab)
    lab.apply(OTHER | {"rollback_after": 60})
    part = "/next" if verb == "mv" else part
    stand_in(lab, verb, f'case "$*" in *{part}*) exit 1 ;; esac\nexec /usr/bin/{verb} "$@"')
    assert "could not be kept" in lab.module("redis_firewall", CONFIRM)["msg"]
    assert kept(lab) == files
    assert on_trial(lab)
    assert host_file(lab, "/run/rollback").exists(), "the timer still runs"
    lab.sh(f"rm /usr/sbin/{verb}")
    lab.time_is_up()
    wait_for(lambda: not on_trial(lab) and lab.own_rules() == before)
    assert kept(lab) == files
    # And without a timer.
    stand_in(lab, verb, f'case "$*" in *{part}*) exit 1 ;; esac\nexec /usr/bin/{verb} "$@"')
    assert "the rules before are back" in lab.module("redis_firewall", OTHER)["msg"]
    assert (lab.own_rules(), kept(lab)) == (before, files)
    lab.sh(f"rm /usr/sbin/{verb}")
    lab.apply(OTHER)
    assert kept(lab) != files


KILLED = {
    "before they are copied": ("cp", "rules.v4", False),
    "between the two": ("cp", "rules.v6", False),
    "before they count": ("mv", "next.new", False),
    "before any is in its place": ("ln", "rules.v4", True),
    "when one is in its place": ("ln", "rules.v6", True),
    "when both are": ("systemctl", "stop", True),
}


@pytest.mark.parametrize(("verb", "part", "new"), KILLED.values(), ids=KILLED)
def test_whatever_ends_it_the_rules_are_of_one_policy(lab, verb, part, new):
    """A crash of the host: the next start has all old rules, or all new ones."""
    lab.apply()
    old = kept(lab), lab.own_rules()
    lab.apply(OTHER | {"rollback_after": 60})
    during = lab.own_rules()
    real = f"{lab.folder}/bin/systemctl" if verb == "systemctl" else f"/usr/bin/{verb}"
    stand_in(lab, verb, f'case "$*" in *{part}*) kill -9 $PPID; exit 1 ;; esac\nexec {real} "$@"')
    assert lab.script("commit") != 0
    lab.sh(f"rm /usr/sbin/{verb}; cp {lab.folder}/bin/systemctl /usr/sbin")
    found = after_a_start(lab)
    if not new:
        assert (kept(lab), found) == old
        assert lab.apply(OTHER)["changed"]
    assert lab.own_rules() == during
    assert lab.apply(OTHER)["differences"] == []
    assert kept(lab) != old[0]
    assert sorted(path.name for path in host_file(lab, "/etc/redis-ports-block").iterdir()) == ["rules.v4", "rules.v6"]


def test_the_backend_changes_in_one_step_too(lab):
    lab.apply()
    lab.backend = "nftables"
    lab.apply(OTHER | {"rollback_after": 60})
    stand_in(lab, "ln", "kill -9 $PPID")
    assert lab.script("commit") != 0
    lab.sh("rm /usr/sbin/ln")
    after_a_start(lab)
    assert list(kept(lab)) == ["rules.nft"]
    assert not lab.apply(OTHER)["changed"]


def test_rules_are_on_the_disk_before_they_count(lab):
    lab.apply()
    lab.apply(OTHER | {"rollback_after": 60})
    for verb in ("sync", "mv", "cp"):
        stand_in(lab, verb, f'echo {verb} "$@" >> /run/calls\nexec /usr/bin/{verb} "$@"')
    lab.apply(CONFIRM)
    log = [
        line.replace("/etc/redis-ports-block", "K") for line in host_file(lab, "/run/calls").read_text().splitlines()
    ]
    assert [line for line in log if not line.startswith("cp ")][:5] == [
        "sync K/next.new/rules.v4",
        "sync K/next.new/rules.v6",
        "sync K/next.new",
        "mv K/next.new K/next",
        "sync K",
    ]
