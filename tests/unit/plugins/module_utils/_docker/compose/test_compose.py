# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from textwrap import dedent

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import (
    exposure as compose_exposure,
)

GUARDED = [6379, 6380]


def faults(text, **options):
    return compose_exposure.faults(dedent(text), GUARDED, **options)


def published(ports, image="redis:8.2", **options):
    """Return the faults of one service with these lines in its ports."""
    lines = "".join("      - %s\n" % port for port in ports)
    text = "services:\n  store:\n    image: %s\n    ports:\n%s" % (image, lines)
    return compose_exposure.faults(text, GUARDED, **options)


def test_fault_names_the_line_and_the_line_to_write():
    (one,) = published(['"6379:6379"'])
    assert (one.line, one.kind, one.service) == (5, "published", "store")
    assert one.found == "publishes 6379 on all addresses of the host, port 6379"
    assert one.instead == 'expose: ["6379"] in place of the whole of ports'


@pytest.mark.parametrize(
    "port",
    [
        "6379",
        "6379:6379",
        "16379:6379",
        "6379:80",
        "6379/tcp",
        "0.0.0.0:6379:6379",
        "10.0.0.5::6379",
        "'[::]:6379:6379'",
        "::1:6379:6379",
        "'[::1]:6379:6379'",
        "127.0.0.1:6379:6379",
        "6370-6390:6370-6390",
        "7000-7001:6379-6380",
        "${PORT:-6379}:6379",
        "${BIND:-0.0.0.0}:6379:6379",
        "${BIND}:6379:6379",
        "$PORT:6379",
        "${PORT:-${OTHER:-6380}}:80",
        "{target: 6379, published: 6379}",
        "{target: 6379}",
        '{target: 80, published: "6380"}',
        "{target: 6379, published: 6379, host_ip: 127.0.0.1, mode: host, protocol: tcp}",
    ],
)
def test_guarded_ports_of_any_service_are_found(port):
    assert [one.line for one in published([port], image="shop")] == [5]


@pytest.mark.parametrize(
    "port",
    [
        "80:80",
        "63790:63790",
        "6379/udp",
        "7000-7002:7000-7002",
        "6370-6378:6370-6378",
        "${PORT:-8080}:80",
        "${PORT}:80",
        "${PORT:?6379}:80",
        "{target: 80, published: 8080}",
        "{published: 6379}",
        "{target: 6379, protocol: udp}",
        "[6379]",
        "null",
    ],
)
def test_other_ports_of_other_services_are_left_alone(port):
    assert published([port], image="shop") == []


@pytest.mark.parametrize(
    "image",
    [
        "redis",
        "redis:7-alpine",
        "docker.io/library/redis@sha256:" + "a" * 64,
        "registry.example.org:5000/cache/redis-stack-server",
        "bitnami/valkey:8",
        "eqalpha/keydb",
        "${REDIS_IMAGE:-redis:7}",
        "${REDIS_IMAGE}",
    ],
)
def test_servers_may_publish_no_port_at_all(image):
    assert len(published(["9000:9000"], image=image)) == 1


@pytest.mark.parametrize(
    "image", ["oliver006/redis_exporter", "redislabs/redisinsight:2", "rediscommander/redis-commander", "nginx"]
)
def test_programs_beside_redis_publish_their_own_ports(image):
    assert published(["9000:9000"], image=image) == []


@pytest.mark.parametrize(
    "service",
    [
        "{image: own, command: redis-server --port 7000, ports: ['7000:7000']}",
        "{image: own, entrypoint: [/usr/bin/valkey-server], ports: ['7000:7000']}",
        "{build: ., ports: ['7000:7000']}",
        "{extends: {service: base}, ports: ['7000:7000']}",
        "{extends: base, ports: ['7000:7000']}",
        "{extends: {file: other.yml, service: store}, ports: ['6379']}",
        "{extends: {file: other.yml, service: valkey}, ports: ['7000:7000']}",
        "{ports: ['7000:7000']}",
        "{<<: *base, ports: ['7000:7000']}",
        "{<<: [{labels: {}}, *base], ports: ['7000:7000']}",
        "{image: redis, network_mode: host}",
        "{image: redis, network_mode: '${MODE:-host}'}",
    ],
)
def test_servers_are_known_by_their_program_their_name_and_what_they_inherit(service):
    text = "x-base: &base {image: 'redis:7'}\nservices:\n  base: {image: 'redis:7'}\n  redis: %s\n"
    (one,) = faults(text % service)
    assert (one.line, one.service) == (4, "redis")


def test_what_a_service_says_itself_counts_more_than_what_is_merged_into_it():
    base = "x-base: &base {image: 'redis:7'}\n"
    assert faults(base + "services: {web: {<<: *base, image: nginx, ports: ['9000:9000']}}") == []


def test_a_service_of_which_another_file_says_the_rest():
    assert [one.line for one in faults("services:\n  cache:\n    ports: ['7000:7000', '6379']\n")] == [3]
    assert faults("services:\n  redis-exporter:\n    ports: ['9121:9121']\n") == []


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("include: [infra/redis.yml, ../b.yml]", ["../b.yml", "infra/redis.yml"]),
        ("include:\n  - path: [a.yml, b.yml]\n    env_file: x.env\n  - path: c.yml\n", ["a.yml", "b.yml", "c.yml"]),
        ("services:\n  a: {extends: {file: '${DIR:-.}/base.yml', service: b}}\n", ["./base.yml"]),
        ("services: {a: {extends: {service: b}}, b: {extends: a}, c: {image: redis}}", []),
        ("include: [oci://x/y, https://x/y.git, '${WHERE}/a.yml', '', {x: y}, 7]", ["7"]),
        *[(text, []) for text in ("", "include: a.yml", "include: {path: a.yml}", "services: [a]", "include:")],
    ],
)
def test_files_that_a_file_takes_in(text, paths):
    assert compose_exposure.references(text) == paths


def test_host_network_of_another_service_is_left_alone():
    assert faults("services: {web: {image: nginx, network_mode: host}}") == []


def test_line_is_that_of_the_anchor_where_the_ports_stand():
    text = """\
        x-ports: &ports
          - "6379:6379"
        services:
          redis: {image: redis, ports: *ports}
        """
    assert [one.line for one in faults(text)] == [2]


def test_old_files_without_the_key_services():
    assert [one.line for one in faults("redis:\n  image: redis\n  ports:\n    - '6379:6379'\n")] == [4]


def test_one_of_several_entries():
    one, two = published(["80:80", "6379:6379"], image="shop"), published(["6379:6379", "6380:6380"])
    assert [fault.line for fault in one] == [6]
    assert [fault.line for fault in two] == [5, 6]
    assert one[0].instead == 'expose: ["6379"] beside ports, and delete this entry'


@pytest.mark.parametrize("port", ["127.0.0.1:6379:6379", "'[::1]:6379:6379'", "${BIND:-127.0.0.1}:6379:6379"])
def test_loopback_may_be_allowed(port):
    (one,) = published([port])
    assert "Docker before 28" in one.found
    assert published([port], allow_loopback=True) == []


@pytest.mark.parametrize("port", ["6379:6379", "${BIND}:6379:6379", "10.0.0.5:6379:6379", "{target: 6379}"])
def test_only_loopback_is_allowed(port):
    assert len(published([port], allow_loopback=True)) == 1


def test_the_env_file_decides():
    port = "${BIND:-127.0.0.1}:6379:6379"
    assert len(published([port], environment={"BIND": "0.0.0.0"}, allow_loopback=True)) == 1
    assert published(["${PORT}:80"], image="shop", environment={"PORT": "6379"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services:\n  redis: [", "line 2"),
        ("services:\n\tredis: {}", "line 2"),
        ("- a\n- b\n", "line 1: a Compose file is a mapping"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("a: \x00", "line 1"),
        ("[\n" * 5000, "line 1"),
        ("a: *b", "line 1"),
    ],
)
def test_unreadable_files_are_named_with_the_line(text, words):
    with pytest.raises(compose_exposure.Unreadable, match=words):
        faults(text)


@pytest.mark.parametrize("text", ["", "# nothing", "services:", "services: {redis: }", "services: [redis]", "x: 1"])
def test_files_without_services_have_no_faults(text):
    assert faults(text) == []


def test_mapping_that_is_merged_into_itself_ends():
    assert faults("services: {redis: &r {image: redis, <<: *r}, a: {extends: b}, b: {extends: a}}") == []


def test_merges_upon_merges_are_read_once():
    lines = ["x0: &x0 {image: redis}"] + ["x%d: &x%d {<<: [*x%d, *x%d]}" % (n, n, n - 1, n - 1) for n in range(1, 60)]
    text = "\n".join([*lines, "services: {store: {<<: *x59, ports: ['1:1']}}"])
    assert len(faults(text)) == 1
