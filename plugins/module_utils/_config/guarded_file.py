# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and replacing a configuration file in a folder that its server can write to.

A server that was taken over could put links in the way, so that root reads, writes or gives away something else. So no
link is followed, in no part of the path, and everything is done by handles. The functions are those of file.py.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import secrets
import stat

from .._errors import Refused
from . import file as files

_LARGEST = 1 << 20
_UNSUPPORTED = ("seuser", "serole", "setype", "selevel", "attributes")


def option_problems(params):
    """Return what is wrong with the options, whatever is on the host."""
    found = ["rewritten: %s can't be set for such a file." % name for name in _UNSUPPORTED if params.get(name)]
    try:
        _mode(params["mode"])
    except ValueError:
        found.append("mode: with rewritten it must be octal, such as '0600', in quotes.")
    if not any(value for name, value in (params["settings"] or {}).items() if str(name).lower() == "aclfile"):
        found.append("rewritten: set aclfile. Without one, the server writes its users into the configuration file.")
    return found


def problems(params):
    """Return what would keep the file from being written, found before the running server is changed."""
    found = files.problems(params)
    with open_folder(params["path"]) as folder:
        return found if folder is not None or found else ["path: its folder is missing."]


def read(path):
    """Return the file's text, bytes that are not UTF-8 included; None when there is no file. Raises Refused."""
    with _present(path) as handle:
        if handle is None:
            return None
        content = b""
        while chunk := os.read(handle, 65536):
            content += chunk
            if len(content) > _LARGEST:
                raise Refused("%s is larger than any configuration: look at what it is, and remove it." % path)
        return content.decode("utf-8", "surrogateescape")


def settle(module, path, diff):
    """Bring owner, group and mode of an existing file in order; fill diff; return whether anything differed."""
    with _present(path) as handle:
        if handle is None:
            return False
        status = os.fstat(handle)
        now = dict(owner=status.st_uid, group=status.st_gid, mode=stat.S_IMODE(status.st_mode))
        wanted = _attributes(module.params, now)
        for name in now:
            if wanted[name] != now[name]:
                for side, value in (("before", now[name]), ("after", wanted[name])):
                    diff.setdefault(side, {})[name] = "0%03o" % value if name == "mode" else value
        if wanted != now and not module.check_mode:
            _set(path, handle, wanted)
        return wanted != now


def write(module, path, text):
    """Replace the file in one step. At no moment is its content readable by more than its mode allows."""
    with _present(path) as old:
        status = os.fstat(old) if old is not None else None
    now = dict(owner=status.st_uid, group=status.st_gid) if status else dict(owner=os.geteuid(), group=os.getegid())
    name, temporary = os.path.basename(path), ".%s.new" % secrets.token_hex(8)
    with open_folder(path) as folder:
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
            try:
                with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                    stream.write(text)
                    stream.flush()
                    _set(path, handle, _attributes(module.params, now))
                    os.fsync(handle)
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
        except OSError as error:
            raise Refused("%s can't be written: %s." % (path, error.strerror)) from error


@contextlib.contextmanager
def open_folder(path):
    """Give a handle of the folder that the file is in, None when there is no such folder. Raises Refused for links."""
    handle, walked = os.open("/", os.O_PATH | os.O_DIRECTORY), ""
    try:
        for part in os.path.dirname(os.path.abspath(path)).strip("/").split("/"):
            walked += "/" + part
            try:
                inner = os.open(part or ".", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            except FileNotFoundError:
                inner = None
            except OSError as error:
                raise Refused(
                    "path: %s is a symbolic link or no folder (%s). A file that the server rewrites is only reached by "
                    "real folders: give its real path, or find out who put that there." % (walked, error.strerror)
                ) from error
            os.close(handle)
            handle = inner
            if handle is None:
                break
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def _present(path):
    """Give a handle of the file as it is, None when there is none. Raises Refused for anything but a plain file."""
    with open_folder(path) as folder:
        handle = None
        if folder is not None:
            try:
                # A pipe in its place must not keep us waiting.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
                handle = os.open(os.path.basename(path), flags, dir_fd=folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise Refused(_odd(path, error.strerror)) from error
        try:
            if handle is not None:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    raise Refused(_odd(path, "it is no regular file"))
                if status.st_nlink > 1:
                    raise Refused(_odd(path, "it has a second name elsewhere"))
            yield handle
        finally:
            if handle is not None:
                os.close(handle)


def _odd(path, reason):
    return (
        "path: %s is not a plain file (%s). The server can write to its folder, and somebody may have put it there to "
        "have root write elsewhere: nothing was touched. Find out who, and remove it." % (path, reason)
    )


def _attributes(params, now):
    """Return owner, group and mode as numbers; what is not declared stays as it is."""
    return dict(
        owner=_number(params["owner"], now["owner"], lambda name: pwd.getpwnam(name).pw_uid),
        group=_number(params["group"], now["group"], lambda name: grp.getgrnam(name).gr_gid),
        mode=_mode(params["mode"]),
    )


def _number(name, present, look_up):
    if name is None:
        return present
    if name.isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError as error:
        raise Refused("%s does not exist on this host." % name) from error


def _mode(mode):
    number = mode if isinstance(mode, int) else int(mode, 8)
    if not 0 <= number <= 0o777:
        raise ValueError("not a file's mode")
    return number


def _set(path, handle, wanted):
    try:
        os.fchown(handle, wanted["owner"], wanted["group"])
        os.fchmod(handle, wanted["mode"])
    except OSError as error:
        raise Refused("%s: owner, group or mode can't be set: %s." % (path, error.strerror)) from error
