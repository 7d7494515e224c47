"""Run site.yml and kill it, and all that it started here, with SIGKILL at one of its tasks; then look whether SSH answers.

kill.py INVENTORY TASK [OPTION...]   TASK counts from 1; OPTIONS are site.yml's.
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


def site(inventory, *options, **popen):
    command = ["ansible-playbook", "-i", inventory, str(TOP / "playbooks" / "site.yml"), *options]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen
    )


def tasks(output):
    """Return how many tasks have begun."""
    return sum(line.startswith(("TASK [", "RUNNING HANDLER [")) for line in output)


def kill_at(task, inventory, *options):
    """Return whether the run got as far as that task: by its tasks and not by the clock, since a machine may be busy."""
    run, seen = site(inventory, *options), []
    for line in run.stdout:
        seen.append(line)
        if tasks(seen[-1:]) and tasks(seen) == task:
            # In its middle, now and then.
            time.sleep(task % 4 * 0.1)
            break
    under_way = run.poll() is None and tasks(seen) == task
    with contextlib.suppress(ProcessLookupError):
        # The workers, and SSH's shared connections, are of the same group.
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return under_way


def ssh_answers(inventory):
    """Ask each droplet for a new connection, shared with nobody."""
    done = subprocess.run(
        ["ansible", "-i", inventory, "redis_servers", "-m", "ansible.builtin.raw", "-a", "true"],
        env={**os.environ, "ANSIBLE_SSH_ARGS": "-o ControlPath=none -o ConnectTimeout=5"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    assert kill_at(int(sys.argv[2]), sys.argv[1], *sys.argv[3:]), "the run was over before that task"
    ssh_answers(sys.argv[1])
