# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about servers that do what they should, and about servers that do not."""

from __future__ import annotations

import os

import pytest
from tls_lab import Authority

OLD_VERSIONS = ('tls-protocols "TLSv1 TLSv1.1 TLSv1.2"', "tls-ciphers ALL:@SECLEVEL=0")


@pytest.fixture
def place(server):
    folder = server.folder / "tls"
    folder.mkdir()
    return folder


@pytest.fixture
def authority(server, place):
    one = Authority(server.folder / "authority")
    one.issue(place)
    return one


@pytest.fixture
def verify(server, place, authority, run_module):
    """A function: start the server with these lines, verify with these options, return {(id, subject): status}."""

    def ask(*lines, client=True, **more):
        base = ["tls-ca-cert-file %s/ca.crt" % place, "tls-cert-file %s/redis.crt" % place]
        server.start("\n".join([*base, "tls-key-file %s/redis.key" % place, *lines]))
        options = {
            "login_host": server.host,
            "login_port": server.tls_port,
            "certificate": (place / "redis.crt").read_text(),
            "ca": authority.certificate,
            "names": ["db1", "127.0.0.1"],
            "min_days": 1,
            "login_timeout": 2,
        }
        if client:
            options |= {"client_cert_file": f"{place}/redis.crt", "client_key_file": f"{place}/redis.key"}
        ask.result = run_module("redis_tls_verify", options | more)
        assert "findings" in ask.result, ask.result
        return {(entry["id"], entry["subject"]): entry["status"] for entry in ask.result["findings"]}

    return ask


def failed(found):
    return {key for key, status in found.items() if status == "fail"}


def test_a_good_server(verify, server, place):
    os.chmod(place / "redis.key", 0o640)
    found = verify(key_file=f"{place}/redis.key")
    assert set(found.values()) == {"pass"}, verify.result
    assert set(found) == {
        *(("RH-TLS-01", version) for version in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")),
        *(("RH-TLS-02", ""), ("RH-TLS-03", ""), ("RH-TLS-03", "db1"), ("RH-TLS-03", "127.0.0.1")),
        *(("RH-TLS-04", ""), ("RH-TLS-04", "CA authority CA")),
        *(("RH-TLS-05", "client without certificate"), ("RH-TLS-05", "client with a certificate of the CA")),
        *(("RH-TLS-06", f"plain text on port {server.tls_port}"), ("RH-TLS-07", f"{place}/redis.key")),
    }
    # The plaintext port of this server is open.
    assert failed(verify(plaintext_port=server.port)) == {("RH-TLS-06", f"plaintext port {server.port}")}


def test_old_versions(verify):
    assert failed(verify(*OLD_VERSIONS)) == {
        *(("RH-TLS-01", version) for version in ("TLSv1", "TLSv1.1", "TLSv1.3")),
    }


def test_a_version_that_is_missing(verify):
    assert failed(verify("tls-protocols TLSv1.3")) == {("RH-TLS-01", "TLSv1.2")}


def test_another_certificate_than_declared(verify, place, authority):
    declared = (place / "redis.crt").read_text()
    authority.issue(place)
    assert failed(verify(certificate=declared)) == {("RH-TLS-02", "")}
    assert verify(certificate=None)[("RH-TLS-02", "")] == "skipped"


def test_another_ca(verify, server):
    other = Authority(server.folder / "other")
    assert failed(verify(ca=other.certificate)) == {("RH-TLS-03", "")}
    assert verify(ca=None)[("RH-TLS-03", "")] == "skipped"


def test_a_name_that_is_missing(verify):
    assert failed(verify(names=["db1", "db2"])) == {("RH-TLS-03", "db2")}


@pytest.mark.parametrize(("days", "also"), [(2, set()), (-1, {("RH-TLS-03", "")})])
def test_the_end(verify, place, authority, days, also):
    # The client's own certificate stays good.
    client = place.parent / "client"
    client.mkdir()
    authority.issue(client)
    pair = {"client_cert_file": f"{client}/redis.crt", "client_key_file": f"{client}/redis.key"}
    authority.issue(place, days=days)
    found = verify(min_days=3, **pair)
    assert failed(found) == {("RH-TLS-04", "")} | also
    actual = next(entry["actual"] for entry in verify.result["findings"] if entry["id"] == "RH-TLS-04")
    assert actual.startswith("1 days, until" if days > 0 else "expired on"), actual


@pytest.mark.parametrize("protocols", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize(("does", "declared"), [("no", "yes"), ("yes", "optional")])
def test_client_certificates(verify, does, declared, protocols):
    found = verify(f"tls-auth-clients {does}", f'tls-protocols "{protocols}"', auth_clients=declared)
    assert failed(found) - {key for key in found if key[0] == "RH-TLS-01"} == {
        ("RH-TLS-05", "client without certificate")
    }


@pytest.mark.parametrize("does", ["no", "optional"])
def test_client_certificates_that_are_not_demanded(verify, does):
    assert not failed(verify(f"tls-auth-clients {does}", auth_clients=does, client=False))


def test_plain_text_on_the_tls_port(verify, server):
    found = failed(verify("tls-port 0", f"port {server.tls_port}", login_timeout=0.5))
    assert ("RH-TLS-06", f"plain text on port {server.tls_port}") in found
    assert {key[0] for key in found} == {f"RH-TLS-0{n}" for n in range(1, 7)}


def test_nothing_listens(verify, server):
    found = verify("tls-port 0", plaintext_port=server.port)
    assert set(found.values()) == {"fail"} and len({key[0] for key in found}) == 6


def test_a_key_that_others_can_read(verify, place):
    os.chmod(place / "redis.key", 0o644)
    assert failed(verify(key_file=f"{place}/redis.key")) == {("RH-TLS-07", f"{place}/redis.key")}
    assert verify(key_file=f"{place}/none.key")[("RH-TLS-07", f"{place}/none.key")] == "error"


def test_options_that_can_not_be_used(server, place, authority, run_module):
    server.start()
    where = {"login_host": server.host, "login_port": server.tls_port}
    for more in (
        {"client_cert_file": f"{place}/none", "client_key_file": f"{place}/redis.key"},
        {"client_cert_file": f"{place}/redis.crt", "client_key_file": f"{place}/ca.crt"},
        {"certificate": "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"},
    ):
        assert run_module("redis_tls_verify", where | more)["failed"], more
