"""Nobody is locked out, nobody gets in: applies that are killed, rules that are tried, tampering."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import kill
from kill import DROPLETS, TOP, ssh_answers, start_on

testinfra_hosts = ["ansible://bookworm"]
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
SHARED = TOP / "molecule" / "shared"
# Rules that nobody confirms are taken back after so many seconds. A busy machine needs more to confirm them.
TRIAL, PATIENT = 3, 60


def playbook(path, *options):
    return subprocess.run(
        ["ansible-playbook", "-i", INVENTORY, str(path), *options], capture_output=True, text=True, check=False
    )


def must(done):
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    return done


def on(name, command):
    """Return the exit status and output of a command on a droplet."""
    run = start_on(name, command)
    output, _errors = run.communicate(timeout=60)
    return run.returncode, output


@pytest.fixture(scope="class")
def prober():
    """Nothing gets through from outside during these tests, though it is tried all the time."""
    must(playbook(SHARED / "start_prober.yml"))
    yield
    must(playbook(SHARED / "stop_prober.yml"))


def another_policy(number, trial=TRIAL):
    """Options that change the rules: one source more."""
    sources = ["10.77.17.100", "fd77:17::100", f"10.99.{number}.0/24"]
    return ["-e", json.dumps({"redis_allowed_sources": sources, "firewall_rollback_after": trial})]


def settle(as_app):
    """Wait until nothing is on trial, the kernel has the kept rules, and Redis runs and answers."""
    script = "test ! -e /run/redis-ports-block/trial && redis-ports-block check && systemctl is-active redis-server"
    end = time.monotonic() + TRIAL + 15
    while any(on(name, script)[0] for name in DROPLETS):
        assert time.monotonic() < end, [on(name, "redis-ports-block status") for name in DROPLETS]
        time.sleep(0.5)
    assert as_app("PING") == "PONG"


@pytest.mark.usefixtures("prober")
class TestKilled:
    def test_apply_killed_at_twenty_moments(self, as_app):
        done = must(playbook(TOP / "playbooks" / "site.yml", *another_policy(0, PATIENT)))
        tasks = kill.tasks(done.stdout.splitlines())
        moments = kill.moments(tasks)
        assert len(moments) == 20
        for number, (task, seconds) in enumerate(moments):
            # A run that could not confirm its rules in time would have ended before the later moments.
            policy = another_policy(number + 1, PATIENT if task > kill.kept_at(tasks) else 2 * TRIAL)
            assert kill.kill_at(task, seconds, INVENTORY, *policy), (task, seconds)
            ssh_answers()
        settle(as_app)

    def test_apply_killed_on_the_droplet(self, as_app):
        """Not only the controller may die: so may what it runs on the host, in the middle of its work."""
        hits = 0
        for number in range(8):
            run = kill.site(INVENTORY, "--tags", "firewall", *another_policy(100 + number))
            # As soon as the new rules are tried, or a little later. The brackets keep the pattern from finding itself.
            shoot = (
                "for i in $(seq 2400); do pgrep -f 'redis-ports-bloc[k] try' >/dev/null && break; sleep 0.05; done; "
                f"sleep {number * 0.04}; pkill -9 -f 'redis-ports-bloc[k] try'; pkill -9 -f '^/usr/bin/python3( -)?$'"
            )
            shots = [start_on(name, shoot) for name in DROPLETS]
            run.communicate(timeout=240)
            hits += sum(shot.wait(timeout=240) == 0 for shot in shots)
            ssh_answers()
        assert hits >= 8
        settle(as_app)


def test_new_rules_are_kept_through_a_new_connection(as_app):
    before = {name: logins(name) for name in DROPLETS}
    done = must(playbook(TOP / "playbooks" / "site.yml", "--tags", "firewall", *another_policy(200, PATIENT)))
    assert done.stdout.count("Keep the new rules") == 1
    settle(as_app)
    for name, count in before.items():
        # One login at the start, one to confirm, one by logins().
        assert logins(name) - count >= 3
        assert "10.99.200.0/24" in on(name, "iptables-save")[1]
    must(playbook(TOP / "playbooks" / "site.yml"))


def logins(name):
    return int(on(name, "journalctl -q -u ssh | grep -c 'Accepted publickey'")[1])


# What somebody may do to a droplet. Two at a time, one on each.
TAMPERING = {
    "flushed chain": "iptables -F REDIS-PORTS",
    "deleted jump": "iptables -D INPUT -p tcp -j REDIS-PORTS",
    "disabled unit": "systemctl disable redis-ports-block",
    "iptables -F": "iptables -P INPUT ACCEPT; iptables -F",
    "IPv6 only": "ip6tables -F REDIS-PORTS",
    "rule above ours": "iptables -I INPUT -p tcp --dport 6379 -j ACCEPT",
    "source added": "iptables -I REDIS-PORTS-6379 -s 10.77.17.0/24 -j ACCEPT",
    "chain for containers": "iptables -F REDIS-PORTS-DOCKER",
    "before Docker": "iptables -t mangle -F FORWARD",
    # Such a file is not loaded, so the kernel is changed as well.
    "rules file and kernel": "sed -i 's/-j DROP/-j ACCEPT/' /etc/redis-ports-block/rules.v4; "
    "if redis-ports-block apply; then exit 9; fi; "
    "iptables-save | sed '/REDIS-PORTS/s/-j DROP/-j ACCEPT/' | iptables-restore",
    "established above ours": "iptables -I INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "another program's": "nft insert rule ip filter INPUT tcp dport 6379 accept",
    "chain renamed away": "iptables -D INPUT -p tcp -j REDIS-PORTS; ip6tables -D INPUT -p tcp -j REDIS-PORTS",
    "policy of another table": "iptables -F DOCKER-USER; iptables -I FORWARD -j ACCEPT",
}


def rules(name):
    """Return what the kernel has of ours, and whether the guard would start with the host."""
    show = "for t in iptables-save ip6tables-save; do $t | grep REDIS-PORTS | sed 's/ .[0-9:]*.$//'; done"
    return on(name, f"{show}; redis-ports-block check && systemctl is-enabled redis-ports-block")


@pytest.mark.parametrize("number", range(0, len(TAMPERING), 2))
def test_tampering_is_found_and_mended(number, variables):
    names = list(TAMPERING)[number : number + 2]
    before = {name: rules(name) for name in DROPLETS}
    for droplet, name in zip(DROPLETS, names, strict=True):
        status, output = on(droplet, TAMPERING[name])
        assert status == 0, output
    assert playbook(TOP / "playbooks" / "verify.yml").returncode == 2
    report = json.loads(Path(variables["audit_report_dir"], "report.json").read_text())
    found = {one["host"] for one in report["findings"] if one["status"] == "fail" and one["id"] == "RH-NET-03"}
    assert found == set(DROPLETS), names
    must(playbook(TOP / "playbooks" / "site.yml", "--tags", "firewall"))
    assert {name: rules(name) for name in DROPLETS} == before


def test_all_is_well_in_the_end():
    must(playbook(TOP / "playbooks" / "verify.yml"))
