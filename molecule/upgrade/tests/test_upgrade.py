"""After the upgrade: the newest version, the new program, the old data."""

from __future__ import annotations

testinfra_hosts = ["ansible://redis_servers"]


def test_the_newest_version_is_installed_and_held(host):
    for name in ("redis-server", "redis-tools"):
        policy = dict(
            line.strip().split(": ", 1)
            for line in host.check_output(f"apt-cache policy {name}").splitlines()
            if ": " in line
        )
        assert policy["Installed"] == policy["Candidate"]
    assert host.check_output("apt-mark showhold").split() == ["redis-server", "redis-tools"]


def test_the_process_runs_the_program_that_is_installed(host):
    pid = host.check_output("systemctl show -P MainPID redis-server")
    assert pid != host.file("/opt/lab/old-pid").content_string.strip()
    running, installed = host.check_output(f"sha256sum /proc/{pid}/exe /usr/bin/redis-server | cut -d' ' -f1").split()
    assert running == installed


def test_the_package_has_not_given_the_configuration_back_to_the_server(host):
    with host.sudo():
        folder, file = host.file("/etc/redis"), host.file("/etc/redis/redis.conf")
        assert (folder.user, folder.group, folder.mode) == ("root", "redis", 0o750)
        assert (file.user, file.group, file.mode) == ("root", "redis", 0o640)


def test_the_data_has_survived(admin, variables):
    assert admin("GET", "upgrade:survivor") == variables["inventory_hostname"]


def test_nothing_stays_behind(host):
    assert host.check_output("ls /usr/sbin/policy-rc.d* 2>/dev/null | wc -l") == "0"
    assert host.check_output("dpkg --audit") == ""
