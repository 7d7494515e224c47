# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.certificate_request import (
    request_problems,
    wanted_extensions,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ["DNS:db1", "IP:10.0.3.7"]
CURVE = ec.generate_private_key(ec.SECP256R1())
KEYS = {"ECC": CURVE, "RSA": rsa.generate_private_key(public_exponent=65537, key_size=3072)}


def request(key_type="ECC", key=None, subject=(("db1", NameOID.COMMON_NAME),), more=(), without=None, critical=None):
    name = x509.Name([x509.NameAttribute(oid, text) for text, oid in subject])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    found = {type(value): (value, marked) for marked, value in wanted_extensions(NAMES, key_type).values()}
    found.update({type(value): (value, False) for value in more})
    for kind, (value, marked) in found.items():
        if kind is not without:
            builder = builder.add_extension(value, marked if kind is not critical else not marked)
    return builder.sign(key or KEYS[key_type], hashes.SHA256())


def judge(one, key_type="ECC"):
    return request_problems(one, "db1", NAMES, key_type)


@pytest.mark.parametrize("key_type", ["ECC", "RSA"])
def test_the_wanted_one(key_type):
    assert judge(request(key_type), key_type) == []


def names(*entries):
    return x509.SubjectAlternativeName(list(entries))


DB1, ADDRESS = x509.DNSName("db1"), x509.IPAddress(ipaddress.ip_address("10.0.3.7"))
USAGES = dict.fromkeys(
    (
        *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only"),
        "decipher_only",
    ),
    False,
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"more": [names(DB1, ADDRESS, x509.DNSName("bank"))]}, "subjectAltName"),
        ({"more": [names(DB1)]}, "subjectAltName"),
        ({"more": [names(DB1, ADDRESS, x509.RFC822Name("root@bank"))]}, "subjectAltName"),
        ({"without": x509.SubjectAlternativeName}, "subjectAltName: it has none"),
        ({"critical": x509.SubjectAlternativeName}, "subjectAltName: it has critical"),
        ({"more": [x509.BasicConstraints(True, 0)]}, "basicConstraints"),
        ({"more": [x509.BasicConstraints(False, None)]}, "basicConstraints"),
        ({"more": [x509.KeyUsage(digital_signature=True, key_cert_sign=True, **USAGES)]}, "keyUsage"),
        ({"without": x509.KeyUsage}, "keyUsage: it has none"),
        ({"critical": x509.KeyUsage}, "keyUsage"),
        ({"more": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]}, "extendedKeyUsage"),
        ({"more": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])]}, "extendedKeyUsage"),
        ({"without": x509.ExtendedKeyUsage}, "extendedKeyUsage: it has none"),
        ({"more": [x509.NameConstraints([x509.DNSName("x")], None)]}, "nameConstraints"),
        ({"more": [x509.SubjectKeyIdentifier(b"somebody else's")]}, "subjectKeyIdentifier"),
        ({"more": [x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x" * 5000)]}, "1.2.3.4: it has"),
        ({"subject": [("bank", NameOID.COMMON_NAME)]}, "its subject is CN=bank, not CN=db1"),
        ({"subject": [("db1", NameOID.COMMON_NAME), ("bank", NameOID.COMMON_NAME)]}, "its subject is"),
        ({"subject": [("db1", NameOID.ORGANIZATION_NAME)]}, "its subject is O=db1"),
        ({"subject": []}, "its subject is , not"),
        ({"key": ec.generate_private_key(ec.SECP384R1())}, "pki_key_type (ECC)"),
        ({"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}, "pki_key_type (ECC)"),
    ],
)
def test_anything_else_is_told(changes, says):
    found = judge(request(**changes))
    assert len(found) == 1 and says in found[0] and len(found[0]) < 1000, found


def test_a_small_key():
    small = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert judge(request("RSA", key=small), "RSA") == ["its key is not of the type that pki_key_type (RSA) asks for"]


def test_a_key_that_the_host_does_not_have():
    """The request of another key with this one's public key in it: the same length, so its signature is wrong."""
    pair = CURVE, ec.generate_private_key(ec.SECP256R1())
    key, other = (one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in pair)
    forged = x509.load_der_x509_csr(request().public_bytes(Encoding.DER).replace(key, other))
    assert judge(forged) == ["its signature is not that of its key"]
