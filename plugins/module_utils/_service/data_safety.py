# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a server is restarted: will its data survive?"""

from __future__ import annotations

import re
import time

from .._redis import connection as redis_connection
from .._redis.live_commands import live_names

# What a server without persistence gets before its restart, so that SIGTERM makes it save.
RESCUE_SAVE = "3600 1"


class DataAtRisk(Exception):
    """A restart would or might lose data; the text says why and what to set."""


class _Server:
    """A connection that calls commands by the names that the running server knows them by."""

    def __init__(self, client, renamed):
        self.client = client
        self.names = live_names(client, renamed, ["CONFIG", "DBSIZE", "INFO", "BGSAVE"])

    def run(self, command, *words):
        if self.names[command] is None:
            raise DataAtRisk("The server holds data and has no %s command, which it takes to save it." % command)
        return self.client.execute_command(self.names[command], *words)

    def info(self, section):
        reply = self.run("INFO", section).decode("utf-8", "replace")
        return dict(line.partition(":")[::2] for line in reply.splitlines() if ":" in line)


def secure_data(params, ports, others_have_them=False):
    """Make sure that a restart keeps the running server's keys, and that the server ends.

    params: the module's options. ports: where the process really listens (a server that is taken over may listen
    elsewhere than the options say). A server with keys and no persistence gets save points, and one save proves that
    they work; so does one whose last save failed, because a server that can't save does not end on SIGTERM.
    others_have_them: one that saves nothing need not. Raises DataAtRisk before anything is stopped.
    """
    try:
        client = reach(params, ports)
    except redis_connection.ConnectionProblem as problem:
        raise unaskable(problem, "whether its data would survive a restart") from problem
    try:
        _secure(_Server(client, params.get("renamed_commands") or {}), others_have_them)
    except (redis_connection.redis.RedisError, OSError) as error:
        raise DataAtRisk("The server holds data, and making it save them failed: %s" % error) from error
    finally:
        client.close()


def _secure(server, others_have_them):
    if not server.run("DBSIZE") and not any(re.fullmatch(r"db\d+", name) for name in server.info("keyspace")):
        return
    persistence = server.info("persistence")
    if persistence.get("aof_enabled") == "1":
        if persistence.get("aof_last_write_status", "ok") != "ok":
            raise DataAtRisk("The server holds data, and its last write to the append-only file failed: see its log.")
        return
    reply = server.run("CONFIG", "GET", "save")
    if reply and reply[1]:
        if persistence.get("rdb_last_bgsave_status", "ok") != "ok":
            _prove_save(server)
        return
    if others_have_them:
        return
    server.run("CONFIG", "SET", "save", RESCUE_SAVE)
    try:
        _prove_save(server)
    except DataAtRisk:
        # A server that can't save does not end on SIGTERM; leave it as it was.
        server.run("CONFIG", "SET", "save", "")
        raise


class CannotAsk(DataAtRisk):
    """The server can't be asked whether data is at risk: to restart it in spite of that is no advice."""


def unaskable(problem, what):
    """Return the CannotAsk for a server that can't be asked something, from a ConnectionProblem."""
    hint = " Set current_password (redis_current_password) to the password that its user default has now."
    return CannotAsk("The server can't be asked %s: %s%s" % (what, problem, hint if problem.kind == "auth" else ""))


def reach(params, ports):
    """Return a client: by the login, by the old password, or without any, where declared or where it listens.

    Raises ConnectionProblem: of all that were met the one that tells most.
    """
    problems = []
    logins = [dict(params)]
    if params.get("current_password"):
        logins.append(dict(params, login_user=None, login_password=params["current_password"]))
        logins[-1].update(login_password_file=None, login_password_env=None)
    endpoints = [{}] + [dict(login_port=port, login_host="127.0.0.1", login_unix_socket=None) for port in ports]
    for endpoint in endpoints:
        for login in logins:
            for anonymous in (False, True):
                try:
                    return redis_connection.open_client(dict(login, **endpoint), anonymous=anonymous)
                except redis_connection.ConnectionProblem as error:
                    problems.append(error)
    raise next((problem for problem in problems if problem.kind == "auth"), problems[0])


def _prove_save(server, timeout=300):
    """Save once in the background and wait for the result."""
    server.run("BGSAVE")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        info = server.info("persistence")
        if info.get("rdb_bgsave_in_progress") == "0":
            if info.get("rdb_last_bgsave_status") == "ok":
                return
            raise DataAtRisk("The server holds data that it can't save: see its log for why the last BGSAVE failed.")
        time.sleep(0.1)
    raise DataAtRisk("The server holds data, and saving them took longer than %d s." % timeout)
