# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docker_daemon asks the engine, its unit and its files, and does to them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import tempfile
import time

from ..._errors import Refused
from ..._host import files as host_files, systemd as host_systemd
from ..encoding import decode
from . import settings, unit

UNIT = "docker.service"
DEFAULT_PATH = "/etc/docker/daemon.json"
PROPERTIES = (
    *("LoadState", "ActiveState", "ExecStart", "ExecMainStartTimestampMonotonic", "MainPID", "DropInPaths"),
    *("FragmentPath", "Environment", "EnvironmentFiles"),
)
# Nobody's: a process of this user reads nothing but what it is given.
STRANGER = "2147483000"


class _Connection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


class Engine:
    """The engine of this host, and the file it reads."""

    def __init__(self, module):
        self.module = module
        self.look()
        words = self._command_line()
        # A package that was removed leaves /etc/init.d/docker behind, of which systemd makes a unit.
        self.is_installed = self.show["LoadState"] not in ("not-found", "") and bool(words)
        if not self.is_installed:
            return
        sources = [(path, host_files.read_file(path) or "") for path in self._paths()]
        self.words = unit.expand(words, self._variables())
        self.flags = unit.flags(self.words)
        self.where = {flag: unit.where_set(flag, sources) for flag in self.flags}
        self.path = module.params["path"] or self.flags.get("config-file") or DEFAULT_PATH
        self.version = settings.version_of(self.run([self.words[0], "--version"]))

    def look(self):
        """Read the unit's state anew."""
        systemctl = self.module.get_bin_path("systemctl", required=True)
        self.show = dict.fromkeys(PROPERTIES, "")
        text = self.run([systemctl, "show", UNIT, "--property", ",".join(PROPERTIES)])
        self.show.update(host_systemd.parse_show(text))

    def run(self, command):
        return self.module.run_command(command, check_rc=True)[1]

    def _command_line(self):
        """Return the words by which the engine is started, or nothing when there is no engine."""
        words = unit.argv(self.show["ExecStart"])
        if not words or os.path.basename(words[0]) != "dockerd":
            # A program of the operator's own that starts the engine: what counts is what it made of it.
            binary = self.module.get_bin_path("dockerd", opt_dirs=host_files.SBIN)
            words = self._running_words() or ([binary] if binary else [])
        return words if words and os.path.exists(words[0]) else []

    def _running_words(self):
        try:
            with open("/proc/%s/cmdline" % (self.show["MainPID"] or "0"), "rb") as file:
                words = file.read().decode(errors="replace").split("\0")[:-1]
        except OSError:
            return []
        return words if words and os.path.basename(words[0]) == "dockerd" else []

    def _environment_files(self):
        return unit.environment_files(self.show["EnvironmentFiles"])

    def _paths(self):
        paths = [*self.show["DropInPaths"].split()[::-1], self.show["FragmentPath"], *self._environment_files()]
        return [path for path in paths if path]

    def _variables(self):
        found = unit.environment(self.show["Environment"])
        for path in self._environment_files():
            found.update(unit.environment(host_files.read_file(path) or ""))
        return found

    @property
    def is_running(self):
        return self.show["ActiveState"] in ("active", "reloading")

    def is_stale(self):
        """Return whether the engine was started before its file was last written, or removed."""
        started = host_systemd.started_at(
            {"ActiveEnterTimestampMonotonic": self.show["ExecMainStartTimestampMonotonic"]}
        )
        for path in (self.path, os.path.dirname(self.path)):
            try:
                return os.stat(path).st_mtime > started
            except FileNotFoundError:
                continue
        return False

    def ask(self, resource):
        """Return what the engine's API says of a resource."""
        connection = _Connection(self.module.params["socket"], timeout=10)
        try:
            connection.request("GET", resource, headers={"Host": "docker"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise settings.DaemonProblem(
                "the engine runs, but does not answer at %s (%s): name its socket in socket"
                % (self.module.params["socket"], error)
            ) from None
        finally:
            connection.close()
        if answer.status != 200:
            raise settings.DaemonProblem("the engine answers %s with %d" % (resource, answer.status))
        return json.loads(body) if resource != "/_ping" else body

    def containers(self):
        """Return all containers, each as the engine describes it."""
        found = []
        for one in self.ask("/containers/json?all=1"):
            try:
                found.append(self.ask("/containers/%s/json" % one["Id"]))
            except settings.DaemonProblem:
                # Gone since the list was made.
                continue
        return found

    def read(self):
        """Return the file's text, or None when there is none. A byte order mark belongs to it before Docker 23 only."""
        try:
            content = host_files.read_bytes(self.path)
            if content is None:
                return None
            return decode(content) if self.version >= (23, 0) else content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise settings.DaemonProblem(
                "%s: byte %d is not %s; fix it, then run again; it was left as it is"
                % (self.path, error.start, error.encoding.upper())
            ) from None
        except Refused as error:
            raise settings.DaemonProblem(str(error)) from None

    def write(self, text):
        """Put the file in its place in one step, with the owner and the mode that it had; None removes it."""
        if text is None:
            os.unlink(os.path.realpath(self.path))
        elif host_files.present(self.path):
            host_files.write(self.path, text, None, None, None)
        else:
            host_files.write_file(self.path, text, 0o644)

    def refuses(self, text):
        """Return what the engine itself has against this file together with its command line, or None."""
        folder = tempfile.mkdtemp(prefix="docker-daemon-", dir="/run")
        try:
            os.chmod(folder, 0o711)  # noqa: S103 - to be passed, not to be listed
            path = os.path.join(folder, "daemon.json")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            words = [word for word in self._without_config_file() if word] + ["--config-file", path]
            if self.version >= (23, 0):
                status, output, errors = self.module.run_command([*words, "--validate"])
                good = status == 0
            else:
                # Before 23.0 there is no --validate. But the engine first reads and checks its file and its command
                # line, and only then finds that it is not root, and ends without having done anything.
                os.chown(path, int(STRANGER), int(STRANGER))
                setpriv = self.module.get_bin_path("setpriv", required=True)
                stranger = [setpriv, "--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", "--no-new-privs"]
                _status, output, errors = self.module.run_command([*stranger, *words])
                good = "root privileges" in output + errors
        finally:
            shutil.rmtree(folder)
        said = (errors or output).strip().splitlines() or ["nothing"]
        return None if good else settings.without_logins(said[-1].replace(path, self.path))

    def _without_config_file(self):
        words, skip = [], False
        for word in self.words:
            if skip or word.startswith("--config-file="):
                skip = False
            elif word == "--config-file":
                skip = True
            else:
                words.append(word)
        return words

    def reload(self, expected):
        """Let the engine take what it can from its file; return whether it has."""
        self.run(["systemctl", "reload", UNIT])
        return self._wait(lambda: self.ask("/info").get("LiveRestoreEnabled") is expected, 10)

    def restart(self):
        """Restart the engine; return whether it answers."""
        before = self.show["MainPID"]
        # Its own attempts of the last minute must not count against this one.
        self.module.run_command(["systemctl", "reset-failed", UNIT])
        self.run(["systemctl", "restart", "--no-block", UNIT])

        def is_up():
            self.look()
            return self.show["MainPID"] != before and self.show["ActiveState"] == "active" and self.ask("/_ping")

        return self._wait(is_up, self.module.params["timeout"], lambda: self.show["ActiveState"] == "failed")

    @staticmethod
    def _wait(is_done, seconds, is_hopeless=lambda: False):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if is_done():
                    return True
            except settings.DaemonProblem:
                pass
            if is_hopeless():
                return False
            time.sleep(0.1)
        return False

    def journal(self):
        """Return the last lines of the engine's log."""
        output = self.module.run_command(
            ["journalctl", "--unit", UNIT, "--lines", "10", "--no-pager", "--output", "cat"]
        )[1]
        return [settings.without_logins(line) for line in output.splitlines()]
