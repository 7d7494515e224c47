# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's certificate request against the one that it is to make: the CA copies all of it into the certificate."""

from __future__ import annotations

import ipaddress

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    # The lookup says so before it comes here.
    pass

_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_RSA_BITS = 3072


def request_problems(request, common_name, alternative_names, key_type):
    """Return how a request (of the library cryptography) differs from the wanted one.

    alternative_names: as certificates.alternative_names() gives them. Raises ValueError, and what else the library
    raises, for a request that can't be read.
    """
    problems = [] if request.is_signature_valid else ["its signature is not that of its key"]
    problems += _key_problems(request.public_key(), key_type)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    if request.subject != subject:
        problems.append("its subject is %s, not %s" % (request.subject.rfc4514_string(), subject.rfc4514_string()))
    wanted = wanted_extensions(alternative_names, key_type)
    found = {extension.oid: (extension.critical, extension.value) for extension in request.extensions}
    for oid in sorted(wanted.keys() | found.keys(), key=lambda one: one.dotted_string):
        if found.get(oid) != wanted.get(oid):
            problems.append("%s: it has %s, not %s" % (_name(oid), _spelled(found, oid), _spelled(wanted, oid)))
    return problems


def wanted_extensions(alternative_names, key_type):
    """Return {oid: (whether it is critical, value)} of all that a request has. None of them makes a CA of anybody."""
    usages = ("digital_signature",) if key_type == "ECC" else ("digital_signature", "key_encipherment")
    values = (
        (False, x509.SubjectAlternativeName([_general_name(name) for name in alternative_names])),
        (True, x509.KeyUsage(**{name: name in usages for name in _USAGES})),
        # Replicas and nodes of a cluster are each other's clients.
        (False, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])),
    )
    return {value.oid: (critical, value) for critical, value in values}


def _general_name(name):
    kind, _colon, value = name.partition(":")
    return x509.IPAddress(ipaddress.ip_address(value)) if kind == "IP" else x509.DNSName(value)


def _key_problems(key, key_type):
    if key_type == "ECC":
        fits = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    else:
        fits = isinstance(key, rsa.RSAPublicKey) and key.key_size == _RSA_BITS
    return [] if fits else ["its key is not of the type that pki_key_type (%s) asks for" % key_type]


def _name(oid):
    # Without a name of its own the library calls it unknown.
    known = getattr(oid, "_name", "")
    return known if known and "Unknown" not in known else oid.dotted_string


def _spelled(extensions, oid):
    if oid not in extensions:
        return "none"
    critical, value = extensions[oid]
    # What a host sends may be long.
    return ("%s%r" % ("critical " if critical else "", value))[:300]
