"""Who gets in over TLS, who does not, and where the keys are."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]
PKI = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "pki")


@pytest.fixture
def by_tls(app, variables, password):
    """A function: run a command as the user app over TLS from the neighbour app, with this certificate or none."""

    def run(*command, certificate="app", address=None):
        pair = f"--cert /tmp/tls/{certificate}.crt --key /tmp/tls/{certificate}.key" if certificate else ""
        return app.run(
            f"REDISCLI_AUTH='{password('app')}' timeout 5 redis-cli --no-auth-warning --user app --tls {pair} "
            f"--cacert /tmp/tls/ca.crt -h {address or variables['ansible_host']} -p 6380 {' '.join(command)} 2>&1"
        ).stdout.strip()

    return run


def test_the_app_gets_in_with_its_certificate(by_tls, variables):
    assert by_tls("SET", "app:1", "one") == "OK"
    assert by_tls("GET", "app:1", address=variables["lab_ipv6"]) == "one"
    assert by_tls("CONFIG", "GET", "dir").startswith("NOPERM")


@pytest.mark.parametrize("certificate", [None, "stranger"])
def test_nobody_gets_in_without_a_certificate_of_the_ca(by_tls, certificate):
    answer = by_tls("GET", "app:1", certificate=certificate)
    assert answer != "one" and ("alert" in answer.lower() or "closed" in answer or "reset" in answer), answer


def test_plain_text_is_closed(app, addresses):
    states = ping(app, *[f"{address}:{port}" for address in addresses for port in (6379, 6380)])
    assert not any("PONG" in state or "NOAUTH" in state for state in states.values()), states
    assert {state for target, state in states.items() if target.endswith(":6379")} == {"closed"}


def test_the_outsider_reaches_nothing(outsider, addresses):
    assert set(ping(outsider, *[f"{a}:{port}" for a in addresses for port in (6379, 6380)]).values()) == {"closed"}


def test_the_server_listens_for_tls_only(host):
    lines = host.check_output("ss -Hltnp | grep redis-server").splitlines()
    assert {line.split()[3].rpartition(":")[2] for line in lines} == {"6380"}


def test_replication_and_cluster_use_tls(host, password):
    answer = host.check_output(
        f"REDISCLI_AUTH='{password('admin')}' redis-cli --no-auth-warning --user admin --tls "
        "--cert /etc/redis/tls/redis.crt --key /etc/redis/tls/redis.key --cacert /etc/redis/tls/ca.crt -p 6380 "
        "CONFIG GET tls-replication tls-cluster"
    ).splitlines()
    found = dict(zip(answer[::2], answer[1::2], strict=True))
    assert found["tls-replication"] == found["tls-cluster"] == "yes"


def body(path):
    """A line from the middle of a PEM file, by which its content is found anywhere."""
    lines = path.read_text().splitlines() if isinstance(path, Path) else path.splitlines()
    return lines[len(lines) // 2]


def test_the_ca_s_key_is_on_no_host(host):
    for secret in (body(PKI / "ca.key"), (PKI / "ca.passphrase").read_text().strip()):
        places = "/etc /root /home /var /usr/local /opt /tmp /run"
        found = host.run(f"grep -rlF --devices=skip -e '{secret}' {places} 2>/dev/null")
        assert found.stdout == ""
    # The search finds what is there.
    assert "/etc/redis/tls" in host.run(f"grep -rlF '{body(PKI / 'ca.crt')}' /etc").stdout


def test_the_ca_s_key_is_encrypted_and_private(host):
    key = PKI / "ca.key"
    assert "ENCRYPTED" in key.read_text() and stat.S_IMODE(key.stat().st_mode) == 0o600
    for phrase, works in (("wrong", False), ((PKI / "ca.passphrase").read_text().strip(), True)):
        done = subprocess.run(
            ["openssl", "pkey", "-in", key, "-noout", "-passin", "stdin"], input=phrase, text=True, capture_output=True
        )
        assert (done.returncode == 0) == works
    assert stat.S_IMODE((PKI / "ca.passphrase").stat().st_mode) == 0o600


def test_the_host_s_key_stays_there_and_is_private(host):
    secret = body(host.check_output("cat /etc/redis/tls/redis.key"))
    found = subprocess.run(["grep", "-rlF", "-e", secret, str(PKI.parent)], capture_output=True, text=True)
    assert found.stdout == ""
    assert host.run("sudo -u nobody cat /etc/redis/tls/redis.key").rc != 0
    assert host.run("sudo -u redis cat /etc/redis/tls/redis.key").rc == 0
    assert host.run("sudo -u redis sh -c 'echo >> /etc/redis/tls/redis.key'").rc != 0
    # Nothing of the making is left.
    assert not host.file("/run/redis-hardening-pki").exists
    # Nor of what has been rotated.
    assert host.check_output("find /etc/redis -name redis.key | wc -l") == "1"
    assert not host.file("/etc/redis/tls.previous").exists


CHECK = """
import json, socket, ssl, sys
directory, *names = sys.argv[1:]
states = {}
for name in names:
    context = ssl.create_default_context(cafile=directory + "/ca.crt")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(directory + "/app.crt", directory + "/app.key")
    address, _slash, wanted = name.partition("/")
    try:
        with context.wrap_socket(socket.create_connection((address, 6380), timeout=5), server_hostname=wanted) as s:
            s.sendall(b"PING\\r\\n")
            states[wanted] = s.recv(100).decode()[:7]
    except ssl.SSLCertVerificationError as error:
        states[wanted] = "not named"
print(json.dumps(states))
"""


def test_a_strict_client_believes_the_declared_names_and_no_other(app, variables):
    address, name = variables["ansible_host"], variables["inventory_hostname"]
    wanted = [name, address, variables["lab_ipv6"], "other.example.com", "10.77.7.99"]
    targets = " ".join(f"{address}/{entry}" for entry in wanted)
    states = json.loads(app.check_output("python3 -c %s /tmp/tls " + targets, CHECK))
    assert [states[entry] for entry in wanted] == ["-NOAUTH"] * 3 + ["not named"] * 2
