# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real listeners on loopback, each in a thread, that behave as a port may behave."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import subprocess
import threading
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit import port_probe as audit_port_probe

TIMEOUT = 0.4


class Listener:
    """Runs `behave(connection)` for every client and remembers what the clients sent."""

    def __init__(self, behave, family=socket.AF_INET):
        self.received, self.threads, self.behave = [], [], behave
        self.socket = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self.socket.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            self.behave(self, connection)

    def read(self, connection):
        data = connection.recv(4096)
        self.received.append(data)
        return data


def answering(text):
    def behave(listener, connection):
        listener.read(connection)
        connection.sendall(text)

    return behave


def silent(listener, connection):
    while listener.read(connection):
        pass


def leaving(listener, connection):
    listener.read(connection)


def farewell(listener, connection):
    """As protected mode and maxclients do: a word, then gone without reading, which resets the connection."""
    connection.sendall(b"-DENIED Redis is running in protected mode\r\n")


def trickling(listener, connection):
    listener.read(connection)
    for byte in b"+PONG\r\n" * 3:
        connection.sendall(bytes([byte]))
        time.sleep(0.9)


def gushing(listener, connection):
    listener.read(connection)
    while True:
        connection.sendall(b"x" * 65536)


def over_tls(folder, reply=b"+PONG\r\n", client_certificate=False, alert=b""):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    if client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "crt")

    def behave(listener, connection):
        if alert and connection.recv(1, socket.MSG_PEEK) != b"\x16":
            listener.read(connection)
            connection.sendall(alert)
            return
        with context.wrap_socket(connection, server_side=True) as session:
            listener.read(session)
            session.sendall(reply) if reply else session.recv(1)

    return behave


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", "key", "-out", "crt", "-days", "1", "-subj", "/CN=somebody.else"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def listen():
    """A function that starts a listener; all are closed in the end."""
    started = []

    def start(behave, family=socket.AF_INET):
        started.append(Listener(behave, family))
        return started[-1]

    yield start
    for one in started:
        one.socket.close()


@pytest.fixture
def full_port():
    """A port that drops packets: its queue of waiting connections is full."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _number in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        yield port


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def look(port, timeout=TIMEOUT, attempts=1, host="127.0.0.1"):
    ((family, address),) = audit_port_probe.resolve(host, port)
    return audit_port_probe.probe(family, address, timeout, attempts)


@pytest.mark.parametrize(
    ("behave", "state", "detail"),
    [
        (answering(b"+PONG\r\n"), "ping", "+PONG"),
        (answering(b"-NOAUTH Authentication required.\r\n"), "auth", "-NOAUTH Authentication required."),
        (answering(b"-NOPERM this user has no permissions\r\n"), "user", "-NOPERM this user has no permissions"),
        (answering(b"-LOADING Redis is loading\r\n"), "ping", "-LOADING Redis is loading"),
        (answering(b"-ERR moved to port 7000\r\n"), "text", "-ERR moved to port 7000"),
        (answering(b"-ERR max number of clients reached\r\n"), "open", "-ERR max number of clients reached"),
        (answering(b"\x00\xff{{ garbage }}\n"), "open", "??{{ garbage }}"),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "open", "HTTP/1.1 400 Bad Request"),
        (farewell, "protected", "-DENIED Redis is running in protected mode"),
        (silent, "open", "says nothing that can be read"),
        (leaving, "open", "says nothing that can be read"),
    ],
)
def test_states_in_clear(listen, behave, state, detail):
    seen = look(listen(behave).port)
    assert (seen["state"], seen["detail"], seen["address"]) == (state, detail, "127.0.0.1")


def test_nothing_is_sent_but_ping_and_a_client_hello(listen):
    for behave in (silent, leaving, answering(b"+PONG\r\n"), answering(b"\x15\x03\x01\x00\x02\x02\x46")):
        listener = listen(behave)
        look(listener.port)
        time.sleep(0.05)
        sent = [data for data in listener.received if data]
        assert sent[0] == b"*1\r\n$4\r\nPING\r\n"
        assert all(data.startswith(b"\x16\x03") for data in sent[1:])
        assert len(sent) <= 2


def test_a_closed_port():
    seen = look(closed_port())
    assert (seen["state"], seen["detail"]) == ("closed", "Connection refused")


def test_a_port_that_drops(full_port):
    seen = look(full_port)
    assert seen["state"] == "filtered"
    assert TIMEOUT <= seen["seconds"] < TIMEOUT + 1


def test_tls_without_a_login(listen, certificate):
    seen = look(listen(over_tls(certificate)).port, timeout=3)
    assert (seen["state"], seen["detail"]) == ("tls-ping", "over TLS: +PONG")


def test_tls_that_answers_clear_text_with_an_alert(listen, certificate):
    listener = listen(over_tls(certificate, alert=b"\x15\x03\x01\x00\x02\x02\x46"))
    assert look(listener.port, timeout=3)["state"] == "tls-ping"


def test_tls_with_a_login(listen, certificate):
    seen = look(listen(over_tls(certificate, b"-NOAUTH Authentication required.\r\n")).port, timeout=3)
    assert seen["state"] == "tls-auth"


def test_tls_with_a_client_certificate(listen, certificate):
    seen = look(listen(over_tls(certificate, client_certificate=True)).port, timeout=3)
    assert (seen["state"], seen["detail"]) == ("tls", "tlsv13 alert certificate required")


def test_tls_that_is_no_redis(listen, certificate):
    assert look(listen(over_tls(certificate, b"HTTP/1.1 400 Bad Request\r\n")).port, timeout=3)["state"] == "open"
    seen = look(listen(over_tls(certificate, None)).port)
    assert (seen["state"], seen["detail"]) == ("open", "speaks TLS, but says nothing")


@pytest.mark.parametrize(
    ("behave", "seconds"),
    # The second byte comes just in time, the third one must not be waited for; silence costs a try over TLS.
    [(trickling, 1.6), (gushing, 0.8), (silent, 2.8)],
)
def test_no_port_can_hold_a_probe_up(listen, behave, seconds):
    seen = look(listen(behave).port, timeout=1)
    assert seen["state"] == "open"
    assert seen["seconds"] < seconds


def test_a_farewell_is_read_even_when_ping_is_refused():
    class Gone:
        parts = [b"-DENIED Redis is running", b" in protected mode\r\n"]

        def settimeout(self, _seconds):
            pass

        def sendall(self, _data):
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

        def recv(self, _size):
            return self.parts.pop(0)

    answer = audit_port_probe._exchange(Gone(), time.monotonic() + 5)
    assert audit_port_probe.classify(answer) == "protected"


def test_ipv6(listen):
    try:
        listener = listen(answering(b"+PONG\r\n"), socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    for host in ("::1", "[::1]"):
        assert look(listener.port, host=host)["state"] == "ping"


def test_zones_of_ipv6():
    ((family, address),) = audit_port_probe.resolve("fe80::1%lo", 6379)
    assert (family, address[3]) == (socket.AF_INET6, socket.if_nametoindex("lo"))


def test_attempts_find_a_port_that_opens_for_a_moment():
    port = closed_port()

    def open_later():
        time.sleep(0.5)
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(3)
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(b"+PONG\r\n")
                connection.recv(100)

    thread = threading.Thread(target=open_later, daemon=True)
    thread.start()
    assert look(port, attempts=1)["state"] == "closed"
    seen = look(port, attempts=50)
    thread.join()
    assert seen["state"] == "ping"
    assert seen["seconds"] < 3


def test_attempts_are_bounded():
    seen = look(closed_port(), attempts=3)
    assert seen["state"] == "closed"
    assert 2 * audit_port_probe.PAUSE <= seen["seconds"] < 2 * audit_port_probe.PAUSE + 1


def targets_of(*ports, expect="closed"):
    return audit_port_probe.check_targets(
        [dict(host="127.0.0.1", port=port, expect=expect, label=None) for port in ports],
    )


def test_many_filtered_ports_take_about_one_timeout(full_port):
    started = time.monotonic()
    looks = audit_port_probe.probe_all(targets_of(*[full_port] * 40), timeout=1, parallel=64, attempts=1)
    assert [one["state"] for one in looks] == ["filtered"] * 40
    assert time.monotonic() - started < 1.9


def test_of_several_addresses_the_most_exposed_counts(listen):
    listener, port = listen(answering(b"+PONG\r\n")), closed_port()
    targets = targets_of(port)
    targets[0]["addresses"] += audit_port_probe.resolve("127.0.0.1", listener.port)
    (seen,) = audit_port_probe.probe_all(targets, TIMEOUT, 4, 1)
    assert seen["state"] == "ping"


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (errno.EHOSTUNREACH, "closed"),
        (errno.ENETUNREACH, "closed"),
        (errno.EACCES, "closed"),
        (errno.ECONNRESET, "closed"),
        (errno.ETIMEDOUT, "filtered"),
        (errno.EMFILE, "error"),
        (errno.EPERM, "error"),
        (errno.EADDRNOTAVAIL, "error"),
    ],
)
def test_what_goes_wrong_here_is_not_a_closed_port(monkeypatch, number, state):
    def fail(*_arguments):
        raise OSError(number, "text of the system")

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert look(1)["state"] == state
