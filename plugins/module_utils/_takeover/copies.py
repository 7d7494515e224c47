# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of the files that a server was configured by before it was taken over, for root alone: they hold passwords."""

from __future__ import annotations

import os
import stat

from .._config.included import plain_text
from .._errors import Refused
from .._host import files as host_files


def with_users(old, *aclfiles):
    """Return {path: text} of an Old with its ACL file, and with others that are there. Raises OSError."""
    found = dict(old.files)
    named = [words[0] for words in old.all_of("aclfile") if words and words[0]]
    for path in dict.fromkeys([os.path.join(old.cwd, name) for name in named] + [path for path in aclfiles if path]):
        if os.path.exists(path):
            found[path] = plain_text(path)
    return found


def kept_already(directory, unit, files):
    """Return the directory of an earlier copy of just these files, or None."""
    for name in sorted(os.listdir(directory), reverse=True) if os.path.isdir(directory) else []:
        folder = os.path.join(directory, name)
        if name.startswith(unit + ".") and _read(folder) == {_inside(path): text for path, text in files.items()}:
            return folder
    return None


def keep(directory, unit, date, files):
    """Write the copies below directory, in a directory named by unit and date; return that. Raises Refused."""
    # Also for the directories in between.
    before = os.umask(0o077)
    try:
        if not os.path.lexists(directory):
            os.mkdir(directory, 0o700)
        status = os.lstat(directory)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise Refused("%s is not a directory that only root can write to: nothing was kept or changed." % directory)
        folder = os.path.join(directory, "%s.%s" % (unit, date))
        os.mkdir(folder, 0o700)
        for path, text in files.items():
            host_files.write_file(os.path.join(folder, _inside(path)), text, 0o600)
    except OSError as error:
        raise Refused("The old configuration can't be kept in %s: %s." % (directory, error)) from error
    finally:
        os.umask(before)
    return folder


def _inside(path):
    return os.path.normpath("/" + path).lstrip("/")


def _read(folder):
    found = {}
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            found[os.path.relpath(path, folder)] = plain_text(path)
    return found
