# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users, a server that has them, and what a plain client says about them."""

from __future__ import annotations

import hashlib
import re

SECRET = "correct-horse-battery"
ADMIN = {"name": "admin", "passwords": [SECRET], "commands": ["+@all"], "keys": ["*"], "channels": ["*"]}
APP = {
    "name": "app",
    "passwords": ["first-of-app", "second-of-app"],
    "commands": ["+@read", "+SET", "-@dangerous", "+config|get", "+subscribe", "+unsubscribe"],
    "keys": ["cache:*", "%R~ro:*"],
    "channels": ["news:*"],
    "selectors": ["(+get ~x:*)"],
}
USERS = [ADMIN, APP]
LOGIN = {"login_user": "admin", "login_password": SECRET}


def sha(password):
    return hashlib.sha256(password.encode()).hexdigest()


# What app can do: its own rights, and a neighbour of each.
ALLOWED = [
    *("get cache:1", "get ro:1", "get x:1", "mget cache:1 cache:2", "set cache:1 x"),
    *("config get x", "subscribe news:1", "unsubscribe"),
]
DENIED = [
    *("set ro:1 x", "get session:1", "set x:1 y", "append cache:1 x", "sort_ro cache:1", "keys cache:*", "flushall"),
    *("config set x y", "acl list", "select 1", "subscribe other", "eval x 0", "shutdown"),
]


def listing(server):
    """What a plain client sees of the users: ACL LIST, and what app can do."""
    client = server.client("admin", SECRET)
    lines = [line.decode("utf-8", "backslashreplace") for line in client.execute_command("ACL", "LIST")]
    lines = [line.replace(" sanitize-payload", "", 1) for line in lines]
    if server.version < (7, 2):
        # 7.0 prints other rules for the same commands, in an order of its own at each start.
        lines = [re.sub(r"^(user app .*?-@all )[^(]*", r"\1(...) ", line).strip() for line in lines]
    can = {}
    for command in (ALLOWED + DENIED) * any(line.startswith("user app ") for line in lines):
        can[command] = client.execute_command("ACL", "DRYRUN", "app", *command.split()) == b"OK"
    return sorted(lines), can


def expected(server):
    commands = "+@read +set -@dangerous +config|get +subscribe +unsubscribe" if server.version >= (7, 2) else "(...)"
    hashes = " ".join("#" + one for one in sorted(map(sha, APP["passwords"])))
    return [
        f"user admin on #{sha(SECRET)} ~* &* +@all",
        f"user app on {hashes} %R~ro:* ~cache:* resetchannels &news:* -@all {commands} (~x:* resetchannels -@all +get)",
        "user default off resetchannels -@all",
    ], {**dict.fromkeys(ALLOWED, True), **dict.fromkeys(DENIED, False)}


def harden(server, run_module):
    """Start the server and give it the users and an ACL file."""
    server.start(acl_text="user default on nopass ~* &* +@all\n")
    result = run_module("redis_acl", arguments(server, take_over=True))
    assert result.get("took_over"), result
    return server


def arguments(server, users=None, **options):
    return {**server.login, **LOGIN, "users": users or USERS, "aclfile": str(server.aclfile), **options}


def live_arguments(server, users=None, **options):
    return {**server.login, **LOGIN, "users": users or USERS, **options}
