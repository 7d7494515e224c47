# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of redis_acl."""

from __future__ import annotations

import contextlib
import os

from .._config import processes, running
from .._host import attributes, files
from .._redis.commands import normalise
from .._redis.connection import ConnectionProblem, endpoint, open_client, require_library
from .._redis.login import open_if_it_runs
from .._redis.scratch_server import throwaway_server
from .apply import Plan, apply, diff_of, login_after, make_plan
from .file import parse_file, read_file, render_file
from .server import AclServer
from .users import AclError, declared, redacted


def renamed_commands(params):
    """Return the option renamed_commands, checked. Raises AclError."""
    try:
        return normalise(params["renamed_commands"])
    except ValueError as error:
        raise AclError(str(error)) from error


class Run:
    """One run of the module; the steps share what they find out."""

    def __init__(self, module):
        self.module, self.params = module, module.params
        self.wanted = declared(self.params["users"])
        self.renamed = renamed_commands(self.params)
        self.server, self.plan, self.took_over, self.login = None, Plan(), False, None
        self.file, self.content = None, None
        self.diff = []

    def look(self):
        """Read the server and the file, refuse what can't be done. Changes nothing."""
        params = self.params
        if params["aclfile"]:
            self.check_mode_option()
            self.file = read_file(params["aclfile"])
            problem = files.problem(params["aclfile"])
            # In check mode on a bare host the directory may be what an earlier task would have created.
            if problem and not self.module.check_mode:
                raise AclError("aclfile: %s." % problem)
        if params["live"] != "never":
            require_library(self.module)
            self.look_at_server()
        passwords = ("login_password", "login_password_file", "login_password_env")
        if self.server is None and any(params[name] for name in passwords):
            self.login = login_after(params, params["users"], self.wanted, take_over=params["take_over"])
        if self.file is not None:
            self.look_at_file()

    def check_mode_option(self):
        try:
            attributes.mode_of(self.params["aclfile_mode"])
        except ValueError as error:
            raise AclError("aclfile_mode: it must be octal, such as '0640', in quotes.") from error

    def look_at_server(self):
        params = self.params
        entry = open_if_it_runs(params)
        if entry is None:
            server = running.users_of(params["aclfile"], processes.show_by(self.module))
            if server:
                raise AclError(running.problem(server, params["aclfile"], endpoint(params)))
            return
        self.took_over = entry.took_over
        self.server = AclServer(entry.client, params, self.renamed)
        self.plan = make_plan(self.server, self.wanted, params["purge"])
        self.login = login_after(
            params, params["users"], self.wanted, self.server, params["purge"], params["take_over"]
        )
        if self.plan.change:
            self.server.check_rules(self.plan.change)
        if self.plan.change or self.plan.remove:
            self.diff.append(diff_of(self.server, self.plan))

    def look_at_file(self):
        """Work out the file's content; leave it None when the file has it already."""
        path, users = self.params["aclfile"], dict(self.wanted)
        if not self.params["purge"]:
            # What a restart must not change: the users that run, or, where nothing runs, those of the file.
            there = self.file.users if self.server is None else self.server.users
            users = {**there, **users}
        channels = self.server is None or self.server.has_channels
        content = render_file(users, channels)
        if self.file.exists and self.file.clean and self.file.users == parse_file(content, path).users:
            return
        self.content = content
        before = render_file(self.file.users, channels)
        self.diff.append(
            dict(before_header=path, after_header=path, before=redacted_lines(before), after=redacted_lines(content))
        )
        if self.server is None and self.params["server_binary"]:
            self.try_file()

    def try_file(self):
        """Let a private server load the content, and log in there."""
        binary = self.params["server_binary"]
        if self.module.check_mode and not os.path.exists(binary):
            return
        with throwaway_server(binary, [], self.content.splitlines()) as path:
            if self.login is None or self.login["login_password"] is None:
                return
            try:
                open_client(dict(self.login, login_unix_socket=path, tls=False)).close()
            except ConnectionProblem as problem:
                raise AclError(
                    "The declared users would lock out this login: a server with this ACL file refuses it. %s" % problem
                ) from problem

    def change(self):
        """Carry everything out; return whether the file changed."""
        with contextlib.ExitStack() as stack:
            put = None
            if self.content is not None and not self.module.check_mode:
                # What can't be written is found out before the running server is changed.
                put = stack.enter_context(files.staged(self.params["aclfile"], self.content, *self.owner_and_mode()))
            if (self.plan.change or self.plan.remove) and not self.module.check_mode:
                for warning in apply(self.server, self.plan, self.login):
                    self.module.warn(warning)
            if put:
                put()
        return self.settle() or self.content is not None

    def owner_and_mode(self):
        params = self.params
        return params["aclfile_owner"], params["aclfile_group"], attributes.mode_of(params["aclfile_mode"])

    def settle(self):
        """Bring owner and mode of the file in order; return whether they differed."""
        path = self.params["aclfile"]
        diff = files.settle(path, *self.owner_and_mode(), self.module.check_mode) if path else {}
        if diff:
            self.diff.append(dict(diff, before_header=path, after_header=path))
        return bool(diff)


def redacted_lines(content):
    """Return an ACL file's content for a diff."""
    return "".join(redacted(line) + "\n" for line in content.splitlines())
