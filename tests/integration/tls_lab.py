# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA by openssl's own program, and a client that asks without this collection's code."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess

NAMES = ("DNS:localhost", "DNS:db1", "IP:127.0.0.1")


class Authority:
    """A CA in a directory; issue() writes ca.crt, redis.crt and redis.key into another one."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self._openssl(
            *("req", "-x509", *_new("ca.key"), "-out", "ca.crt", "-days", "30", "-subj", f"/CN={folder.name} CA"),
            *("-addext", "keyUsage=critical,keyCertSign"),
        )
        self.certificate = (folder / "ca.crt").read_text()

    def issue(self, place, days=2, names=NAMES, usage="serverAuth,clientAuth"):
        extensions = {"subjectAltName": ",".join(names), "extendedKeyUsage": usage, "authorityKeyIdentifier": "keyid"}
        (self.folder / "ext").write_text("".join(f"{name}={value}\n" for name, value in extensions.items()))
        self._openssl("req", *_new("new.key"), "-out", "new.csr", "-subj", "/CN=db1")
        self._openssl(
            *("x509", "-req", "-in", "new.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", "new.crt", "-days", str(days), "-extfile", "ext"),
        )
        for source, name in (("ca.crt", "ca.crt"), ("new.crt", "redis.crt"), ("new.key", "redis.key")):
            # Over what is there, one by one: the clients of a test may read them at any time.
            (place / f"{name}.part").write_text((self.folder / source).read_text())
        for name in ("ca.crt", "redis.crt", "redis.key"):
            (place / f"{name}.part").replace(place / name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    @staticmethod
    def fingerprint(place):
        return _spelled(ssl.PEM_cert_to_DER_cert((place / "redis.crt").read_text()))


def _new(key):
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key)


def _spelled(der):
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def shown(server):
    """Return the fingerprint of the certificate that the server shows, None without TLS."""
    try:
        pem = ssl.get_server_certificate((server.host, server.tls_port))
    except OSError:
        return None
    return _spelled(ssl.PEM_cert_to_DER_cert(pem))


def ask(port, place=None):
    """Return the first line of the answer to PING, in plain text or with the pair in a directory; None if refused."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            if place is not None:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.load_cert_chain(f"{place}/redis.crt", f"{place}/redis.key")
                connection = context.wrap_socket(connection)
            connection.sendall(b"PING\r\n")
            return connection.recv(100).decode().split("\r\n")[0] or None
    except OSError:
        return None
