# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that root reads and writes on a host: by handles, in one step, and through no link that a service could have
put there; see paths.py.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator

from .._errors import Refused
from . import directories
from .attributes import change, difference, numbers, of
from .paths import Place, is_trusted, located

SBIN = ["/usr/sbin", "/sbin"]
# More than any configuration has.
LARGEST = 1 << 20


@contextlib.contextmanager
def opened(path: str, follow: bool = True) -> Iterator[int | None]:
    """Give a handle of the file as it is, None when there is none. Raises Refused for anything but a plain file.

    follow: whether a link of root's in its place is followed.
    """
    handle = None
    with located(path, follow) as place:
        if place.handle is not None:
            try:
                # A pipe in its place must not keep us waiting.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
                handle = os.open(place.name, flags, dir_fd=place.handle)
            except FileNotFoundError:
                pass
            except PermissionError as error:
                raise Refused("%s can't be read: %s." % (path, error.strerror)) from error
            except OSError as error:
                raise Refused(_odd(path, error.strerror)) from error
    try:
        if handle is not None:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Refused(_odd(path, "it is no regular file"))
            if status.st_nlink > 1 and not (place.ours and is_trusted(status.st_uid)):
                raise Refused(_odd(path, "it has a second name elsewhere"))
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def read_bytes(path: str, largest: int = LARGEST) -> bytes | None:
    """Return what is in a file, None when there is none. Raises Refused."""
    with opened(path) as handle:
        return None if handle is None else _content(handle, path, largest)


def read(path: str, largest: int = LARGEST) -> str | None:
    """Return a file's text, bytes that are not UTF-8 included; None when there is no file. Raises Refused."""
    content = read_bytes(path, largest)
    return None if content is None else content.decode("utf-8", "surrogateescape")


def read_file(path: str) -> str | None:
    """Return a file's text for looking at it, or None when there is no plain file of that name."""
    with contextlib.suppress(Refused):
        content = read_bytes(path, 64 * LARGEST)
        return None if content is None else content.decode("utf-8", "replace")
    return None


def _content(handle: int, path: str, largest: int) -> bytes:
    content = b""
    while chunk := os.read(handle, 65536):
        content += chunk
        if len(content) > largest:
            raise Refused("%s is larger than any such file: look at what it is, and remove it." % path)
    return content


def file_difference(path: str, text: str, mode: int) -> str | None:
    """Return in words how a file of root's differs from what it should be, or None."""
    try:
        with opened(path, follow=False) as handle:
            if handle is None:
                return "%s is missing" % path
            if _content(handle, path, 64 * LARGEST) != text.encode("utf-8", "surrogateescape"):
                return "%s has another content" % path
            status = os.fstat(handle)
    except Refused:
        return "%s is not a plain file" % path
    if stat.S_IMODE(status.st_mode) != mode or status.st_uid != 0 or status.st_gid != 0:
        return "%s has another owner or mode than root, %04o" % (path, mode)
    return None


def problem(path: str) -> str | None:
    """Return why no file can be written at a path, or None. Raises Refused for a link on the way to it."""
    with located(path) as place:
        if place.handle is None:
            return "the directory %s is missing: create it first" % os.path.dirname(path)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=place.handle):
            return "the directory %s can't be written to by this user: use become" % os.path.dirname(path)
    return None


def write_file(path: str, text: str, mode: int) -> None:
    """Put a file of root's in its place in one step. A directory that is missing is made.

    For a file of root alone the directory is for root alone as well. A link of root's in its place, such as that of a
    masked unit, is replaced.
    """
    directories.make(os.path.dirname(path), 0o755 if mode & 0o077 else 0o700)
    wanted = dict(owner=os.geteuid(), group=os.getegid(), mode=mode)
    with located(path, follow=False) as place, _staged(place, path, text, wanted) as put:
        if not _is_ours(place):
            present(path)
        put()


def _is_ours(place: Place) -> bool:
    """Tell whether root has put there what is in that place."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(place.name, dir_fd=place.handle, follow_symlinks=False)
        return place.ours and is_trusted(status.st_uid)
    return place.ours


def write(path: str, text: str, owner: str | None, group: str | None, mode: int | None) -> None:
    """Replace the file in one step. At no moment is its content readable by more than its mode allows. Raises Refused.

    owner, group: names or numbers. What is None stays as it is; a new file belongs to who runs this, with mode 0640.
    """
    with staged(path, text, owner, group, mode) as put:
        put()


@contextlib.contextmanager
def staged(
    path: str, text: str, owner: str | None, group: str | None, mode: int | None
) -> Iterator[Callable[[], None]]:
    """Write the text beside the path as write() does, and give what puts it in place. Otherwise it is removed."""
    now = present(path) or dict(owner=os.geteuid(), group=os.getegid(), mode=0o640)
    with located(path) as place, _staged(place, path, text, numbers(owner, group, mode, now)) as put:
        yield put


@contextlib.contextmanager
def _staged(place: Place, path: str, text: str, wanted: dict[str, int]) -> Iterator[Callable[[], None]]:
    temporary = ".%s.new" % secrets.token_hex(8)
    if place.handle is None:
        raise Refused("%s can't be written: its directory is missing." % path)

    def put() -> None:
        with _or_refused(path):
            os.replace(temporary, place.name, src_dir_fd=place.handle, dst_dir_fd=place.handle)
            _sync(place.handle)

    try:
        with _or_refused(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            handle = os.open(temporary, flags, 0o600, dir_fd=place.handle)
            with os.fdopen(handle, "wb") as stream:
                # Before there is anything to read.
                change(handle, wanted)
                stream.write(text.encode("utf-8", "surrogateescape"))
                stream.flush()
                os.fsync(handle)
        yield put
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=place.handle)


def _sync(directory: int | None) -> None:
    # A handle that only names the directory can't sync it.
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _or_refused(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused("%s can't be written: %s." % (path, error.strerror)) from error


def present(path: str) -> dict[str, int] | None:
    """Return owner, group and mode of a file as numbers, None when there is none. Raises Refused."""
    with opened(path) as handle:
        return None if handle is None else of(handle)


def settle(
    path: str, owner: str | None, group: str | None, mode: int | None, check: bool
) -> dict[str, dict[str, object]]:
    """Bring owner, group and mode of an existing file in order; return {before: {...}, after: {...}} of what differs.

    Empty when nothing does. Raises Refused.
    """
    with opened(path) as handle:
        if handle is None:
            return {}
        now = of(handle)
        wanted = numbers(owner, group, mode, now)
        if wanted != now and not check:
            try:
                change(handle, wanted)
            except OSError as error:
                raise Refused("%s: owner, group or mode can't be set: %s." % (path, error.strerror)) from error
        return difference(now, wanted)


def _odd(path: str, reason: str | None) -> str:
    return (
        "path: %s is not a plain file (%s), in a place where a service could have put it to have root work elsewhere: "
        "nothing was touched. Find out who made it, and remove it." % (path, reason)
    )
