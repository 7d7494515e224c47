# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server's answers mean for the controls RH-ACL-01 to RH-ACL-07. Pure functions that return findings."""

from __future__ import annotations

from .._audit.findings import finding, verdict
from .._redis.replies import printable, text
from .compare import describe
from .probe import ALLOWED, DENIED, ERROR, NO_USER, SKIPPED
from .users import line_of, redacted

CONTROLS = tuple("RH-ACL-0%d" % number for number in range(1, 8))

# What a user without all commands has no business with, unless its declaration grants it. DRYRUN runs none of these;
# the arguments are inert all the same.
DEFAULT_DENIED = {
    "config|set": ["CONFIG", "SET", "__probe__", "x"],
    "acl|setuser": ["ACL", "SETUSER", "__probe__"],
    "replicaof": ["REPLICAOF", "127.0.0.1", "__probe__"],
    "module|load": ["MODULE", "LOAD", "__probe__"],
    "debug": ["DEBUG", "HELP"],
    "shutdown": ["SHUTDOWN", "__probe__"],
    "migrate": ["MIGRATE", "127.0.0.1", "1", "k", "x", "x"],
    "keys": ["KEYS", "__probe__"],
    "flushall": ["FLUSHALL", "__probe__"],
}
SCRIPTING = {
    "eval": ["EVAL", "return 1", "0"],
    "eval_ro": ["EVAL_RO", "return 1", "0"],
    "evalsha": ["EVALSHA", "0" * 40, "0"],
    "evalsha_ro": ["EVALSHA_RO", "0" * 40, "0"],
    "fcall": ["FCALL", "__probe__", "0"],
    "fcall_ro": ["FCALL_RO", "__probe__", "0"],
    "script|load": ["SCRIPT", "LOAD", "return 1"],
    "function|load": ["FUNCTION", "LOAD", "__probe__"],
}
# The last rule counts: +@write brings FUNCTION LOAD, which -@scripting in front of it would not take away.
_DENY_SCRIPTING = "Add -@scripting as the last of the user's commands in redis_users, or set allow_scripting: true."
# More extra users than these are counted, not listed.
_EXTRA_USERS_LISTED = 200


def judge_anonymous(problem, instance):
    """RH-ACL-01. problem: the ConnectionProblem of a client that does not log in, None when it was let in."""
    expected = "refused"
    if problem is None:
        return finding("RH-ACL-01", "fail", expected, "PING was answered without a login", instance=instance)
    if problem.kind == "permission":
        actual = "let in as user 'default', which may not run PING"
        return finding("RH-ACL-01", "fail", expected, actual, instance=instance)
    if problem.kind != "auth":
        return finding("RH-ACL-01", "error", expected, problem, instance=instance)
    return finding("RH-ACL-01", "pass", expected, "refused", instance=instance)


def judge_default(live, instance):
    """RH-ACL-02. live: {name: User} of the server."""
    user = live.get("default")
    if user is None:
        return finding("RH-ACL-02", "error", "off, or with a password", "there is no user 'default'", instance=instance)
    actual = "off" if not user.enabled else "on, without a password" if user.nopass else "on, with a password"
    return verdict(
        "RH-ACL-02",
        not (user.enabled and user.nopass),
        "off, or with a password",
        actual,
        subject="default",
        instance=instance,
    )


def judge_users(wanted, live, differences, instance):
    """RH-ACL-03: one finding for each declared user and each extra one. differences: function of two Users."""
    findings = []
    for name, user in wanted.items():
        details = dict(subject=printable(name), instance=instance)
        if name not in live:
            findings.append(finding("RH-ACL-03", "fail", "as declared", "the user does not exist", **details))
            continue
        aspects = differences(user, live[name])
        actual = describe(user, live[name], aspects) if aspects else "as declared"
        findings.append(verdict("RH-ACL-03", not aspects, "as declared", actual, **details))
    extra = sorted(name for name in live if name not in wanted)
    for name in extra[:_EXTRA_USERS_LISTED]:
        actual = redacted(line_of(live[name]))
        details = dict(subject=printable(name), instance=instance)
        findings.append(finding("RH-ACL-03", "fail", "no such user", actual, **details))
    if len(extra) > _EXTRA_USERS_LISTED:
        actual = "%d more users that are not declared" % (len(extra) - _EXTRA_USERS_LISTED)
        findings.append(finding("RH-ACL-03", "fail", "no such users", actual, instance=instance))
    return findings


def judge_passwords(outcomes, instance):
    """RH-ACL-04. outcomes: {user: Outcome of a login with a random password}."""
    findings = []
    for name, outcome in outcomes.items():
        status = {DENIED: "pass", ALLOWED: "fail"}.get(outcome.kind, "error")
        details = dict(subject=printable(name), instance=instance)
        findings.append(finding("RH-ACL-04", status, "a random password is refused", outcome.text, **details))
    return findings


def judge_matrix(matrix, outcomes, live, instance):
    """RH-ACL-05 for the pairs that the operator gave. outcomes: one for each pair."""
    findings = []
    for pair, outcome in zip(matrix, outcomes, strict=True):
        user, allowed = live.get(pair["user"]), pair["allowed"]
        kind, actual = outcome.kind, outcome.text
        if kind == ALLOWED and user is not None and not user.enabled:
            # The rules say nothing about a user that can't log in.
            kind, actual = DENIED, "the user is off"
        if kind in (ERROR, SKIPPED):
            status = kind
        elif kind == NO_USER:
            # Nobody is denied here: a misspelt user must not look like a success.
            status = "fail" if allowed else "error"
        else:
            status = "pass" if (kind == ALLOWED) == allowed else "fail"
        subject = "%s: %s" % (printable(pair["user"]), printable(" ".join(pair["command"])))
        expected = "allowed" if allowed else "denied"
        findings.append(finding("RH-ACL-05", status, expected, actual, subject=subject, instance=instance))
    return findings


def expected_denials(user, table):
    """Return the commands of DEFAULT_DENIED that the declaration of this user does not grant."""
    return [name for name in DEFAULT_DENIED if not table.allows(user, name)]


def judge_denials(control, name, commands, outcomes, live, instance):
    """Return one finding for a user that has to be denied all these commands (RH-ACL-05, RH-ACL-06)."""
    shown = [command.replace("|", " ").upper() for command in commands]
    expected = "denied: %s" % ", ".join(shown)
    details = dict(subject=printable(name), instance=instance)
    by_kind = {}
    for command, outcome in zip(shown, outcomes, strict=True):
        by_kind.setdefault(outcome.kind, []).append((command, outcome.text))
    if ALLOWED in by_kind and name in live and not live[name].enabled:
        return finding(control, "pass", expected, "the user is off", **details)
    if ALLOWED in by_kind:
        actual = "allowed: %s" % ", ".join(command for command, _text in by_kind[ALLOWED])
        remediation = _DENY_SCRIPTING if control == "RH-ACL-06" else None
        return finding(control, "fail", expected, actual, remediation=remediation, **details)
    if NO_USER in by_kind:
        return finding(control, "skipped", expected, "the user does not exist", **details)
    for kind in (ERROR, SKIPPED):
        if kind in by_kind:
            return finding(
                control, kind, expected, "; ".join(dict.fromkeys(said for _command, said in by_kind[kind])), **details
            )
    return finding(control, "pass", expected, "denied", **details)


def scripts_run(commandstats):
    """Return {command: calls} of the scripting commands that were run, from the text of INFO commandstats."""
    calls = {}
    for line in commandstats.splitlines():
        name, _colon, values = line.removeprefix("cmdstat_").partition(":")
        first = values.partition(",")[0].removeprefix("calls=")
        if name.lower() in SCRIPTING and first.isdigit() and int(first):
            calls[name.lower()] = int(first)
    return calls


def scripts_denied(log):
    """Return {user: {command}} of the scripting commands that were denied, from the reply to ACL LOG."""
    denied = {}
    for entry in log:
        fields = {text(key): value for key, value in zip(entry[::2], entry[1::2], strict=False)}
        command = text(fields.get("object", b"")).lower()
        if text(fields.get("reason", b"")) == "command" and command in SCRIPTING:
            denied.setdefault(text(fields.get("username", b"")), set()).add(command)
    return denied


def judge_scripts(calls, denied, anybody_may, instance):
    """RH-ACL-07. anybody_may: whether a declared user is allowed to run scripts."""
    said = []
    if calls:
        said.append("run: %s" % ", ".join("%s %d times" % (name.upper(), calls[name]) for name in sorted(calls)))
    for user in sorted(denied):
        said.append("denied to %s: %s" % (printable(user), ", ".join(sorted(one.upper() for one in denied[user]))))
    expected = "run only by users with allow_scripting" if anybody_may else "no script was run"
    actual = "; ".join(said) or "no script was run"
    return verdict("RH-ACL-07", anybody_may or not calls, expected, actual, instance=instance)
