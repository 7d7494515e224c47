"""What the verify modules cost on a host, beyond the start of a Python module: 200 users, 400 (user, command) pairs.

Run by ./run benchmark. Prints seconds; the budget is 1 s each.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import redis

MODULES = "ansible_collections.celebrum.redis_hardening.plugins.modules."
PASSWORD = "benchmark-password-of-the-admin"  # noqa: S105
PORT = 20999
BUDGET = 1.0


def run_module(name, args):
    """Return (seconds, result) of one run in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", MODULES + name],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": args}),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    result = json.loads(done.stdout)
    if result.get("failed"):
        sys.exit(f"{name}: {result['msg']}")
    return seconds, result


def best(name, args, rounds=5):
    runs = [run_module(name, args) for _round in range(rounds)]
    return min(seconds for seconds, _result in runs), runs[0][1]


def main(server):
    names = [f"app{n}" for n in range(200)]
    users = [
        {"name": name, "passwords": [f"password-of-{name}-long"], "commands": ["+@read", "+set"], "keys": [f"{name}:*"]}
        for name in names
    ]
    users.append({"name": "admin", "passwords": [PASSWORD], "commands": ["+@all"], "keys": ["*"], "channels": ["*"]})
    matrix = [{"user": name, "command": ["GET", f"{name}:1"], "allowed": True} for name in names]
    matrix += [{"user": name, "command": ["DEL", f"{name}:1"], "allowed": False} for name in names]
    login = {"login_port": PORT, "login_user": "admin", "login_password": PASSWORD}

    with tempfile.TemporaryDirectory() as folder:
        command = [server, "--port", str(PORT), "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=PORT)
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            empty, _result = best("sysctl_settings", {"settings": {}, "path": folder + "/none.conf"})
            first, _result = run_module("redis_acl", {**login, "users": users, "take_over": True})
            again, _result = best("redis_acl", {**login, "users": users})
            verify, result = best("redis_acl_verify", {**login, "users": users, "matrix": matrix})
        finally:
            process.terminate()
            process.wait()
    rows = {
        "redis_acl, 200 users, first run": first - empty,
        "redis_acl, 200 users, no change": again - empty,
        f"redis_acl_verify, 200 users, 400 pairs, {len(result['findings'])} findings": verify - empty,
    }
    print(f"{pathlib.Path(server).parent.name}: a module's start takes {empty:.2f} s; beyond it")
    for name, seconds in rows.items():
        print(f"  {seconds:6.2f} s  {name}")
    return max(again, verify) - empty <= BUDGET


if __name__ == "__main__":
    results = [main(server) for server in sys.argv[1:]]
    sys.exit(not all(results))
