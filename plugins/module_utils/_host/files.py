# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that root reads and writes on a host: each in one step, and through no link in the place of the file itself."""

from __future__ import annotations

import os
import stat
import tempfile

SBIN = ["/usr/sbin", "/sbin"]


def read_file(path: str) -> str | None:
    """Return a file's text, or None when there is no plain file of that name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as source:
        return source.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def file_difference(path: str, text: str, mode: int) -> str | None:
    """Return in words how a file differs from what it should be, or None."""
    if read_file(path) is None:
        return "%s is missing" % path if not os.path.lexists(path) else "%s is not a plain file" % path
    if read_file(path) != text:
        return "%s has another content" % path
    status = os.stat(path)
    if stat.S_IMODE(status.st_mode) != mode or status.st_uid != 0 or status.st_gid != 0:
        return "%s has another owner or mode than root, %04o" % (path, mode)
    return None


def write_file(path: str, text: str, mode: int) -> None:
    """Put a file in its place in one step, never readable by more than its mode says.

    A directory that is missing is made: for a file of root alone it is for root alone as well.
    """
    os.makedirs(os.path.dirname(path), mode=0o755 if mode & 0o077 else 0o700, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix="." + os.path.basename(path) + ".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fchmod(descriptor, mode)
            os.fchown(descriptor, 0, 0)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
