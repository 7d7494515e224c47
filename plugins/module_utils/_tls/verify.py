# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about a running server's TLS, from handshakes with it. What is expected comes from the policy only."""

from __future__ import annotations

import grp
import os
import stat
import time

from .._audit.findings import finding, verdict
from . import certificates
from .handshake import can_offer, only, talk

OFFERED, REFUSED = ("TLSv1.2", "TLSv1.3"), ("TLSv1", "TLSv1.1")
_ASKED = ("RH-TLS-01", "RH-TLS-02", "RH-TLS-03", "RH-TLS-04", "RH-TLS-05")


class Verify:
    """One server. policy: a dict with ca and certificate (PEM or None), names, min_days, auth_clients, plaintext_port.

    pair: certificate and key (PEM) of the client that asks, or None.
    """

    def __init__(self, host, port, policy, pair=None, timeout=5.0):
        self.host, self.port, self.policy, self.timeout = host, port, policy, timeout
        self.pair = pair or (None, None)
        self.instance = "%s:%s" % (host, port)

    def _verdict(self, control, ok, expected, actual, **details):
        return verdict(control, ok, expected, actual, instance=self.instance, **details)

    def _skipped(self, control, expected, why, **details):
        return finding(control, "skipped", expected, why, instance=self.instance, **details)

    def _talk(self, context=None, name=None):
        return talk(self.host, self.port, context, name, self.timeout)

    def findings(self):
        anonymous = self._talk(certificates.client_context())
        if anonymous.state == "closed":
            return [
                *(self._verdict(control, False, "TLS", "nothing listens: %s" % anonymous.detail) for control in _ASKED),
                *self.plaintext(listens=False),
            ]
        known = self._talk(certificates.client_context(None, *self.pair))
        return [
            *self.versions(),
            self.served(known),
            *self.trusted(),
            *self.expiry(known),
            *self.clients(anonymous, known),
            *self.plaintext(),
        ]

    def versions(self):
        found = []
        for version in REFUSED:
            if not can_offer(version):
                found.append(
                    self._skipped("RH-TLS-01", "refused", "this host's OpenSSL can't offer it", subject=version)
                )
                continue
            got = self._talk(only(certificates.client_context(None, *self.pair), version))
            # A certificate that was shown is a handshake that was made.
            found.append(
                self._verdict("RH-TLS-01", got.state == "refused" and not got.der, "refused", got, subject=version)
            )
        for version in OFFERED:
            got = self._talk(only(certificates.client_context(None, *self.pair), version))
            found.append(self._verdict("RH-TLS-01", got.answered, "answered", got, subject=version))
        return found

    def served(self, outcome):
        control, wanted = "RH-TLS-02", certificates.certificates(self.policy["certificate"])
        actual = certificates.fingerprint(outcome.der) if outcome.der else "no certificate: %s" % outcome
        if not wanted:
            return self._skipped(control, "the certificate is not declared", actual)
        expected = certificates.fingerprint(wanted[0])
        return self._verdict(control, actual == expected, expected, actual)

    def trusted(self):
        control, ca = "RH-TLS-03", self.policy["ca"]
        if not certificates.certificates(ca):
            return [self._skipped(control, "verifies against the CA", "the CA is not declared")]
        got = self._talk(certificates.client_context(ca, *self.pair))
        found = [self._verdict(control, bool(got.der), "verifies against the CA", "it does" if got.der else got.detail)]
        for name in self.policy["names"] if got.der else ():
            named = self._talk(certificates.client_context(ca, *self.pair, check_name=True), name.strip("[]"))
            actual = "it does" if named.der else named.detail
            found.append(self._verdict(control, bool(named.der), "names %s" % name, actual, subject=name))
        return found

    def expiry(self, outcome):
        """Return the findings about the certificate shown and, where its CA is declared, about that."""
        control, wanted = "RH-TLS-04", "valid for %d days or more" % self.policy["min_days"]
        if not outcome.der:
            return [self._verdict(control, False, wanted, "no certificate: %s" % outcome)]
        # Read by a client that believes this very certificate, so that an expired one can be read as well.
        believed = self._talk(self._believing(outcome.der))
        if not believed.decoded:
            return [self._verdict(control, False, wanted, believed)]
        facts = certificates.Facts(believed.der, believed.decoded)
        found = [self._valid(facts.not_before, facts.not_after)]
        pool = certificates.authorities("%s\n%s" % (self.policy["ca"] or "", self.policy["certificate"] or ""))
        chain = certificates.longest_chain(believed.decoded["issuer"], pool) if self.policy["ca"] else []
        if chain:
            # The one that ends first ends the chain.
            authority = min(chain, key=lambda one: one.not_after)
            found.append(self._valid(authority.not_before, authority.not_after, subject="CA %s" % authority.name))
        return found

    def _valid(self, not_before, not_after, **details):
        control, wanted = "RH-TLS-04", "valid for %d days or more" % self.policy["min_days"]
        now = time.time()
        if not_before > now:
            begins = time.strftime("%Y-%m-%d", time.gmtime(not_before))
            return self._verdict(control, False, wanted, "valid from %s on" % begins, **details)
        ends = time.strftime("%Y-%m-%d", time.gmtime(not_after))
        left = int((not_after - now) // certificates.DAY)
        actual = "%d days, until %s" % (left, ends) if left >= 0 else "expired on %s" % ends
        return self._verdict(
            control, not_after - now >= self.policy["min_days"] * certificates.DAY, wanted, actual, **details
        )

    def _believing(self, der):
        context = certificates.trusting(der)
        if self.pair[0]:
            certificates.load_pair(context, *self.pair)
        return context

    def clients(self, anonymous, known):
        control, declared = "RH-TLS-05", self.policy["auth_clients"]
        wanted = "refused" if declared == "yes" else "answered"
        found = [
            self._verdict(control, anonymous.state == wanted, wanted, anonymous, subject="client without certificate")
        ]
        if self.pair[0]:
            found.append(
                self._verdict(control, known.answered, "answered", known, subject="client with a certificate of the CA")
            )
        return found

    def plaintext(self, listens=True):
        control, found = "RH-TLS-06", []
        if listens:
            got = self._talk()
            ok = got.state == "refused"
            found.append(self._verdict(control, ok, "refused", got, subject="plain text on port %d" % self.port))
        port = self.policy["plaintext_port"]
        if port:
            got = talk(self.host, port, timeout=self.timeout)
            subject = "plaintext port %d" % port
            found.append(self._verdict(control, got.state == "closed", "closed", got, subject=subject))
        return found


def key_finding(path, instance):
    """Return the finding about who can read a key: root and the server's group, nobody else."""
    control, expected = "RH-TLS-07", "root's, and at most readable by its group"
    try:
        status = os.stat(path)
    except OSError as error:
        return finding(control, "error", expected, error.strerror, instance=instance, subject=path)
    mode = stat.S_IMODE(status.st_mode)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    actual = "mode %04o, owner %s, group %s" % (mode, "root" if not status.st_uid else status.st_uid, group)
    ok = status.st_uid == 0 and not mode & 0o037
    return verdict(control, ok, expected, actual, instance=instance, subject=path)
