# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One unit of systemd that runs a server: its drop-in, why it needs a restart, and the restart."""

from __future__ import annotations

import contextlib
import os
import re
import time

from .._host import files as host_files, systemd as host_systemd
from .._redis import connection as redis_connection
from .._redis.live_commands import live_names
from .data_safety import STOP_SECONDS
from .instance_files import Files, Refused
from .last_words import last_words

# What timeout(1) ends with then.
TIMED_OUT = 124


class Service:
    """One unit and what is done to it."""

    def __init__(self, module):
        self.module = module
        self.unit = module.params["unit"] + ".service"
        # When it was told to start, 0 when it was not.
        self.begun = 0
        self.drop_in_path = "/etc/systemd/system/%s.d/%s" % (self.unit, module.params["drop_in_name"])

    def systemctl(self, *arguments, seconds=None):
        limit = ["timeout", str(seconds)] if seconds else []
        code, out, error = self.module.run_command([*limit, "systemctl", *arguments])
        if code == TIMED_OUT and seconds:
            self.fail(
                "systemctl %s has not come to an end within %d s. A server that can't save its data does not end: "
                "its log says why (disk, rights of its directory). systemd goes on as soon as it can."
                % (" ".join(arguments), seconds)
            )
        if code:
            self.fail("systemctl %s: %s" % (" ".join(arguments), error.strip()))
        return out

    def fail(self, problem):
        """End the module; of a unit that was told to start with what it said last."""
        log_file = self.module.params.get("log_file")
        said = last_words(self.module.run_command, self.unit, log_file, self.begun) if self.begun else ""
        self.module.fail_json(msg="\n".join([problem, said] if said else [problem]))

    def show(self):
        return host_systemd.parse_show(
            self.systemctl("show", self.unit, "--property", ",".join(host_systemd.PROPERTIES))
        )

    def write_drop_in(self):
        """Bring the drop-in to the wanted text; return (changed, before)."""
        wanted = self.module.params["drop_in"]
        before = host_files.read(self.drop_in_path) or ""
        if wanted is None or before == wanted:
            return False, before
        if not self.module.check_mode:
            host_files.write_file(self.drop_in_path, wanted, 0o644)
        return True, before

    def forget_config_file(self, before):
        """Delete the configuration file that only the drop-in of before named: a server that rewrites its file has it.

        Whom it followed then must not come back when the server belongs to a group again.
        """
        old, new = (Files.said(text) for text in (before, self.module.params["drop_in"]))
        if old and old != new and self.module.params["drop_in"] is not None:
            with contextlib.suppress(Refused):
                Files("redis", "default").delete([old])

    def restart_reasons(self, properties, drop_in_changed):
        """Say why the running server must be restarted; an empty list when it need not be."""
        reasons = []
        if self.module.params["restart_required"]:
            reasons.append("settings that only a restart changes")
        if drop_in_changed:
            reasons.append("the drop-in has changed")
        elif (
            os.path.exists(self.drop_in_path)
            and os.stat(self.drop_in_path).st_mtime > host_systemd.started_at(properties) > 0
        ):
            reasons.append("the process is older than its drop-in")
        if host_systemd.binary_was_replaced(properties["MainPID"]):
            reasons.append("its binary was replaced by an upgrade")
        if not reasons and self.answers() == "unreachable":
            reasons.append("it does not listen at %s" % redis_connection.endpoint(self.module.params))
        return reasons

    def ports(self):
        """Return where the running process listens."""
        return host_systemd.listening_ports(self.show()["MainPID"])

    def config_file(self):
        """Return the file that the server will start from next, as its command line names it; None when it does not."""
        # The running server could say anything.
        command = re.search(r"\bargv\[\]=(.*?) ;", self.systemctl("show", self.unit, "--property", "ExecStart"))
        words = command[1].split()[1:] if command else []
        return words[0] if words and words[0].startswith("/") else None

    def start(self):
        self._run("start")

    def restart(self):
        self._run("restart")

    def _run(self, verb):
        # A unit that failed too often refuses to start until the counter is cleared.
        self.systemctl("reset-failed", self.unit)
        self.begun = time.time()
        self.systemctl(verb, self.unit, seconds=STOP_SECONDS + self.module.params["start_timeout"])
        self.wait()

    def answers(self):
        """Return 'ready', or the kind of problem that a login meets, or 'loading'."""
        try:
            client = redis_connection.open_client(self.module.params)
            try:
                name = live_names(client, self.module.params["renamed_commands"], ["INFO"])["INFO"]
                loading = name is not None and b"\nloading:1" in client.execute_command(name, "persistence")
            finally:
                client.close()
        except redis_connection.ConnectionProblem as problem:
            return problem.kind
        except (redis_connection.redis.RedisError, OSError) as error:
            return redis_connection.explain(error, self.module.params).kind
        return "loading" if loading else "ready"

    def wait(self):
        """Wait until the server answers the login with its data loaded, or fail with what it says."""
        deadline = time.monotonic() + self.module.params["start_timeout"]
        state = "unreachable"
        while time.monotonic() < deadline:
            state = self.answers()
            if state == "ready":
                return
            if state in ("auth", "permission", "tls"):
                break
            time.sleep(0.1)
        where = redis_connection.endpoint(self.module.params)
        self.fail("%s runs, but a login at %s fails: %s." % (self.unit, where, state))
