"""Run site.yml and kill it, and all that it started here, with SIGKILL after a while; then look whether SSH answers.

kill.py INVENTORY SECONDS [OPTION...]   options are site.yml's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def site(inventory, *options, **popen):
    command = ["ansible-playbook", "-i", inventory, str(TOP / "playbooks" / "site.yml"), *options]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen
    )


def kill_after(seconds, inventory, *options):
    """Return whether the run was still under way when it was killed."""
    run = site(inventory, *options)
    try:
        run.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        # The workers, and SSH's shared connections, are of the same group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


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
    killed = kill_after(float(sys.argv[2]), sys.argv[1], *sys.argv[3:])
    ssh_answers(sys.argv[1])
    print("killed" if killed else "it was done before")
