# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps a member of a group that was not stopped cleanly from serving as a master again from older data.

redis-start-guard before UNIT   wait until the unit's server may start (ExecStartPre)
redis-start-guard after UNIT    remember whether it was stopped with its data on disk (ExecStopPost)
redis-start-guard check UNIT    print as JSON whom it can ask and what they say now
redis-start-guard allow UNIT    let a start that waits go on: this server's data are the ones that count

A master that crashed is back within a second, long before anybody has noticed, and its replicas would throw away what
they have and it has not. So it waits until the Sentinels, or the nodes of its cluster, have decided. Whom it asks is in
/etc/redis-start-guard/UNIT.json, written by celebrum.redis_hardening. As root it only keeps its own state; what reads
the server's files and talks to others runs as the server's user.
"""

import contextlib
import json
import os
import pwd
import re
import resource
import subprocess
import sys
import threading

from files import write
from guard import Guard, say

SETTINGS = "/etc/redis-start-guard"
STATE = "/var/lib/redis-start-guard"
ALLOWED = "/run/redis-start-guard"
MEMORY = 1 << 30


def as_user(name, work):
    """Run work() in a process of that user's, without any rights of root's; return its exit code."""
    account = pwd.getpwnam(name)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.initgroups(name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.umask(0o077)
        # Whatever another server sends.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        # One for each that is asked, which takes little.
        threading.stack_size(512 * 1024)
        code = work()
    except Exception as problem:
        say("%s: %s" % (type(problem).__name__, problem))
    finally:
        sys.stdout.flush()
        os._exit(code)


def state_of(unit):
    try:
        with open("%s/%s" % (STATE, unit), encoding="utf-8") as file:
            return "clean" if file.read().strip() == "clean" else "crashed"
    except FileNotFoundError:
        return "first"


def keep_state(unit, state):
    os.makedirs(STATE, mode=0o700, exist_ok=True)
    write("%s/%s" % (STATE, unit), state + "\n")


def keep_running(unit):
    """From now on its end is a crash until it is known to be clean."""
    try:
        if state_of(unit) != "crashed":
            keep_state(unit, "running")
    except OSError:
        # A full disk must not keep a server down. An empty file takes no room, and does not say clean.
        with open("%s/%s" % (STATE, unit), "w", encoding="utf-8"):
            pass


def main(verb, unit):
    if not re.fullmatch(r"[A-Za-z0-9@_.-]+", unit) or unit.startswith("."):
        raise SystemExit("redis-start-guard: %r is no unit" % unit)
    allowed = "%s/%s.allow" % (ALLOWED, unit)
    if verb == "allow":
        if subprocess.run(["systemctl", "is-active", "--quiet", unit + ".service"], check=False).returncode == 0:
            raise SystemExit("redis-start-guard: %s runs; there is nothing to allow" % unit)
        os.makedirs(ALLOWED, mode=0o755, exist_ok=True)
        write(allowed, "")
        return 0
    path = "%s/%s.json" % (SETTINGS, unit)
    if verb == "after" and not os.path.exists(path):
        # It has left its group.
        return 0
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    user = settings["user"]
    if verb == "before":
        state = state_of(unit)
        code = as_user(user, lambda: Guard(settings).before(state, allowed) or 0)
        if code and os.path.exists(allowed):
            say("starts: it was allowed to by hand")
            code = 0
        if code == 0:
            keep_running(unit)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(allowed)
        else:
            say("redis-start-guard allow %s starts it all the same" % unit)
        return code
    if verb == "after":
        ended = [os.environ.get(name) for name in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")]
        if ended == ["success", "exited", "0"] and as_user(user, lambda: 0 if Guard(settings).saved() else 3) == 0:
            keep_state(unit, "clean")
        return 0
    return as_user(user, lambda: print(json.dumps(Guard(settings).check())) or 0)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("before", "after", "check", "allow"):
        raise SystemExit(__doc__)
    raise SystemExit(main(*sys.argv[1:]))
