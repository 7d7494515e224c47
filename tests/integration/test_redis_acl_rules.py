# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection works out about command rules, against what the servers make of the same rules."""

from __future__ import annotations

import random

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.rights import settle
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.server import AclServer
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.users import parse_line

ROUNDS = 200
# Any client may run these, whatever its rules.
ALWAYS_ALLOWED = {"auth", "hello", "quit", "reset"}


def arities(reply):
    """Return {name: number of words at least} of COMMAND's reply, subcommands included."""
    found = {}
    for entry in reply:
        found[entry[0].decode().lower()] = abs(entry[1])
        found.update(arities(entry[9]))
    return found


def test_rules_mean_to_us_what_they_mean_to_the_server(server):
    client = server.start().client()
    params = {"login_host": server.host, "login_port": server.port, "login_timeout": 5}
    acl = AclServer(client, params)
    assert (acl.kind, acl.version[:2]) == (server.kind, server.version)
    assert acl.keeps_text == (server.version >= (7, 2))
    words = arities(client.execute_command("COMMAND"))
    names = sorted(acl.table.names)
    assert len(names) > 300
    categories = ["@" + name.decode() for name in client.execute_command("ACL", "CAT")]
    containers = {name.partition("|")[0] for name in names if "|" in name}
    runnable = [name for name in names if name in words and name not in containers | ALWAYS_ALLOWED]
    with_argument = ["+%s|word" % name for name in names if name not in containers and "|" not in name]
    chance = random.Random(20240607)  # noqa: S311

    def rule():
        kind = chance.random()
        if kind < 0.05:
            return chance.choice(["+@all", "-@all", "allcommands", "nocommands"])
        if kind < 0.12:
            return chance.choice(with_argument)
        return chance.choice("+-") + chance.choice(categories if kind < 0.45 else names)

    def sample(effect):
        """Some of the commands that are allowed, some of the others."""
        allowed = [name for name in runnable if name in effect]
        denied = [name for name in runnable if name not in effect]
        return [*chance.sample(allowed, min(12, len(allowed))), *chance.sample(denied, min(12, len(denied)))]

    answered = 0
    for _round in range(ROUNDS):
        rules = [rule() for _ in range(chance.randint(0, 14))]
        client.execute_command("ACL", "SETUSER", "probe", "reset", "~*", "&*", *rules)
        (line,) = [line for line in client.execute_command("ACL", "LIST") if line.startswith(b"user probe ")]
        printed = parse_line(line.decode())[0].rights.commands
        if acl.keeps_text:
            assert printed == settle(rules), rules
        effect = acl.table.effect(settle(rules))
        assert acl.table.effect(printed) == effect, rules
        tried = sample(effect[1])
        # "+get|word" allows GET with this first argument.
        tried += [rule[1:] for rule in rules if rule in with_argument]
        calls = [[*name.split("|"), *["x"] * (words.get(name, 2) - len(name.split("|")))] for name in tried]
        answers = acl.ask([["ACL", "DRYRUN", "probe", *call] for call in calls])
        for name, answer in zip(tried, answers, strict=True):
            if isinstance(answer, bytes):
                allowed = name in effect[1] or (name.endswith("|word") and name.partition("|")[0] in effect[1])
                assert (b"no permissions to run" not in answer) == allowed, (name, answer, rules)
                answered += 1
    assert answered > 15 * ROUNDS
