# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories that root makes, takes over and gives away, by handles; see paths.py."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from .._errors import Refused
from . import attributes
from .paths import Place, is_ours, is_trusted, located, open_inner, opened_directory


def make(path: str, mode: int = 0o755) -> None:
    """Make a directory of root's, and those above it, where they are missing. Raises Refused."""
    with located(path) as place:
        if place.handle is not None:
            _make_here(place, path, mode)
            return
    make(os.path.dirname(path), mode)
    with located(path) as place:
        if place.handle is None:
            raise Refused("%s can't be made: the directory that it is in was removed meanwhile." % path)
        _make_here(place, path, mode)


def _make_here(place: Place, path: str, mode: int) -> None:
    with contextlib.suppress(FileExistsError), _or_refused(path):
        os.mkdir(place.name, 0o700, dir_fd=place.handle)
        handle = open_inner(place, path)
        try:
            # Whatever the umask is.
            os.fchmod(handle, mode)
        finally:
            os.close(handle)


def settle(path: str, owner: str | None, group: str | None, mode: int, check: bool) -> dict[str, dict[str, object]]:
    """Have a directory with this owner, group and mode. Raises Refused, with nothing changed.

    Returns {before: {...}, after: {...}} of what differs, {} when nothing does. check: change nothing.
    """
    with opened_directory(path) as (handle, ours):
        if handle is not None:
            return _bring(path, handle, ours, (owner, group, mode), check)
    new = attributes.numbers(owner, group, mode, dict(owner=os.geteuid(), group=os.getegid(), mode=mode))
    if not check:
        make(os.path.dirname(path))
        make(path, 0o700)
        with opened_directory(path) as (handle, ours):
            if handle is None:
                raise Refused("%s was removed while it was made: find out by whom, and run again." % path)
            _bring(path, handle, ours, (owner, group, mode), check)
    after = dict(new, state="directory", mode=attributes.written(mode))
    return dict(before=dict(state="absent"), after=after)


def _bring(
    path: str, handle: int, ours: bool, options: tuple[str | None, str | None, int], check: bool
) -> dict[str, dict[str, object]]:
    now = attributes.of(handle)
    wanted = attributes.numbers(*options, now)
    if now["owner"] != wanted["owner"] and not ours and not (is_trusted(now["owner"]) and not os.listdir(handle)):
        raise Refused(
            "%s belongs to the user with the number %d instead of %d, in a place where a service could have put it to "
            "have root give it away: nothing was touched. If it is right, change its owner yourself (chown %d '%s'); "
            "otherwise remove it." % (path, now["owner"], wanted["owner"], wanted["owner"], path)
        )
    # What a service has put into it would afterwards look like root's.
    taken = is_trusted(wanted["owner"]) and not is_ours(os.fstat(handle))
    if taken:
        _refuse_planted(path, handle)
    if wanted != now and not check:
        with _or_refused(path):
            attributes.change(handle, wanted)
        if taken:
            # Until this moment more could be put there.
            try:
                _refuse_planted(path, handle)
            except Refused:
                attributes.change(handle, now)
                raise
    return attributes.difference(now, wanted)


def _refuse_planted(path: str, handle: int) -> None:
    for name in sorted(os.listdir(handle)):
        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode) and not is_trusted(status.st_uid):
            reason = "a symbolic link of the user with the number %d" % status.st_uid
            advice = "remove it, or, if it is yours, make it root's (chown -h root)"
        elif not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            reason, advice = "a file with a second name elsewhere", "remove it, or put a copy in its place"
        else:
            continue
        raise Refused(
            "%s/%s is %s, and a service can write to that directory: nothing was touched. Find out who made it, and %s."
            % (path, name, reason, advice)
        )


@contextlib.contextmanager
def _or_refused(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise Refused("%s can't be made or changed: %s." % (path, error.strerror)) from error
