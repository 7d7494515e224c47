"""After all that was done to it: who gets in, what the Sentinels hold, and where their file is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]
FILE = "/var/lib/redis/sentinel/sentinel.conf"
SECRETS = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "credentials", "orders")


def secret(name):
    return (SECRETS / name).read_text().strip()


@pytest.fixture
def sentinel(host, variables):
    """A function: the lines that this host's Sentinel answers to its administrator."""

    def ask(*words):
        return host.check_output(
            f"REDISCLI_AUTH='{secret('sentinel_admin')}' {variables['lab_cli']} -p 26379 {' '.join(words)} 2>&1"
        ).splitlines()

    return ask


def fields(lines):
    return dict(zip(lines[::2], lines[1::2], strict=True))


def test_the_outsider_reaches_neither_servers_nor_sentinels(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380, 26379)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")


def test_the_app_reaches_both_and_plain_text_is_not_answered(app, addresses):
    states = ping(app, *[f"{address}:{port}" for address in addresses for port in (6380, 26379)])
    assert not any("PONG" in state or "NOAUTH" in state for state in states.values()), states
    reached = "python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)' %s %d"
    for address in addresses:
        for port in (6380, 26379):
            app.check_output(reached % (address.strip("[]"), port))


def test_a_login_and_a_certificate_are_needed(host, variables):
    bare = variables["lab_cli"].replace(" --user admin", "")
    assert "NOAUTH" in host.run(f"{bare} -p 26379 SENTINEL MASTERS 2>&1").stdout
    without = "redis-cli --tls --cacert /etc/redis/tls/ca.crt -p 26379 PING 2>&1"
    assert "PONG" not in host.run(without).stdout and "NOAUTH" not in host.run(without).stdout


def test_the_group_is_watched_as_declared(sentinel):
    row = fields(sentinel("SENTINEL", "MASTER", "mymaster"))
    assert row["flags"] == "master" and row["port"] == "6380"
    assert (row["quorum"], row["num-other-sentinels"], row["num-slaves"]) == ("2", "2", "2")
    assert (row["down-after-milliseconds"], row["failover-timeout"]) == ("5000", "30000")
    assert sentinel("SENTINEL", "CKQUORUM", "mymaster")[0].startswith("OK 3 usable Sentinels")


def test_all_hold_the_same_master_which_says_that_it_is_one(host, sentinel, variables):
    held = sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[0]
    role = host.check_output(f"REDISCLI_AUTH='{secret('admin')}' {variables['lab_cli']} -h {held} -p 6380 ROLE")
    assert role.splitlines()[0] == "master"
    mine = host.check_output(f"REDISCLI_AUTH='{secret('admin')}' {variables['lab_cli']} -p 6380 ROLE").splitlines()
    assert mine[0] == "master" if held == variables["ansible_host"] else mine[:2] == ["slave", held]


def test_the_file_is_the_sentinel_s_own_and_nobody_else_s(host, sentinel):
    file, folder = host.file(FILE), host.file(str(Path(FILE).parent))
    assert (file.user, file.mode) == ("redis", 0o600)
    assert (folder.user, folder.mode) == ("redis", 0o700)
    pid = host.check_output("systemctl show -P MainPID redis-sentinel")
    assert f"config_file:{FILE}" in sentinel("INFO", "server")
    # The process sees all else read-only, whatever its owner and mode are.
    assert host.run(f"touch /proc/{pid}/root{FILE}").rc == 0
    for path in ("/etc/redis/redis.conf", "/etc/redis/users.acl", "/var/lib/redis/conf/redis.conf", "/var/lib/redis"):
        assert "Read-only file system" in host.run(f"touch /proc/{pid}/root{path}").stderr, path


def test_the_sentinels_passwords_are_in_no_other_file(host):
    places = "/etc /root /home /var /usr/local /opt /tmp /run"
    for name, owners in (("sentinel", {FILE}), ("sentinel_peer", {FILE}), ("sentinel_admin", set())):
        found = host.run(f"grep -rlF --devices=skip -e '{secret(name)}' {places} 2>/dev/null").stdout.split()
        assert set(found) == owners, name
