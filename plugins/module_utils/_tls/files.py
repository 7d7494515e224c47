# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CA, certificate and key of a server on its host: a folder behind a symbolic link, so that all three change at once.

A server that starts between two writes would find a key that does not fit its certificate, and stay down.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile

from .._errors import Refused
from . import certificates

CA, CERTIFICATE, KEY = "ca.crt", "redis.crt", "redis.key"
MODES = {CA: 0o644, CERTIFICATE: 0o644, KEY: 0o640}
FOLDER_MODE = 0o750
PREVIOUS = ".previous"


def pem(text):
    """Return the text with one line end at its end, so that the same content compares equal."""
    return (text or "").strip() + "\n"


def read(path):
    """Return {file name: text} of an installed folder; {} when there is none or it is incomplete."""
    found = {}
    for name in MODES:
        try:
            with open(os.path.join(path, name), encoding="utf-8") as handle:
                found[name] = pem(handle.read())
        except FileNotFoundError:
            return {}
        except NotADirectoryError:
            break
        except UnicodeDecodeError:
            found[name] = ""
    if not found and os.path.lexists(path):
        raise Refused("%s is no folder: move it away, or set another path." % path)
    return found


def place_problem(path, parent_needed=True):
    """Return why the link can't be made at this path, '' when it can."""
    if os.path.isdir(path) and not os.path.islink(path):
        return (
            "%s is a folder that somebody else made: move it away (mv %s %s.old; a running server keeps what it has "
            "loaded), or set another path." % (path, path, path)
        )
    parent = os.path.dirname(path)
    if parent_needed and not os.path.isdir(parent):
        return "The folder %s is missing: install the server first." % parent
    return ""


def attribute_changes(path, uid, gid):
    """Return {path: (mode, uid, gid) as they are} of the installed folder and files that have other ones."""
    wanted = {os.path.realpath(path): FOLDER_MODE}
    wanted.update({os.path.join(os.path.realpath(path), name): mode for name, mode in MODES.items()})
    found = {}
    for name, mode in wanted.items():
        status = os.stat(name)
        now = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        if now != (mode, uid, gid):
            found[name] = now
    return found


def settle(path, uid, gid):
    """Bring owner, group and mode of the installed folder and files in order."""
    for name in attribute_changes(path, uid, gid):
        os.chown(name, uid, gid)
        os.chmod(name, FOLDER_MODE if os.path.isdir(name) else MODES[os.path.basename(name)])


def install(path, files, uid, gid):
    """Put the files into a new folder and lead the link there. The folder before that is kept as PATH.previous, because
    a running server believes its old CA until it has loaded the new one.

    files: {file name: text} for all of MODES. Whoever opens a file sees all old ones or all new ones.
    """
    parent, base = os.path.split(path)
    digest = hashlib.sha256("".join(files[name] for name in sorted(MODES)).encode()).hexdigest()[:16]
    folder = "%s-%s" % (path, digest)
    temporary = tempfile.mkdtemp(dir=parent, prefix=".%s-" % base)
    try:
        for name, mode in MODES.items():
            target = os.path.join(temporary, name)
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
                handle.write(files[name])
                handle.flush()
                os.fsync(handle.fileno())
            os.chown(target, uid, gid)
            os.chmod(target, mode)
        os.chown(temporary, uid, gid)
        os.chmod(temporary, FOLDER_MODE)
        if os.path.realpath(path) == folder:
            # The same content with files that somebody has removed or changed: make way for it under another name.
            folder += "-%s" % os.path.basename(temporary)[-4:]
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(temporary, folder)
        if os.path.islink(path):
            _lead(path + PREVIOUS, os.readlink(path))
        _lead(path, os.path.basename(folder))
        _sync(parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    kept = {os.path.realpath(path), os.path.realpath(path + PREVIOUS)}
    for name in os.listdir(parent):
        mine = re.fullmatch(r"%s-[0-9a-f]{16}(-\w+)?|\.%s-\w{8}" % (re.escape(base), re.escape(base)), name)
        if mine and os.path.join(parent, name) not in kept:
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def _lead(link, target):
    """Make the link, or change where it leads, in one step."""
    new = os.path.join(os.path.dirname(link), ".%s.link" % os.path.basename(link))
    if os.path.lexists(new):
        os.unlink(new)
    os.symlink(target, new)
    os.replace(new, link)


def _sync(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
