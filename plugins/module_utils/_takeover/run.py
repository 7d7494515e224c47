# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at what a unit runs, against what the policy would make of it. Changes nothing."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace

from .._acl import users as acl_users
from .._config import desired as config_desired, included as files, processes as find
from .._errors import Refused
from .._redis import connection as redis_connection
from .._redis.scratch_server import StartFailed, throwaway_server
from . import losses as takeover, present, server as asking
from .losses import Loss


class Look:
    """What was found. run() fills it.

    server: a Server, None where none runs. old: its configuration. now: a Present, None where there is nothing to lose.
    losses: [Loss]. info: fields of INFO.
    """

    def __init__(self, params, show):
        """show: as processes.show_by() makes it."""
        self.params, self.show = params, show
        self.server, self.old, self.now, self.info, self.losses = None, files.Old(), None, {}, []
        self.stranger = None

    def run(self):
        params, found = self.params, find.servers()
        self.wanted = wanted_of(params)
        self.server = find.of_unit(found, params["unit"], self.ports())
        self.stranger = next(iter(find.in_the_way(found, [params["unit"], *params["other_units"]], self.ports())), None)
        if self.stranger and self.stranger.unit and not find.runs(self.show(self.stranger.unit), self.stranger):
            self.stranger = replace(self.stranger, unit="")
        subject = self.stranger or self.server
        shown = self.show(subject.unit) if subject and subject.unit else ""
        path, arguments = find.started_with(shown)
        # A server without a unit has left the directory that it was started in for that of its data.
        cwd = subject.cwd if subject and not subject.unit else find.working_directory(shown)
        # A file that the server names itself is not believed; a unit without a file's name has it from its package.
        path = path or ("" if self.stranger else params["config"])
        self.old = files.read(path, find.as_lines(arguments), cwd)
        if self.old.ours and not self.stranger:
            return self
        self._look(subject)
        if self.stranger:
            self.losses = [Loss("", stranger_steps(self.stranger, path, self.old, params, self.now))]
        return self

    def ports(self):
        return {*self.wanted.ports, *([self.params["plaintext_port"]] if self.params["plaintext_port"] else [])}

    def _look(self, subject):
        if subject is None:
            # A package that was just installed has a file without a server; so has one that was stopped.
            if self.old.files:
                self.now = asking.offline(self.old)
        else:
            try:
                self._ask(subject)
            except (asking.NoLogin, redis_connection.redis.RedisError, OSError) as problem:
                self.losses = [Loss("", "%s can't be asked what it has: %s" % (subject.described(), problem))]
                return
        if self.now is None:
            return
        self.now.defaults, built_in = self._defaults()
        self.now.modules = [name for name in self.now.modules if name not in built_in]
        self.losses = [Loss("", "its configuration: %s" % problem) for problem in self.old.problems]
        self.losses += takeover.losses(self.now, self.wanted) + self._elsewhere(subject)

    def _ask(self, subject):
        params = self.params
        login = dict(login_user=params["login_user"], login_timeout=params["login_timeout"])
        # Whoever holds the port without being the unit is told no password of ours, and a user's program no other.
        if not self.stranger:
            login["login_password"] = params["login_password"]
        if subject.unit or subject.user in ("root", *_ENGINES):
            login["current_password"] = params["current_password"]
        client = asking.log_in(asking.places(subject, self.old), login)
        try:
            self.now, self.info = asking.ask(client, params["renamed_commands"], self.old)
        finally:
            client.close()

    def _elsewhere(self, subject):
        """Return what keeps the steps that follow from finding the server: they ask 127.0.0.1 at the policy's port."""
        if subject is None or any((address, port) in subject.ends for address in _LOOPBACK for port in self.ports()):
            return []
        listens = find.sockets.spelled(subject.ends) or "no TCP port"
        return [
            Loss(
                "",
                "it listens at %s, and would be looked for at 127.0.0.1 and %s: set redis_port to its port, or let it "
                "listen there as well (CONFIG SET bind, CONFIG SET port) until it has been taken over."
                % (listens, " or ".join("port %d" % port for port in sorted(self.ports()))),
            )
        ]

    def _defaults(self):
        binary = self.params["server_binary"]
        if not binary or not os.path.exists(binary):
            return {}, []
        try:
            with throwaway_server(binary, []) as path:
                return asking.defaults_of(path)
        except (StartFailed, redis_connection.ConnectionProblem, redis_connection.redis.RedisError, OSError) as problem:
            raise Refused("%s can't be started on trial: %s" % (binary, problem)) from problem


_ENGINES = ("redis", "valkey")
_LOOPBACK = ("127.0.0.1", "0.0.0.0")  # noqa: S104


def wanted_of(params):
    """Return the Wanted of the module's options. Raises Refused and AclError for what can't be read."""
    sources = None
    if params["ports"] is not None:
        sources = {entry["port"]: entry.get("sources") or [] for entry in params["ports"]}
    return present.Wanted(
        settings=config_desired.desired(params["settings"], {}, params["renamed_commands"]),
        renamed=params["renamed_commands"],
        users=acl_users.declared(params["users"]),
        topology=params["topology"],
        nodes=tuple(params["nodes"]),
        sources=sources,
    )


def stranger_steps(server, path, old, params, now):
    """Return what to do about a server of another unit that holds the port."""
    folder = now.value("dir") if now and now.value("dir") else old.values.get("dir", "")
    # A server goes into its directory; what it says otherwise becomes no command.
    if folder != server.cwd or os.path.dirname(folder) == "/":
        folder = ""
    package, keys = params["unit"], sum(now.keys.values()) if now else 0
    cli = "redis-cli -p %d" % min(server.ports)
    where = " It keeps %d keys in %s." % (keys, folder) if now and now.running else ""
    steps = [
        "systemctl mask %s && apt-get install %s" % (package, package.partition("@")[0]),
        "%s SAVE" % cli,
        "systemctl disable --now %s" % server.unit if server.unit else "%s SHUTDOWN SAVE" % cli,
        "chown -R %s: %s" % (package.partition("-")[0], shlex.quote(folder) if folder else "its dir"),
        "systemctl unmask %s" % package,
    ]
    return (
        "%s holds port %s, configured by %s, and is not %s.service.%s It is not taken over while it runs. Declare "
        "redis_dir: %s and what take_over.yml prints, then run on the host: %s; and site.yml again."
        % (
            server.described(),
            " and ".join(map(str, sorted(server.ports))),
            path or "no file that its unit names",
            package,
            where,
            folder or "its directory",
            "; ".join(steps),
        )
    )
