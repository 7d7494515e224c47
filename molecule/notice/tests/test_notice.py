"""Who sees the notice on the reserved ports, by default, and what stays behind of it."""

from __future__ import annotations

import json
import re

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]

TEXT = (
    "Port %d is reserved, there is no Redis here. Connect to port 7000 instead. "
    'Documentation: https://wiki.example.org/redis?a=1&b="%%n $x" Contact: redis@example.org'
)
CANARY = "canary-77d0-password"
LOG = "/var/log/redis_port_notice.log"
# As they come on Debian 12, without being installed: a neighbour may install nothing.
REDIS_PY = "for deb in /var/cache/apt/archives/python3-*.deb; do dpkg-deb -x $deb /tmp/redis-py; done"
CLIENTS = """
import json, ssl, socket, sys, urllib.error, urllib.request
import redis
host, port = sys.argv[1], int(sys.argv[2])
seen = {}
try:
    redis.Redis(host, port, username="app", password=sys.argv[3], socket_timeout=3).get("x")
except redis.RedisError as error:
    seen["redis-py"] = str(error)
try:
    with socket.create_connection((host, port), 3) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="x")
except ssl.SSLError as error:
    seen["tls"] = error.reason
try:
    urllib.request.urlopen("http://%s:%d/%s" % ("[%s]" % host if ":" in host else host, port, sys.argv[3]), timeout=3)
except urllib.error.HTTPError as error:
    seen["http"] = [error.code, error.read().decode()]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def redis_py(app):
    app.check_output(REDIS_PY)
    return "PYTHONPATH=/tmp/redis-py/usr/lib/python3/dist-packages"


@pytest.mark.parametrize("port", [6379, 6380])
def test_the_app_is_told_where_to_go(app, addresses, redis_py, port):
    for address in addresses:
        host = address.strip("[]")
        shown = app.check_output(f"redis-cli -h {host} -p {port} GET x 2>&1")
        assert TEXT % port in shown
        seen = json.loads(app.check_output(f"{redis_py} python3 -c %s {host} {port} {CANARY}", CLIENTS))
        assert TEXT % port in "ERR " + seen["redis-py"]
        assert "HANDSHAKE_FAILURE" in seen["tls"]
        assert seen["http"] == [410, TEXT % port + "\n"]


def test_the_outsider_gets_no_answer(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380, 63790)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")
    # The network is there.
    assert ping(outsider, f"{addresses[0]}:22")[f"{addresses[0]}:22"].startswith("SSH")


def test_the_host_itself_sees_it(host):
    for port in (6379, 6380):
        assert TEXT % port in host.run(f"redis-cli -p {port} PING").stdout


def test_redis_is_where_it_belongs(app, addresses):
    targets = [f"{address}:7000" for address in addresses]
    assert all(answer.startswith("-NOAUTH") for answer in ping(app, *targets).values())


def test_the_log_has_attempts_and_never_a_payload(host, app, addresses):
    for address in addresses:
        app.run(f"redis-cli -h {address.strip('[]')} -p 6380 -a {CANARY} --no-auth-warning PING")
    text = host.file(LOG).content_string
    assert re.search(r"from=10\.77\.16\.100 port=6380 client=redis$", text, re.MULTILINE)
    assert re.search(r"from=fd77:16::100 port=6380 client=redis$", text, re.MULTILINE)
    assert CANARY not in text
    assert CANARY not in host.check_output("journalctl --no-pager -u redis-port-notice")
    status = host.file(LOG)
    assert (status.user, oct(status.mode)) == ("root", "0o640")


def test_the_log_is_rotated(host, app, addresses):
    host.check_output("logrotate -f /etc/logrotate.d/redis-port-notice")
    assert "port=6380" in host.file(LOG + ".1").content_string
    assert "port=6380" not in host.file(LOG).content_string
    app.run(f"redis-cli -h {addresses[0]} -p 6380 PING")
    assert "port=6380 client=redis" in host.file(LOG).content_string


def test_the_sandbox(host):
    shown = host.run("systemd-analyze security --no-pager redis-port-notice.service").stdout
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", shown)[1]) <= 1.5


def test_it_runs_as_nobody_in_particular(host):
    pid = host.check_output("systemctl show -p MainPID --value redis-port-notice")
    status = host.file(f"/proc/{pid}/status").content_string
    assert re.search(r"^CapBnd:\s0+$", status, re.MULTILINE)
    assert int(re.search(r"^Uid:\s(\d+)", status, re.MULTILINE)[1]) > 60000
