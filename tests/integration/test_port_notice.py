# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port notice as a running program, and the clients that come to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest
import redis

PROGRAM = Path(__file__).parents[2] / "roles/port_notice/files/port_notice"
CANARY = "canary-4f1c-password"
ALERT = bytes.fromhex("15030100020228")
_ports = iter(range(20300, 20400))


class Notice:
    def __init__(self, folder, options=(), port=None):
        self.port = port or next(_ports)
        self.log, self.events = folder / "attempts", folder / "events"
        base = [
            "--port",
            self.port,
            "--use-port",
            "7000-7002",
            "--contact",
            "ops@example.org",
            "--address",
            "127.0.0.1",
        ]
        with self.log.open("ab") as log, self.events.open("ab") as events:
            self.process = subprocess.Popen(
                [sys.executable, "-ISB", PROGRAM, *map(str, base), *options], stdout=log, stderr=events
            )
        self.text = (
            "Port %d is reserved, there is no Redis here. Connect to port 7000-7002 instead. "
            "Contact: ops@example.org" % self.port
        )
        self.error = b"-ERR %s\r\n" % self.text.encode()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=8)

    def ask(self, payload):
        """Send it, and return all that comes until the notice closes."""
        with self.connect() as client:
            client.sendall(payload)
            return _rest(client)

    def wait(self, text, file=None, seconds=8):
        file = file or self.events
        for _try in range(int(seconds * 50)):
            if text in file.read_text():
                return
            time.sleep(0.02)
        raise AssertionError("%r is not in %s: %s" % (text, file.name, file.read_text()))

    def stop(self):
        self.process.terminate()
        assert self.process.wait(5) == 0


def _rest(client):
    chunks = []
    try:
        while chunk := client.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        chunks.append(b"RESET")
    return b"".join(chunks)


@pytest.fixture
def start(tmp_path):
    started = []

    def one(*options, port=None, listening=True):
        started.append(Notice(tmp_path, options, port))
        started[-1].wait("port %d: listening" % started[-1].port if listening else "left alone")
        return started[-1]

    yield one
    for running in started:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture
def notice(start):
    return start("--seconds", "1", "--retry", "0.3")


def test_redis_py_raises_the_text(notice):
    with pytest.raises(redis.ResponseError, match="Connect to port 7000-7002 instead"):
        redis.Redis(port=notice.port).ping()


def test_redis_py_with_a_password_raises_the_text_and_the_log_has_no_payload(notice):
    with pytest.raises(redis.RedisError, match="Connect to port 7000-7002 instead"):
        redis.Redis(port=notice.port, username="app", password=CANARY).get("some-key")
    notice.ask(b"AUTH %s\r\n\x00" % CANARY.encode())
    notice.ask(b"\x00" + CANARY.encode())
    with notice.connect() as client:
        client.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % CANARY.encode())
        _rest(client)
    notice.wait("client=http", notice.log)
    assert CANARY not in notice.log.read_text() + notice.events.read_text()
    assert "some-key" not in notice.log.read_text()


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="redis-cli is not installed")
def test_redis_cli_shows_the_text(notice):
    shown = subprocess.run(
        ["redis-cli", "-p", str(notice.port), "get", "x"], capture_output=True, text=True, timeout=10
    )
    assert notice.text in shown.stdout + shown.stderr


_IOREDIS = """
const Redis = require("ioredis");
const r = new Redis({port: +process.argv[1], host: "127.0.0.1", retryStrategy: null, enableReadyCheck: %s});
r.on("error", e => console.log("EVENT " + e.message));
r.get("x").then(v => console.log("VALUE " + v), e => console.log("REJECTED " + e.message)).then(() => r.disconnect());
"""
_NODE_REDIS = """
const c = require("redis").createClient({url: "redis://127.0.0.1:" + process.argv[1],
  socket: {reconnectStrategy: false}});
c.on("error", e => console.log("EVENT " + e.message));
c.connect().then(() => c.get("x")).then(v => console.log("VALUE " + v), e => console.log("REJECTED " + e.message))
  .then(() => process.exit());
"""


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory):
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    try:
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "ioredis@5", "redis@5"],
            cwd=folder, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip("npm does not install the clients: %s" % error)
    return folder


@pytest.mark.parametrize("script", [_IOREDIS % "true", _IOREDIS % "false", _NODE_REDIS])
def test_node_clients_show_the_text(notice, node_modules, script):
    shown = subprocess.run(
        ["node", "-e", script, str(notice.port)], cwd=node_modules, capture_output=True, text=True, timeout=20
    )
    assert notice.text in shown.stdout, shown
    assert "VALUE" not in shown.stdout


def test_each_pipelined_command_gets_its_own_error(notice):
    assert notice.ask(b"*1\r\n$4\r\nPING\r\n" * 3) == notice.error * 3


def test_tls_client_gets_a_handshake_failure(notice):
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"), notice.connect() as client:
        context.wrap_socket(client, server_hostname="localhost")
    notice.wait("client=tls", notice.log)


def test_http_client_gets_410(notice):
    client = http.client.HTTPConnection("127.0.0.1", notice.port, timeout=8)
    client.request("POST", "/x", body=b"y" * 20000)
    response = client.getresponse()
    assert (response.status, response.read().decode()) == (410, notice.text + "\n")
    notice.wait("client=http", notice.log)


def test_http_client_that_goes_on_sending_gets_its_answer(notice):
    with notice.connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\n")
        for _chunk in range(3):
            time.sleep(0.1)
            client.sendall(b"y" * 1000)
        assert _rest(client).endswith(notice.text.encode() + b"\n")


def test_silent_client_gets_the_text_and_is_closed(notice):
    begin = time.monotonic()
    assert notice.ask(b"") == notice.error
    assert time.monotonic() - begin < 4
    notice.wait("client=other", notice.log)


def test_slow_client_is_closed(notice):
    begin = time.monotonic()
    with notice.connect() as client, pytest.raises(OSError):
        while time.monotonic() - begin < 8:
            client.sendall(b"*")
            time.sleep(0.1)
            client.sendall(b"\x39")
    assert time.monotonic() - begin < 5


def test_flood_from_one_address_is_bounded(start):
    notice = start("--seconds", "5", "--connections", "4", "--attempts", "10")
    clients = [notice.connect() for _client in range(60)]
    for client in clients:
        client.settimeout(0.3)
    waiting = 0
    for client in clients:
        try:
            client.recv(1)
        except TimeoutError:
            waiting += 1
        except ConnectionResetError:
            pass
    fds = len(os.listdir("/proc/%d/fd" % notice.process.pid))
    for client in clients:
        client.close()
    assert waiting == 4
    assert fds < 30
    notice.wait("client=limited", notice.log)
    time.sleep(0.3)
    assert len(notice.log.read_text().splitlines()) == 5  # the four, and one line for all the others


def _come(notice, source, sent):
    """Return a connection from an address of loopback."""
    client = socket.socket()
    client.setblocking(False)
    client.bind((source, 0))
    with contextlib.suppress(OSError):
        client.connect_ex(("127.0.0.1", notice.port))
        client.send(sent)
    return client


@pytest.mark.parametrize("source", ["127.{0}.{1}.1", "127.9.9.{0}"], ids=["many networks", "one network"])
def test_a_flood_leaves_an_honest_client_its_answer_and_the_log_small(start, source):
    notice = start()
    # As the unit has them.
    resource.prlimit(notice.process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    held, began, much = deque(), time.monotonic(), b"*1\r\n$60000\r\n" + bytes(100000)
    for number in range(1500):
        sent = b"" if number % 4 else much
        held.append(_come(notice, source.format(1 + number % 200, number // 200), sent))
        if len(held) > 600:
            held.popleft().close()
        if number % 250 == 249:
            with notice.connect() as honest:
                honest.sendall(b"PING\r\n")
                assert honest.recv(4096) == notice.error
    for client in held:
        client.close()
    memory = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/%d/status" % notice.process.pid).read_text())[1])
    notice.stop()
    # Two hundred lines and a summary in each minute that this took, and nothing in the journal.
    minutes = 2 + int(time.monotonic() - began) // 60
    lines = notice.log.read_text().splitlines()
    assert len(lines) <= 201 * minutes
    assert notice.log.stat().st_size <= 201 * minutes * 90
    assert re.fullmatch(r"\S+ from=others attempts=\d+ limited=\d+ most=127\.\d+\.\d+\.0/24", lines[-1])
    assert sum(int(count) for count in re.findall(r"attempts=(\d+)", "\n".join(lines))) + len(lines) > 1000
    assert notice.events.read_text() == "port %d: listening\n" % notice.port
    assert memory < 40000


def test_who_makes_room_gets_the_text(start):
    notice = start("--total", "2", "--seconds", "30")
    clients = [_come(notice, "127.0.%d.1" % number, b"") for number in (1, 2)]
    time.sleep(0.3)
    clients.append(_come(notice, "127.0.3.1", b""))
    clients[0].settimeout(8)
    assert _rest(clients[0]) == notice.error
    with pytest.raises(BlockingIOError):
        clients[1].recv(1)
    for client in clients:
        client.close()


def test_attempts_in_a_minute_are_bounded(start):
    notice = start("--attempts", "5")
    if time.clock_gettime(time.CLOCK_MONOTONIC) % 60 > 55:
        time.sleep(6)  # the count begins anew with each minute of this clock
    answers = [notice.ask(b"\x16") for _attempt in range(9)]
    assert answers[:5] == [ALERT] * 5
    assert ALERT not in answers[5:]


def test_a_port_in_use_is_left_alone_and_taken_when_it_stays_free(start):
    with socket.create_server(("127.0.0.1", next(_ports))) as owner:
        port = owner.getsockname()[1]
        notice = start("--retry", "0.3", port=port, listening=False)
        time.sleep(0.7)
        assert notice.process.poll() is None
        assert "listening" not in notice.events.read_text()
    notice.wait("port %d: listening" % port)
    assert notice.ask(b"\x16") == ALERT


def test_half_of_a_port_is_left_alone(start):
    """Redis on IPv4 only: the IPv6 half of its port is no prey either."""
    if not Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").exists():
        pytest.skip("the machine has no IPv6")
    with socket.create_server(("127.0.0.1", next(_ports))) as owner:
        port = owner.getsockname()[1]
        start("--address", "::1", port=port, listening=False)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("::1", port), timeout=3)


def test_a_restart_of_the_owner_loses_nothing(start):
    """Between two looks the port is free for less than a period: it must be free at the next look, too."""
    owner = socket.create_server(("127.0.0.1", next(_ports)))
    port = owner.getsockname()[1]
    notice = start("--retry", "1", port=port, listening=False)
    owner.close()
    time.sleep(1.2)  # one look has found it free
    with socket.create_server(("127.0.0.1", port)):
        time.sleep(1)
        assert "listening" not in notice.events.read_text()


def test_sighup_gives_the_port_back_at_once_and_for_a_while(start):
    notice = start("--retry", "1", "--seconds", "30")
    with notice.connect() as client:
        client.sendall(b"PING\r\n")
        assert client.recv(4096) == notice.error
        time.sleep(0.5)
        notice.process.send_signal(signal.SIGHUP)
        notice.wait("given back", seconds=1)
        socket.create_server(("127.0.0.1", notice.port)).close()
        assert client.recv(1) == b""
    time.sleep(0.9)
    with pytest.raises(ConnectionRefusedError):
        notice.connect()
    notice.wait("given back\nport %d: listening" % notice.port)
    assert notice.ask(b"\x16") == ALERT


def test_who_was_not_led_to_the_led_port_gets_nothing(start):
    """Who was: tests/integration/test_firewall_stranger_action.py."""
    led = next(_ports)
    notice = start("--led-port", str(led), "--retry", "1")
    notice.wait("port %d: listening" % led)
    notice.process.send_signal(signal.SIGHUP)
    notice.wait("given back")
    # Nobody else wants this one, and so it is kept.
    with socket.create_connection(("127.0.0.1", led), timeout=3) as client:
        client.sendall(b"PING\r\n")
        assert _rest(client) in (b"", b"RESET")
    assert notice.log.read_text() == ""


def test_stop_gives_the_port_back_at_once(start):
    notice = start("--seconds", "30")
    with notice.connect() as client:
        client.sendall(b"PING\r\n")
        client.recv(4096)
        begin = time.monotonic()
        notice.stop()
        assert time.monotonic() - begin < 2
        socket.create_server(("127.0.0.1", notice.port)).close()
