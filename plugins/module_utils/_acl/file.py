# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ACL file of a server: what it says, what it should say, and how it is put in place."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass, field

from .users import AclError, file_line, parse_line


@dataclass
class AclFile:
    """What an ACL file says. clean: it has nothing beside one line for each user, and no plain password."""

    exists: bool = False
    users: dict = field(default_factory=dict)
    clean: bool = True


def read_file(path):
    """Return the AclFile at path. Raises AclError for a file that is none, or that can't be read."""
    try:
        kind = os.lstat(path).st_mode
        if stat.S_ISLNK(kind) or not stat.S_ISREG(kind):
            # A link would let the server's account choose which file root writes.
            raise AclError("aclfile %s is not a regular file: name the file itself." % path)
        with open(path, "rb") as handle:
            content = handle.read()
    except FileNotFoundError:
        return AclFile()
    except OSError as error:
        raise AclError("aclfile %s can't be read: %s." % (path, error.strerror)) from error
    return parse_file(content.decode("utf-8", "surrogateescape"), path)


def parse_file(content, path):
    """Return the AclFile with this content. Raises AclError naming the line that can't be read."""
    found = AclFile(exists=True)
    for number, line in enumerate(content.split("\n"), 1):
        line = line.strip(" \t\r")
        if not line:
            continue
        if line.startswith("#"):
            # Servers before Redis 8.8 refuse to start with a comment.
            found.clean = False
            continue
        try:
            user, words = parse_line(line)
        except ValueError as error:
            raise AclError(
                "aclfile %s, line %d can't be read: %s. No user was changed. Mend the line, or delete the file to have"
                " it written anew." % (path, number, error)
            ) from error
        found.clean = found.clean and user.name not in found.users and not any(word[0] in "><" for word in words)
        found.users[user.name] = user
    return found


def render_file(users, channels=True):
    """Return the content of the ACL file for these users: `default` first, hashes only, no comment."""
    ordered = sorted(users.values(), key=lambda user: (user.name != "default", user.name))
    return "".join(file_line(user, channels) + "\n" for user in ordered)


def folder_problem(path):
    """Return why a file can't be written at path, or None."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return "aclfile %s: the folder %s does not exist; create it first." % (path, folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        return "aclfile %s: the folder %s can't be written by this user; use become." % (path, folder)
    return None


def stage_file(path, content, owner=None, group=None, mode=None):
    """Write the content beside path, with its owner and mode already right; return the temporary path.

    os.replace() then puts it in place at one stroke. Everything is done through the open file, not by name, because
    the server's account may own the folder. Raises AclError.
    """
    folder = os.path.dirname(path) or "."
    try:
        handle, temporary = tempfile.mkstemp(prefix=".acl-", dir=folder)
    except OSError as error:
        raise AclError("aclfile %s can't be written: %s." % (path, error.strerror)) from error
    try:
        with open(handle, "wb") as output:
            uid, gid, bits = _attributes(path, owner, group, mode)
            os.fchown(output.fileno(), uid, gid)
            os.fchmod(output.fileno(), bits)
            output.write(content.encode("utf-8", "surrogateescape"))
            output.flush()
            os.fsync(output.fileno())
    except (OSError, KeyError, ValueError) as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise AclError("aclfile %s can't be written: %s." % (path, error)) from error
    return temporary


def _attributes(path, owner, group, mode):
    """Return uid, gid and mode for the new file: as asked, otherwise those of the file that is there."""
    uid = gid = -1
    bits = 0o640
    with contextlib.suppress(OSError):
        now = os.lstat(path)
        uid, gid, bits = now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)
    if owner is not None:
        uid = int(owner) if str(owner).isdigit() else pwd.getpwnam(owner).pw_uid
    if group is not None:
        gid = int(group) if str(group).isdigit() else grp.getgrnam(group).gr_gid
    if isinstance(mode, int):
        bits = mode
    elif mode is not None and str(mode).isdigit():
        bits = int(mode, 8)
    return uid, gid, bits
