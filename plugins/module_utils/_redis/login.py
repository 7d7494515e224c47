# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a login that fails says of the server."""

from __future__ import annotations

import errno


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
