# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a running server's users the wanted ones, without locking out the login that has to come back later."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from .._redis.connection import ConnectionProblem, open_client, password_of
from .._redis.replies import printable
from .compare import describe
from .users import AclError, hash_of, line_of, redacted

# So many lines of users to be removed are shown in a diff; a server may have 100,000 of them.
_LINES_OF_DIFF = 1000


class ApplyFailed(Exception):
    """The users could not be set. restored: whether the server has its former users back."""

    def __init__(self, message, restored):
        super().__init__(message)
        self.restored = restored


@dataclass
class Plan:
    """What has to happen to a server's users. change: the wanted Users; remove, unmanaged: names."""

    change: list = field(default_factory=list)
    remove: list = field(default_factory=list)
    unmanaged: list = field(default_factory=list)


def make_plan(server, wanted, purge):
    """Return the Plan that leads from the server's users to the wanted ones."""
    extra = sorted(name for name in server.users if name not in wanted)
    return Plan(
        change=[
            user
            for name, user in wanted.items()
            if name not in server.users or server.differences(user, server.users[name])
        ],
        remove=extra if purge else [],
        unmanaged=[] if purge else extra,
    )


def diff_of(server, plan):
    """Return before and after as text: one line for each user that changes, hashes as fingerprints."""
    before = {user.name: line_of(server.users[user.name]) for user in plan.change if user.name in server.users}
    before.update((name, line_of(server.users[name])) for name in plan.remove[:_LINES_OF_DIFF])
    after = {user.name: line_of(user) for user in plan.change}
    texts = ["".join(redacted(line) + "\n" for name, line in sorted(lines.items())) for lines in (before, after)]
    if len(plan.remove) > _LINES_OF_DIFF:
        texts[0] += "... and %d more users\n" % (len(plan.remove) - _LINES_OF_DIFF)
    return dict(
        before_header="users of " + server.where,
        after_header="users of " + server.where,
        before=texts[0],
        after=texts[1],
    )


def login_after(params, entries, wanted, server=None, purge=True, take_over=False):
    """Return the connection options with which the module can log in once the wanted users are in place.

    entries: the users as declared, for their plain passwords. server: None when none runs, the user's rights are not
    looked at then. Raises AclError when there is no such login: the set would lock the automation out.
    """
    # What must work afterwards is the new password.
    params = dict(params, login_previous_password=None)
    name = params.get("login_user") or "default"
    refused = "The declared users would lock out this login: "
    user = wanted.get(name)
    if user is None and server is not None and not purge and name in server.users:
        return params
    if user is None or not user.enabled:
        raise AclError(
            "%suser '%s' is %s in users. Declare it there, enabled, or set login_user to a user that is."
            % (refused, printable(name), "not" if user is None else "off")
        )
    password = password_of(params)
    candidates = [] if password is None else [password]
    if take_over:
        candidates += [one for entry in entries if entry["name"] == name for one in entry.get("passwords") or []]
    usable = [one for one in candidates if hash_of(one) in user.hashes]
    if not usable:
        raise AclError(
            "%s%s. During a rotation declare both passwords."
            % (
                refused,
                "login_password is not set"
                if password is None
                else "the password in use is not among those of user '%s' in users" % printable(name),
            )
        )
    missing = [] if server is None else [one for one in _needed(server) if not server.table.allows(user, one)]
    if missing:
        raise AclError(
            "%suser '%s' may not run %s. Add +acl and +ping to its commands." % (refused, name, ", ".join(missing))
        )
    return dict(params, login_user=name, login_password=usable[0], login_password_file=None, login_password_env=None)


def _needed(server):
    # In Redis 6 subcommands have no rights of their own.
    fine = ["acl|whoami", "acl|list", "acl|cat", "acl|setuser", "acl|deluser"]
    return [*(fine if "acl|list" in server.table.names else ["acl"]), "ping"]


def apply(server, plan, login):
    """Carry the plan out and prove that `login` still works. Returns warnings. Raises ApplyFailed.

    The connection stays able to put everything back until a new connection has proved the new login: if it belongs to
    another user (of a server that is taken over), that user is only changed then, through the new connection.
    """
    own = server.whoami
    later = [] if own == login["login_user"] else [user for user in plan.change if user.name == own]
    # The connection's own user comes last: whatever fails before it can still be restored.
    now = sorted((user for user in plan.change if user not in later), key=lambda user: user.name == own)
    touched = [user.name for user in now]
    try:
        _raise_errors(server.set_users(now))
        fresh = copy.copy(server)
        fresh.client = open_client(login)
        fresh.list_users()
    except (ConnectionProblem, AclError) as problem:
        raise _restored(server, server, touched, problem) from problem
    try:
        touched += [user.name for user in later]
        _raise_errors(fresh.set_users(later))
        touched += plan.remove
        _raise_errors(fresh.delete_users(plan.remove))
        live = fresh.list_users()
    except (ConnectionProblem, AclError) as problem:
        raise _restored(fresh, server, touched, problem) from problem
    return _leftovers(fresh, plan, live)


def _raise_errors(errors):
    if errors:
        raise AclError(" ".join("'%s': %s." % (printable(name), reason) for name, reason in errors.items()))


def _restored(connection, before, touched, problem):
    """Put the touched users back through this connection; return the ApplyFailed to raise."""
    try:
        errors = connection.restore(touched, before)
    except ConnectionProblem as second:
        errors = {"all": str(second)}
    if not errors:
        return ApplyFailed("The users were set and put back as they were, because: %s" % problem, restored=True)
    return ApplyFailed(
        "Setting the users failed: %s Putting them back failed too: %s Look at ACL LIST."
        % (problem, " ".join("%s: %s." % (printable(name), reason) for name, reason in errors.items())),
        restored=False,
    )


def _leftovers(server, plan, live):
    warnings = []
    for user in plan.change:
        aspects = ["missing"] if user.name not in live else server.differences(user, live[user.name])
        if aspects:
            said = "it is missing" if user.name not in live else describe(user, live[user.name], aspects)
            warnings.append(
                "User '%s' of %s is still not as declared (%s). Does something else change users at the same time?"
                % (printable(user.name), server.where, said)
            )
    return warnings
