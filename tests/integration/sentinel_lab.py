# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A master, two replicas and three Sentinels on loopback, with ACL users of exactly the rights that they need."""

from __future__ import annotations

import subprocess

import redis
from conftest import SERVERS, free_ports
from waiting import wait_for

SECRET = "correct-horse-battery"
WATCHER = "watcher-of-the-data-nodes"
PEER = "peer-among-sentinels"
REPLICA = "tortoise-of-the-replicas"
# Exactly what a Sentinel needs on a data node; docs/sentinel.md.
RIGHTS = (
    "resetchannels &__sentinel__:hello -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish "
    "+info +client|setname +client|kill +script|kill"
)
PEER_RIGHTS = "resetchannels &__sentinel__:hello -@all +ping +publish +client|setname +sentinel|is-master-down-by-addr"
DATA = f"""user default off
user admin on >{SECRET} ~* &* +@all
user sentinel on >{WATCHER} {RIGHTS}
user replica on >{REPLICA} resetchannels -@all +psync +replconf +ping +info
masteruser replica
masterauth {REPLICA}
save ""
repl-diskless-sync-delay 0
rename-command CONFIG the-new-config
"""
SENTINEL = f"""user default off
user admin on >{SECRET} ~* &* +@all
user peer on >{PEER} {PEER_RIGHTS}
user replica on >{REPLICA} resetchannels -@all +ping +sentinel|master
"""


class Process:
    """A server or a Sentinel."""

    def __init__(self, kind, folder, port, text, sentinel=False, tls=None):
        folder.mkdir()
        self.tls = {"ssl": True, "ssl_ca_certs": tls["ca_certs"]} if tls else {}
        if tls:
            self.tls.update(ssl_certfile=tls["client_cert_file"], ssl_keyfile=tls["client_key_file"])
        self.folder, self.port, self.file = folder, port, folder / "server.conf"
        base = f"port 0\ntls-port {port}\n" if tls else f"port {port}\n"
        base += f"bind 127.0.0.1\ndir {folder}\nlogfile {folder}/server.log\n"
        self.file.write_text(base + text)
        self.command = [str(SERVERS / kind / "run"), str(self.file), *(["--sentinel"] if sentinel else [])]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command)

    def client(self, user="admin", password=SECRET):
        client = redis.Redis(
            host="127.0.0.1", port=self.port, username=user, password=password, protocol=2, socket_timeout=5, **self.tls
        )
        client.response_callbacks.clear()
        return client

    def ask(self, *words):
        return self.client().execute_command(*words)

    def row(self, *words):
        reply = [word.decode() for word in self.ask("SENTINEL", *words)]
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def kill(self):
        self.process.kill()
        self.process.wait()


class Group:
    def __init__(self, kind, folder, run_module, data=DATA, sentinel=SENTINEL, tls=None):
        self.kind, self.folder, self.run_module, self.tls = kind, folder, run_module, tls or {}
        # A busy machine may stand still for seconds, and that is no failover yet.
        self.down_after = 15000
        ports = free_ports(6)
        self.data = [
            Process(kind, folder / f"d{n}", ports[n], data + f"replicaof 127.0.0.1 {ports[0]}\n" * (n > 0), tls=tls)
            for n in range(3)
        ]
        self.sentinels = [Process(kind, folder / f"s{n}", ports[3 + n], sentinel, True, tls) for n in range(3)]

    def ready(self):
        for one in (*self.data, *self.sentinels):
            wait_for(one.client().ping, 60)
        wait_for(lambda: b"connected_slaves:2" in self.data[0].ask("INFO", "replication"), 60)
        return self

    def options(self, number, **more):
        return {
            **{"login_port": self.sentinels[number].port, "login_user": "admin", "login_password": SECRET},
            "sentinels": [{"host": "127.0.0.1", "port": one.port} for one in self.sentinels],
            **{"master_host": "127.0.0.1", "master_port": self.data[0].port, "quorum": 2},
            **{"down_after_milliseconds": self.down_after, "failover_timeout": 5000, "parallel_syncs": 1, "timeout": 0},
            **{"auth_user": "sentinel", "auth_pass": WATCHER, "sentinel_user": "peer", "sentinel_pass": PEER},
            **{"renamed_commands": {"CONFIG": "the-new-config", "FLUSHALL": ""}, **self.tls, **more},
        }

    def run(self, number, check=False, **more):
        options = {"config_file": str(self.sentinels[number].file), **self.options(number, **more)}
        result = self.run_module("redis_sentinel", options, check=check, diff=True)
        for secret in (SECRET, WATCHER, PEER, REPLICA):
            told = {key: value for key, value in result.items() if key != "invocation"}
            assert secret not in str(told)
        return result

    def run_all(self, **more):
        return [self.run(number, **more) for number in range(3)]

    def soon_down(self, milliseconds=1500):
        """Have the Sentinels wait no longer than needed for what is down from now on."""
        self.down_after = milliseconds
        for one in self.sentinels:
            one.ask("SENTINEL", "SET", "mymaster", "down-after-milliseconds", milliseconds)

    def know_each_other(self, replicas=2):
        def known():
            rows = [one.row("MASTER", "mymaster") for one in self.sentinels]
            return all(
                (row["num-other-sentinels"], row["num-slaves"], row["flags"]) == ("2", str(replicas), "master")
                for row in rows
            )

        wait_for(known, 60)
        return self

    def told(self, number):
        """Return what a change must leave alone: run_id, and the lines that only the Sentinel may write."""
        own = self.sentinels[number]
        run_id = [line for line in own.ask("INFO", "server").splitlines() if line.startswith(b"run_id")]
        kept = ("sentinel myid", "sentinel current-epoch", "sentinel config-epoch", "sentinel monitor")
        lines = [line for line in own.file.read_text().splitlines() if line.startswith(kept)]
        return run_id, [line.rpartition(" ")[0] if "monitor" in line else line for line in lines]

    def stop(self):
        for one in (*self.data, *self.sentinels):
            one.kill()
