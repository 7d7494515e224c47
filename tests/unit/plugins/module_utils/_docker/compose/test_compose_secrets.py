# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords in Compose files."""

from __future__ import annotations

import pytest
from test_compose import faults

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
