# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep maintainer scripts from starting and restarting Redis while its packages are installed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from . import files

MARK = "# Made while packages are installed by Ansible; without effect afterwards."
# A lock and not the file's being there: it ends with whoever holds it, also when that is killed.
SCRIPT = """#!/bin/sh
%(mark)s
case " $* " in
*" redis-"* | *" valkey-"*) flock --nonblock %(lock)s true || exit 101 ;;
esac
[ ! -x %(aside)s ] || exec %(aside)s "$@"
"""


class Busy(Exception):
    """Another run installs packages on this host."""


@contextlib.contextmanager
def left_alone(path="/usr/sbin/policy-rc.d", lock="/run/redis-hardening-packages.lock", timeout=300):
    """Let no service of Redis be started or restarted by a package inside this block.

    Yields a file descriptor: whatever inherits it goes on doing so when this process is killed. A policy-rc.d of
    somebody else's keeps its say and comes back afterwards, also when an earlier run was killed in between.
    """
    aside = path + ".redis-hardening"
    with open(lock, "w", encoding="utf-8") as handle:
        _acquire(handle, timeout)
        if os.path.lexists(path) and not _is_ours(path):
            os.replace(path, aside)
        # Maintainer scripts run it.
        files.write_file(path, SCRIPT % dict(mark=MARK, lock=lock, aside=aside), 0o755)
        try:
            yield handle.fileno()
        finally:
            if os.path.lexists(aside):
                os.replace(aside, path)
            else:
                os.unlink(path)


def _acquire(handle, timeout):
    deadline = time.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Busy("Another run installs packages on this host: wait until it is done.") from None
            time.sleep(0.2)


def _is_ours(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as script:
            return MARK in script.read(1000)
    except OSError:
        return False
