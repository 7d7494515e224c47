# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CA, certificate and key of a server on its host: a directory behind a symbolic link, so that all change at once.

A server that starts between two writes would find a key that does not fit its certificate, and stay down.

The parent is the server's own until its configuration is root's. What somebody may have put there as that user is not
followed: everything below it is read, made and removed by handles, under names that nobody can foresee.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat

from .._errors import Refused
from .._host import files as host_files
from .._host.paths import opened_directory
from . import certificates

CA, CERTIFICATE, KEY = "ca.crt", "redis.crt", "redis.key"
MODES = {CA: 0o644, CERTIFICATE: 0o644, KEY: 0o640}
FOLDER_MODE = 0o750
PREVIOUS = ".previous"
_LARGEST = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def pem(text):
    """Return the text with one line end at its end, so that the same content compares equal."""
    return (text or "").strip() + "\n"


def read_plain(path):
    """Return the text of a file that only OpenSSL gets to see. A pipe in its place must not keep us waiting."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused("%s is not a plain file." % path)
        return stream.read(_LARGEST).decode()


def read(path):
    """Return {file name: text} of an installed directory; {} when there is none or it is incomplete.

    Raises Refused for what is no plain file of ours.
    """
    place = _led_to(path)
    found = {name: host_files.read(os.path.join(place, name)) for name in MODES} if place else {}
    if None in found.values():
        return {}
    # What is not UTF-8 is no PEM either.
    return {name: "" if re.search("[\udc80-\udcff]", text) else pem(text) for name, text in found.items()}


@contextlib.contextmanager
def _parent(path):
    """Give a handle of the directory that the link is in, None when that is missing."""
    with opened_directory(os.path.dirname(os.path.abspath(path))) as (handle, _ours_alone):
        yield handle


def _led_to(path):
    """Return the directory that the link leads to, None when there is nothing."""
    base = os.path.basename(path)
    with _parent(path) as parent:
        status = _status(parent, base)
        if status is None:
            return None
        if stat.S_ISDIR(status.st_mode):
            return path
        if not stat.S_ISLNK(status.st_mode):
            raise Refused("%s is no directory: move it away, or set another path." % path)
        target = os.readlink(base, dir_fd=parent)
    if not _ours(base).fullmatch(target):
        raise Refused(
            "%s is a symbolic link to %s, which this collection did not make: nothing was touched. Find out who did, "
            "and remove it (rm %s), or set another path." % (path, target, path)
        )
    return os.path.join(os.path.dirname(path), target)


def _status(parent, name):
    """Return the status of an entry itself, wherever it may lead; None when there is none."""
    if parent is None:
        return None
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _ours(base):
    """Return the pattern of the names that this file makes, beside the two links."""
    return re.compile(r"\.?%s-[0-9a-f]{16}(-\w+)?|\.%s-\w{8}" % (re.escape(base), re.escape(base)))


def place_problem(path, parent_needed=True):
    """Return why the link can't be made at this path, '' when it can."""
    with _parent(path) as parent:
        status = _status(parent, os.path.basename(path))
        if status and stat.S_ISDIR(status.st_mode):
            return (
                "%s is a directory that somebody else made: move it away (mv %s %s.old; a running server keeps what it "
                "has loaded), or set another path." % (path, path, path)
            )
        if parent_needed and parent is None:
            return "The directory %s is missing: install the server first." % os.path.dirname(path)
    return ""


def attribute_changes(path, uid, gid):
    """Return {path: (mode, uid, gid) as they are} of the installed directory and files that have other ones."""
    place, found = _led_to(path), {}
    with opened_directory(place) as (handle, _ours_alone):
        statuses = {place: (os.fstat(handle), FOLDER_MODE)}
        statuses.update({os.path.join(place, name): (_status(handle, name), mode) for name, mode in MODES.items()})
    for name, (status, mode) in statuses.items():
        now = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        if now != (mode, uid, gid):
            found[name] = now
    return found


def install(path, files, uid, gid):
    """Put the files into a new directory and lead the link there. Other files before that are kept as PATH.previous,
    because a running server believes its old CA until it has loaded the new one.

    files: {file name: text} for all of MODES. Whoever opens a file sees all old ones or all new ones. Those of a wrong
    owner are not given to root but made anew: whoever has opened one for writing could go on writing.
    """
    parent_path, base = os.path.split(path)
    before, changed = _led_to(path), read(path) != files
    new = "%s-%s" % (base, secrets.token_hex(8))
    with _parent(path) as parent:
        if parent is None:
            raise Refused("The directory %s is missing: install the server first." % parent_path)
        os.mkdir(new, 0o700, dir_fd=parent)
        try:
            for name, mode in MODES.items():
                host_files.write(os.path.join(parent_path, new, name), files[name], str(uid), str(gid), mode)
            with _opened(new, parent) as handle:
                os.fchown(handle, uid, gid)
                os.fchmod(handle, FOLDER_MODE)
                os.fsync(handle)
            if before and changed:
                _lead(parent, base, base + PREVIOUS, os.path.basename(before))
            _lead(parent, base, base, new)
        except BaseException:
            _remove(parent, new)
            raise
        _clean(parent, base)


def has_previous(path):
    """Return whether the files before the last change are still there."""
    with _parent(path) as parent:
        status = _status(parent, os.path.basename(path) + PREVIOUS)
        return status is not None and stat.S_ISLNK(status.st_mode)


def remove_previous(path):
    """Remove the files before the last change, and what an interrupted run has left."""
    base = os.path.basename(path)
    with _parent(path) as parent:
        os.unlink(base + PREVIOUS, dir_fd=parent)
        _clean(parent, base)


@contextlib.contextmanager
def _opened(name, parent):
    handle = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield handle
    finally:
        os.close(handle)


def _lead(parent, base, link, target):
    """Make the link, or change where it leads, in one step."""
    new = ".%s-%s" % (base, secrets.token_hex(8))
    os.symlink(target, new, dir_fd=parent)
    try:
        os.replace(new, link, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        os.unlink(new, dir_fd=parent)
        raise


def _clean(parent, base):
    """Remove every directory of ours that no link leads to, and make all of it last."""
    kept = set()
    for link in (base, base + PREVIOUS):
        with contextlib.suppress(OSError):
            kept.add(os.readlink(link, dir_fd=parent))
    with _opened(".", parent) as handle:
        for name in os.listdir(handle):
            if _ours(base).fullmatch(name) and name not in kept:
                _remove(parent, name)
        os.fsync(handle)


def _remove(parent, name):
    """Remove a directory of plain files, or a link itself; leave anything else."""
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)
            return
        with _opened(name, parent) as handle:
            for entry in os.listdir(handle):
                os.unlink(entry, dir_fd=handle)
        os.rmdir(name, dir_fd=parent)


def reasons_to_issue(files, ca, names, renew_before, now):
    """Return (Facts or None, reasons) why a private CA must issue a new certificate; none keep the installed one.

    files: as read() gives them. ca: PEM of the CA as it is on the controller, '' when it is still to be made.
    """
    if not files:
        return None, ["there is no certificate yet"]
    if not certificates.certificates(ca):
        return None, ["there is no CA yet"]
    facts, reasons = certificates.check_pair(files[CERTIFICATE], files[KEY], ca, names)
    if facts and not reasons and facts.not_after - now < renew_before * certificates.DAY:
        reasons = ["it is valid for %d more days, and renewed below %d" % (facts.days_left(now), renew_before)]
    return facts, reasons
