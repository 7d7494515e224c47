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
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _ports
from hypothesis import given
from hypothesis import strategies as st

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
        time.sleep(1)


def gushing(listener, connection):
    listener.read(connection)
    while True:
        connection.sendall(b"x" * 65536)


def over_tls(folder, reply=b"+PONG\r\n", client_certificate=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    if client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "crt")

    def behave(listener, connection):
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
    ((family, address),) = _ports.resolve(host, port)
    return _ports.probe(family, address, timeout, attempts)


@pytest.mark.parametrize(
    ("behave", "state", "detail"),
    [
        (answering(b"+PONG\r\n"), "ping", "+PONG"),
        (answering(b"-NOAUTH Authentication required.\r\n"), "auth", "-NOAUTH Authentication required."),
        (answering(b"-NOPERM this user has no permissions\r\n"), "user", "-NOPERM this user has no permissions"),
        (answering(b"-LOADING Redis is loading\r\n"), "ping", "-LOADING Redis is loading"),
        (answering(b"-ERR moved to port 7000\r\n"), "notice", "-ERR moved to port 7000"),
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
    assert TIMEOUT <= seen["seconds"] < 2 * TIMEOUT


def test_tls_without_a_login(listen, certificate):
    seen = look(listen(over_tls(certificate)).port, timeout=3)
    assert (seen["state"], seen["detail"]) == ("tls-ping", "over TLS: +PONG")


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


@pytest.mark.parametrize("behave", [trickling, gushing, silent])
def test_no_port_can_hold_a_probe_up(listen, behave):
    seen = look(listen(behave).port)
    assert seen["state"] == "open"
    assert seen["seconds"] < 2 * TIMEOUT + 0.3


def test_ipv6(listen):
    try:
        listener = listen(answering(b"+PONG\r\n"), socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    for host in ("::1", "[::1]"):
        assert look(listener.port, host=host)["state"] == "ping"


def test_zones_of_ipv6():
    ((family, address),) = _ports.resolve("fe80::1%lo", 6379)
    assert (family, address[3]) == (socket.AF_INET6, socket.if_nametoindex("lo"))


def test_attempts_find_a_port_that_opens_for_a_moment():
    port = closed_port()

    def open_later():
        time.sleep(0.5)
        with socket.create_server(("127.0.0.1", port)) as listener:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(b"+PONG\r\n")
                connection.recv(100)

    thread = threading.Thread(target=open_later)
    thread.start()
    assert look(port, attempts=1)["state"] == "closed"
    seen = look(port, attempts=50)
    thread.join()
    assert seen["state"] == "ping"
    assert seen["seconds"] < 3


def test_attempts_are_bounded():
    seen = look(closed_port(), attempts=3)
    assert seen["state"] == "closed"
    assert 2 * _ports.PAUSE <= seen["seconds"] < 2 * _ports.PAUSE + 0.3


def targets_of(*ports, expect="closed"):
    return _ports.check_targets(
        [dict(host="127.0.0.1", port=port, expect=expect, label=None) for port in ports],
    )


def test_many_filtered_ports_take_about_one_timeout(full_port):
    started = time.monotonic()
    looks = _ports.probe_all(targets_of(*[full_port] * 40), timeout=1, parallel=64, attempts=1)
    assert [one["state"] for one in looks] == ["filtered"] * 40
    assert time.monotonic() - started < 1.6


def test_of_several_addresses_the_most_exposed_counts(listen):
    listener, port = listen(answering(b"+PONG\r\n")), closed_port()
    targets = targets_of(port)
    targets[0]["addresses"] += _ports.resolve("127.0.0.1", listener.port)
    (seen,) = _ports.probe_all(targets, TIMEOUT, 4, 1)
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


@given(st.binary(max_size=600))
def test_any_answer_has_a_state_and_a_printable_line(answer):
    assert _ports.classify(answer) in _ports.STATES
    shown = _ports.printable(answer)
    assert len(shown) <= 80
    assert shown.isascii() and shown.isprintable()


@given(st.binary(max_size=100))
def test_only_redis_words_make_an_answer_more_than_open(answer):
    if not answer.startswith((b"-", b"+PONG")):
        assert _ports.classify(answer) == "open"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (dict(host="127.0.0.1", port=0), "port 0 is not between"),
        (dict(host="127.0.0.1", port=65536), "port 65536 is not between"),
        (dict(host=" ", port=1), "empty host"),
        (dict(host="no-such-host.invalid", port=1), "no-such-host.invalid can't be resolved"),
        (dict(host="a" * 70 + ".example", port=1), "can't be resolved"),
        (dict(host="fe80::1%nosuch0", port=1), "fe80::1%nosuch0 can't be resolved"),
    ],
)
def test_wrong_targets_are_all_named_before_anything_is_probed(target, text):
    with pytest.raises(ValueError, match="target 2") as caught:
        _ports.check_targets([dict(host="127.0.0.1", port=1), target])
    assert text in str(caught.value)


def judged(state, expect, detail=""):
    targets = targets_of(6379, expect=expect)
    looks = [dict(state=state, detail=detail)]
    findings = _ports.judge(targets, looks)
    return [(f["id"], f["status"]) for f in findings], _ports.open_doors(targets, looks)


@pytest.mark.parametrize("state", _ports.STATES)
def test_closed_means_closed_or_filtered(state):
    if state == "error":
        assert judged(state, "closed") == ([("RH-NET-01", "error")], 0)
    elif state in ("closed", "filtered"):
        assert judged(state, "closed") == ([("RH-NET-01", "pass")], 0)
    else:
        assert judged(state, "closed") == ([("RH-NET-01", "fail")], 1)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("auth", [("RH-NET-02", "pass"), ("RH-ACL-01", "pass")]),
        ("tls-auth", [("RH-NET-02", "pass"), ("RH-ACL-01", "pass")]),
        ("tls", [("RH-NET-02", "pass")]),
        ("ping", [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]),
        ("tls-ping", [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]),
        ("user", [("RH-NET-02", "pass"), ("RH-ACL-01", "fail")]),
        ("error", [("RH-NET-02", "error")]),
        *((state, [("RH-NET-02", "fail")]) for state in ("filtered", "closed", "open", "notice", "protected")),
    ],
)
def test_reachable_means_a_redis_that_demands_a_login(state, expected):
    assert judged(state, "reachable") == (expected, 0)


@pytest.mark.parametrize("state", _ports.STATES)
def test_any_judges_nothing(state):
    assert judged(state, "any") == ([], 0)


def test_findings_name_the_target_and_what_was_seen():
    targets = _ports.check_targets([dict(host="::1", port=17000, expect="closed", label="cluster bus")])
    (found,) = _ports.judge(targets, [dict(state="ping", detail="+PONG")])
    assert (found["instance"], found["subject"]) == ("[::1]:17000", "cluster bus")
    assert found["actual"] == "is a Redis that takes commands without a login (+PONG)"
    (found,) = _ports.judge(targets_of(6379), [dict(state="closed", detail="")])
    assert (found["instance"], found["subject"]) == ("127.0.0.1:6379", "port 6379")
