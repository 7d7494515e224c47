"""What the running server, the kernel and systemd say on the droplet."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://redis_servers"]


def test_server_runs_and_starts_at_boot(host):
    service = host.service("redis-server")
    assert service.is_running
    assert service.is_enabled
    assert host.service("redis-ports-block").is_enabled


def test_listens_on_the_declared_addresses_only(host, variables):
    with host.sudo():
        lines = host.check_output("ss -Hltnp | grep redis-server").splitlines()
    listening = {line.split()[3] for line in lines}
    assert listening == {
        "127.0.0.1:6379",
        "[::1]:6379",
        variables["ansible_host"] + ":6379",
        "[%s]:6379" % variables["lab_ipv6"],
    }


def test_users(admin):
    users = {line.split()[1]: line.split()[2] for line in admin("ACL", "LIST").splitlines()}
    assert users == {"default": "off", "admin": "on", "app": "on", "retired": "off"}


@pytest.mark.parametrize(
    "command", ["CONFIG", "DEBUG", "FLUSHALL", "FLUSHDB", "KEYS", "SHUTDOWN", "REPLICAOF", "MIGRATE"]
)
def test_renamed_and_disabled_commands_are_unknown(admin, command):
    assert admin(command, "__probe__").startswith("ERR unknown command")


def test_settings_are_live(admin):
    expected = {"maxmemory": str(256 * 2**20), "maxclients": "1000", "timeout": "300", "protected-mode": "yes"}
    for name, value in expected.items():
        assert admin("CONFIG_of_this_test", "GET", name).splitlines() == [name, value]


def test_others_can_not_read_configuration_and_data(host):
    for path in ("/etc/redis", "/etc/redis/redis.conf", "/etc/redis/users.acl", "/var/lib/redis", "/var/log/redis"):
        assert host.run(f"sudo -u nobody test -r {path}").rc != 0, path
        with host.sudo():
            assert host.run(f"test -r {path}").rc == 0, path


WRITABLE = """
import ctypes, os, pwd, sys
pid, user, paths = sys.argv[1], pwd.getpwnam(sys.argv[2]), sys.argv[3:]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), 0) == 0
os.setgroups([]), os.setgid(user.pw_gid), os.setuid(user.pw_uid)
print(*[path for path in paths if os.access(path, os.W_OK)])
"""


def test_server_can_not_write_its_configuration(host):
    """Seen from inside the server's mount namespace, with the server's user and group."""
    paths = ["/etc/redis", "/etc/redis/redis.conf", "/etc/redis/users.acl", "/usr/bin", "/root", "/var/lib/redis"]
    with host.sudo():
        pid = host.check_output("systemctl show -P MainPID redis-server")
        assert host.check_output("python3 -c %s %s redis " + " ".join(paths), WRITABLE, pid) == "/var/lib/redis"


def test_no_password_in_clear_on_the_host(host, password):
    places = "/etc /var/lib/redis /var/log /run/redis /tmp /root /home"
    for user in ("admin", "app"):
        # On standard input, since sudo writes its arguments into the journal.
        found = host.run(f"echo '{password(user)}' | sudo grep -rFl -f - {places}")
        assert found.stdout == ""


@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
def test_our_chain_stands_first(host, tool):
    with host.sudo():
        rules = host.check_output(f"{tool} -S INPUT").splitlines()
        forwarded = host.check_output(f"{tool} -S DOCKER-USER").splitlines()
    assert [rule for rule in rules if rule.startswith("-A")][0].endswith("-j REDIS-PORTS")
    assert [rule for rule in forwarded if rule.startswith("-A")][0].endswith("-j REDIS-PORTS-DOCKER")


def test_kernel_settings_of_the_machine_were_left_alone(host):
    """vm.* is not the container's: the role must skip it, and not even write a file for it."""
    assert not host.file("/etc/sysctl.d/60-redis-hardening.conf").exists
