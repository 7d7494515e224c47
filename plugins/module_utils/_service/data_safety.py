# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a server is restarted: will its data survive?"""

from __future__ import annotations

import re
import time

from .._config.live import rewrite_aof, wait_for_aof
from .._errors import Refused
from .._redis import connection as redis_connection
from .._redis.live_commands import live_names
from .._redis.login import hinted, open_somehow

# A server that saves its data takes as long as it takes, and Debian sets no limit.
STOP_SECONDS = 600
# What a server without persistence gets before its restart, so that SIGTERM makes it save.
RESCUE_SAVE = "3600 1"
_STOPS = "stop-writes-on-bgsave-error"


class DataAtRisk(Exception):
    """A restart would or might lose data; the text says why and what to set."""


class _Server:
    """A connection that calls commands by the names that the running server knows them by."""

    def __init__(self, client, renamed):
        self.client = client
        self.names = live_names(client, renamed, ["CONFIG", "DBSIZE", "INFO", "BGSAVE", "BGREWRITEAOF"])

    def need(self, command):
        """Raise DataAtRisk without the command."""
        if self.names[command] is None:
            raise DataAtRisk(
                "The server holds data and has no %s command by a name that renamed_commands says, which it takes to "
                "save them." % command
            )

    def run(self, command, *words):
        self.need(command)
        return self.client.execute_command(self.names[command], *words)

    def setting(self, name):
        """Return the value in force, b'' where the server has no such directive."""
        reply = self.run("CONFIG", "GET", name)
        return reply[1] if reply else b""

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
    empty = not server.run("DBSIZE") and not any(re.fullmatch(r"db\d+", name) for name in server.info("keyspace"))
    persistence = server.info("persistence")
    has_aof, failed = persistence.get("aof_enabled") == "1", persistence.get("rdb_last_bgsave_status", "ok") != "ok"
    if has_aof and not empty:
        _prove_aof(server, persistence)
    if server.names["CONFIG"] is None and not (has_aof or empty):
        server.need("CONFIG")
    # Whatever else it has, and even without a key: with save points it saves when it is told to end, and does not end
    # when it can't.
    points = server.setting("save") if server.names["CONFIG"] else b"unknown" if failed else b""
    if points:
        if failed:
            _prove_save(server)
        elif persistence.get("rdb_saves") == "0" and server.names["BGSAVE"]:
            _prove_first_save(server)
        return
    if has_aof or empty or others_have_them:
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
    return CannotAsk("The server can't be asked %s: %s" % (what, hinted(problem)))


def reach(params, ports):
    """Return a client where the server is declared, or else where it listens. Raises ConnectionProblem."""
    places = [dict(login_port=port, login_host="127.0.0.1", login_unix_socket=None) for port in ports]
    return open_somehow(params, [{}, *places]).client


def _prove_aof(server, persistence):
    """Make sure that the append-only file is complete: until its first version is, the server does not end either."""
    if persistence.get("aof_last_write_status", "ok") != "ok":
        raise DataAtRisk("The server holds data, and its last write to the append-only file failed: see its log.")
    try:
        if persistence.get("aof_last_bgrewrite_status", "ok") == "ok":
            wait_for_aof(server, STOP_SECONDS)
        else:
            server.need("BGREWRITEAOF")
            rewrite_aof(server, STOP_SECONDS)
    except Refused as problem:
        raise DataAtRisk("The server holds data. %s" % problem) from problem


def _prove_first_save(server):
    """Prove a save of a server that has not tried one yet, so that one that fails does not keep its clients out."""
    before = server.setting(_STOPS)
    server.run("CONFIG", "SET", _STOPS, "no")
    try:
        _prove_save(server)
    except DataAtRisk as problem:
        # A restart brings it back.
        left = " Its %s was %s and is no now, or no client could write any more." % (_STOPS, before.decode())
        raise DataAtRisk("%s%s" % (problem, left if before != b"no" else "")) from problem
    except Exception:
        server.run("CONFIG", "SET", _STOPS, before)
        raise
    server.run("CONFIG", "SET", _STOPS, before)


def _prove_save(server, timeout=STOP_SECONDS):
    """Save once in the background and wait for the result."""
    if server.info("persistence").get("rdb_bgsave_in_progress") != "1":
        server.run("BGSAVE")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        info = server.info("persistence")
        if info.get("rdb_bgsave_in_progress") == "0":
            if info.get("rdb_last_bgsave_status") == "ok":
                return
            raise DataAtRisk(
                "The server would not end when it is told to, for data that it can't save: see its log for why the "
                "last BGSAVE failed."
            )
        time.sleep(0.1)
    raise DataAtRisk("The server holds data, and saving them took longer than %d s." % timeout)
