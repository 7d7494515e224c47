# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests/integration/test_redis_tls_verify.py does not see: other hosts' OpenSSL, silence, and sides that lie."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls import (
    certificates as tls_certificates,
    handshake as tls_handshake,
    verify as tls_verify,
)
from tls_certificates import Issuer

CA = Issuer()
PAIR = CA.issue(["IP:127.0.0.1"])
POLICY = dict(
    ca=CA.certificate, certificate=PAIR[0], names=["127.0.0.1"], min_days=1, auth_clients="no", plaintext_port=None
)


@pytest.fixture
def serve():
    """A function: listen, hand each connection (wrapped, if a context is given) to talk(), return the port."""
    sockets = []

    def start(talk, context=None):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def run():
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                try:
                    talk(context.wrap_socket(connection, server_side=True) if context else connection)
                except OSError:
                    pass
                finally:
                    connection.close()

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for one in sockets:
        one.close()


def answer(text):
    def talk(connection):
        connection.recv(100)
        connection.sendall(text)
        connection.close()

    return talk


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_every_openssl_offers_the_new_versions(version):
    assert tls_handshake.can_offer(version)


def test_what_openssl_can_not_offer_is_skipped_and_not_passed(serve, monkeypatch):
    monkeypatch.setattr(tls_verify, "can_offer", lambda version: False)
    port = serve(answer(b"-NOAUTH\r\n"), tls_certificates.server_context(*PAIR))
    found = tls_verify.Verify("127.0.0.1", port, POLICY, timeout=1).findings()
    states = {entry["subject"]: entry["status"] for entry in found if entry["id"] == "RH-TLS-01"}
    assert states == {"TLSv1": "skipped", "TLSv1.1": "skipped", "TLSv1.2": "pass", "TLSv1.3": "pass"}


def test_an_openssl_without_a_version_says_so(monkeypatch):
    def refuse(*_contexts):
        raise ssl.SSLError("no protocols available")

    monkeypatch.setattr(tls_certificates, "shake_hands", refuse)
    assert not tls_handshake.can_offer("TLSv1")


@pytest.mark.parametrize(
    ("text", "state"),
    [(b"+PONG\r\n", "answered"), (b"-NOAUTH no\r\n", "answered"), (b"HTTP/1.1 400\r\n", "refused"), (b"", "refused")],
)
def test_what_is_an_answer(serve, text, state):
    plain = tls_handshake.talk("127.0.0.1", serve(answer(text)), timeout=1)
    wrapped = tls_handshake.talk(
        "127.0.0.1",
        serve(answer(text), tls_certificates.server_context(*PAIR)),
        tls_certificates.client_context(),
        timeout=1,
    )
    assert plain.state == wrapped.state == state and bool(wrapped.der)


def test_silence_is_neither_an_answer_nor_a_refusal(serve):
    stop = threading.Event()
    port = serve(lambda connection: stop.wait(5))
    assert tls_handshake.talk("127.0.0.1", port, timeout=0.2).state == "silent"
    stop.set()


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    assert tls_handshake.talk("127.0.0.1", port, timeout=1).state == "closed"


def ends(serve, ca, pair, **policy):
    """Return {subject: (status, actual)} of RH-TLS-04 for a server that shows this pair."""
    port = serve(answer(b"-NOAUTH\r\n"), tls_certificates.server_context(*pair))
    declared = POLICY | dict(ca=ca, certificate=pair[0], min_days=14) | policy
    found = tls_verify.Verify("127.0.0.1", port, declared, timeout=1).findings()
    return {entry["subject"]: (entry["status"], entry["actual"][:8]) for entry in found if entry["id"] == "RH-TLS-04"}


def test_a_ca_that_ends_before_the_certificate(serve):
    issuer = Issuer("short CA", days=5.5)
    pair = issuer.issue(["IP:127.0.0.1"], days=100)
    assert ends(serve, issuer.certificate, pair) == {"": ("pass", "99 days,"), "CA short CA": ("fail", "5 days, ")}
    # The renewed one beside it is what clients may go by.
    renewed = issuer.certificate + issuer.certified(300)
    assert ends(serve, renewed, pair)["CA short CA"] == ("pass", "299 days")
    assert ends(serve, issuer.certified(-2), pair)["CA short CA"] == ("fail", "expired ")
    assert ends(serve, issuer.certified(99, starts=3), pair)["CA short CA"] == ("fail", "valid fr")


def test_a_ca_between_that_ends_first(serve):
    root = Issuer("root", days=300)
    between = Issuer("between", days=5.5, above=root)
    certificate, key = between.issue(["IP:127.0.0.1"], days=100)
    pair = certificate + between.certificate, key
    assert ends(serve, root.certificate, pair)["CA between"] == ("fail", "5 days, ")
    other = Issuer("another root", days=2)
    crossed = root.certificate + other.certificate + between.certified(200, above=root)
    assert ends(serve, crossed, pair)["CA between"] == ("pass", "199 days")


def test_of_a_ca_that_is_not_declared_nothing_is_said(serve):
    assert set(ends(serve, Issuer("stranger").certificate, PAIR)) == {""}
    assert set(ends(serve, None, PAIR)) == {""}
