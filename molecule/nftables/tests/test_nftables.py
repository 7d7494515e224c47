"""The table holds the ports closed, beside UFW and Docker, and is all that is left of the backends."""

from __future__ import annotations

from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]


def test_outsider_finds_everything_closed(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")


def test_app_reaches_both(app, addresses):
    for address in addresses:
        assert ping(app, f"{address}:6379")[f"{address}:6379"].startswith("-NOAUTH")
    # Docker publishes for IPv4 here.
    published = addresses[0] + ":6380"
    assert ping(app, published)[published] == "+PONG"


def test_the_container_still_serves_its_host(host):
    assert host.check_output("redis-cli -p 6380 PING") == "PONG"


def test_only_one_backend_is_left(host):
    with host.sudo():
        assert "chain containers" in host.check_output("nft list table inet redis_ports")
        for tables in ("iptables", "ip6tables"):
            assert "REDIS-PORTS" not in host.check_output(f"{tables}-save")
        assert host.file("/etc/redis-ports-block").listdir() == ["rules.nft"]
        assert host.run("redis-ports-block check").rc == 0


def test_ufw_is_still_on(host):
    with host.sudo():
        assert "Status: active" in host.check_output("ufw status")
