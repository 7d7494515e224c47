"""What the tests ask the neighbours to do, over the network."""

from __future__ import annotations

import json

import testinfra

ATTEMPT = """
import json, socket, sys
states = {}
for target in sys.argv[1:]:
    host, _colon, port = target.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1) as s:
            s.sendall(b"PING\\r\\n")
            states[target] = s.recv(100).decode("latin-1").strip()
    except OSError as error:
        states[target] = "closed"
print(json.dumps(states))
"""


def neighbour(scenario, name):
    return testinfra.get_host(f"docker://rh-{scenario}-{name}")


def ping(host, *targets):
    """Return what an unauthenticated PING is answered at each HOST:PORT, or 'closed'."""
    return json.loads(host.check_output("python3 -c %s " + " ".join(targets), ATTEMPT))


def cli(host, address, user, password, *command, port=6379):
    """Run one command by redis-cli as this user; return its output."""
    words = " ".join(f"'{word}'" for word in command)
    login = f"--no-auth-warning --user {user} -h {address} -p {port}"
    return host.check_output(f"REDISCLI_AUTH='{password}' timeout 5 redis-cli {login} {words} 2>&1")
