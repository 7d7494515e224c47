# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A group of servers to restart one by one: units as systemd has them, and a client that writes all the time."""

from __future__ import annotations

import threading
import time

import redis
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rolling import Rolling
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import redis_argument_spec
from sentinel_lab import SECRET, WATCHER, wait_for


class Unit:
    """Restarts a server on loopback as systemd would."""

    def __init__(self, process):
        self.process, self.restarts = process, 0

    def ports(self):
        return [self.process.port]

    def restart(self):
        self.process.process.terminate()
        self.process.process.wait(timeout=20)
        self.process.start()
        wait_for(self.process.client().ping, 60)
        self.restarts += 1


class Writer(threading.Thread):
    """A client that writes new keys where it is let, and remembers those that were acknowledged."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.acknowledged, self.going = group, [], True

    def run(self):
        clients = [one.client() for one in self.group.data]
        number = at = 0
        while self.going:
            number += 1
            try:
                clients[at].execute_command("SET", f"k{number}", number)
                self.acknowledged.append(number)
                # Others need the processor, too.
                time.sleep(0.001)
            except redis.RedisError:
                at = (at + 1) % len(clients)
                time.sleep(0.01)

    def __enter__(self):
        self.start()
        wait_for(lambda: len(self.acknowledged) > 100, 60)
        return self

    def __exit__(self, *_what):
        self.going = False
        self.join(timeout=20)

    def lost(self, client):
        """Return the acknowledged keys that this server has not."""
        found = client.execute_command("MGET", *(f"k{number}" for number in self.acknowledged))
        return [number for number, value in zip(self.acknowledged, found, strict=True) if value is None]


def options(group, number, **more):
    own = group.data[number]
    found = {name: option.get("default") for name, option in redis_argument_spec().items()}
    found.update(login_port=own.port, login_user="admin", login_password=SECRET, config_file=str(own.file))
    found.update(renamed_commands={"CONFIG": "the-new-config"}, allow_data_loss=False, start_timeout=60)
    found.update(sentinels=[{"host": "127.0.0.1", "port": one.port} for one in group.sentinels])
    found.update(nodes=[{"host": "127.0.0.1", "port": one.port} for one in group.data])
    found.update(sentinel_master_name="mymaster", sentinel_user="admin", sentinel_password=SECRET)
    return {**found, "handover_timeout": 60, **more}


def watch(group):
    """Make the Sentinels watch the group."""
    for one in group.sentinels:
        one.ask("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", group.data[0].port, 2)
        for words in (
            *(("down-after-milliseconds", 5000), ("auth-user", "sentinel"), ("auth-pass", WATCHER)),
            *(("failover-timeout", 20000), ("rename-command", "CONFIG", "the-new-config")),
        ):
            one.ask("SENTINEL", "SET", "mymaster", *words)
    group.know_each_other()


def roll(group, number, role, check=False, **more):
    unit = Unit(group.data[number])
    done = Rolling(options(group, number, **more), unit, check).run(role)
    assert unit.restarts == (done.restarted and not check)
    return done


def number_of(group, name):
    return [f"127.0.0.1:{one.port}" for one in group.data].index(name)


def masters(group):
    there = [number for number, one in enumerate(group.data) if one.process.poll() is None]
    return [number for number in there if group.data[number].ask("ROLE")[0] == b"master"]
