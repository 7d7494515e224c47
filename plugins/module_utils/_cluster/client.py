# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections to all servers of a cluster, and what they say."""

from __future__ import annotations

import ipaddress
import re
import socket

from .._redis import connection as redis_connection
from .._redis.commands import rename_problems
from .._redis.live_commands import live_names
from .._redis.replies import text
from .nodes import parse_nodes
from .state import NodeReply, Problem

COMMANDS = ("CLUSTER", "INFO", "CONFIG", "MIGRATE", "FUNCTION")
# What must be alike on all nodes, and where a node's clients connect.
ALIKE = (
    *("tls-cluster", "tls-auth-clients", "cluster-node-timeout", "cluster-require-full-coverage"),
    *("cluster-allow-reads-when-down", "cluster-allow-replica-migration", "cluster-replica-no-failover"),
)
PORTS = ("port", "tls-port")
ASKED = (*ALIKE, *PORTS, "appendonly")
LONG_COMMAND_SECONDS = 60.0


def node_options():
    """Return the options that the cluster modules share, besides those of the connection."""
    node = dict(
        host=dict(type="str", required=True),
        port=dict(type="int", required=True),
        address=dict(type="str"),
        zone=dict(type="str"),
        state=dict(type="str", choices=["present", "absent"], default="present"),
    )
    return dict(
        nodes=dict(type="list", elements="dict", required=True, options=node),
        leaving=dict(type="list", elements="str", default=[]),
        replicas=dict(type="int", default=1),
        renamed_commands=dict(type="dict", default={}),
    )


def option_problems(params):
    """Return what is wrong with the options, before anybody is asked."""
    problems, seen = rename_problems(params["renamed_commands"]), set()
    for node in params["nodes"]:
        name = "%s:%d" % (node["host"], node["port"])
        if name in seen:
            problems.append("nodes names %s twice." % name)
        seen.add(name)
        if not 0 < node["port"] < 65536:
            problems.append("nodes: %s has no valid port." % name)
        for field in ("address", "zone"):
            if node[field] is not None and not node[field].strip():
                problems.append("nodes: %s of %s is empty: leave it out." % (field, name))
    if not any(node["state"] == "present" for node in params["nodes"]):
        problems.append("nodes names no server with state present.")
    if params["replicas"] < 0:
        problems.append("replicas is %d: set 0 or more." % params["replicas"])
    return problems


class Server:
    """One server of the inventory: its connection, and what it calls its commands."""

    def __init__(self, params, node):
        self.node, self.params = node, dict(params, login_host=node["host"], login_port=node["port"])
        self.params["login_unix_socket"] = None
        self.name = "%s:%d" % (node["host"], node["port"])
        self.client, self.patient, self.names, self.addresses = None, None, {}, []

    def ask(self):
        """Return the NodeReply. Never raises for what the server does or says."""
        node = self.node
        asked = NodeReply(self.name, node["zone"] or node["host"], node["state"] == "present", port=node["port"])
        try:
            if not self.addresses:
                self.addresses = _resolve(node["address"] or node["host"])
            asked.addresses = frozenset(self.addresses)
            if self.client is None:
                self.client = redis_connection.open_client(self.params)
                self.names = live_names(self.client, self.params["renamed_commands"], COMMANDS)
            self._fill(asked)
        except redis_connection.ConnectionProblem as problem:
            self.close()
            asked.problem = _problem(problem)
        except (redis_connection.redis.RedisError, OSError) as error:
            self.close()
            asked.problem = _problem(redis_connection.explain(error, self.params))
        except ValueError as error:
            asked.problem = Problem("%s: %s" % (self.name, error))
        return asked

    def _fill(self, asked):
        for command in ("CLUSTER", "INFO"):
            if self.names[command] is None:
                raise ValueError("%s is disabled: name its new name in renamed_commands." % command)
        config = self.names["CONFIG"]
        questions = [["CLUSTER", "NODES"], ["CLUSTER", "INFO"], ["INFO", "keyspace"], ["INFO", "replication"]]
        questions += [["CONFIG", "GET", name] for name in ASKED] if config else []
        replies = self.pipeline(questions)
        for question, reply in zip(questions[:4], replies, strict=False):
            if isinstance(reply, Exception):
                if "cluster support disabled" in str(reply):
                    asked.keys = _keys(replies[2])
                    raise ValueError("it is no cluster node: set cluster-enabled yes and restart it.")
                raise ValueError("%s said: %s" % (" ".join(question), reply))
        nodes, info, keyspace, replication = (text(reply) for reply in replies[:4])
        asked.entries, asked.info = parse_nodes(nodes), _fields(info)
        if asked.me is None:
            raise ValueError("CLUSTER NODES does not tell which node it is itself.")
        asked.keys = _keys(keyspace)
        asked.link = _fields(replication).get("master_link_status", "")
        for reply in replies[4:]:
            if isinstance(reply, list) and len(reply) == 2:
                asked.settings[text(reply[0])] = text(reply[1])

    def pipeline(self, commands):
        """Send commands by their original names; return raw replies, errors as redis.ResponseError."""
        return redis_connection.pipeline(
            self.client, [[self.names.get(words[0], words[0]), *words[1:]] for words in commands]
        )

    def patient_pipeline(self, commands):
        """The same for what takes the server long, over a connection that waits longer."""
        if self.patient is None:
            seconds = max(LONG_COMMAND_SECONDS, self.params["login_timeout"])
            self.patient = redis_connection.open_client(dict(self.params, login_timeout=seconds))
        return redis_connection.pipeline(
            self.patient, [[self.names.get(words[0], words[0]), *words[1:]] for words in commands]
        )

    def close(self):
        for client in (self.client, self.patient):
            if client is not None:
                client.close()
        self.client = self.patient = None


def _problem(cause):
    text = str(cause)
    return Problem(
        text,
        passing=cause.kind == "loading",
        silent=cause.kind in ("unreachable", "timeout"),
        # The host itself says that nobody listens on the port.
        stopped=cause.kind == "unreachable" and "refused" in text,
    )


def _keys(keyspace):
    """Return how many keys a reply to INFO keyspace tells of; 0 when it is an error."""
    if isinstance(keyspace, Exception):
        return 0
    return sum(map(int, re.findall(r"^db\d+:keys=(\d+)", text(keyspace), re.MULTILINE)))


def _fields(reply):
    return dict(line.partition(":")[::2] for line in reply.splitlines() if ":" in line)


def _resolve(host):
    try:
        found = [entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise ValueError("the name %s has no address here: %s." % (host, error.strerror or error)) from error
    return list(dict.fromkeys(found))


def loopback_problem(servers):
    """Return why these addresses can't be a cluster's: loopback means another host to each of them."""
    local = [one.name for one in servers if one.addresses and ipaddress.ip_address(one.addresses[0]).is_loopback]
    if local and len(local) < len([one for one in servers if one.addresses]):
        return Problem(
            "%s: nodes on other hosts can't reach a loopback address. Set address to the one that they reach."
            % ", ".join(local)
        )
    return None
