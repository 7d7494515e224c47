# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host, a client and a container in network namespaces, for real packets through real rules.

The host's namespace has its own view of /etc, /run, /usr/sbin and /usr/local/sbin, and a stand-in for systemctl, so
that modules run in it as on a droplet while the machine itself stays as it is. Docker is played by the rules it would
make.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
import threading
from pathlib import Path

import module_process
from firewall_packets import at_once, carries
from firewall_stand_ins import HOLD, SYSTEMCTL, SYSTEMD_RUN
from waiting import wait_for

# Two clients, one named by the policies of the tests, and the host as they see it.
NAMED = {4: "10.66.1.10", 6: "fd66:1::10"}
STRANGER = {4: "10.66.1.20", 6: "fd66:1::20"}
HOST = {4: "10.66.1.1", 6: "fd66:1::1"}
CONTAINER = {4: "10.66.2.2", 6: "fd66:2::2"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
# Published: guarded port -> container's own, free port -> container's guarded one.
PUBLISHED = {6380: 8080, 6390: 6379}
HOST_PORTS = (22, 6379, 7000, 7001, 7002)
CONTAINER_PORTS = (6379, 8080)
# The policy that most tests apply, and what it puts on the host.
SOURCES = [NAMED[4], NAMED[6] + "/128"]
PORTS = [
    {"port": 6379, "sources": SOURCES},
    {"port": 6380, "sources": SOURCES, "purpose": "tls"},
    {"port": 7000, "sources": ["10.66.1.0/24"]},
    {"port": 7001},
]
POLICY = {"ports": PORTS, "reserved_ports": [6379, 6380, 7002]}
SCRIPT = "/usr/local/sbin/redis-ports-block"
FILES = ["/etc/redis-ports-block/rules.v4", "/etc/redis-ports-block/rules.v6", SCRIPT]
BACKENDS = ("iptables", "nftables")
RULES = {"iptables": FILES[:2], "nftables": ["/etc/redis-ports-block/rules.nft"]}
UNIT = "/etc/systemd/system/redis-ports-block.service"
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True, **options):
    return subprocess.run(command, check=check, text=True, capture_output=True, **options)


class Lab:
    def __init__(self, folder, backend="iptables"):
        self.folder = folder
        self.backend = backend
        self.names = {part: f"rh{os.getpid()}-{next(_numbers)}-{part}" for part in ("host", "client", "container")}
        self.holder = None
        self.listeners = []

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error):
        for listener in self.listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self.holder:
            # A timer that nobody waits for any more.
            self.sh("[ ! -e /run/rollback ] || kill $(cat /run/rollback)", check=False)
            self.holder.kill()
            self.holder.wait()
        for name in self.names.values():
            run("ip", "netns", "del", name, check=False)

    def _build(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
            # Addresses are of use at once, without a search for duplicates.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        self._join("client", "eth0", [NAMED, STRANGER], "eth0", 1)
        self._join("container", "eth0", [CONTAINER], "br-test", 2)
        self.holder = subprocess.Popen(
            ["ip", "netns", "exec", self.names["host"], "sh", "-c", HOLD.format(folder=self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SYSTEMD_RUN": SYSTEMD_RUN},
        )
        self.holder.stdin.write(SYSTEMCTL)
        self.holder.stdin.close()
        assert self.holder.stdout.readline() == "ready\n"
        self.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for family, tables in ((4, "iptables"), (6, "ip6tables")):
            self.docker_rules(tables, family)
        for part, ports in (("host", HOST_PORTS), ("container", CONTAINER_PORTS), ("client", (6379,))):
            for port in ports:
                self.listen(part, port)
        for family in (4, 6):
            wait_for(lambda target=CONTAINER[family]: self.reaches("client", None, target, 8080))

    def _join(self, part, inner, addresses, outer, network):
        peer, host = self.names[part], self.names["host"]
        run("ip", "link", "add", outer, "netns", host, "type", "veth", "peer", "name", inner, "netns", peer)
        for name, link, given in (
            (host, outer, [{4: f"10.66.{network}.1", 6: f"fd66:{network}::1"}]),
            (peer, inner, addresses),
        ):
            run("ip", "-n", name, "link", "set", link, "up")
            for pair in given:
                run("ip", "-n", name, "addr", "add", pair[4] + "/24", "dev", link)
                run("ip", "-n", name, "addr", "add", pair[6] + "/64", "dev", link, "nodad")
        run("ip", "-n", peer, "route", "add", "default", "via", f"10.66.{network}.1")
        run("ip", "-n", peer, "-6", "route", "add", "default", "via", f"fd66:{network}::1")

    def docker_rules(self, tables, family):
        """What Docker 20.10 does for `-p 6380:8080 -p 6390:6379`: DOCKER-USER is there for IPv4 only."""
        for published, own in PUBLISHED.items():
            target = f"[{CONTAINER[6]}]:{own}" if family == 6 else f"{CONTAINER[4]}:{own}"
            self.sh(
                f"{tables} -w -t nat -A PREROUTING ! -i br-test -p tcp -d {HOST[family]} --dport {published} "
                f"-j DNAT --to-destination {target}"
            )
        if family == 4:
            self.sh("iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER")

    def enter(self):
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "--wd=" + os.getcwd(), "--"]

    def sh(self, script, check=True):
        """Run a shell script on the host."""
        return run(*self.enter(), "sh", "-ec", script, check=check)

    @property
    def files(self):
        """The files on the host by which the backend keeps its rules, and the script."""
        return [*RULES[self.backend], SCRIPT]

    def rules(self):
        """Return all rules of the host's tables that ours are in."""
        save = "for t in iptables-save ip6tables-save; do $t -t filter; $t -t mangle; done"
        lines = self.sh(save).stdout.splitlines()
        return [line for line in lines if not line.startswith("#")] + self.table()

    def table(self):
        """Return our table of nftables."""
        return self.sh("nft -s list table inet redis_ports 2>/dev/null || true").stdout.splitlines()

    def own_rules(self):
        """Return the chains and jumps that are ours, and our table."""
        chains = [line for line in self.rules() if "REDIS-PORTS" in line or line.startswith("*")]
        return chains + self.table()

    def lose_all_rules(self):
        """As a start of the host does."""
        self.sh(
            "for t in iptables ip6tables; do $t -F; $t -X; $t -t mangle -F; $t -t mangle -X; done;"
            "nft delete table inet redis_ports 2>/dev/null || true"
        )

    def module(self, name, args, check=False, diff=False):
        """Run a module on the host as Ansible does and return its result."""
        if name.startswith("redis_firewall"):
            args = {"backend": self.backend, **args}
        env = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        return module_process.run(name, args, check=check, diff=diff, env=env, host=self.holder.pid)

    def apply(self, policy=POLICY, **options):
        """Make the host so; return the result, which is a success."""
        result = self.module("redis_firewall", policy, **options)
        assert not result.get("failed"), result
        return result

    def failing(self, policy=POLICY):
        """Return the subjects of the findings that are no pass."""
        findings = self.module("redis_firewall_verify", policy)["findings"]
        assert len(findings) == {"iptables": 11, "nftables": 9}[self.backend]
        return [one["subject"] for one in findings if one["status"] != "pass"]

    def script(self, verb):
        """Return the exit status of the script on the host."""
        return self.sh(f"{SCRIPT} {verb}", check=False).returncode

    def time_is_up(self):
        """End the time in which rules on trial can be confirmed."""
        self.sh("touch /run/time-is-up")

    def keep_rules(self, name):
        """Keep a copy of the rules that hold now, for load_rules()."""
        self.sh(f"rm -rf /run/kept-{name}; cp -r /etc/redis-ports-block /run/kept-{name}")

    def load_rules(self, name, more=":"):
        """Load rules that were kept, as the module does when they are another policy's; before that do something."""
        self.sh(f"{more}; cp -r /run/kept-{name} /run/next; {SCRIPT} try /run/next 0")

    def within(self, part, work):
        """Do something in a thread that lives in a part's network. Sockets made there stay there."""
        result = []

        def inside():
            with open(f"/run/netns/{self.names[part]}") as namespace:
                if _libc.setns(namespace.fileno(), 0x40000000) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(work())

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        return result[0]

    def listen(self, part, port):
        """Answer every connection to a port with an echo."""

        def start():
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
            self.listeners.append(listener)
            return listener

        listener = self.within(part, start)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    @staticmethod
    def _serve(listener):
        def echo(connection):
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(100):
                    connection.sendall(data)

        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def connect(self, part, source, target, port, timeout=0.3):
        """Return an open connection, or None when none comes about in time."""
        family = socket.AF_INET6 if ":" in target else socket.AF_INET

        def attempt():
            client = socket.socket(family, socket.SOCK_STREAM)
            try:
                client.settimeout(timeout)
                if source:
                    client.bind((source, 0))
                client.connect((target, port))
            except OSError:
                client.close()
                return None
            return client

        return self.within(part, attempt)

    def reaches(self, part, source, target, port):
        """Say whether a connection carries data both ways."""
        client = self.connect(part, source, target, port)
        if client is None:
            return False
        with client:
            return carries(client)

    def reached(self, *attempts):
        """Return those of the attempts, (part, source, target, port), that reach their target."""
        results = at_once(self.reaches, attempts)
        return [attempt for attempt, reached in zip(attempts, results, strict=True) if reached]


def host_file(lab, path):
    """Return a path of the host as seen from here."""
    return Path(f"/proc/{lab.holder.pid}/root{path}")
