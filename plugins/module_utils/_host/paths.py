# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to files and directories by handles.

Root works in directories that a service can write to. A service that was taken over could put a link there, so that
root reads, writes or gives away something else. So below such a directory no link is followed. One that root has made,
in directories that only root can write to, is: it is the operator's, such as /var/lib -> /data/lib.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from .._errors import Refused

# As many as the kernel follows.
_MOST_LINKS = 40


class Place(NamedTuple):
    """Where something is or is to be: a handle of its directory, None when that is missing, and its name in it.

    ours: only root, or who runs this, can have put something there.
    """

    handle: int | None
    name: str
    ours: bool


def is_trusted(uid: int) -> bool:
    """Tell whether it is root, or who runs this."""
    return uid in (0, os.geteuid())


def is_ours(status: os.stat_result) -> bool:
    """Tell whether only root, or who runs this, can write to a directory."""
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    return is_trusted(status.st_uid) and not by_group and not status.st_mode & stat.S_IWOTH


@contextlib.contextmanager
def located(path: str, follow: bool = True) -> Iterator[Place]:
    """Give the Place of a path. Raises Refused for a link on the way that may be somebody else's.

    A link in the last place that may be somebody else's is left for the caller, who opens it with O_NOFOLLOW. follow:
    whether one of root's there is followed.
    """
    walk = _Walk(path, follow)
    try:
        yield walk.go()
    finally:
        walk.close()


@contextlib.contextmanager
def opened_directory(path: str) -> Iterator[tuple[int | None, bool]]:
    """Give (a handle of a directory, by which it can be listed, or None; whether only root can have put it there).

    Raises Refused.
    """
    with located(path) as place:
        handle = None
        if place.handle is not None:
            with contextlib.suppress(FileNotFoundError):
                handle = open_inner(place, path)
        try:
            yield handle, place.ours
        finally:
            if handle is not None:
                os.close(handle)


def open_inner(place: Place, path: str) -> int:
    """Open the directory of that place. Raises Refused for anything else in its place, and FileNotFoundError."""
    try:
        return os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.handle)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refusal(path, error.strerror) from error


class _Walk:
    def __init__(self, path: str, follow: bool):
        self.follow = follow
        self.path, self.walked, self.links, self.handle = os.path.abspath(path), "", 0, -1
        self.todo: list[str] = []
        self._from_the_root(self.path)

    def _from_the_root(self, path: str) -> None:
        self.close()
        self.handle, self.walked = os.open("/", os.O_PATH | os.O_DIRECTORY), ""
        self.ours = is_ours(os.fstat(self.handle))
        self._add(path)

    def _add(self, path: str) -> None:
        self.todo = [part for part in path.split("/") if part not in ("", ".")] + self.todo

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
        self.handle = -1

    def go(self) -> Place:
        while self.todo:
            part, is_last = self.todo.pop(0), not self.todo
            try:
                inner = os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=self.handle)
            except FileNotFoundError:
                return Place(self.handle if is_last else None, part, self.ours)
            except OSError as error:
                raise Refused("%s can't be reached: %s." % (self.path, error.strerror)) from error
            try:
                status = os.fstat(inner)
                leads_on = self.ours and is_trusted(status.st_uid) and (self.follow or not is_last)
                if stat.S_ISLNK(status.st_mode) and leads_on:
                    self._follow(os.readlink("", dir_fd=inner))
                elif is_last:
                    return Place(self.handle, part, self.ours)
                elif stat.S_ISDIR(status.st_mode):
                    inner = self._enter(part, inner, status)
                else:
                    reason = "a link" if stat.S_ISLNK(status.st_mode) else "no directory"
                    raise _refusal("%s/%s" % (self.walked, part), reason)
            finally:
                os.close(inner)
        # The path is / itself, or ends with a link to it.
        return Place(self.handle, ".", self.ours)

    def _follow(self, target: str) -> None:
        self.links += 1
        if self.links > _MOST_LINKS:
            raise Refused("%s can't be reached: its symbolic links lead in a circle." % self.path)
        if target.startswith("/"):
            self._from_the_root(target)
        else:
            self._add(target)

    def _enter(self, part: str, inner: int, status: os.stat_result) -> int:
        """Go into a directory; return the handle that is not needed any more."""
        left, self.handle = self.handle, inner
        self.walked += "/" + part
        # Who can write to one further up can put another in its place.
        self.ours = self.ours and is_ours(status)
        return left


def _refusal(path: str, reason: str | None) -> Refused:
    return Refused(
        "path: %s is a symbolic link or no directory (%s), in a place where a service could have put it to have root "
        "work elsewhere: nothing was touched. Give the real path, or find out who made it, and remove it."
        % (path, reason)
    )
