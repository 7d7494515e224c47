"""Real servers for the integration tests, and modules run the way Ansible runs them.

The servers come from the droplet images (scripts/servers.sh) into .lab/servers; each test gets a server of its own on
loopback, in a temporary directory.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from pathlib import Path

import module_process
import pytest
import redis

CHECKOUT = Path(__file__).resolve().parents[2]
SERVERS = CHECKOUT / ".lab" / "servers"
NAMES = ("redis-7.0", "redis-8.0", "valkey-8.1")
_candidates = itertools.count(step=7)


class Server:
    """One running server: start() it with configuration lines, ask it through client()."""

    host = "127.0.0.1"

    def __init__(self, name, folder, tls):
        self.name, self.folder, self.tls = name, folder, tls
        self.kind, _dash, version = name.partition("-")
        self.version = tuple(int(part) for part in version.split("."))
        self.binary = str(SERVERS / name / "run")
        self.port, self.tls_port = free_ports(2)
        self.socket = str(folder / "s.sock")
        self.aclfile = folder / "users.acl"
        self.config = folder / "server.conf"
        self.process = None

    @property
    def login(self):
        """Return the connection options for a module, without a login."""
        return {"login_host": self.host, "login_port": self.port}

    def start(self, config_text="", acl_text=None):
        base = [
            f"port {self.port}",
            f"bind {self.host}",
            f"unixsocket {self.socket}",
            f"dir {self.folder}",
            f"logfile {self.folder}/server.log",
            f"tls-port {self.tls_port}",
            f"tls-ca-cert-file {self.tls['ca_certs']}",
            f"tls-cert-file {self.folder.parent}/server.crt",
            f"tls-key-file {self.folder.parent}/server.key",
        ]
        # As in Redis itself the test's own lines come last and win; `save` would add up, so it is only a default.
        if not any(line.startswith("save ") for line in config_text.splitlines()):
            base.append('save ""')
        if acl_text is not None:
            self.aclfile.write_text(acl_text)
            base.append(f"aclfile {self.aclfile}")
        self.config.write_text("\n".join(base) + "\n" + config_text + "\n")
        return self.restart()

    def restart(self):
        """Stop the server as systemd would, start it from the same file."""
        self.stop()
        self.process = subprocess.Popen([self.binary, str(self.config)])
        for _attempt in range(3000):
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text())
            try:
                with socket.create_connection((self.host, self.listening_port()), timeout=1) as connection:
                    # Its ports are opened one after the other; all are when it answers, whatever it says.
                    connection.sendall(b"PING\r\n")
                    connection.recv(1)
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not listen on {self.port}")

    def listening_port(self):
        ports = [line.split()[1] for line in self.config.read_text().splitlines() if line.startswith("port ")]
        return int(ports[-1])

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None

    def client(self, user=None, password=None, **options):
        """Return a client with raw replies (bytes)."""
        client = redis.Redis(
            host=self.host, port=self.port, username=user, password=password, protocol=2, socket_timeout=5, **options
        )
        client.response_callbacks.clear()
        return client


def free_ports(count):
    """Return ports below the range from which the kernel takes source ports; each test process has its own hundreds."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    found, candidate = [], 21000 + worker * 1000 + next(_candidates) % 900
    while len(found) < count:
        candidate += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        found.append(candidate)
    return found


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A CA, a server certificate for 127.0.0.1 and a client certificate."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    # Without these newer versions of Python believe nobody.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test CA", *usage)
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.crt", "-days", "2", "-extfile", f"{name}.ext"),
        )
    return folder


@pytest.fixture(params=NAMES)
def server(request, certificates, tmp_path_factory):
    """A server that is not started yet, one for each of the three kinds."""
    if not (SERVERS / request.param / "run").exists():
        pytest.fail(f"{request.param} is missing: ./run test integration brings the servers")
    folder = certificates / f"run-{time.monotonic_ns()}"
    folder.mkdir()
    tls = {
        "ca_certs": str(certificates / "ca.crt"),
        "client_cert_file": str(certificates / "client.crt"),
        "client_key_file": str(certificates / "client.key"),
    }
    one = Server(request.param, folder, tls)
    yield one
    one.stop()


@pytest.fixture(scope="session")
def run_module():
    """A function that runs a module of this collection in a process of its own and returns its result."""
    return module_process.run
