# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import ssl
import subprocess
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls import certificates as tls_certificates
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, strategies as st
from tls_certificates import CLIENT, SERVER, Issuer, key_pem

CA, OTHER = Issuer(), Issuer("another CA")


def judge(pair, ca=CA.certificate, names=(), **more):
    return tls_certificates.check_pair(*pair, ca, list(names), **more)


def test_a_good_pair():
    pair = CA.issue(["DNS:db1", "DNS:*.example.com", "IP:10.0.3.7", "IP:fd00::7"], days=20.5)
    facts, problems = judge(pair, names=["db1", "DB1", "k.example.com", "10.0.3.7", "fd00:0::7", "[fd00::7]"])
    assert problems == []
    assert facts.days_left(time.time()) == 20
    assert facts.names[:3] == ["DNS:db1", "DNS:*.example.com", "IP:10.0.3.7"]
    assert "valid until: 20" in facts.lines() and facts.fingerprint in facts.lines()


def test_the_fingerprint_is_the_one_that_openssl_prints(tmp_path):
    certificate, key = CA.issue()
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=certificate, capture_output=True, text=True
    )
    assert done.stdout.strip().partition("=")[2] == judge((certificate, key))[0].fingerprint


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ((CA.issue()[0], CA.issue()[1]), "the key does not belong to the certificate"),
        (CA.issue(days=-2), "certificate has expired"),
        (CA.issue(starts=2), "certificate is not yet valid"),
        (OTHER.issue(), "unable to get local issuer certificate"),
        (CA.issue(usages=[SERVER]), "purpose"),
        (CA.issue(usages=[CLIENT]), "it can't be a server's certificate"),
        (CA.issue(passphrase="canary-passphrase"), "the key is encrypted"),
        (("no PEM", CA.issue()[1]), "the certificate file holds no certificate"),
        ((CA.issue()[0], "no PEM"), "OpenSSL can't use the certificate with its key"),
        (("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", CA.issue()[1]), "damaged"),
    ],
)
def test_bad_pairs(pair, says):
    _facts, problems = judge(pair)
    assert len(problems) == 1 and says in problems[0], problems


def test_a_key_of_another_kind():
    key = key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert judge((CA.issue()[0], key))[1] == ["the key does not belong to the certificate"]


@pytest.mark.parametrize(("default", "careful", "refused"), [(1, 1, 0), (1, 0, 1), (0, 1, 0), (0, 0, 0)])
def test_a_certificate_does_for_this_host_s_python(default, careful, refused, monkeypatch):
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_STRICT * default
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)
    issuer = Issuer(strict=bool(careful))
    problems = judge(issuer.issue(), issuer.certificate)[1]
    assert len(problems) == refused and all("does not accept it: " in problem for problem in problems)


def test_an_encrypted_key_does_not_ask_for_its_passphrase():
    certificate, key = CA.issue(passphrase="canary-passphrase")
    old_style = key.replace("BEGIN ENCRYPTED PRIVATE KEY", "BEGIN PRIVATE KEY").replace(
        "END ENCRYPTED PRIVATE KEY", "END PRIVATE KEY"
    )
    assert judge((certificate, old_style))[1]


@pytest.mark.parametrize("ca", ["", "no PEM"])
def test_no_ca(ca):
    assert judge(CA.issue(), ca)[1] == ["the CA file holds no certificate in PEM"]


def test_names_that_are_missing():
    assert judge(CA.issue(["DNS:db1"]), names=["db1", "db2", "10.0.0.1", "", "x" * 70])[1] == [
        "it does not name db2",
        "it does not name 10.0.0.1",
        "it does not name ",
        "it does not name " + "x" * 70,
    ]


def test_a_server_s_certificate_does_where_clients_show_none():
    assert judge(CA.issue(usages=[SERVER]), client_auth=False)[1] == []


def test_facts_of_a_certificate_that_nobody_believes():
    facts = tls_certificates.read_facts(*OTHER.issue(days=-2))
    assert facts.days_left(time.time()) < 0


def test_several_cas():
    both = CA.certificate + OTHER.certificate
    assert judge(CA.issue(), both)[1] == judge(OTHER.issue(), both)[1] == []


def test_nothing_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    judge(CA.issue(), names=["db1", "db2"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_alternative_names():
    assert tls_certificates.alternative_names(["Db1", "10.0.3.7", "[fd00::7]", "fd00:0::7", "db1"]) == [
        *("DNS:db1", "IP:10.0.3.7", "IP:fd00::7"),
    ]


@given(st.integers(-10000, 10000), st.integers(1, 5000))
def test_clocks(difference, limit):
    problem = tls_certificates.clock_problem(1e9 + difference, 1e9, limit)
    assert bool(problem) == (abs(difference) > limit)
    if problem:
        assert ("ahead of" if difference > 0 else "behind") in problem
