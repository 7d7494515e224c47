# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ACL of a running server: read it, check rules against it, set and restore users."""

from __future__ import annotations

import secrets
from dataclasses import replace

from .._redis import connection as redis_connection
from .._redis.connection import ConnectionProblem, endpoint, explain, pipeline
from .._redis.live_commands import live_names
from .._redis.replies import printable, raw, text
from .compare import CommandTable, differences
from .users import AclError, parse_line, redacted, words_of

# No server knows this rule. At the end of ACL SETUSER it makes the server check all rules before it, and set nothing.
_NOT_A_RULE = "only-check-the-rules-before"
_NAMES_PER_DELUSER = 1000


class AclServer:
    """One connection to a server, and what its ACL was when it was read."""

    def __init__(self, client, params, renamed=None):
        """Read everything. Raises ConnectionProblem, also for a server that has no ACL."""
        self.client, self.params = client, params
        names = {"ACL": "ACL", "HELLO": "HELLO", "INFO": "INFO"}
        if renamed:
            names = self._guarded(lambda: live_names(client, renamed, list(names)))
        if names["ACL"] is None:
            raise self._no_acl()
        self.acl, self.info = names["ACL"], names["INFO"]
        hello, whoami, listing, categories = self.ask(
            [[names["HELLO"] or "HELLO"], [self.acl, "WHOAMI"], [self.acl, "LIST"], [self.acl, "CAT"]]
        )
        for reply in (whoami, listing, categories):
            self._expect(reply, bytes if reply is whoami else list)
        self.whoami = text(whoami)
        self.kind, self.version = _version(hello)
        # False also for a server that does not tell its version: rules are then compared by what they allow.
        self.keeps_text = self.version >= (7, 2)
        self.users, self.words = self._parsed(listing)
        members = self.ask([[self.acl, "CAT", name] for name in categories])
        self.table = CommandTable(
            {
                text(name): [text(one) for one in self._expect(reply)]
                for name, reply in zip(categories, members, strict=True)
            }
        )

    @property
    def where(self):
        return endpoint(self.params)

    @property
    def has_channels(self):
        return not self.version or self.version >= (6, 2)

    def ask(self, commands):
        """Send all commands at once; return their replies, errors among them. Raises ConnectionProblem."""
        try:
            return self._guarded(lambda: pipeline(self.client, commands))
        except ConnectionProblem as problem:
            if problem.kind == "timeout":
                # It did answer PING. Redis 7.0 needs 7 s to list 100,000 users.
                problem = ConnectionProblem(
                    "timeout",
                    "%s did not finish within %s s: it is busy, or it has very many users; raise login_timeout."
                    % (self.where, self.params["login_timeout"]),
                )
            raise problem from problem.__cause__

    def list_users(self):
        """Return {name: User} as the server has them now."""
        return self._parsed(self._expect(self.ask([[self.acl, "LIST"]])[0]))[0]

    def differences(self, wanted, live):
        """Return in what a live user is not the wanted one; see compare.differences()."""
        if not self.has_channels:
            wanted = replace(wanted, rights=replace(wanted.rights, channels=frozenset()))
            live = replace(live, rights=replace(live.rights, channels=frozenset()))
        return differences(wanted, live, self.table, self.keeps_text)

    def check_rules(self, users):
        """Let the server check the rules of these users without setting anything. Raises AclError naming the wrong."""
        scratch = "check-" + secrets.token_hex(8)
        checks = [
            self._set_command(scratch, [*self._words(replace(user, enabled=False, hashes=frozenset())), _NOT_A_RULE])
            for user in users
        ]
        replies = self.ask(checks)
        problems = [
            "'%s': %s." % (printable(user.name), _reason(reply))
            for user, reply in zip(users, replies, strict=True)
            if isinstance(reply, Exception) and _NOT_A_RULE not in str(reply)
        ]
        if any(not isinstance(reply, Exception) for reply in replies):
            self.ask([[self.acl, "DELUSER", scratch]])
        if problems:
            raise AclError(
                "users: %s (%s) does not take these rules: %s" % (self.where, self.label, " ".join(problems))
            )

    @property
    def label(self):
        return "%s %s" % (self.kind, ".".join(map(str, self.version))) if self.version else "unknown version"

    def set_users(self, users):
        """Make these users exactly so, each by one atomic command. Returns the errors by user name."""
        commands = [self._set_command(user.name, self._words(user)) for user in users]
        return self._errors([user.name for user in users], self.ask(commands))

    def delete_users(self, names):
        """Delete these users; the server disconnects their clients. Returns the errors by (first) user name."""
        chunks = [names[i : i + _NAMES_PER_DELUSER] for i in range(0, len(names), _NAMES_PER_DELUSER)]
        replies = self.ask([[self.acl, "DELUSER", *raw(chunk)] for chunk in chunks])
        return self._errors([chunk[0] for chunk in chunks], replies)

    def restore(self, names, before):
        """Put these users back to what they were in the AclServer `before`. Returns the errors by user name."""
        old = [name for name in names if name in before.words]
        errors = self._errors(old, self.ask([self._set_command(name, before.words[name]) for name in old]))
        new = [name for name in names if name not in before.words]
        return {**errors, **self.delete_users(new)}

    def _words(self, user):
        return words_of(user, channels=self.has_channels or bool(user.rights.channels - {"&*"}))

    def _set_command(self, name, words):
        return [self.acl, "SETUSER", *raw([name, "reset", *words])]

    def _errors(self, names, replies):
        return {
            name: redacted(_reason(reply))
            for name, reply in zip(names, replies, strict=True)
            if isinstance(reply, Exception)
        }

    def _parsed(self, listing):
        users, words = {}, {}
        for line in listing:
            try:
                user, rules = parse_line(text(line))
            except ValueError as error:
                raise ConnectionProblem(
                    "protocol", "%s lists a user that can't be read, because %s." % (self.where, error)
                ) from error
            users[user.name], words[user.name] = user, rules
        return users, words

    def _expect(self, reply, kind=list):
        if isinstance(reply, kind):
            return reply
        if isinstance(reply, Exception):
            said = str(reply)
            if "unknown command" in said.lower():
                raise self._no_acl()
            if "no permissions" in said or "NOPERM" in said:
                raise ConnectionProblem(
                    "permission",
                    "The login on %s may not read the ACL: grant it +acl, or log in as another user. (%s)"
                    % (self.where, said),
                )
            raise ConnectionProblem("protocol", "%s does not tell its ACL: %s" % (self.where, said))
        raise ConnectionProblem("protocol", "%s answers ACL with something else than a list." % self.where)

    def _no_acl(self):
        return ConnectionProblem(
            "protocol",
            "%s has no command ACL: it is older than Redis 6.0, or ACL was renamed or disabled; give its new name in"
            " renamed_commands." % self.where,
        )

    def _guarded(self, call):
        try:
            return call()
        # ValueError, TypeError and AttributeError are what redis-py makes of replies that are no RESP.
        except (redis_connection.redis.RedisError, OSError, ValueError, TypeError, AttributeError) as error:
            raise explain(error, self.params) from error


def _version(hello):
    """Return ('redis' or 'valkey', (8, 0, 2)) from the reply to HELLO; ('server', ()) when it does not say."""
    if not isinstance(hello, list):
        return "server", ()
    said = {text(key): value for key, value in zip(hello[::2], hello[1::2], strict=False) if isinstance(value, bytes)}
    numbers = text(said.get("version", b"")).split(".")
    version = tuple(int(number) for number in numbers if number.isdigit())
    return text(said.get("server", b"server")), version


def _reason(error):
    return str(error).removeprefix("ERR ").strip().rstrip(".")
