# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owner, group and mode of what root writes, as options name them and as numbers."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable

from .._errors import Refused


class Unknown(Refused):
    """There is no user or no group of this name."""


def of(handle: int) -> dict[str, int]:
    """Return owner, group and mode of what is open."""
    status = os.fstat(handle)
    return dict(owner=status.st_uid, group=status.st_gid, mode=stat.S_IMODE(status.st_mode))


def change(handle: int, wanted: dict[str, int]) -> None:
    os.fchown(handle, wanted["owner"], wanted["group"])
    # Last, since a change of the owner takes bits away.
    os.fchmod(handle, wanted["mode"])


def difference(now: dict[str, int], wanted: dict[str, int]) -> dict[str, dict[str, object]]:
    """Return {before: {...}, after: {...}} of what differs, with modes as they are written; {} when nothing does."""
    found: dict[str, dict[str, object]] = {}
    for name in now:
        if wanted[name] != now[name]:
            for side, value in (("before", now[name]), ("after", wanted[name])):
                found.setdefault(side, {})[name] = written(value) if name == "mode" else value
    return found


def written(mode: int) -> str:
    return "0%03o" % mode


def numbers(owner: str | None, group: str | None, mode: int | None, now: dict[str, int]) -> dict[str, int]:
    """Return owner, group and mode as numbers; what is None stays as it is now. Raises Unknown."""
    return dict(
        owner=_number("owner", owner, now["owner"], lambda name: pwd.getpwnam(name).pw_uid),
        group=_number("group", group, now["group"], lambda name: grp.getgrnam(name).gr_gid),
        mode=now["mode"] if mode is None else mode,
    )


def _number(option: str, name: str | None, now: int, look_up: Callable[[str], int]) -> int:
    if name is None:
        return now
    if name.isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError as error:
        raise Unknown("%s: %s does not exist on this host." % (option, name)) from error


def mode_of(mode: int | str | None) -> int | None:
    """Return the mode that an option gives. Raises ValueError unless it is an octal number."""
    if mode is None:
        return None
    number = mode if isinstance(mode, int) else int(mode, 8)
    if not 0 <= number <= 0o7777:
        raise ValueError("not a mode")
    return number
