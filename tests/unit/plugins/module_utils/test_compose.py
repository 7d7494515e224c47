from __future__ import annotations

from textwrap import dedent

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _compose
from hypothesis import given
from hypothesis import strategies as st

GUARDED = [6379, 6380]


def faults(text, **options):
    return _compose.faults(dedent(text), GUARDED, **options)


def published(ports, image="redis:8.2", **options):
    """Return the faults of one service with these lines in its ports."""
    lines = "".join("      - %s\n" % port for port in ports)
    text = "services:\n  store:\n    image: %s\n    ports:\n%s" % (image, lines)
    return _compose.faults(text, GUARDED, **options)


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


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("command: redis-server --requirepass %s", "command has a password after --requirepass"),
        ("command: [redis-server, --requirepass, %s]", "command has a password after --requirepass"),
        ("command: [redis-server, '--requirepass %s']", "command has a password after --requirepass"),
        ("command: sh -c 'redis-server --masterauth \"%s\"'", "command has a password after --masterauth"),
        ("command: redis-server --requirepass ${REDIS_PASSWORD}", "command has a password after --requirepass"),
        ("healthcheck: {test: [CMD, redis-cli, -a, %s, ping]}", "healthcheck has a password after -a"),
        ("healthcheck: {test: redis-cli --pass %s ping}", "healthcheck has a password after --pass"),
        ("healthcheck: {test: REDISCLI_AUTH=%s redis-cli ping}", "healthcheck has a password after REDISCLI_AUTH"),
        ("environment: {REDIS_PASSWORD: %s}", "environment has the password in REDIS_PASSWORD"),
        ("environment: ['REDIS_PASSWORD=%s']", "environment has the password in REDIS_PASSWORD"),
        ("environment: [REDIS_PASSWORD]", "environment has the password in REDIS_PASSWORD"),
        ("environment: {REDIS_PASSWORD: }", "environment has the password in REDIS_PASSWORD"),
        ("environment: {PASSWORD: %s}", "environment has the password in PASSWORD"),
        ("environment: {REDISCLI_AUTH: %s}", "environment has the password in REDISCLI_AUTH"),
        ("environment: {VALKEY_PASSWORD: '${VALKEY_PASSWORD}'}", "environment has the password in VALKEY_PASSWORD"),
    ],
)
def test_passwords_are_found_and_not_told(line, words):
    line = line.replace("%s", SECRET)
    (one,) = faults("services:\n  redis:\n    image: redis\n    %s\n" % line)
    assert (one.line, one.kind, one.found) == (4, "secret", words)
    assert SECRET not in repr(one)


@pytest.mark.parametrize(
    "line",
    [
        "environment: {REDIS_URL: 'redis://:%s@redis:6379/0'}",
        "environment: ['CACHE=rediss://shop:%s@redis:6379']",
        "environment: {REDIS_PASSWORD: %s}",
        "command: worker --broker redis://:%s@redis:6379",
        "command: redis-cli -h redis -a %s monitor",
    ],
)
def test_passwords_of_clients_are_found(line):
    text = "services:\n  shop:\n    image: shop\n    %s\n" % line.replace("%s", SECRET)
    found = faults(text)
    assert {one.kind for one in found} == {"secret"}
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        "command: [redis-server, /etc/redis/redis.conf]",
        "command: [redis-server, --requirepass, '']",
        "command: redis-server --requirepass --port 7000",
        "command: sh -c 'redis-server --requirepass \"$$(cat /run/secrets/redis)\"'",
        "healthcheck: {test: 'REDISCLI_AUTH=$$(cat /run/secrets/redis) redis-cli ping'}",
        "healthcheck: {test: [CMD, grep, -a, x, /etc/passwd]}",
        "environment: {REDIS_PASSWORD_FILE: /run/secrets/redis}",
        "environment: {REDIS_PASSWORD: ''}",
        "environment: {ALLOW_EMPTY_PASSWORD: 'yes', REDIS_URL: 'redis://redis:6379'}",
        "environment: {TZ: UTC}",
    ],
)
def test_what_holds_no_password(line):
    assert faults("services:\n  redis:\n    image: redis\n    %s\n" % line) == []


def test_other_services_may_have_passwords_of_their_own():
    assert faults("services: {db: {image: postgres, environment: {POSTGRES_PASSWORD: x}, command: tar -a x}}") == []


def test_line_inside_a_block():
    text = """\
        services:
          redis:
            image: redis
            command: |
              redis-server
              --requirepass hunter2
        """
    assert [one.line for one in faults(text)] == [6]


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
    with pytest.raises(_compose.Unreadable, match=words):
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


NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)
WORDS = st.text(st.characters(exclude_characters="$\x00", exclude_categories=["Cs"]), max_size=12)


@given(WORDS)
def test_text_without_dollars_stays(text):
    assert _compose.interpolate(text, {}) == text
    assert _compose.interpolate(text.replace("a", "$$"), {}) == text.replace("a", "$")


@given(NAMES, st.from_regex(r"[a-z0-9.:]*", fullmatch=True), st.from_regex(r"[a-z0-9.:]+", fullmatch=True))
def test_variables(name, default, value):
    have = {name: value}
    assert _compose.interpolate("${%s:-%s}" % (name, default), {}) == default
    assert _compose.interpolate("${%s:-%s}" % (name, default), {name: ""}) == default
    assert _compose.interpolate("${%s-%s}" % (name, default), {name: ""}) == ""
    for form in ("${%s}", "$%s", "${%s:-other}", "${%s-other}", "${%s:?missing}", "${%s?}"):
        assert _compose.interpolate(form % name, have) == value
    assert _compose.interpolate("${%s:+%s}" % (name, default), have) == default
    assert _compose.interpolate("${%s:+%s}" % (name, default), {}) == ""
    assert _compose.interpolate("${%s}" % name, {}) == _compose.UNKNOWN


PORTS = st.integers(1, 65535)
HOSTS = st.one_of(st.just(""), st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))


@given(HOSTS, PORTS, PORTS, st.booleans(), st.sampled_from(["", "/tcp", "/udp"]))
def test_short_form_means_what_was_written(host, port, target, brackets, protocol):
    written = "[%s]" % host if ":" in host and brackets else host
    text = "%s%d:%d%s" % (written + ":" if host else "", port, target, protocol)
    assert _compose.parse_short(text) == _compose.Publication(
        host, (port, port), (target, target), protocol.strip("/") or "tcp"
    )


@given(st.text(max_size=40))
def test_any_text_is_a_port_or_none(text):
    one = _compose.parse_short(text)
    assert one.published is None or one.published[0] >= 0
    assert one.touches([6379]) in (True, False)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        _compose.faults(text, GUARDED)
    except _compose.Unreadable as error:
        assert str(error).startswith("line ")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["redis", "6379:6379"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["image", "ports", "command", "environment", "extends", "healthcheck", "network_mode", "build", "<<"]


@given(st.dictionaries(st.text(max_size=4), st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=3))
def test_values_of_any_type_are_survived(services):
    text = yaml.safe_dump({"services": services})
    lines = text.count("\n")
    assert all(1 <= one.line <= lines for one in _compose.faults(text, GUARDED))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("A=1", {"A": "1"}),
        ("export A = 'x # y'", {"A": "x # y"}),
        ('A="x" # note', {"A": "x"}),
        ("A=x # note", {"A": "x"}),
        ("# A=1", {}),
        ("A", {}),
    ],
)
def test_env_files(line, found):
    assert _compose.parse_env(line + "\n") == found
