# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections to a server that is to be restarted, to its group and to its Sentinels."""

from __future__ import annotations

import time

from .._cluster.nodes import parse_nodes
from .._errors import Refused
from .._host import files
from .._redis import connection as redis_connection
from .._redis.live_commands import live_names
from .._redis.replies import text
from .._sentinel.client import Sentinel, fields, resolve
from .._service.data_safety import reach
from .rules import Watch, behind, following, parse_server_info

COMMANDS = ("INFO", "CLIENT", "CLUSTER", "CONFIG", "REPLICAOF", "SLAVEOF")
# A replica that is further behind than what is written in this time is not in step.
IN_STEP_SECONDS = 1.0
# A Sentinel looks at its timeouts ten times a second.
CALL_OFF_SECONDS = 3.0


class Peer:
    """One server of the group. The connection is opened when it is needed, and again after it broke."""

    def __init__(self, params, address=None, ports=(), announced=False):
        """address: (host, port); without one it is the server that the options name. ports: where that listens.

        announced: the server itself told the address. One that replicated before TLS was switched on is known by its
        port for plain text until it connects again, so that the login's port is tried there, too.
        """
        self.params, self.ports, self.client, self.names = dict(params), ports, None, {}
        self.address, self.choices = address, [{}]
        if address:
            self.params.update(login_host=address[0], login_port=address[1], login_unix_socket=None)
        if announced and params["login_port"] != address[1]:
            self.choices.append(dict(login_port=params["login_port"]))
        self.name = redis_connection.endpoint(self.params)

    def _open(self):
        problem = None
        for choice in self.choices:
            try:
                self.client = reach(dict(self.params, **choice), self.ports)
                self.choices = [choice]
                self.names = live_names(self.client, self.params["renamed_commands"], COMMANDS)
                return
            except redis_connection.ConnectionProblem as error:
                problem = problem or error
        raise problem

    def run(self, command, *words):
        """Return the raw reply. Raises ConnectionProblem, also for an error that the server replies."""
        try:
            if self.client is None:
                self._open()
            return self.client.execute_command(self.name_of(command), *words)
        except (redis_connection.redis.ConnectionError, redis_connection.redis.TimeoutError, OSError) as error:
            self.close()
            raise redis_connection.explain(error, self.params) from error
        except redis_connection.redis.RedisError as error:
            said = "%s said to %s: %s" % (self.name, " ".join([command, *words[:1]]), error)
            raise redis_connection.ConnectionProblem("protocol", said) from error

    def name_of(self, command):
        """Return what the server calls the command; REPLICAOF may be left as SLAVEOF."""
        choices = ("REPLICAOF", "SLAVEOF") if command == "REPLICAOF" else (command,)
        found = next((self.names[name] for name in choices if self.names[name] is not None), None)
        if found is None:
            raise redis_connection.ConnectionProblem(
                "permission", "%s knows no %s: name its new name in renamed_commands." % (self.name, command)
            )
        return found

    def said(self):
        return parse_server_info(
            "\n".join(text(self.run("INFO", section)) for section in ("server", "replication", "cluster"))
        )

    def cluster(self):
        """Return (Entries of CLUSTER NODES, cluster_state)."""
        info = dict(line.partition(":")[::2] for line in text(self.run("CLUSTER", "INFO")).splitlines())
        try:
            return parse_nodes(text(self.run("CLUSTER", "NODES"))), info.get("cluster_state", "unknown")
        except ValueError as error:
            raise redis_connection.ConnectionProblem("protocol", "%s: %s" % (self.name, error)) from error

    def close(self):
        if self.client is not None:
            self.client.connection_pool.disconnect()
        self.client = None


def lag(master, replica, seconds=IN_STEP_SECONDS):
    """Return why a replica does not get to where its master is now within this time, or ''. Both are Peers."""
    goal, end = master.said(), time.monotonic() + seconds
    while True:
        reason = behind(replica.said(), goal.offset, goal.stream)
        if not reason or time.monotonic() > end:
            return reason
        time.sleep(0.02)


def ask_sentinels(params):
    """Return a Watch for each declared Sentinel."""
    return [_watch(params, place) for place in params["sentinels"] or []]


def _watch(params, place):
    login = sentinel_login(params, place)
    where, name = redis_connection.endpoint(login), login["master_name"]
    try:
        sentinel = Sentinel(login)
        try:
            master, replicas, groups = sentinel.ask([["MASTER", name], ["REPLICAS", name], ["MASTERS"]])
        finally:
            sentinel.close()
    except redis_connection.ConnectionProblem as problem:
        absent = problem.kind == "unreachable" and "refused" in str(problem)
        return Watch(where, problem=str(problem), absent=absent, place=place)
    if isinstance(groups, Exception):
        return Watch(where, problem="%s said: %s" % (where, groups), place=place)
    elsewhere = {row["runid"]: row["name"] for row in map(fields, groups) if row["name"] != name}
    if isinstance(master, Exception):
        return Watch(where, elsewhere=elsewhere, place=place)
    rows = () if isinstance(replicas, Exception) else tuple(map(fields, replicas))
    rows = tuple(dict(row, ip=resolve(row["ip"])) for row in rows)
    return Watch(where, fields(master), rows, elsewhere=elsewhere, place=place)


def sentinel_login(params, place):
    """Return the options to talk to one Sentinel with."""
    login = dict(params, login_host=place["host"], login_port=place["port"], login_unix_socket=None)
    login.update(login_user=params["sentinel_user"], login_password=params["sentinel_password"])
    login.update(login_password_file=None, login_password_env=None, master_name=params["sentinel_master_name"])
    return login


def fail_over(sentinel):
    """Have a Sentinel (a Sentinel) fail its master over. Raises Refused when it will not."""
    reply = sentinel.ask([["FAILOVER", sentinel.name]])[0]
    if isinstance(reply, Exception):
        # INPROG, and NOGOODSLAVE: it may not have heard from a replica yet that was restarted a moment ago.
        passing = str(reply).startswith(("INPROG", "NOGOODSLAVE"))
        raise Refused("the Sentinel at %s will not fail over: %s." % (sentinel.where, reply), passing=passing)


def call_off(sentinel, seconds, timeout):
    """Have a Sentinel give up the failover that it was ordered, as it does by itself after its failover-timeout.

    seconds: how long it has taken. timeout: failover-timeout, as it is and remains. A promotion goes on.
    """
    if isinstance(sentinel.ask([_set_timeout(sentinel, max(1000, int(500 * seconds)))])[0], Exception):
        return
    try:
        end = time.monotonic() + CALL_OFF_SECONDS
        while failover_state(sentinel)[1] and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        sentinel.ask([_set_timeout(sentinel, timeout)])


def _set_timeout(sentinel, milliseconds):
    return ["SET", sentinel.name, "failover-timeout", str(milliseconds)]


def is_tilted(sentinel):
    """Tell whether a Sentinel does nothing for 30 s, because its host stood still or its clock jumped."""
    try:
        return "sentinel_tilt:1" in text(sentinel.client.execute_command("INFO", "sentinel"))
    except (redis_connection.redis.RedisError, OSError):
        return False


def failover_state(sentinel):
    """Return ((host, port) that a Sentinel holds for the master, as it says it; whether a failover is under way)."""
    address, master = sentinel.ask([["GET-MASTER-ADDR-BY-NAME", sentinel.name], ["MASTER", sentinel.name]])
    if not isinstance(address, list) or not isinstance(master, list):
        raise redis_connection.ConnectionProblem("protocol", "%s said: %s" % (sentinel.where, address))
    under_way = "failover_in_progress" in fields(master)["flags"].split(",")
    return (text(address[0]), int(address[1])), under_way


def same_address(one, other):
    return one[1] == other[1] and resolve(one[0]) == resolve(other[0])


def config_text(params):
    """Return the text of the server's configuration file. Raises Refused."""
    path = params.get("config_file")
    found = files.read(path) if path else None
    if found is None:
        raise Refused(
            "config_file is %s: set it to the server's configuration file, which must say whom it follows when it "
            "starts again." % (path and "%s, and there is none" % path or "not set")
        )
    return found


def write_following(params, before, host, port):
    """Make the configuration file what it was before, with the server following this master.

    The server would write that itself, and with it the values in force of the settings that are waiting for the
    restart. Owner and mode stay. Raises Refused.
    """
    path, wanted = params["config_file"], following(before, host, port)
    if files.read(path) != wanted:
        files.write(path, wanted, None, None, None)
