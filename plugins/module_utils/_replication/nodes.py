# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections to the servers of a replicated group, what they say, and what they are told."""

from __future__ import annotations

import contextlib
import re
import socket

from .._redis import connection as redis_connection
from .._redis.live_commands import live_names
from .._redis.replies import text
from .plan import Node, told_node, where_masters_are

COMMANDS = ("INFO", "CONFIG", "REPLICAOF")


class Member:
    """One server of the group: its connection, and what it calls its commands."""

    def __init__(self, params, node):
        self.node = node
        self.name = "%s:%d" % (node["host"], node["port"])
        self.params = dict(params, login_host=node["host"], login_port=node["port"], login_unix_socket=None)
        self.client = redis_connection.open_client(self.params)
        self.names = live_names(self.client, params["renamed_commands"], COMMANDS)
        unknown = [command for command in COMMANDS if self.names[command] is None]
        if unknown:
            raise redis_connection.ConnectionProblem(
                "permission",
                "%s knows no %s: name the new names in renamed_commands." % (self.name, " and no ".join(unknown)),
            )
        self.ports = {name: int(self.setting(name) or 0) for name in ("port", "tls-port")}

    def ask(self):
        """Return the Node."""
        info = self._info("replication")
        keys = sum(map(int, re.findall(r"^db\d+:keys=(\d+)", self._run("INFO", "keyspace"), re.MULTILINE)))
        replicas = [
            (found[1], int(found[2]))
            for found in re.finditer(r"^slave\d+:ip=([^,]+),port=(\d+)", self._text, re.MULTILINE)
        ]
        master = None
        if info["role"] != "master":
            master = (_addresses(info["master_host"])[0], int(info["master_port"]))
        version = re.search(r"^redis_version:(\d+)\.(\d+)", self._run("INFO", "server"), re.MULTILINE)
        return Node(
            name=self.name,
            addresses=frozenset(
                (address, port)
                for address in _addresses(self.node["address"] or self.node["host"])
                for port in (self.node["port"], *self.ports.values())
                if port
            ),
            master=master,
            replicas=tuple(replicas),
            link=info.get("master_link_status", "up"),
            keys=keys,
            failover=info.get("master_failover_state", "no-failover"),
            stream=info.get("master_replid", ""),
            version=tuple(map(int, version.groups())) if version else (),
        )

    def _info(self, section):
        self._text = self._run("INFO", section)
        return dict(line.partition(":")[::2] for line in self._text.splitlines() if ":" in line)

    def port_of(self, master):
        """Return the port of another Member at which this one replicates it, 0 where that one has none."""
        return master.ports["tls-port" if self.setting("tls-replication") == "yes" else "port"]

    def follow(self, master):
        """Make this server a replica of another Member. Return why the file does not say so too, or ''."""
        port = self.port_of(master)
        if not port:
            raise redis_connection.ConnectionProblem(
                "protocol",
                "%s replicates %s TLS, and %s has no such port: set tls-replication alike on all."
                % (self.name, "by" if master.ports["port"] == 0 or port == 0 else "without", master.name),
            )
        self._run("REPLICAOF", master.node["address"] or master.node["host"], port)
        try:
            self._run("CONFIG", "REWRITE")
        except redis_connection.redis.ResponseError as error:
            return str(error)
        return ""

    def setting(self, name):
        """Return a setting's value as text, '' where this server has no such setting."""
        reply = self.client.execute_command(self.names["CONFIG"], "GET", name)
        return text(reply[1]) if len(reply) == 2 else ""

    def _run(self, command, *words):
        return text(self.client.execute_command(self.names[command], *words))

    def close(self):
        self.client.close()


def _addresses(host):
    """Return the addresses of a host, which is mostly one already."""
    found = [entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    return list(dict.fromkeys(found))


def addresses_of(nodes):
    """Return {(address, port), ...} of servers that can't be asked; a name that does not resolve has none."""
    found = set()
    for node in nodes:
        with contextlib.suppress(OSError):
            found |= {(address, node["port"]) for address in _addresses(node["address"] or node["host"])}
    return frozenset(found)


def settled(members, nodes):
    """Return the nodes as where_masters_are() does, with the ports that the members have now."""
    ports = {master.name: {one.name: one.port_of(master) for one in members if one is not master} for master in members}
    return where_masters_are(nodes, ports)


def told_nodes(params, missing):
    """Return Nodes for those of the members that can't be asked of which `told` says that they are masters."""
    places = {(node["host"], node["port"]): node for node in missing}
    return [
        told_node(place, addresses_of([places[place["host"], place["port"]]]))
        for place in params["told"]
        if (place["host"], place["port"]) in places
    ]


def sentinel_master(params, all_of_them=True):
    """Return (address, port) that all Sentinels hold for the master, or None when none is asked.

    params: the module's options. all_of_them: whether each must be there and watch the group.
    Raises ConnectionProblem where one can't be asked, ValueError where they disagree.
    """
    answers = {}
    for sentinel in params["sentinels"]:
        where = "%s:%d" % (sentinel["host"], sentinel["port"])
        try:
            reply = _ask_sentinel(params, sentinel)
        except redis_connection.ConnectionProblem:
            if all_of_them:
                raise
            continue
        if reply is not None:
            answers[where] = (_addresses(text(reply[0]))[0], int(reply[1]))
        elif all_of_them:
            name = params["sentinel_master_name"]
            raise ValueError("the Sentinel at %s watches no master %s: check sentinel_master_name." % (where, name))
    if len(set(answers.values())) > 1:
        told = ", ".join("%s says %s:%d" % (where, *master) for where, master in answers.items())
        raise ValueError("the Sentinels disagree about the master: %s." % told)
    return next(iter(answers.values()), None)


def _ask_sentinel(params, sentinel):
    login = dict(params, login_host=sentinel["host"], login_port=sentinel["port"], login_unix_socket=None)
    for option in ("user", "password"):
        login["login_" + option] = params["sentinel_" + option]
    login.update(login_password_file=None, login_password_env=None)
    client = redis_connection.open_client(login)
    try:
        return client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", params["sentinel_master_name"])
    finally:
        client.close()
