# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a running server what users can do, without doing it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from .._redis import connection as redis_connection
from .._redis.connection import ConnectionProblem, explain, first_lines, open_client, pipeline
from .._redis.replies import raw

ALLOWED, DENIED, ABSENT, NO_USER, ERROR, SKIPPED = "allowed", "denied", "absent", "no user", "error", "skipped"

# A transaction runs these at once instead of queueing them.
_NOT_QUEUED = frozenset(("MULTI", "EXEC", "DISCARD", "WATCH", "QUIT", "RESET"))


@dataclass(frozen=True)
class Outcome:
    """What the server said about one user and one command. kind: one of the constants above."""

    kind: str
    text: str


def dry_run(server, pairs, names):
    """Return the Outcome of each (user, command words) by ACL DRYRUN, which runs nothing and logs nothing.

    names: original upper-case command -> the name that the server answers to, or None; commands that are not in it
    have their own name.
    """
    outcomes, asked = [None] * len(pairs), []
    for position, (user, words) in enumerate(pairs):
        name = names.get(words[0].upper(), words[0])
        if name is None:
            outcomes[position] = Outcome(ABSENT, "the command was removed")
        else:
            asked.append((position, [server.acl, "DRYRUN", *raw([user, name, *words[1:]])]))
    replies = server.ask([command for _position, command in asked])
    for (position, _command), reply in zip(asked, replies, strict=True):
        outcomes[position] = _read_dry_run(server, pairs[position][1], reply)
    return outcomes


def _read_dry_run(server, words, reply):
    if reply == b"OK":
        return Outcome(ALLOWED, "allowed")
    if isinstance(reply, bytes):
        return Outcome(DENIED, "denied")
    said = str(reply)
    if "User" in said and "not found" in said:
        return Outcome(NO_USER, "the user does not exist")
    if "Command" in said and "not found" in said:
        if _exists(words, server.table.names):
            return Outcome(ABSENT, "the command was removed")
        return Outcome(ERROR, "the server knows no such command")
    return Outcome(ERROR, "the server can't tell: %s" % said)


def _exists(words, known):
    """Return whether the server was built with this command. known: all original names, also those renamed away."""
    name = words[0].lower()
    if name not in known:
        return False
    is_container = any(one.startswith(name + "|") for one in known)
    return not is_container or len(words) < 2 or "%s|%s" % (name, words[1].lower()) in known


def queue(params, user, password, commands, names):
    """Return the Outcome of each command for a user, by queueing them in a transaction that is then discarded.

    For servers without ACL DRYRUN: rights are checked when a command is queued, and nothing queued here is ever run.
    """
    login = dict(params, login_user=user, login_password=password, login_password_file=None, login_password_env=None)
    try:
        client = open_client(login)
        if pipeline(client, [["MULTI"]]) != [b"OK"]:
            return [Outcome(SKIPPED, "the server has no ACL DRYRUN and the user may not run MULTI")] * len(commands)
        # Only now: without the transaction they would be run.
        known = [names.get(words[0].upper(), words[0]) for words in commands]
        queued = [
            (position, raw([name, *words[1:]]))
            for position, (words, name) in enumerate(zip(commands, known, strict=True))
            if name is not None and words[0].upper() not in _NOT_QUEUED
        ]
        replies = pipeline(client, [command for _position, command in queued] + [["DISCARD"]])
    except ConnectionProblem as problem:
        return [Outcome(SKIPPED, "the server has no ACL DRYRUN and the user can't log in: %s" % problem)] * len(
            commands
        )
    except (redis_connection.redis.RedisError, OSError) as error:
        raise explain(error, params) from error
    outcomes = [
        Outcome(ABSENT, "the command was removed")
        if name is None
        else Outcome(SKIPPED, "the server has no ACL DRYRUN, and this command can't be tried")
        for name in known
    ]
    for (position, _command), reply in zip(queued, replies, strict=False):
        outcomes[position] = _read_queued(reply)
    return outcomes


def _read_queued(reply):
    if reply == b"QUEUED":
        return Outcome(ALLOWED, "allowed")
    said = str(reply)
    if "no permissions" in said or "NOPERM" in said:
        return Outcome(DENIED, "denied")
    if "unknown command" in said.lower():
        return Outcome(ABSENT, "the command was removed")
    return Outcome(ERROR, "the server can't tell: %s" % said)


def anonymous_problem(params):
    """Return the ConnectionProblem of a client that does not log in; None when the server lets it in."""
    try:
        open_client(params, anonymous=True).close()
    except ConnectionProblem as problem:
        return problem
    return None


def try_wrong_passwords(params, users, auth="AUTH", anonymous=False):
    """Return {user: Outcome} of a login with a random password, all on one connection of its own.

    users: different names. A failed AUTH leaves a connection as it is, so that it can carry any number of them.
    """
    outcomes = {}
    try:
        client = open_client(params, anonymous=anonymous)
        # One by one: from Redis 7.2 on a refusal is not sent while an earlier reply still waits to be sent.
        tries = [raw([auth, user, secrets.token_hex(24)]) for user in users]
        for user, line in zip(users, first_lines(client, tries), strict=True):
            outcomes[user] = _read_login(line)
    except (redis_connection.redis.RedisError, OSError) as error:
        raise explain(error, params) from error
    return outcomes


def _read_login(line):
    said = line.decode("utf-8", "replace").strip()[:200]
    if said == "+OK":
        return Outcome(ALLOWED, "accepted")
    return (
        Outcome(DENIED, "refused") if said.startswith("-WRONGPASS") else Outcome(ERROR, "the server said " + said[1:])
    )
