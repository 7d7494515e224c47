"""Run site.yml and kill it, and all that it started here, with SIGKILL; then look whether SSH answers.

kill.py INVENTORY TASK SECONDS   so long after the TASKth task began, counted from 1
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DROPLETS = {"bookworm": "10.77.17.11", "trixie": "10.77.17.12"}


def site(inventory, *options):
    command = ["ansible-playbook", "-i", inventory, str(TOP / "playbooks" / "site.yml"), *options]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def tasks(output):
    """Return the tasks that have begun, as the lines that name them."""
    return [line for line in output if line.startswith(("TASK [", "RUNNING HANDLER ["))]


def kept_at(seen):
    """Return which of these tasks, counted from 1, keeps the new rules."""
    return 1 + next(number for number, line in enumerate(seen) if "Keep the new rules" in line)


def moments(seen):
    """Return twenty moments (TASK, SECONDS) to kill a run at which prints these tasks.

    Most are where it hurts, while rules are on trial: each of those tasks when it begins, and the two that do most a
    little later. The others are spread from the first task to the last.
    """
    first = 1 + next(number for number, line in enumerate(seen) if "Close the Redis ports to all" in line)
    last = kept_at(seen)
    on_trial = [(task, 0) for task in range(first, last + 1)]
    on_trial += [(task, seconds) for seconds in (0.3, 0.6) for task in (first, last)]
    others = 20 - len(on_trial)
    assert others > 5, "too many tasks have rules on trial"
    spread = [(1 + number * (len(seen) - 1) // (others - 1), number % 3 * 0.1) for number in range(others - 1)]
    return sorted([*on_trial, *spread, (len(seen), 0)])


def kill_at(task, seconds, inventory, *options):
    """Return whether it was still under way. Its tasks are the measure, since a busy machine takes longer at times."""
    run, seen = site(inventory, *options), []
    for line in run.stdout:
        seen.append(line)
        if tasks(seen[-1:]) and len(tasks(seen)) == task:
            time.sleep(seconds)
            break
    under_way = run.poll() is None and len(tasks(seen)) == task
    with contextlib.suppress(ProcessLookupError):
        # The workers, and SSH's shared connections, are of the same group.
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return under_way


def start_on(name, command):
    """Start a command on a droplet over SSH, in a connection of its own."""
    key = str(TOP / ".lab" / "ssh" / "id_ed25519")
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    words = [word for option in [*options, "ConnectTimeout=5"] for word in ("-o", option)]
    return subprocess.Popen(
        ["ssh", "-i", key, *words, f"root@{DROPLETS[name]}", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ssh_answers():
    """Each droplet takes a new connection."""
    for run in [start_on(name, "true") for name in DROPLETS]:
        output, _errors = run.communicate(timeout=60)
        assert run.returncode == 0, output


if __name__ == "__main__":
    assert kill_at(int(sys.argv[2]), float(sys.argv[3]), sys.argv[1]), "the run was over before that"
    ssh_answers()
