"""db1 after the collection's hand was taken off it: the package's Redis with its data; db2 is still hardened."""

from __future__ import annotations

from neighbours import cli, ping

testinfra_hosts = ["ansible://db1"]
PORT = 7379


def test_nothing_of_the_collection_is_left(host):
    places = "/etc/systemd /etc/sysctl.d /etc/logrotate.d /usr/local/sbin /run/systemd /etc/redis-ports-block"
    assert host.run(f"grep -rlE 'celebrum|redis-ports-block' {places}").stdout == ""
    assert host.run("find /etc /usr/local /run -name 'redis-port*'").stdout == ""


def test_the_kernel_has_no_rule_of_it(host):
    for command in ("iptables-save", "ip6tables-save", "nft list ruleset"):
        listing = host.check_output(command)
        assert "REDIS-PORTS" not in listing and "redis_hardening" not in listing


def test_the_packages_unit_serves_the_same_keys_to_the_same_users(host, password):
    assert host.run("systemctl restart redis-server").rc == 0
    assert host.check_output("systemctl show -P FragmentPath -P DropInPaths redis-server").split() == [
        "/lib/systemd/system/redis-server.service"
    ]
    ask = lambda *words: cli(host, "127.0.0.1", "admin", password("admin"), *words, port=PORT)  # noqa: E731
    assert ask("DBSIZE") == "300"
    assert ask("SET", "key:new", "1") == "OK"
    # Redis can write its own directory again, as the package has it.
    assert ask("CONFIG", "REWRITE") == "OK"
    assert ask("ACL", "SAVE") == "OK"


def test_the_named_port_is_open_and_the_other_hosts_is_not(outsider):
    told = ping(outsider, f"10.77.18.11:{PORT}", f"10.77.18.12:{PORT}")
    assert told[f"10.77.18.11:{PORT}"].startswith("-NOAUTH")
    assert told[f"10.77.18.12:{PORT}"] == "closed"
