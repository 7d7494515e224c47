# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real handshakes with a server's TLS port, and what came of them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings

from . import certificates

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class Outcome:
    """What one connection came to.

    state: closed (no connection), refused (the server or the network ended it), silent (no answer in time), or answered
    (Redis said something, be it an error). detail: why, or the answer. der, decoded: the certificate shown, decoded
    only where it was verified.
    """

    def __init__(self, state, detail, der=None, decoded=None):
        self.state, self.detail, self.der, self.decoded = state, detail, der, decoded or {}

    @property
    def answered(self):
        return self.state == "answered"

    def __str__(self):
        return "%s (%s)" % (self.state, self.detail)


def talk(host, port, context=None, name=None, timeout=5.0):
    """Connect, shake hands if a context is given, send PING, and return the Outcome.

    With TLS 1.3 a client learns only when it reads that the server did not like its certificate, or wanted one.
    """
    try:
        connection = socket.create_connection((host, port), timeout=timeout)
    except OSError as error:
        return Outcome("closed", _plain(error))
    der, decoded = None, {}
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        try:
            if context is not None:
                connection = stack.enter_context(context.wrap_socket(connection, server_hostname=name))
                der, decoded = connection.getpeercert(binary_form=True), connection.getpeercert() or {}
            connection.sendall(b"PING\r\n")
            answer = connection.recv(200)
        except TimeoutError:
            return Outcome("silent", "no answer within %g s" % timeout, der, decoded)
        except OSError as error:
            return Outcome("refused", _plain(error), der, decoded)
    if answer[:1] in (b"+", b"-"):
        return Outcome("answered", answer.decode("latin-1").split("\r\n")[0][:80], der, decoded)
    return Outcome("refused", "the server ended the connection" if not answer else "no Redis answers", der, decoded)


def only(context, version):
    """Limit the context to one version of TLS, with every cipher and key that this OpenSSL has for it."""
    with warnings.catch_warnings():
        # Python calls the old versions deprecated, which is why they are tried.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = VERSIONS[version]
        context.minimum_version = VERSIONS[version]
    if version in ("TLSv1", "TLSv1.1"):
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def can_offer(version):
    """Return whether the OpenSSL of this host could shake hands with this version at all."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificates.client_context()
    try:
        for context in (server, client):
            only(context, version)
            if version != "TLSv1.3":
                # Without a certificate, which a context made only for this question does not have.
                context.set_ciphers("aNULL:@SECLEVEL=0")
        if version == "TLSv1.3":
            return bool(ssl.HAS_TLSv1_3)
        certificates.shake_hands(server, client)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _plain(error):
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)
