# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections to Sentinels and to the data nodes that they watch, and what they say."""

from __future__ import annotations

import re
import socket

from .._errors import Refused
from .._host import files
from .._redis import connection as redis_connection
from .._redis.replies import text
from .plan import Peer, View, parse_file

NO_SUCH_MASTER = "No such master with that name"


def argument_spec(required=False):
    """Return the options that redis_sentinel and redis_sentinel_verify share, besides those of the connection."""
    place = dict(host=dict(type="str", required=True), port=dict(type="int", default=26379))
    return dict(
        redis_connection.redis_argument_spec(),
        login_port=dict(type="int", default=26379),
        master_name=dict(type="str", default="mymaster"),
        sentinels=dict(type="list", elements="dict", required=required, options=place),
        quorum=dict(type="int"),
        auth_user=dict(type="str"),
        auth_pass=dict(type="str", no_log=True),
        renamed_commands=dict(type="dict"),
    )


def resolve(host):
    """Return the first address of a host, which is mostly one already; the name itself where it has none here."""
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return host


def fields(reply):
    """Return a row of SENTINEL MASTER and the like as a dict."""
    return dict(zip(map(text, reply[::2]), map(text, reply[1::2]), strict=True))


class Sentinel:
    """The connection to one Sentinel."""

    def __init__(self, params, client=None):
        self.params, self.name = params, params["master_name"]
        self.where = redis_connection.endpoint(params)
        self.client = client or redis_connection.open_client(params)

    def ask(self, commands):
        """Send SENTINEL commands at once; return the replies, errors among them. Raises ConnectionProblem."""
        try:
            return redis_connection.pipeline(self.client, [["SENTINEL", *words] for words in commands])
        except (redis_connection.redis.RedisError, OSError) as error:
            raise redis_connection.explain(error, self.params) from error

    def _expect(self, reply, absent=None):
        if not isinstance(reply, Exception):
            return reply
        said = str(reply)
        if NO_SUCH_MASTER in said:
            return absent
        if "unknown command" in said.lower():
            raise redis_connection.ConnectionProblem("protocol", "%s is no Sentinel." % self.where)
        if "no permissions" in said or "NOPERM" in said:
            raise redis_connection.ConnectionProblem(
                "permission", "The login on %s needs +sentinel, +info and +ping: %s" % (self.where, said)
            )
        raise redis_connection.ConnectionProblem("protocol", "%s said: %s" % (self.where, said))

    def peer(self, addresses):
        """Return what this one, as a member of the group, says: a Peer."""
        myid, address = self.ask([["MYID"], ["GET-MASTER-ADDR-BY-NAME", self.name]])
        address = self._expect(address)
        return Peer(
            where=self.where,
            addresses=addresses,
            myid=text(self._expect(myid)),
            watches=address and (resolve(text(address[0])), int(address[1])),
        )

    def view(self, peers=()):
        """Return the View, without what stands in the file."""
        words = [["MYID"], ["MASTER", self.name], ["REPLICAS", self.name], ["SENTINELS", self.name]]
        myid, master, replicas, others, settings = self.ask([*words, ["CONFIG", "GET", "*"]])
        master = self._expect(master)
        master = fields(master) if master else None
        # Before Redis 6.2 there is no SENTINEL CONFIG; that only matters when a setting of it is wanted.
        settings = {} if isinstance(settings, Exception) else fields(settings)
        return View(
            myid=text(self._expect(myid)),
            master=master,
            watches=master and (resolve(master["ip"]), int(master["port"])),
            replicas=tuple(map(fields, self._expect(replicas, []))),
            others=tuple(map(fields, self._expect(others, []))),
            settings=settings,
            peers=tuple(peers),
        )

    def flush(self):
        """Make the Sentinel write what it holds to its file: also users by ACL SETUSER, which it does not by itself.

        A line that somebody edited by hand, and that the Sentinel never read, is gone with that.
        """
        self._expect(self.ask([["FLUSHCONFIG"]])[0])

    def filed(self, path):
        """Return what the Sentinel's own file says of the group; see parse_file().

        SENTINEL MASTER does not show the login for the data nodes; the file that the Sentinel writes at each change
        does. Where it is, a Sentinel could say as it likes.
        """
        try:
            found, reason = files.read(path), "there is none"
        except Refused as refused:
            found, reason = None, str(refused)
        if found is None:
            raise redis_connection.ConnectionProblem(
                "permission",
                "The Sentinel's file %s can't be read (%s), and nothing else tells its login for the data nodes: run "
                "this on the Sentinel's host with become, or set config_file to where that file is." % (path, reason),
            )
        return parse_file(found, self.name)

    def close(self):
        self.client.close()


def ask_peers(params):
    """Return a Peer for each declared Sentinel; those that can't be asked say why."""
    peers = []
    for place in params["sentinels"] or []:
        login = dict(params, login_host=place["host"], login_port=place["port"], login_unix_socket=None)
        addresses = frozenset({(resolve(place["host"]), place["port"]), (place["host"], place["port"])})
        try:
            sentinel = Sentinel(login)
            try:
                peers.append(sentinel.peer(addresses))
            finally:
                sentinel.close()
        except redis_connection.ConnectionProblem as problem:
            peers.append(Peer(redis_connection.endpoint(login), addresses, problem=str(problem)))
    return peers


def open_data(params, address):
    """Log in to a data node as the Sentinels do. They check a certificate's CA, and not whose it is."""
    login = dict(params, login_host=address[0], login_port=address[1], login_unix_socket=None, check_hostname=False)
    login.update(login_user=params["auth_user"] or None, login_password=params["auth_pass"])
    login.update(login_password_file=None, login_password_env=None)
    return redis_connection.open_client(login)


def role(params, address):
    """Return what a data node says of its role: 'master', 'slave of a:1', or why it can't be asked."""
    name = (params["renamed_commands"] or {}).get("ROLE") or "ROLE"
    try:
        client = open_data(params, address)
        try:
            reply = client.execute_command(name)
        finally:
            client.close()
    except (redis_connection.ConnectionProblem, redis_connection.redis.RedisError, OSError) as problem:
        return str(problem)
    said = text(reply[0])
    return said if said == "master" else "%s of %s:%s" % (said, text(reply[1]), text(reply[2]))


def failover_rights(params, address, names):
    """Return which of the commands of a failover this data node would refuse to the Sentinels' login, as a list.

    They are queued in a transaction that ends with the connection: nothing is run. names: renames in force there.
    """
    asked = [
        *(["SLAVEOF", "NO", "ONE"], ["CONFIG", "REWRITE"], ["CLIENT", "KILL", "TYPE", "normal"], ["PING"]),
        *(["INFO"], ["ROLE"], ["PUBLISH", "__sentinel__:hello", ""], ["SUBSCRIBE", "__sentinel__:hello"]),
    ]
    client = open_data(params, address)
    try:
        words = [[names.get(words[0], words[0]), *words[1:]] for words in asked]
        multi, *replies = redis_connection.pipeline(client, [[names.get("MULTI", "MULTI")], *words])
        if multi != b"OK":
            return ["MULTI: %s" % multi]
    finally:
        # Also what is returned to a pool is closed: without EXEC nothing of the transaction happens.
        client.connection_pool.disconnect()
    return [
        "%s: %s" % (" ".join(command[:2]), re.sub(r"\s+", " ", str(reply)))
        for command, reply in zip(asked, replies, strict=True)
        if isinstance(reply, Exception)
    ]
