# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and replacing a configuration file."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import tempfile

from .._errors import Refused


def problems(params):
    """Return what would keep the file from being written, found before the running server is changed."""
    folder = os.path.dirname(os.path.realpath(params["path"]))
    found = []
    if not os.access(folder, os.W_OK | os.X_OK):
        found.append("path: the folder %s is missing or can't be written to." % folder)
    for option, look_up in (("owner", pwd.getpwnam), ("group", grp.getgrnam)):
        name = params.get(option)
        if name and not name.isdigit():
            try:
                look_up(name)
            except KeyError:
                found.append("%s: %s does not exist on this host." % (option, name))
    return found


def read(path):
    """Return the file's text, bytes that are not UTF-8 included; None when there is no file. Raises Refused."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused("%s can't be read: %s." % (path, error.strerror)) from error


def settle(module, path, diff):
    """Bring owner, group and mode of an existing file in order; fill diff; return whether anything differed."""
    target = os.path.realpath(path)
    if not os.path.exists(target):
        return False
    wanted = module.load_file_common_arguments(module.params, path=target)
    return module.set_fs_attributes_if_different(wanted, False, diff)


def write(module, path, text):
    """Replace the file in one step. At no moment is its content readable by more than its mode allows."""
    target = os.path.realpath(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=os.path.dirname(target))
    except OSError as error:
        raise Refused("%s can't be written: %s." % (path, error.strerror)) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.exists(target):
            present = os.stat(target)
            os.chown(temporary, present.st_uid, present.st_gid)
        attributes = module.load_file_common_arguments(module.params, path=temporary)
        module.set_fs_attributes_if_different(attributes, False)
        os.replace(temporary, target)
    except OSError as error:
        raise Refused("%s can't be written: %s." % (path, error.strerror)) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
