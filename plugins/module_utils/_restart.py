# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a server is restarted: will its data survive?"""

from __future__ import annotations

import time

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._renames import live_names

# What a server without persistence gets before its restart, so that SIGTERM makes it save.
RESCUE_SAVE = "3600 1"


class DataAtRisk(Exception):
    """A restart would or might lose data; the text says why and what to set."""


def secure_data(params, ports):
    """Make sure that a restart keeps the running server's keys.

    params: the module's options. ports: where the process really listens (a server that is taken over may listen
    elsewhere than the options say). A server with keys and no persistence gets save points, and one save proves that
    they work. Raises DataAtRisk before anything is stopped.
    """
    client = _reach(params, ports)
    try:
        if not client.execute_command("DBSIZE") and not _other_databases(client):
            return
        config = live_names(client, params.get("renamed_commands") or {}, ["CONFIG"])["CONFIG"]
        if config is None:
            raise DataAtRisk("The server holds data and has no CONFIG command that tells whether it saves it.")
        if b"aof_enabled:1" in client.execute_command("INFO", "persistence"):
            return
        reply = client.execute_command(config, "GET", "save")
        if reply and reply[1]:
            return
        client.execute_command(config, "SET", "save", RESCUE_SAVE)
        try:
            _prove_save(client)
        except DataAtRisk:
            # A server that can't save does not end on SIGTERM; leave it as it was.
            client.execute_command(config, "SET", "save", "")
            raise
    except _connection.redis.RedisError as error:
        raise DataAtRisk("The server holds data, and making it save them failed: %s" % error) from error
    finally:
        client.close()


def _reach(params, ports):
    """Return a client: by the login, by the old password, or without any, where declared or where it listens."""
    problem = "it listens nowhere"
    logins = [dict(params)]
    if params.get("current_password"):
        logins.append(dict(params, login_user=None, login_password=params["current_password"]))
    endpoints = [{}] + [dict(login_port=port, login_host="127.0.0.1", login_unix_socket=None) for port in ports]
    for endpoint in endpoints:
        for login in logins:
            for anonymous in (False, True):
                try:
                    return _connection.open_client(dict(login, **endpoint), anonymous=anonymous)
                except _connection.ConnectionProblem as error:
                    problem = str(error)
    raise DataAtRisk(
        "The server can't be asked whether its data would survive a restart: %s Set current_password "
        "(redis_current_password) to the password that its user default has now." % problem
    )


def _other_databases(client):
    return b"\ndb" in client.execute_command("INFO", "keyspace")


def _prove_save(client, timeout=300):
    """Save once in the background and wait for the result."""
    client.execute_command("BGSAVE")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        info = client.execute_command("INFO", "persistence")
        if b"rdb_bgsave_in_progress:0" in info:
            if b"rdb_last_bgsave_status:ok" in info:
                return
            raise DataAtRisk("The server holds data that it can't save: see its log for why the last BGSAVE failed.")
        time.sleep(0.1)
    raise DataAtRisk("The server holds data, and saving them took longer than %d s." % timeout)
