# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users of docs/clients.md, and what an application does with redis-py as one of them."""

from __future__ import annotations

import re
from pathlib import Path

import redis
import yaml

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
PASSWORD = "correct-horse-battery-staple"


def recipes():
    """Return heading -> the redis_users of its entry, with a password that is one."""
    found = {}
    for section in re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        (entry,) = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        users = yaml.safe_load(entry)["redis_users"]
        assert all("{{ vault_" in "".join(user["passwords"]) for user in users), section
        found[section.partition("\n")[0]] = [{**user, "passwords": [PASSWORD]} for user in users]
    return found


def login(server, user):
    """Return redis-py as an application has it, not as the tests of modules do."""
    return redis.Redis(
        host=server.host, port=server.port, username=user, password=PASSWORD, decode_responses=True, socket_timeout=20
    )


def application(server):
    client = login(server, "shop")
    with client.pipeline() as pipe:
        assert pipe.incr("shop:visits").expire("shop:visits", 60).execute() == [1, True]
    with client.pipeline() as pipe:
        pipe.watch("shop:visits")
        pipe.multi()
        assert pipe.incr("shop:visits").execute() == [2]


def cache(server):
    client = login(server, "cache")
    assert client.set("cache:1", "a", ex=60)
    assert client.get("cache:1") == "a"
    assert client.mget("cache:1", "cache:2") == ["a", None]
    assert client.incr("cache:n") == 1
    assert client.getex("cache:1", ex=90) == "a"
    assert client.exists("cache:1") == 1
    assert client.expire("cache:n", 60)
    assert client.pexpire("cache:n", 60000)
    assert client.ttl("cache:n") > 0 < client.pttl("cache:n")
    assert client.persist("cache:n")
    with client.pipeline() as pipe:
        assert pipe.mset({"cache:3": "c"}).expire("cache:3", 60).execute() == [True, True]
    assert client.delete("cache:1") == client.unlink("cache:3") == 1


def sessions(server):
    client = login(server, "sessions")
    with client.pipeline() as pipe:
        assert pipe.hset("session:1", mapping={"user": "ada"}).expire("session:1", 60).execute() == [1, True]
    assert client.hgetall("session:1") == {"user": "ada"}
    assert client.setex("session:2", 60, "{}")
    assert client.exists("session:2") == 1
    assert client.ttl("session:2") > 0
    assert client.delete("session:1", "session:2") == 2


def queue(server):
    client = login(server, "mail")
    assert client.lpush("mail:waiting", "a", "b") == 2
    assert client.blmove("mail:waiting", "mail:working", 5, "RIGHT", "LEFT") == "a"
    with client.pipeline() as pipe:
        assert pipe.lrem("mail:working", 1, "a").rpush("mail:waiting", "a").execute() == [1, 2]
    assert client.brpop("mail:waiting", 5) == ("mail:waiting", "a")


def publish_and_subscribe(server):
    listener = login(server, "reader").pubsub()

    def told():
        return [listener.get_message(timeout=20)["type"] for _message in range(2)]

    listener.subscribe("news:1")
    listener.psubscribe("news:*")
    assert told() == ["subscribe", "psubscribe"]
    assert login(server, "newsroom").publish("news:1", "hello") == 2
    assert told() == ["message", "pmessage"]
    listener.unsubscribe("news:1")
    listener.punsubscribe("news:*")
    assert told() == ["unsubscribe", "punsubscribe"]
    listener.close()


def streams(server):
    producer, consumer = login(server, "sensor"), login(server, "evaluation")
    assert consumer.xgroup_create("events:1", "group", id="0", mkstream=True)
    for number in range(3):
        producer.xadd("events:1", {"n": number}, maxlen=1000)
    ((_name, messages),) = _pairs(consumer.xreadgroup("group", "one", {"events:1": ">"}, count=3, block=5000))
    ids = [message[0] for message in messages]
    assert consumer.xack("events:1", "group", ids[0]) == 1
    assert [message[0] for message in consumer.xautoclaim("events:1", "group", "two", 0)[1]] == ids[1:]
    assert consumer.xpending("events:1", "group")["pending"] == 2
    assert consumer.xlen("events:1") == 3
    assert consumer.xinfo_groups("events:1")[0]["name"] == "group"


def _pairs(reply):
    """Newer versions of redis-py return a dictionary."""
    return [(name, batch[0]) for name, batch in reply.items()] if isinstance(reply, dict) else reply
