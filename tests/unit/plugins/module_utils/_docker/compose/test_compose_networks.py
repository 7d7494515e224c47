# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that are reached by the ports of others, and servers whose image is not known."""

from __future__ import annotations

import pytest
from test_compose import faults

SHARED = "of cache in its network"


def ports(text, **options):
    """Return (line, service, what is found) of what is published."""
    return [(one.line, one.service, one.found) for one in faults(text, **options) if one.kind == "published"]


def shared(mode, tunnel="{image: vpn, container_name: vpn1, ports: ['7777:7777', '8080:8080']}", server="--port 7777"):
    server = "{image: 'valkey/valkey:8', command: valkey-server %s, %s}" % (server, mode)
    return ports("services:\n  cache: %s\n  tunnel: %s\n" % (server, tunnel))


@pytest.mark.parametrize(
    "mode",
    [
        "network_mode: 'service:tunnel'",
        "network_mode: 'container:vpn1'",
        "network_mode: 'container:shop-tunnel-1'",
        "network_mode: 'container:my_shop_tunnel_1'",
        "network_mode: '${MODE:-service:tunnel}'",
        "net: 'container:tunnel'",
    ],
)
def test_a_server_in_the_network_of_another_service(mode):
    ((line, service, found),) = shared(mode)
    assert (line, service) == (3, "tunnel")
    assert found == "publishes 7777 on all addresses of the host, port 7777, of cache in its network"


@pytest.mark.parametrize(
    "mode",
    ["network_mode: bridge", "network_mode: none", "network_mode: 'container:else'", "network_mode: 'service:gone'"],
)
def test_a_server_in_another_network(mode):
    assert shared(mode) == []


@pytest.mark.parametrize(
    ("server", "found"),
    [
        ("--tls-port 7777 --port 0", 1),
        ("--port=8080", 1),
        ("", 0),
        # Its ports stand in a file that is not looked into.
        ("/etc/valkey.conf", 2),
        ("/etc/valkey.conf --port 7777", 1),
    ],
)
def test_the_ports_of_a_server_in_another_network(server, found):
    assert len(shared("network_mode: 'service:tunnel'", server=server)) == found


def test_the_port_may_stand_in_a_variable():
    text = "services:\n  cache: {image: b/redis, environment: {REDIS_PORT_NUMBER: 7777}, network_mode: 'service:t'}\n"
    assert len(ports(text + "  t: {image: vpn, ports: [{target: 7777, published: 1}, '7777/udp', '9:9']}")) == 1


def test_networks_of_networks():
    text = "services:\n  cache: {image: redis, command: --port 7, network_mode: 'service:b'}\n%s  t: {image: vpn, %s}\n"
    middle = "  b: {image: b, network_mode: 'service:t'}\n"
    assert [line for line, _service, _found in ports(text % (middle, "ports: ['7:7']"))] == [4]
    (on_host,) = ports(text % (middle, "network_mode: host"))
    assert on_host == (2, "cache", "it is in the host's network, which puts all its ports on the host's addresses")
    assert ports(text % ("  b: {image: b, network_mode: 'service:cache'}\n", "ports: ['7:7']")) == []


def test_the_loopback_address_may_be_allowed_there_too():
    text = "services: {c: {image: redis, command: --port 7, network_mode: 'service:t'}, t: {ports: ['127.0.0.1:7:7']}}"
    assert len(ports(text)) == 1
    assert ports(text, allow_loopback=True) == []


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ("{external: true, name: host}", 1),
        ("{external: {name: host}}", 1),
        ("{name: host}", 0),
        ("{external: true}", 0),
        ("", 0),
    ],
)
@pytest.mark.parametrize("form", ["[out]", "{out: {}}"])
def test_the_network_of_the_host_by_its_name(network, found, form):
    assert len(ports("services: {c: {image: redis, networks: %s}}\nnetworks: {out: %s}" % (form, network))) == found


@pytest.mark.parametrize(
    "service",
    [
        "redis: {image: '${I}'",
        "redis: {image: '${REGISTRY}/${I}:${TAG}'",
        "my-valkey: {image: '${I:?name it}'",
        "cache: {image: '${I:-}', container_name: shop-redis",
        "cache: {image: '${VALKEY_IMAGE}'",
        "cache: {image: '${I}', command: [redis-server]",
        "cache: {image: '${I}', expose: [6379]",
        "cache: {image: 'redis/redis-stack-server:${TAG}'",
        "cache: {image: x, command: redis-stack-server",
    ],
)
def test_a_server_whose_image_is_not_known(service):
    ((line, _service, _found),) = ports("services:\n  %s, ports: ['7000:7000']}\n" % service)
    assert line == 2


@pytest.mark.parametrize(
    "service",
    [
        "cache: {image: '${I}'",
        "redis: {image: 'nginx:${TAG}'",
        "redis: {image: '${REGISTRY}/nginx'",
        "redis-exporter: {image: '${I}'",
        "redis: {image: '${REDIS_EXPORTER_IMAGE}'",
    ],
)
def test_other_programs_whose_image_is_not_known(service):
    assert ports("services:\n  %s, ports: ['7000:7000']}\n" % service) == []


def test_ports_that_a_server_inherits():
    text = "services:\n  redis: {extends: base, image: redis}\n  base: {ports: ['7:7'], environment: {PASSWORD: x}}\n"
    assert [(one.line, one.kind, one.service) for one in faults(text)] == [
        (3, "published", "redis"),
        (3, "secret", "redis"),
    ]
    # What the other one is told of is not said twice.
    text = "services:\n  a: {extends: b}\n  b: {image: redis, ports: ['7:7']}\n"
    assert [(line, service) for line, service, _found in ports(text)] == [(3, "b")]


def test_long_chains_end():
    merges = "".join("x%d: &x%d {<<: *x%d}\n" % (n, n, n - 1) for n in range(1, 1500))
    from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import tree

    with pytest.raises(tree.Unreadable, match="line 1: it is nested too deep"):
        faults("x0: &x0 {image: redis}\n%sservices: {a: {<<: *x1499}}" % merges)
    services = "".join("  s%d: {extends: s%d, network_mode: 'service:s%d'}\n" % (n, n + 1, n + 1) for n in range(300))
    assert ports("services:\n" + services) == []


def test_numbers_and_what_compose_alone_knows():
    text = """\
        x-common: &common {restart: always, ports: !override [22:22, 6379]}
        services:
          web: {<<: *common, image: nginx, profiles: [a], network_mode: !reset null, deploy: {replicas: 2}}
          time: {image: ntp, ports: [22:22, 0x50, 8080.5, 1e3, 12:30:45, -1, {target: 22, published: 22:22}]}
        """
    assert [(line, service) for line, service, _found in ports(text)] == [(1, "web")]
