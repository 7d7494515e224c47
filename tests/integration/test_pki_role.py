# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""roles/pki as it is, and hosts that lie to it: whatever Python a host has answers for it."""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = shutil.which("ansible-playbook", path=str(Path(sys.executable).parent)) or shutil.which("ansible-playbook")
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
OWN = ("localhost", "127.0.0.1", "::1")
FACTS = {
    "ansible.builtin.set_fact": {
        "ansible_distribution": "Debian",
        "ansible_distribution_major_version": "12",
        "cacheable": True,
    },
}


def play(folder, hosts, playbook, *arguments):
    """Run a playbook (a path or a list of plays) in the directory. hosts: name -> variables. Returns (code, output)."""
    inventory = {"redis_servers": {"hosts": {name: LOCAL | variables for name, variables in hosts.items()}}}
    inventory["ungrouped"] = {"hosts": {"localhost": LOCAL}}
    (folder / "inventory.json").write_text(json.dumps({"all": {"children": inventory}}))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    if not isinstance(playbook, Path):
        (folder / "playbook.json").write_text(json.dumps(playbook))
        playbook = folder / "playbook.json"
    done = subprocess.run(
        [PROGRAM, "-i", "inventory.json", str(playbook), *arguments],
        cwd=folder,
        env={
            **{name: os.environ[name] for name in ("PATH", "ANSIBLE_COLLECTIONS_PATH") if name in os.environ},
            **{"HOME": str(folder), "ANSIBLE_CONFIG": "ansible.cfg", "LC_ALL": "C.UTF-8"},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, " ".join(done.stdout.split())


def request(name, names=None, usages=(Usage.SERVER_AUTH, Usage.CLIENT_AUTH), subject=None, more=()):
    """Return a request as the role makes it, except for what is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in OWN[1:]]
    dns = [x509.DNSName(text) for text in (names or [name]) + [OWN[0]]]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject or name)])
    )
    for extension, critical in (
        (x509.SubjectAlternativeName(dns + addresses), False),
        (x509.KeyUsage(digital_signature=True, **usage), True),
        (x509.ExtendedKeyUsage(list(usages)), False),
        *more,
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


# host -> (what it returns instead of the request that it was told to make, what the run says)
LIARS = {
    "another": ({"csr": request("another", ["another", "bank"])}, "subjectAltName: it has"),
    "fewer": ({"csr": request("bank")}, "its subject is CN=bank, not CN=fewer"),
    "client": ({"csr": request("client", usages=[Usage.CLIENT_AUTH])}, "extendedKeyUsage: it has"),
    "ca": (
        {"csr": request("ca", more=[(x509.BasicConstraints(True, None), True)])},
        "basicConstraints: it has critical",
    ),
    "signer": ({"csr": request("signer", usages=[Usage.CODE_SIGNING])}, "extendedKeyUsage: it has"),
    "fact": (
        {"csr": request("fact", ["bank"]), "ansible_facts": {"pki_names": ["bank"]}},
        "pki_names is among the facts of the host",
    ),
    "helper": (
        {"csr": request("helper", ["bank"]), "ansible_facts": {"own_name": "bank"}},
        "Facts of the host have the names of variables (own_name)",
    ),
    "nothing": ({"csr": "nothing"}, "request can't be read"),
}


@pytest.fixture
def hosts(tmp_path):
    """Names -> variables. A host's Python is a program of its own, which says of packages that they are there."""
    found = {}
    for name, answers in {
        "honest": {},
        **{name: {"openssl_csr_pipe": lie} for name, (lie, _says) in LIARS.items()},
    }.items():
        place = tmp_path / "hosts" / name
        (place / "etc").mkdir(parents=True)
        cases = ""
        for module, answer in {"apt": {}, **answers}.items():
            (place / module).write_text(json.dumps({"changed": False, **answer}))
            cases += f"*AnsiballZ_{module}.py*) cat {shlex.quote(str(place / module))} ;;\n"
        python = place / "python"
        python.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}*) exec {shlex.quote(sys.executable)} "$@" ;;\nesac\n')
        python.chmod(0o755)
        found[name] = {
            "ansible_python_interpreter": str(python),
            "pki_dir": str(tmp_path / "pki"),
            "pki_host_dir": str(place / "etc" / "tls"),
            "pki_group": "root",
            "own_name": name,
            "pki_names": ["{{ own_name }}"],
            "staging": str(place / "new" / "redis.key"),
        }
    return found


def test_a_host_gets_a_certificate_for_itself_and_for_nothing_else(hosts, tmp_path):
    role = {"ansible.builtin.import_role": {"name": "celebrum.redis_hardening.pki"}}
    plays = [{"hosts": "redis_servers", "gather_facts": False, "tasks": [FACTS, role]}]
    code, output = play(tmp_path, hosts, plays, "-e", "__pki_staged_key={{ staging }}")
    assert code == 2, output
    issued = {path.stem for path in (tmp_path / "pki" / "hosts").glob("*.crt")}
    assert issued == {"honest"}, output
    for name, (_lie, says) in LIARS.items():
        assert says in output, (name, output)
        assert not (tmp_path / "hosts" / name / "etc" / "tls").exists()

    certificate = x509.load_pem_x509_certificate(
        (tmp_path / "hosts" / "honest" / "etc" / "tls" / "redis.crt").read_bytes()
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(str(name.value) for name in names) == sorted(["honest", *OWN])
    assert certificate.subject.rfc4514_string() == "CN=honest"
    assert not [one for one in certificate.extensions if one.oid == x509.BasicConstraints.oid]
    assert not Path(hosts["honest"]["staging"]).parent.exists()


def test_check_mode_where_there_is_no_ca_yet(tmp_path):
    variables = {"pki_dir": str(tmp_path / "pki"), "pki_clients": ["shop"], "redis_allow_untested_system": True}
    playbook, files = CHECKOUT / "playbooks" / "client_certificates.yml", tmp_path / "pki" / "clients"
    code, output = play(tmp_path, {"db1": variables}, playbook, "--check")
    assert code == 0 and "changed=0" not in output and not (tmp_path / "pki").exists(), output
    code, output = play(tmp_path, {"db1": variables}, playbook)
    assert code == 0 and sorted(os.listdir(files)) == ["shop.crt", "shop.key"], output
    code, output = play(tmp_path, {"db1": variables}, playbook, "--check")
    assert code == 0 and "changed=0" in output, output
    code, output = play(tmp_path, {"db1": variables | {"pki_clients": ["shop", "till"]}}, playbook, "--check")
    assert code == 0 and "changed=0" not in output and len(os.listdir(files)) == 2, output
