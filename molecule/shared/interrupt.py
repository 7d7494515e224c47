"""Run site.yml, and kill it and its modules with SIGKILL a while after a line of its output; run it again to the end.

interrupt.py INVENTORY OPTIONS [PATTERN SECONDS]...   OPTIONS are site.yml's, in one word.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

SITE = Path(__file__).resolve().parents[2] / "playbooks" / "site.yml"


def start(inventory, options):
    return subprocess.Popen(
        ["ansible-playbook", "-i", inventory, str(SITE), *shlex.split(options)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def interrupt(inventory, options, pattern, seconds):
    """Return whether it was killed: a run that has nothing left to do may never print the line."""
    run, seen = start(inventory, options), []
    for line in run.stdout:
        seen.append(line)
        if re.search(pattern, line):
            time.sleep(seconds)
            break
    killed = run.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    if killed:
        # A module lives on without its connection, which a droplet that loses power would not allow.
        command = [
            "ansible",
            "-i",
            inventory,
            "redis_servers",
            "-m",
            "ansible.builtin.raw",
            "-a",
            "pkill -9 python3; true",
        ]
        subprocess.run(command, check=True, capture_output=True)
    print(f"{'killed' if killed else 'was done before:'} {pattern!r} + {seconds} s")
    return killed


def main():
    inventory, options, *moments = sys.argv[1:]
    killed = [
        interrupt(inventory, options, pattern, float(seconds))
        for pattern, seconds in zip(moments[::2], moments[1::2], strict=True)
    ]
    assert all(killed), "the run was over too early"
    run = start(inventory, options)
    out, _none = run.communicate()
    print(out)
    sys.exit(run.returncode)


main()
