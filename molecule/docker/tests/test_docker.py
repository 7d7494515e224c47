"""Whatever Docker does to the firewall: closed from outside, open for the named source, and containers reach others."""

from __future__ import annotations

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]

# All at once: what is closed takes its time.
ASK = """
for way in WAYS; do
  (answer=$(timeout 2 redis-cli -h $(echo "${way%:*}" | tr -d '[]') -p "${way##*:}" ping 2>&1) || answer=closed
  echo "$way $answer") &
done
wait
"""


@pytest.fixture
def inside(host):
    """A function: what redis-cli in a container is answered, or 'closed'."""

    def ask(container, *words):
        done = host.run("timeout 1 docker exec %s /bin/redis-cli %s" % (container, " ".join(words)))
        return done.stdout.strip() if done.rc == 0 else "closed"

    return ask


def address(host, container):
    return host.check_output("docker inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' %s" % container)


def test_outsider_finds_no_way(outsider, variables):
    outsider.check_output("ip route replace 127.0.0.1/32 via %s src 10.77.5.200" % variables["ansible_host"])
    answers = outsider.check_output(ASK.replace("WAYS", " ".join(variables["lab_ways"]))).splitlines()
    assert sorted(answers) == sorted(way + " closed" for way in variables["lab_ways"])


def test_the_named_source_gets_in_where_the_port_is_published(host, app, addresses):
    published = host.check_output("docker port all 6379").split()
    target = "%s:6380" % addresses[0]
    assert ping(app, target)[target] == ("+PONG" if "0.0.0.0:6380" in published else "closed")


def test_the_host_itself_gets_in(host):
    for port in (6380, 6381, 6382, 6383):
        assert host.check_output("redis-cli -h 127.0.0.1 -p %d ping" % port) == "PONG"


def test_containers_reach_each_other(host, inside):
    assert inside("all", "-h", address(host, "local"), "ping") == "PONG"
    assert inside("user", "-h", "peer", "-p", "7000", "ping") == "PONG"
    assert inside("peer", "-h", "user", "ping") == "PONG"


def test_containers_reach_the_outside_under_the_address_of_the_host(inside, variables):
    for container in ("all", "user"):
        answer = inside(container, "-h", "10.77.5.100", "-p", "7777", "client", "info")
        assert " addr=%s:" % variables["ansible_host"] in answer


def test_networks_stay_apart(host, inside, variables):
    assert inside("all", "-h", variables["lab_web"] + ".11", "-p", "7000", "ping") == "closed"
    assert inside("user", "-h", address(host, "local"), "ping") == "closed"


def test_the_chain_of_the_operator_is_asked_before_anything_is_accepted(host):
    def rules_of(chain):
        return [line.split(maxsplit=2)[2] for line in host.check_output("iptables -S " + chain).splitlines()[1:]]

    rules = rules_of("FORWARD")
    if rules[0] == "-j REDIS-DOCKER-FORWARD":
        rules = rules_of("REDIS-DOCKER-FORWARD")
    # What keeps Docker's networks apart accepts nothing. With live-restore Docker puts it first.
    assert [rule for rule in rules[:2] if rule != "-j DOCKER-ISOLATION-STAGE-1"][0] == "-j DOCKER-USER"


def test_nothing_of_the_configuration_is_lost(host, variables):
    content = host.check_output("cat /etc/docker/daemon.json")
    assert '"bip": "%s"' % variables["lab_docker_bridge"] in content
    assert '"max-size": "1m"' in content
    assert host.file("/etc/docker/daemon.json").mode == 0o600
