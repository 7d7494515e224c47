"""Write numbered keys as an application would, until RESULT's .stop file exists; then look for each acknowledged one.

writer.py sentinel|cluster RESULT SECONDS [--wait N] [--tls FOLDER] [--prefix TEXT] HOST:PORT...

HOST:PORT are Sentinels, or nodes of a cluster. The login is in WRITER_USER and WRITER_PASSWORD; for Sentinels in
WRITER_SENTINEL_USER and WRITER_SENTINEL_PASSWORD. FOLDER has ca.crt, app.crt and app.key. A write is acknowledged when
the server said OK; with --wait only when N replicas have it too. RESULT's .started file says that writes go through,
its .at file how many have. Needs redis-py 6.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

PAUSE = 0.005
# An application that is asked to wait longer than this tries again.
TIMEOUT = 2.0
# Gaps between two acknowledged writes that are worth a line.
LONG = 0.5
HEARTBEAT = 0.05


class Clock(threading.Thread):
    """Counts the seconds that the writer could run: a machine that stands still is no fault of the servers'."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stood_still, self.beat = 0.0, time.monotonic()
        self.lock = threading.Lock()

    def look(self):
        with self.lock:
            now = time.monotonic()
            if now - self.beat > LONG:
                self.stood_still += now - self.beat
            self.beat = now

    def run(self):
        while True:
            time.sleep(HEARTBEAT)
            self.look()

    def now(self):
        self.look()
        return time.monotonic() - self.stood_still


def places(options):
    return [(name.rpartition(":")[0].strip("[]"), int(name.rpartition(":")[2])) for name in options.targets]


def login(options, prefix):
    """Return redis-py's options for a connection; prefix: of the environment variables."""
    found = dict(username=os.environ.get(prefix + "_USER"), password=os.environ.get(prefix + "_PASSWORD"))
    found.update(socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0))
    if options.tls:
        found.update(ssl=True, ssl_ca_certs=f"{options.tls}/ca.crt", ssl_check_hostname=True)
        found.update(ssl_certfile=f"{options.tls}/app.crt", ssl_keyfile=f"{options.tls}/app.key")
    return found


class BySentinel:
    def __init__(self, options):
        sentinels = Sentinel(places(options), sentinel_kwargs=login(options, "WRITER_SENTINEL"))
        self.client = sentinels.master_for(options.master, **login(options, "WRITER"))
        self.wait = options.wait

    def write(self, key, value):
        """Return whether the write is acknowledged."""
        return write_waiting(self.client, key, value, self.wait) if self.wait else self.client.set(key, value)

    def read(self, keys):
        return self.client.mget(keys)


class ByCluster:
    def __init__(self, options):
        nodes = [ClusterNode(*place) for place in places(options)]
        self.client = redis.RedisCluster(startup_nodes=nodes, **login(options, "WRITER"))
        self.wait = options.wait

    def write(self, key, value):
        if not self.wait:
            return self.client.set(key, value)
        try:
            # SET and WAIT must go by the same connection.
            node = self.client.get_node_from_key(key)
            return write_waiting(self.client.get_redis_connection(node), key, value, self.wait)
        except redis.RedisError:
            self.client.nodes_manager.initialize()
            raise

    def read(self, keys):
        return self.client.mget_nonatomic(keys)


def write_waiting(client, key, value, wait):
    with client.pipeline(transaction=False) as pipe:
        pipe.set(key, value)
        pipe.execute_command("WAIT", wait, int(TIMEOUT * 500))
        done, reached = pipe.execute()
    return done and reached >= wait


def open_client(options):
    return ByCluster(options) if options.mode == "cluster" else BySentinel(options)


class Run:
    """What was written so far, and how it went."""

    def __init__(self, options):
        self.options, self.result = options, pathlib.Path(options.result)
        self.client, self.number, self.clock = None, 0, Clock()
        self.acknowledged, self.errors, self.gaps, self.longest = [], collections.Counter(), [], 0.0

    def key(self, number):
        return f"{self.options.prefix}{number}"

    def attempt(self):
        """Try one write; return whether it is acknowledged."""
        self.number += 1
        try:
            self.client = self.client or open_client(self.options)
            if self.client.write(self.key(self.number), self.number):
                self.acknowledged.append(self.number)
                return True
            self.errors["too few replicas have it"] += 1
        # redis-py's cluster client has no node yet for a slot that has just moved to a newcomer, and trips over that.
        except (redis.RedisError, OSError, AttributeError) as error:
            self.errors[f"{type(error).__name__}: {error}"[:120]] += 1
        return False

    def write(self, end):
        stop, started, at = (self.result.with_suffix(suffix) for suffix in (".stop", ".started", ".at"))
        last = shown = None
        self.clock.start()
        while time.monotonic() < end and not stop.exists():
            if not self.attempt():
                time.sleep(PAUSE)
                continue
            now = self.clock.now()
            if last is None:
                started.touch()
            elif now - last > LONG:
                self.gaps.append([time.strftime("%H:%M:%S"), round(now - last, 3)])
            self.longest = max(self.longest, now - last) if last is not None else 0.0
            last = now
            if shown is None or now - shown > 0.2:
                at.write_text(str(len(self.acknowledged)))
                shown = now
            time.sleep(PAUSE)
        # What did not come back until the end is a gap too.
        if last is not None:
            self.longest = max(self.longest, self.clock.now() - last)

    def missing(self):
        """Return those acknowledged writes that can't be read, and why the reading failed, if it did."""
        lost, problem, end = [], None, time.monotonic() + 30
        for first in range(0, len(self.acknowledged), 500):
            numbers = self.acknowledged[first : first + 500]
            while True:
                try:
                    found = self.client.read([self.key(number) for number in numbers])
                    break
                except (redis.RedisError, OSError) as error:
                    problem = str(error)
                    if time.monotonic() > end:
                        return numbers, problem
                    time.sleep(0.2)
            lost += [number for number, value in zip(numbers, found, strict=True) if value != b"%d" % number]
        return lost, None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["sentinel", "cluster"])
    parser.add_argument("result")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--wait", type=int, default=0)
    parser.add_argument("--tls")
    parser.add_argument("--prefix", default="app:w:")
    parser.add_argument("--master", default="mymaster")
    parser.add_argument("targets", nargs="+")
    options = parser.parse_args()
    run = Run(options)
    run.write(time.monotonic() + options.seconds)
    lost, problem = run.missing()
    report = dict(
        acknowledged=len(run.acknowledged),
        not_acknowledged=sum(run.errors.values()),
        errors=dict(run.errors.most_common(8)),
        longest_gap=round(run.longest, 3),
        machine_stood_still=round(run.clock.stood_still, 3),
        gaps=run.gaps,
        missing=len(lost),
        first_missing=lost[:20],
        reading=problem,
    )
    temporary = run.result.with_suffix(".new")
    temporary.write_text(json.dumps(report))
    temporary.replace(run.result)


main()
