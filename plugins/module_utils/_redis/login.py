# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way into a server that may not be as declared yet: which logins are tried, in which order, and where."""

from __future__ import annotations

import errno
from typing import NamedTuple

from . import connection as redis_connection
from .connection import ConnectionProblem

HINT = (
    " Neither current_password (redis_current_password) nor a connection without a login works: set it to the password "
    "that the user default of the server has now."
)


class Entry(NamedTuple):
    """params: the options that worked. anonymous: without a login. took_over: by another login than the declared."""

    client: object
    params: dict
    anonymous: bool = False
    took_over: bool = False


def open_somehow(params, places=({},)):
    """Return the Entry by the first login that the server takes, at the first place where one works.

    At each place: the login (and the password that it had before, login_previous_password), the user default with
    current_password, no login at all. The latter two only where the login is refused, and where the option take_over of
    a module that has it is true. places: options that replace others. Raises ConnectionProblem: of all that were met
    the one that tells most.
    """
    problems = []
    for place in places:
        for number, (options, anonymous) in enumerate(_ways(dict(params, **place))):
            try:
                client = redis_connection.open_client(options, anonymous=anonymous)
            except ConnectionProblem as problem:
                problems.append(problem)
                if problem.kind != "auth":
                    break
            else:
                return Entry(client, options, anonymous, took_over=number > 0)
    refused = next((problem for problem in problems if problem.kind == "auth"), None)
    if refused is None:
        raise problems[0]
    if params.get("take_over", True):
        refused.args = (hinted(refused),)
    raise refused


def _ways(params):
    found = [(params, False)]
    if params.get("take_over", True):
        if params.get("current_password"):
            no_login = dict.fromkeys(
                ("login_user", "login_password_file", "login_password_env", "login_previous_password")
            )
            found.append((dict(params, **no_login, login_password=params["current_password"]), False))
        found.append((params, True))
    return found


def hinted(problem):
    """Return the text of a ConnectionProblem, with what to set where a login was refused."""
    said = str(problem)
    return said if problem.kind != "auth" or HINT in said else said + HINT


def open_if_it_runs(params):
    """Return the Entry, None where nothing listens and the option live is auto. Raises ConnectionProblem."""
    try:
        return open_somehow(params)
    except ConnectionProblem as problem:
        if params["live"] == "auto" and nothing_listens(problem):
            return None
        raise


def connect_to_look(module):
    """Return (client, anonymous) for a module that only looks and needs no library, or end it with a clear message.

    module.params has the login that worked.
    """
    if not redis_connection.LIBRARY_MISSING:
        redis_connection.require_library(module)
    try:
        entry = open_somehow(module.params)
    except ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    module.params.update({name: entry.params[name] for name in module.params})
    return entry.client, entry.anonymous


def nothing_listens(problem):
    """Return whether the connection was refused, as opposed to a server that is busy, loading or cut off.

    problem: a ConnectionProblem. A server may still run, and listen elsewhere.
    """
    error, seen = problem, set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.ECONNREFUSED, errno.ENOENT):
            return True
        error = error.__cause__ or error.__context__
    return False
