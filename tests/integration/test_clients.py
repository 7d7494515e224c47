# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recipes of docs/clients.md: the real client works with these rights, and they are no more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import recipes
from acl_lab import ADMIN, LOGIN, SECRET
from conftest import CHECKOUT, free_ports
from waiting import wait_for

INSTALLED = CHECKOUT / ".lab" / "clients"
CLIENTS = Path(__file__).parent / "clients"
SECONDS = 240
RECIPES = recipes.recipes()

# What nobody needs, but for the recipes that MAY says.
DANGEROUS = [
    *("config get x", "config set x y", "config rewrite", "config resetstat", "keys *", "flushall", "flushdb", "save"),
    *("debug sleep 0", "shutdown", "replicaof no one", "migrate h 1 k 0 1", "module list", "acl list", "acl log"),
    *("monitor", "client list", "client kill h:1", "client pause 1", "swapdb 0 1", "psync ? -1", "cluster reset"),
    *("eval x 0", "evalsha x 0", "script load x", "script flush", "function load x", "fcall x 0", "info"),
    *("slowlog get", "slowlog reset", "scan 0", "randomkey", "dbsize", "pubsub channels"),
    *("get other:1", "set other:1 x", "del other:1", "lpush other:1 x", "xadd other:1 * a b", "publish other x"),
    *("subscribe other", "psubscribe *"),
]
MAY = {
    "Application": ["scan 0", "randomkey", "dbsize"],
    "Celery": ["evalsha x 0", "script load x"],
    "RQ": ["evalsha x 0", "script load x", "info"],
    # It has a server of its own, with all keys.
    "Sidekiq": [
        *("evalsha x 0", "script load x", "info"),
        *("get other:1", "set other:1 x", "lpush other:1 x"),
    ],
    "BullMQ": ["eval x 0", "evalsha x 0", "info"],
    "Monitoring": ["info", "slowlog get"],
    "Replica": ["psync ? -1"],
}


def process(command, server, user, **environment):
    url = f"redis://{user}:{recipes.PASSWORD}@{server.host}:{server.port}/0"
    done = subprocess.run(
        command,
        cwd=CLIENTS,
        env={**os.environ, "REDIS_URL": url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def python(script, user):
    return lambda server: process([sys.executable, "-B", script], server, user, PYTHONPATH=str(INSTALLED / "python"))


def bullmq(server):
    login = {"REDIS_HOST": server.host, "REDIS_PORT": str(server.port)}
    login |= {"REDIS_USER": "bullmq", "REDIS_PASSWORD": recipes.PASSWORD}
    process(["node", "bullmq_work.js"], server, "bullmq", NODE_PATH=str(INSTALLED / "node" / "node_modules"), **login)


def debian(user, *command):
    """In a container of app1, which is a neighbour on loopback."""
    image = (INSTALLED / "image").read_text().strip()
    run = ["docker", "run", "--rm", "--init", "--network", "host", "--hostname", "app1", "--env", "REDIS_URL"]
    run += ["--volume", f"{CLIENTS}:/clients:ro", "--workdir", "/clients", image]
    return lambda server: process([*run, *command], server, user)


def sidekiq(server):
    debian("sidekiq", "sh", "sidekiq_work.sh")(server)


def exporter(server):
    debian("exporter", "python3", "exporter_work.py", str(free_ports(1)[0]))(server)


def replica(server):
    (port,) = free_ports(1)
    login = ["--masteruser", "offsite", "--masterauth", recipes.PASSWORD, "--replicaof", f"{server.host} {server.port}"]
    folder = server.folder / "replica"
    folder.mkdir()
    command = [server.binary, "--port", str(port), "--dir", str(folder), "--logfile", str(folder / "log"), *login]
    with subprocess.Popen(command) as second:
        try:
            links = server.client("admin", SECRET)
            wait_for(lambda: b"state=online" in links.execute_command("INFO", "replication"))
        finally:
            second.terminate()


WORK = {
    "Application": recipes.application,
    "Cache": recipes.cache,
    "Sessions": recipes.sessions,
    "Queue": recipes.queue,
    "Publish and subscribe": recipes.publish_and_subscribe,
    "Streams": recipes.streams,
    "Celery": python("celery_work.py", "celery"),
    "RQ": python("rq_work.py", "rq"),
    "Sidekiq": sidekiq,
    "BullMQ": bullmq,
    "Monitoring": exporter,
    "Replica": replica,
}


@pytest.fixture(scope="module", autouse=True)
def clients():
    if not (INSTALLED / "image").exists():
        pytest.fail("the clients are missing: ./run test integration brings them")


def test_each_recipe_is_tried():
    assert list(RECIPES) == list(WORK)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_client_works_and_can_do_no_harm(recipe, server, run_module):
    users = RECIPES[recipe]
    server.start(acl_text="user default on nopass ~* &* +@all\n")
    arguments = {**server.login, **LOGIN, "users": [ADMIN, *users], "aclfile": str(server.aclfile), "take_over": True}
    assert run_module("redis_acl", arguments).get("changed")
    admin = server.client("admin", SECRET)
    # What the module tried is not the client's.
    admin.execute_command("ACL", "LOG", "RESET")
    admin.execute_command("CONFIG", "RESETSTAT")

    try:
        WORK[recipe](server)
    finally:
        assert denied(admin) == []
    assert {user["name"]: may(admin, user["name"]) for user in users} == {
        user["name"]: expected(recipe, user) for user in users
    }
    assert unused(admin, users) == []


def denied(admin):
    """Return what was refused, as in 'channel news'."""
    entries = [dict(zip(one[::2], one[1::2], strict=True)) for one in admin.execute_command("ACL", "LOG")]
    return [b"%s %s" % (entry[b"reason"], entry[b"object"]) for entry in entries]


def may(admin, user):
    """Return which of the dangerous commands this user may run."""
    return [one for one in DANGEROUS if admin.execute_command("ACL", "DRYRUN", user, *one.split()) == b"OK"]


def expected(recipe, user):
    return [one for one in DANGEROUS if one in MAY.get(recipe, [])]


def unused(admin, users):
    """Return the commands that an entry names and its client has not run; those of categories are not counted."""
    stats = admin.execute_command("INFO", "commandstats").decode()
    ran = {line.partition(":")[0].removeprefix("cmdstat_") for line in stats.splitlines()}
    return [
        rule for user in users for rule in user["commands"] if rule[0] == "+" and rule[1] != "@" and rule[1:] not in ran
    ]
