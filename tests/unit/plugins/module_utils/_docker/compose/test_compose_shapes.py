# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords in Compose files are known by their shape, and what only looks like one is left alone."""

from __future__ import annotations

import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import shapes, variables
from hypothesis import given, strategies as st
from test_compose import faults

SECRET = "hunter2hunter2"
# In services that are no server, and in a server.
OF_CLIENTS = [
    'environment: {BROKER: "sentinel://:%s@10.9.0.1:26379/1;sentinel://:%s@10.9.0.2:26379/1"}',
    "environment: {X: 'redis+sentinel://u:%s@h'}",
    "environment: {X: 'unix://:%s@/run/redis.sock'}",
    "environment: {X: 'tcp://a:%s@h:7000'}",
    "environment: {X: 'redis://%s@redis:6379'}",
    "environment: {X: '${URL:-redis://:%s@h}'}",
    "environment: {X: 'redis://:pw/%s@h'}",
    "environment: {X: 'https://default:%s@eu1.redis.example.org'}",
    "environment: {REDIS_URL: ':%s@cache:6379/0'}",
    "environment: {REDIS_HOSTS: 'local:redis:6379:0:%s'}",
    "environment: ['ConnectionStrings__Redis=redis:6379,password=%s,abortConnect=false']",
    "environment: {ConnectionStrings__Cache: 'cache:7000,ssl=true,Password=%s'}",
    "environment: {SESSION_SAVE_PATH: 'tcp://redis:6379?auth=%s'}",
    "environment: {S: 'tcp://redis:6379?auth[pass]=%s&auth[user]=a'}",
    "environment: {X: 'redis://redis:6379?password=%s'}",
    'environment: {SPRING_APPLICATION_JSON: \'{"spring":{"redis":{"host":"r","password":"%s"}}}\'}',
    "environment: {CONF: 'host=redis port=6379 password=%s'}",
    "environment: {C: '${C:-redis:6379,password=%s}'}",
    "environment: {C: 'redis:6379,password=${PW:-%s}'}",
    "environment: {JAVA_OPTS: '-Xmx1g -Dspring.redis.password=%s'}",
    "environment: [APP_CONF_Redis.Password=%s]",
    "environment: {Redis__Password: %s}",
    "environment: {spring.data.redis.password: %s}",
    "environment: {PASSWORD_OF_REDIS: %s}",
    "environment: {REDIS_PWD: %s}",
    "environment: {UPSTASH_REDIS_REST_TOKEN: %s}",
    "environment: {REDIS_ARGS: '--requirepass %s'}",
    "environment: {VALKEY_EXTRA_FLAGS: '--masterauth %s'}",
    "command: [--redis.addr=redis://redis:6379, --redis.password=%s]",
    "command: [--redis.addr, 'redis:6379', -redis.password, %s]",
    "command: app --redis-password=%s",
    "command: worker --host redis --password %s",
    "command: java -Dspring.data.redis.password=%s -jar a.jar",
    "command: sh -c 'export REDIS_PASSWORD=%s; app'",
    "command: sh -c 'echo \"requirepass %s\" >> /etc/redis.conf'",
    "entrypoint: redis-cli -h redis AUTH %s",
    "command: redis-cli config set requirepass %s",
    "command: redis-cli config set masterauth '${X:-%s}'",
    "command: [redis-cli, --user, a, -a, %s]",
    "command: redis-server --user default on '>%s' ~* +@all",
    "command: redis-sentinel /s.conf --sentinel auth-pass mymaster %s",
    "command: '${ON:+redis-server --requirepass %s}'",
    "build: {args: {REDIS_PASSWORD: %s}}",
    "build: {dockerfile_inline: 'ENV REDIS_PASSWORD=%s'}",
    "labels: {x: 'redis://:%s@h'}",
    "post_start: [{command: redis-cli -a %s ping}]",
    "environment: ['REDIS_PASSWORD: %s']",
    "environment: ['redis://:%s@h']",
]
OF_SERVERS = [
    "environment: {REDIS_ARGS: '--save 60 1 --requirepass %s'}",
    "environment: {EXTRA: '--masterauth %s'}",
    "environment: {REDIS_MASTERAUTH: %s}",
    "environment: {X: 'user default on >%s ~* +@all'}",
    'command: sh -c "redis-server --port 1 & redis-cli AUTH %s"',
]
NONE_OF_CLIENTS = [
    "environment: {DATABASE_URL: 'postgresql+asyncpg://u:%s@db/x', REDIS_URL: 'redis://redis:6379/0'}",
    "environment: {AMQP: 'amqp://u:%s@mq', CACHE: 'redis:6379'}",
    "environment: {DB: 'Server=db;Password=%s'}",
    "environment: {REDIS_URL: 'redis://redis:6379/0?x=a@b'}",
    "environment: {REDIS_URL: 'redis://default@redis:6379'}",
    "environment: {REDIS_PREFIX: 'auth:token:', REDIS_KEY: 'pass:x'}",
    "environment: {REDIS_AUTH: 'true', REDIS_PASSWORD_LENGTH: 32, REDIS_USERNAME: shop}",
    "environment: {CS: 'redis:6379,password=${PW},ssl=true'}",
    "environment: {CS: 'redis:6379,password=${PW:?set password=it}'}",
    "environment: {CS: 'redis:6379,ssl=true,user=shop'}",
    "environment: {REDIS_PASSWORD_FILE: /run/secrets/x, REDIS_PASSWORD: /run/secrets/x, FILE__REDIS_PASSWORD: /x/y}",
    "environment: {REDIS_IMAGE: 'redis:7@sha256:abcdef'}",
    "environment: {REDIS_URL: '${REDIS_URL}', REDIS_HOST: '${REDIS_HOST:-redis}', REDIS_PORT: '6379'}",
    "command: [--redis.addr=redis:6379, --redis.password-file=/run/pw.json]",
    "command: app --db-password %s --redis-host redis",
    "command: app --no-auth --redis redis:6379",
    "command: sh -c 'REDIS_PASSWORD=$$(cat /run/secrets/r) app'",
    "command: redis-cli --no-auth-warning -h redis ping",
    "command: redis-cli -h redis --askpass ping",
    "healthcheck: {test: 'redis-cli config get requirepass || exit 1'}",
    "command: sh -c 'printf requirepass %%s'",
    "command: grep -q requirepass /etc/redis/redis.conf",
    "environment: {MAIL: 'mailto:redis-admin@example.org'}",
    "labels: {traefik.http.routers.redis.rule: 'Host(`redis.example.org`)'}",
    "environment: {REDIS_BYPASS: x, REDIS_PASSIVE: x, OAUTH_REDIS: x}",
    "command: app --redis-password ''",
    "environment: {X: 'http://u:%s@proxy:3128'}",
]
NONE_OF_SERVERS = [
    "environment: {REDIS_ARGS: '--save 60 1 --appendonly yes'}",
    "command: redis-server --aclfile /run/secrets/acl --tls-auth-clients no",
    "environment: {REDIS_ARGS: '--requirepass /run/secrets/x'}",
    "command: redis-server --requirepass --port 7000",
    "command: redis-server --user default on '#9f86d081884c7d65' ~*",
]


def secrets(image, line):
    # What printf fills in stays.
    line = line.replace("%%s", "\1").replace("%s", SECRET).replace("\1", "%s")
    found = faults("services:\n  it:\n    image: %s\n    %s\n" % (image, line))
    return [one for one in found if one.kind == "secret"]


@pytest.mark.parametrize(
    ("image", "line"), [*(("shop", one) for one in OF_CLIENTS), *(("redis", one) for one in OF_SERVERS)]
)
def test_passwords_are_found_once_and_not_told(image, line):
    (one,) = secrets(image, line)
    assert one.line == 4
    assert SECRET not in repr(one)


@pytest.mark.parametrize(
    ("image", "line"), [*(("shop", one) for one in NONE_OF_CLIENTS), *(("redis", one) for one in NONE_OF_SERVERS)]
)
def test_what_only_looks_like_a_password(image, line):
    assert secrets(image, line) == []


@pytest.mark.parametrize("url", ["redis://:${PW}@r", "sentinel://:${PW}@r"])
def test_what_is_redis_s_for_certain_counts_as_a_reference_too(url):
    """docker inspect shows what the variable was."""
    assert len(secrets("shop", "environment: {X: '%s'}" % url)) == 1
    assert len(secrets("shop", "environment: {R_REDIS.PWD: '${PW}'}")) == 1


def test_a_password_that_looks_like_an_option_is_not_told():
    (one,) = secrets("redis", "command: redis-cli -a -%s-pass x")
    assert one.found == "command has a password after -a"


def test_passwords_in_what_configs_have_inline():
    text = """\
        services: {store: {image: redis, configs: [conf]}}
        configs:
          conf:
            content: |
              port 6379
              requirepass hunter2hunter2
              user a on >hunter2hunter2 ~* +@all
              user b on #9f86d081884c7d659a2feaa0c55ad015 ~* +@all
        """
    found = faults(text)
    assert [(one.line, one.part, one.service, one.found) for one in found] == [
        (6, "config", "conf", "its content has a password after requirepass"),
        (7, "config", "conf", "its content has a password in a rule of an ACL"),
    ]


@pytest.mark.parametrize("text", ["services: {a: {environment: {REDIS_PASSWORD: %s}}}", "a: %s", "a: [%s]"])
@pytest.mark.parametrize("value", ["*hunter2hunter2", "!hunter2hunter2!x y"])
def test_a_password_that_is_taken_for_yaml_is_not_told(text, value):
    from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import tree

    with pytest.raises(tree.Unreadable) as problem:
        faults(text % value)
    assert SECRET not in str(problem.value)


@pytest.mark.parametrize(
    "text",
    ["a://:" * 40_000, "a=" * 100_000, "a:" * 100_000, "x" * 200_000, "${A:-" * 40_000, "://" * 60_000, "a.-" * 60_000],
)
def test_hostile_texts_take_no_time(text):
    began = time.process_time()
    shapes.in_text(variables.reveal(text), False, "REDIS")
    assert time.process_time() - began < 5


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_searched(text, server):
    revealed = variables.reveal(text)
    assert shapes.in_text(revealed, server, "REDIS") is None or isinstance(
        shapes.in_text(revealed, server), (str, type(None))
    )
    list(shapes.in_words([(1, word) for word in revealed.split(" ")], server))


@pytest.mark.parametrize(
    ("text", "revealed"),
    [
        ("a ${A} $B ${C:?no} ${D:-} ${E-}", "a \0 \0 \0 \0 \0"),
        ("${A:-b} ${A-b} ${A:+b} ${A:-${B:-c}} ${A:-${B}}", "b b b c \0"),
        ("$$(cat x) $$$$", "$$(cat x) $$$$"),
    ],
)
def test_what_the_file_itself_says_of_variables(text, revealed):
    assert variables.reveal(text) == revealed
