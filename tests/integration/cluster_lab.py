# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several servers with the cluster on, its bus behind TLS, and clients that don't use this collection's code."""

from __future__ import annotations

import subprocess
import threading
import time

import redis
from conftest import SERVERS, free_ports
from waiting import wait_for

SECRET = "correct-horse-battery"
REPLICA_SECRET = "tortoise-of-the-replicas"
ACL = f"""user default off
user admin on >{SECRET} ~* &* +@all
user replica on >{REPLICA_SECRET} resetchannels -@all +psync +replconf +ping +cluster|nodes
user app on >app-password ~* -@all +@read +@write -@dangerous +cluster|slots +command +asking +ping
"""


class Node:
    """One server. Its bus takes only clients with a certificate, unless settings say otherwise."""

    def __init__(self, kind, folder, certificates, ports):
        self.folder, self.certificates = folder, certificates
        self.binary = str(SERVERS / kind / "run")
        self.port, self.tls_port, self.bus = ports
        self.process = self._client = None
        folder.mkdir()
        (folder / "users.acl").write_text(ACL)

    def start(self, *settings, wait=True):
        """settings come last and win."""
        (self.folder / "server.conf").write_text(
            "\n".join(
                (
                    *(f"port {self.port}", f"tls-port {self.tls_port}", f"cluster-port {self.bus}", "bind 127.0.0.1"),
                    *(f"dir {self.folder}", f"logfile {self.folder}/server.log", 'save ""', "cluster-enabled yes"),
                    *("cluster-node-timeout 2500", "tls-cluster yes", "tls-replication yes"),
                    *(f"tls-ca-cert-file {self.certificates}/ca.crt", "repl-diskless-sync-delay 0"),
                    *(f"tls-cert-file {self.certificates}/server.crt", f"aclfile {self.folder}/users.acl"),
                    *(f"tls-key-file {self.certificates}/server.key", "masteruser replica"),
                    *(f"masterauth {REPLICA_SECRET}", "cluster-replica-validity-factor 0", *settings),
                )
            )
            + "\n"
        )
        self.process = subprocess.Popen([self.binary, str(self.folder / "server.conf")])
        deadline = time.monotonic() + 60
        while wait:
            try:
                return self if self.client().execute_command("PING") else None
            except redis.ConnectionError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "server.log").read_text()) from None
                time.sleep(0.02)
        return self

    def client(self):
        if self._client is None:
            self._client = redis.Redis(
                host="127.0.0.1", port=self.port, username="admin", password=SECRET, protocol=2, socket_timeout=5
            )
            self._client.response_callbacks.clear()
        return self._client

    def cluster(self, *words):
        reply = self.client().execute_command("CLUSTER", *words)
        return reply.decode() if isinstance(reply, bytes) else reply

    def stop(self, kill=False):
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(timeout=10)
            self.process = None


class Lab:
    """nodes of one kind; over TLS or in plain text."""

    def __init__(self, kind, folder, certificates, tls):
        self.kind, self.folder, self.certificates, self.tls = kind, folder, certificates, tls
        self.nodes = []

    def add(self, count, *settings):
        """Start so many more nodes and return them."""
        ports, at = free_ports(3 * count), len(self.nodes)
        new = [
            Node(self.kind, self.folder / f"n{at + number}", self.certificates, ports[3 * number : 3 * number + 3])
            for number in range(count)
        ]
        for node in new:
            node.start(*settings, wait=False)
        self.nodes += new
        for node in new:
            wait_for(node.client().ping, 60)
        return new

    def name(self, node):
        return f"127.0.0.1:{node.tls_port if self.tls else node.port}"

    def entry(self, node, **more):
        return {"host": "127.0.0.1", "port": node.tls_port if self.tls else node.port, **more}

    def options(self, nodes, **more):
        login = {"login_user": "admin", "login_password": SECRET, "timeout": 15}
        if self.tls:
            folder = self.certificates
            login.update(tls=True, ca_certs=f"{folder}/ca.crt", client_cert_file=f"{folder}/client.crt")
            login.update(client_key_file=f"{folder}/client.key")
        return {**login, "nodes": nodes, **more}

    def stop(self):
        for node in self.nodes:
            node.stop(kill=True)


def members(node):
    """Return {id: (flags, master, slots)} as one node sees it."""
    rows = {}
    for line in node.cluster("NODES").splitlines():
        words = line.split()
        flags = set(words[2].split(",")) - {"myself"}
        spans = [word.partition("-")[::2] for word in words[8:] if not word.startswith("[")]
        rows[words[0]] = (flags, words[3], sum(int(last or first) - int(first) + 1 for first, last in spans))
    return rows


class Writer(threading.Thread):
    """An application that writes new keys all the time and remembers those that were acknowledged."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.acknowledged, self.errors, self.going = node, {}, [], True

    def connect(self):
        return redis.cluster.RedisCluster(
            host="127.0.0.1", port=self.node.port, username="app", password="app-password", socket_timeout=5
        )

    def run(self):
        client, number = self.connect(), 0
        while self.going:
            number += 1
            key, older = f"k{number}", f"k{number - 10}"
            try:
                if client.set(key, number):
                    self.acknowledged[key] = str(number).encode()
                # And it goes on using keys that are there. Without an answer nobody knows what it holds.
                value = self.acknowledged.pop(older, None)
                if value is not None and client.append(older, "x"):
                    self.acknowledged[older] = value + b"x"
                # Others need the processor, too.
                time.sleep(0.001)
            # AttributeError: redis-py's own, when a node that it was about to ask has just left.
            except (redis.RedisError, AttributeError) as error:
                self.errors.append(f"{key}: {error!r}")

    def __enter__(self):
        self.start()
        wait_for(lambda: len(self.acknowledged) > 200, 60)
        return self

    def __exit__(self, *_what):
        self.going = False
        self.join(timeout=20)

    def lost(self):
        """Return the acknowledged keys that have not their value."""
        client = self.connect()
        return [key for key, value in self.acknowledged.items() if client.get(key) != value]
