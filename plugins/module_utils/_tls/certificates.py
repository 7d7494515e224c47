# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates, judged as Redis and its clients judge them: by handshakes of OpenSSL, here from memory to memory.

That needs nothing but Python's own ssl module, so that a host which only checks its certificate needs no library.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import ssl
import sys
import time

DAY = 86400
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name.
_NO_CHECK_TIME = 0x200000


def certificates(text):
    """Return the certificates of a PEM text in order, as DER. Raises ValueError for one that can't be read."""
    return [ssl.PEM_cert_to_DER_cert(block) for block in _BLOCK.findall(text or "")]


def fingerprint(der):
    """Return the SHA-256 of a certificate as openssl x509 -fingerprint -sha256 prints it."""
    return ":".join("%02X" % byte for byte in hashlib.sha256(der).digest())


def alternative_names(names):
    """Return names and addresses as a certificate request wants them: ['DNS:db1', 'IP:10.0.3.7'], each once."""
    found = []
    for name in names:
        try:
            entry = "IP:%s" % ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            entry = "DNS:%s" % name.lower()
        if entry not in found:
            found.append(entry)
    return found


def clock_problem(here, controller, limit):
    """Return why the host's clock is no good for certificates, '' when it is. Times in seconds since 1970."""
    if abs(here - controller) <= limit:
        return ""
    return (
        "The host's clock is %d s %s the controller's, and certificates would be taken for expired or not valid yet. "
        "Set the clocks (timedatectl set-ntp true), or pki_max_clock_skew above %d."
        % (abs(here - controller), "ahead of" if here > controller else "behind", abs(here - controller))
    )


class Facts:
    """What a certificate says: fingerprint, names (['DNS:db1', ...]), not_before and not_after in seconds."""

    def __init__(self, der, decoded):
        self.der = der
        self.fingerprint = fingerprint(der)
        self.names = ["%s:%s" % (kind.split()[0], name) for kind, name in decoded.get("subjectAltName", ())]
        self.not_before = ssl.cert_time_to_seconds(decoded["notBefore"])
        self.not_after = ssl.cert_time_to_seconds(decoded["notAfter"])

    def days_left(self, now):
        return int((self.not_after - now) // DAY)

    def lines(self):
        """Return the facts as text for a diff."""
        ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.not_after))
        return "fingerprint: %s\nvalid until: %s\nnames: %s\n" % (self.fingerprint, ends, ", ".join(self.names))


class Authority:
    """A CA certificate: name, subject and issuer as Python decodes them, not_before and not_after in seconds."""

    def __init__(self, decoded):
        self.subject, self.issuer = decoded["subject"], decoded["issuer"]
        # The most specific part of the name is its last.
        self.name = self.subject[-1][0][1] if self.subject else "without a name"
        self.not_before = ssl.cert_time_to_seconds(decoded["notBefore"])
        self.not_after = ssl.cert_time_to_seconds(decoded["notAfter"])


def authorities(text):
    """Return the Authority of each CA certificate in a PEM text; other certificates in it are left out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for der in certificates(text):
        context.load_verify_locations(cadata=der)
    return [Authority(decoded) for decoded in context.get_ca_certs()]


def longest_chain(issuer, pool):
    """Return the Authorities from this issuer up to a root, by the way that ends last; [] where none leads to a root.

    Names are compared, not signatures: that a chain verifies is another question.
    """
    chains = []
    for one in pool:
        if one.subject != issuer:
            continue
        others = [other for other in pool if other is not one]
        rest = [] if one.issuer == one.subject else longest_chain(one.issuer, others)
        if rest or one.issuer == one.subject:
            chains.append([one, *rest])
    return max(chains, key=lambda chain: min(one.not_after for one in chain), default=[])


@contextlib.contextmanager
def memory_file(text):
    """Give a path that holds the text for OpenSSL, which reads keys from files only; nothing reaches a disk."""
    handle = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(handle, text.encode())
        yield "/proc/self/fd/%d" % handle
    finally:
        os.close(handle)


def server_context(certificate, key, ca=None):
    """Return a context that shows this certificate, and demands one of the CA's where one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, certificate, key)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ca)
    return context


def client_context(ca=None, certificate=None, key=None, check_name=False):
    """Return a context that verifies against the CA, or nothing at all, and shows a certificate where one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_name
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=ca)
    if certificate:
        load_pair(context, certificate, key)
    return context


def load_pair(context, certificate, key):
    with memory_file(certificate) as certificate_path, memory_file(key) as key_path:
        # Without a callback OpenSSL would ask for the passphrase of an encrypted key, and wait.
        context.load_cert_chain(certificate_path, key_path, password=lambda: b"")


def shake_hands(server, client, name=None):
    """Let two contexts meet in memory; return the client's side. Raises ssl.SSLError as the refusing side does."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done = sides[0]
    for _round in range(20):
        for side in list(sides):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                sides.remove(side)
        if not sides:
            return done
    raise ssl.SSLError("the handshake does not come to an end")


def read_facts(certificate, key):
    """Return the Facts of a certificate whatever its dates and its CA are. Raises ssl.SSLError, ValueError."""
    der = certificates(certificate)[0]
    context = trusting(der)
    return Facts(der, shake_hands(server_context(certificate, key), context).getpeercert())


def trusting(der):
    """Return a client's context that believes exactly this certificate, at any time: Python decodes no other one."""
    context = client_context(ca=ssl.DER_cert_to_PEM_cert(der))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    return context


def as_strict_as_here(context):
    """Have the context verify as strictly as this host's Python does by default, and redis-py with it."""
    context.verify_flags |= ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT
    return context


def check_pair(certificate, key, ca, names, client_auth=True):
    """Judge a certificate with its key. Return (Facts or None, problems), problems as clauses without a full stop.

    ca: PEM of the CA certificates. names: names and addresses that it must carry. client_auth: it must do as a client's
    certificate as well, as replicas, cluster nodes and this collection's own login show it.
    """
    try:
        found = certificates(certificate)
        believed = certificates(ca)
    except ValueError:
        return None, ["the certificate or the CA is damaged PEM"]
    if not found:
        return None, ["the certificate file holds no certificate in PEM"]
    if "ENCRYPTED" in key:
        return None, ["the key is encrypted, and Redis could not start by itself: remove its passphrase"]
    try:
        server = server_context(certificate, key)
        facts = read_facts(certificate, key)
    except ssl.SSLError as error:
        return None, [_unusable(error)]
    if not believed:
        return facts, ["the CA file holds no certificate in PEM"]
    try:
        meeting = server_context(certificate, key, ca) if client_auth else server
        shake_hands(meeting, client_context(ca, certificate, key))
    except ssl.SSLError as error:
        return facts, [_unverified(error)]
    try:
        shake_hands(server, as_strict_as_here(client_context(ca)))
    except ssl.SSLError as error:
        return facts, [_too_lax(error)]
    return facts, ["it does not name %s" % name for name in names if not names_it(server, ca, name)]


def names_it(server, ca, name):
    """Return whether a client that connects to this name accepts the server context's certificate."""
    try:
        shake_hands(server, client_context(ca, check_name=True), name.strip("[]"))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _unusable(error):
    if isinstance(error, ssl.SSLCertVerificationError):
        return "it can't be a server's certificate: %s" % error.verify_message
    # The latter for a key of another kind than the certificate's.
    if error.reason in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return "the key does not belong to the certificate"
    return "OpenSSL can't use the certificate with its key (%s)" % (error.reason or "no key in PEM").lower().replace(
        "_", " "
    )


def _unverified(error):
    return "it does not verify against the CA: %s" % _why(error)


def _too_lax(error):
    return "Python %d.%d on this host, and so every module that logs in, does not accept it: %s" % (
        *sys.version_info[:2],
        _why(error),
    )


def _why(error):
    return getattr(error, "verify_message", "") or str(error.reason or error)
