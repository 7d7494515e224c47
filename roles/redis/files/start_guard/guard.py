# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part that runs as the server's user: it asks the others, and waits."""

import contextlib
import inspect
import ipaddress
import os
import re
import socket
import sys
import threading
import time

from files import follow, parse_nodes, read_config
from rules import FAILOVER_SECONDS, FOLLOW, START, TILT_SECONDS, WAIT, Member, Watch, judge, judge_node

# What does not answer in time is asked again half a second later. A proof asks but once, and is patient.
ANSWER_SECONDS, CHECK_SECONDS, PAUSE, TELL_SECONDS = 2.0, 10.0, 0.5, 10


class Problem(str):
    """Why a place can't be asked. refused: it is there."""

    refused = False


class Guard:
    """The part that runs as the server's user."""

    def __init__(self, settings):
        # Here, and not in a thread that has to be done in time.
        import redis
        import redis.backoff
        import redis.retry

        self.library = redis
        self.settings, self.patience = settings, ANSWER_SECONDS
        self.config = read_config(settings["config"])

    def one(self, name, default=""):
        return (self.config.get(name) or [default])[0]

    def client(self, host, port):
        retry = self.library.retry.Retry(self.library.backoff.NoBackoff(), 0)
        options = dict(
            retry=retry, host=host, port=port, socket_timeout=self.patience, socket_connect_timeout=self.patience
        )
        options.update(username=self.one("masteruser") or None, password=self.one("masterauth") or None)
        # What newer versions of the library do by themselves: RESP3, and CLIENT SETINFO, which the user must not.
        accepted = inspect.signature(self.library.Redis).parameters
        quiet = dict(protocol=2, driver_info=None, lib_name=None, lib_version=None)
        names = set(quiet) - ({"lib_name", "lib_version"} if "driver_info" in accepted else set())
        options.update({name: quiet[name] for name in names & set(accepted)})
        if self.settings["tls"]:
            options.update(ssl=True, ssl_check_hostname=False, **self.settings["tls"])
        client = self.library.Redis(**options)
        client.response_callbacks.clear()
        return client

    def ask(self, places, question):
        """Return the answer of each place, of what does not answer in time the problem."""
        found = {}

        def run(place):
            where = "%s:%d" % tuple(place)
            client = None
            try:
                client = self.client(*place)
                found[where] = question(client, where, tuple(place))
            except Exception as problem:
                found[where] = Problem("%s: %s" % (type(problem).__name__, str(problem)[:120]))
                found[where].refused = self.is_refusal(problem)
            finally:
                with contextlib.suppress(Exception):
                    client.connection_pool.disconnect()

        threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in places]
        for thread in threads:
            # Too many at a time: those that were not asked have not answered.
            with contextlib.suppress(RuntimeError):
                thread.start()
        end = time.monotonic() + 2 * self.patience
        for thread in filter(threading.Thread.is_alive, threads):
            thread.join(max(0, end - time.monotonic()))
        return {
            "%s:%d" % tuple(place): found.get("%s:%d" % tuple(place), Problem("no answer in time")) for place in places
        }

    def is_refusal(self, problem):
        """Tell whether somebody is there who does not take the login, the certificate or the question."""
        kinds = (self.library.AuthenticationError, self.library.ResponseError, self.library.BusyLoadingError)
        return isinstance(problem, kinds) or any(word in str(problem) for word in ("SSL", "certificate"))

    def run(self, client, name, *words):
        reply = client.execute_command(self.settings["names"].get(name) or name, *words)
        return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply

    def is_mine(self, host, port):
        if port != self.settings["port"]:
            return False
        if host in self.settings["own"]:
            return True
        try:
            family, _kind, _protocol, _name, place = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
            # To an address of its own the kernel speaks from just that one. Nothing is sent.
            with socket.socket(family, socket.SOCK_DGRAM) as own:
                own.connect(place)
                return own.getsockname()[0] == place[0]
        except OSError:
            return False

    def watch(self, client, where, _place):
        try:
            reply = client.execute_command("SENTINEL", "MASTER", self.settings["master_name"])
        except self.library.ResponseError as problem:
            if "No such master" in str(problem):
                return Watch(where, problem="it watches no such group")
            raise
        words = [word.decode("utf-8", "replace") for word in reply]
        row = {words[at]: words[at + 1] for at in range(0, len(words) - 1, 2)}
        address, down_after = (row["ip"], int(row["port"])), int(row["down-after-milliseconds"]) / 1000
        if not (1 <= address[1] <= 65535 and is_name(address[0])):
            raise ValueError("a master at %r" % (address,))
        return Watch(
            where,
            address=address,
            mine=self.is_mine(*address),
            epoch=int(row["config-epoch"]),
            replicas=int(row["num-slaves"]),
            agreed="o_down" in row["flags"],
            busy="failover_in_progress" in row["flags"],
            down_after=down_after,
            # An election that found no winner is repeated after twice the timeout.
            patience=down_after + 2 * int(row["failover-timeout"]) / 1000 + FAILOVER_SECONDS + TILT_SECONDS,
        )

    def member(self, client, where, place):
        info = self.run(client, "INFO", "replication") + "\n" + self.run(client, "INFO", "keyspace")
        row = dict(line.strip().partition(":")[::2] for line in info.splitlines())
        replica = row.get("role") == "slave"
        return Member(
            where,
            address=place,
            master=row.get("role") == "master",
            follows=replica and self.is_mine(row.get("master_host", ""), int(row.get("master_port", 0))),
            has_data=int(row.get("slave_repl_offset", 0)) > 0 or any(key.startswith("db") for key in row),
            replicas=int(row.get("connected_slaves", 0)),
        )

    def watches(self):
        found = self.ask(self.settings["sentinels"], self.watch)
        return [
            one if isinstance(one, Watch) else Watch(where, problem=one, refused=one.refused)
            for where, one in found.items()
        ]

    def members(self):
        found = self.ask(self.settings["members"], self.member)
        return [
            one if isinstance(one, Member) else Member(where, problem=one, refused=one.refused)
            for where, one in found.items()
        ]

    def views(self):
        """Return ({node: problem}, [rows of each that answered])."""
        found = self.ask(
            self.settings["members"], lambda client, _where, _place: parse_nodes(self.run(client, "CLUSTER", "NODES"))
        )
        problems = {where: one for where, one in found.items() if isinstance(one, str)}
        return problems, [one for one in found.values() if not isinstance(one, str)]

    def nodes_file(self):
        return os.path.join(self.one("dir", "."), self.one("cluster-config-file", "nodes.conf"))

    def own_node(self):
        """Return the id of a node that was a master with slots, or ''."""
        try:
            with open(self.nodes_file(), encoding="utf-8", errors="replace") as file:
                rows = parse_nodes(file.read(1 << 20))
        except FileNotFoundError:
            return ""
        return next((row["id"] for row in rows if {"myself", "master"} <= row["flags"] and row["slots"]), "")

    def verdict(self, state, waited):
        if self.settings["cluster"]:
            own = self.own_node()
            if not own:
                return START, "it is no master with slots", None
            _problems, views = [], []
            if state != "clean":
                _problems, views = self.views()
            return judge_node(state, own, views, waited, int(self.one("cluster-node-timeout", "15000")) / 1000)
        if "replicaof" in self.config:
            return START, "it is a replica", None
        return judge(state, self.watches(), self.members(), waited, self.one("appendonly") == "yes")

    def before(self, state, allowed):
        """Wait until the server may start."""
        begin, told = time.monotonic(), -TELL_SECONDS
        while True:
            waited = time.monotonic() - begin
            found, why, address = self.verdict(state, waited)
            if found == WAIT and os.path.exists(allowed):
                found, why = START, "it was allowed to by hand"
            if found != WAIT:
                break
            if waited - told >= TELL_SECONDS:
                told = waited
                say("not stopped cleanly, so it waits for %s" % why if state != "clean" else "it waits for %s" % why)
            time.sleep(PAUSE)
        if found == FOLLOW:
            follow(self.settings["config"], *address)
        say("%s: %s" % ("starts as a replica" if found == FOLLOW else "starts", why))

    def saved(self):
        """Tell whether a server that has just ended by itself has left its data on disk."""
        if self.one("appendonly") == "yes":
            return True
        if not self.config.get("save", ["3600"])[:1] or not self.one("save", "3600"):
            return False
        try:
            age = time.time() - os.stat(os.path.join(self.one("dir", "."), self.one("dbfilename", "dump.rdb"))).st_mtime
        except FileNotFoundError:
            return False
        # It ends with the save; this runs right after.
        return age < 20

    def check(self):
        """Return {place: problem or ''} of all that can be asked."""
        self.patience = CHECK_SECONDS
        if self.settings["cluster"]:
            places = ["%s:%d" % tuple(place) for place in self.settings["members"]]
            return {**dict.fromkeys(places, ""), **self.views()[0]}
        return {one.where: one.problem for one in (*self.watches(), *self.members())}


def is_name(host):
    """Tell whether it can stand in a configuration file."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return bool(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})", host))


def say(text):
    print("redis-start-guard: " + text, file=sys.stderr, flush=True)
