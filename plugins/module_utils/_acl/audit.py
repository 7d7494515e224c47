# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of redis_acl_verify: which questions to ask the server, and whose answers go to which control."""

from __future__ import annotations

from .._audit.findings import finding
from .._redis.connection import ConnectionProblem, endpoint
from .._redis.live_commands import live_names
from .._redis.replies import text
from . import verify
from .probe import SKIPPED, Outcome, anonymous_problem, dry_run, queue, try_wrong_passwords
from .server import AclServer


class Audit:
    """The audit of one server over one connection."""

    def __init__(self, client, anonymous, params, wanted, renamed):
        self.client, self.anonymous, self.params = client, anonymous, params
        self.wanted, self.renamed = wanted, renamed
        self.instance = endpoint(params)
        self.scripting = {entry["name"] for entry in params["users"] if entry["allow_scripting"]}

    def findings(self):
        """Return all findings, at least one for each control. Raises ConnectionProblem."""
        findings = [verify.judge_anonymous(anonymous_problem(self.params), self.instance)]
        try:
            self.server = AclServer(self.client, self.params, self.renamed)
        except ConnectionProblem as problem:
            if problem.kind not in ("permission", "protocol"):
                raise
            rest = verify.CONTROLS[1:]
            return findings + [self.unproved(control, "error", problem) for control in rest]
        live = self.server.users
        findings.append(verify.judge_default(live, self.instance))
        # No scratch user and no second server: what live and declared rules allow is worked out from the same lists
        # of commands, which the server itself gives, and DRYRUN below tries the live side independently of that.
        findings += verify.judge_users(self.wanted, live, self.server.differences, self.instance)
        # Read before the logins that fail on purpose push entries out of ACL LOG.
        scripts = self.scripts()
        findings += verify.judge_passwords(self.wrong_passwords(), self.instance)
        findings += self.rights()
        findings.append(scripts)
        seen = {one["id"] for one in findings}
        findings += [
            self.unproved(control, "skipped", "every declared user has the right to do all of it")
            for control in verify.CONTROLS
            if control not in seen
        ]
        return sorted(findings, key=lambda one: one["id"])

    def unproved(self, control, status, reason):
        return finding(control, status, "proved", reason, instance=self.instance)

    def wrong_passwords(self):
        users = [name for name, user in self.wanted.items() if user.enabled]
        # Beside the declared users those that are likely to fail.
        users += [self.params["login_user"] or "default"]
        users += [name for name, user in self.server.users.items() if user.enabled and user.nopass]
        auth = self.names(["AUTH"]).get("AUTH", "AUTH") or "AUTH"
        return try_wrong_passwords(self.params, list(dict.fromkeys(users)), auth, self.anonymous)

    def names(self, commands):
        """Return the live names of those of the commands that may have been renamed."""
        return live_names(self.client, self.renamed, sorted(set(commands) & set(self.renamed))) if self.renamed else {}

    def rights(self):
        """RH-ACL-05 and RH-ACL-06: collect all pairs of user and command, try them at once, judge them."""
        matrix = self.params["matrix"]
        in_matrix = {pair["user"] for pair in matrix}
        groups = []  # (control, user, commands)
        for name, user in self.wanted.items():
            denied = [] if name in in_matrix else verify.expected_denials(user, self.server.table)
            if denied:
                groups.append(("RH-ACL-05", name, {one: verify.DEFAULT_DENIED[one] for one in denied}))
            if name not in self.scripting:
                groups.append(("RH-ACL-06", name, self.known(verify.SCRIPTING)))
        pairs = [(pair["user"], pair["command"]) for pair in matrix]
        pairs += [(name, words) for _control, name, commands in groups for words in commands.values()]
        outcomes = self.outcomes(pairs)
        findings = verify.judge_matrix(matrix, outcomes[: len(matrix)], self.server.users, self.instance)
        position = len(matrix)
        for control, name, commands in groups:
            part = outcomes[position : position + len(commands)]
            position += len(commands)
            findings.append(verify.judge_denials(control, name, list(commands), part, self.server.users, self.instance))
        return findings

    def known(self, commands):
        """Return those of the commands that this server was built with: Redis 6 has no functions."""
        table = self.server.table.names
        return {name: words for name, words in commands.items() if name in table or name.partition("|")[0] in table}

    def outcomes(self, pairs):
        names = self.names(words[0].upper() for _user, words in pairs)
        if not self.server.version or self.server.version >= (7, 0):
            return dry_run(self.server, pairs, names)
        plain = {entry["name"]: entry["passwords"] for entry in self.params["users"] if entry["enabled"]}
        outcomes = [Outcome(SKIPPED, "the server has no ACL DRYRUN, and users has no plain password")] * len(pairs)
        for user in dict.fromkeys(user for user, _words in pairs):
            mine = [position for position, (name, _words) in enumerate(pairs) if name == user]
            if plain.get(user):
                found = queue(self.params, user, plain[user][0], [pairs[position][1] for position in mine], names)
                for position, outcome in zip(mine, found, strict=True):
                    outcomes[position] = outcome
        return outcomes

    def scripts(self):
        stats, log = self.server.ask([[self.server.info or "INFO", "commandstats"], [self.server.acl, "LOG", "128"]])
        for reply, kind in ((stats, bytes), (log, list)):
            if not isinstance(reply, kind):
                return self.unproved("RH-ACL-07", "error", "INFO commandstats or ACL LOG can't be read: %s" % reply)
        calls = verify.scripts_run(text(stats))
        return verify.judge_scripts(calls, verify.scripts_denied(log), bool(self.scripting), self.instance)
