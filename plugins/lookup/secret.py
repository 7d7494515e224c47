# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret in a file of the controller, made when it is missing
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns what the file holds, without the line end.
  - When the file is missing, makes 32 random bytes, writes them in Base64 to the file, and returns them. Several hosts
    or processes that ask for the same file at once get the same secret.
  - The file gets mode 0600. Directories that are made for it get mode 0700, and the topmost of them a C(.gitignore)
    that keeps all of it out of Git.
options:
  _terms:
    description:
      - Paths of files on the controller. Relative ones begin at the playbook's directory.
    type: list
    elements: path
    required: true
notes:
  - A file that others can read, that is empty or that holds several lines is refused with the command that fixes it.
  - What another user could have put there is refused, too. File, directories and symbolic links on the way must belong
    to whoever runs Ansible, to root, or to the owner of the inventory's or the playbook's directory; a directory that
    all can write must be sticky, and that of the file itself must not be writable for a group with other members.
  - In check mode nothing is written. For a file that is missing, every evaluation then gives another random value.
  - Whoever uses the value must keep it out of the output, by an option that is marked C(no_log) or by C(no_log) on the
    task.
  - Where the controller is thrown away after each job, as with AWX and execution environments, the secret would be too.
    Give the password from Ansible Vault or from the platform's credentials there.
"""

EXAMPLES = r"""
- name: Use a password of its own for each host
  ansible.builtin.set_fact:
    app_password: "{{ lookup('celebrum.redis_hardening.secret', 'credentials/' ~ inventory_hostname ~ '/app') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secrets, one for each path.
  type: list
  elements: str
"""

import base64
import errno
import grp
import os
import pwd
import secrets
import shlex
import stat
import tempfile
import time

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

LONGEST = 4096
IGNORE_ALL = "*\n"


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        dry = bool((variables or {}).get("ansible_check_mode", False))
        # Whoever owns these decides what is run anyway.
        owners = _owners([(variables or {}).get("inventory_dir"), self._loader.get_basedir() if self._loader else None])
        return [self._secret(term, dry, owners) for term in terms]

    def _secret(self, term, dry, owners):
        if not isinstance(term, (str, os.PathLike)):
            raise AnsibleLookupError("The path of a secret must be text, not %s: quote it." % type(term).__name__)
        path = os.path.expanduser(term)
        if not os.path.isabs(path):
            path = self._loader.path_dwim(path) if self._loader else os.path.abspath(path)
        try:
            refuse_planted(path, owners)
            if not os.path.lexists(path):
                if dry:
                    return new_secret()
                create(path, new_secret())
            return read(path, owners)
        except OSError as error:
            raise AnsibleLookupError("The secret %s can't be used: %s" % (path, error)) from error


def new_secret():
    """Return 32 random bytes in standard Base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def create(path, secret):
    """Write the secret to the path, unless somebody else was faster: then theirs stays."""
    folder = os.path.dirname(path)
    make_folders(folder)
    # mkstemp opens with O_EXCL and mode 0600. The link makes the complete file appear at once, or fails because the
    # path exists: nobody ever reads a half-written secret, and nobody overwrites one.
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".secret-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            # A server may be using the password before the disk has it.
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        os.unlink(temporary)
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def make_folders(folder):
    """Make the directory and its parents with mode 0700, and keep the topmost new one out of Git."""
    missing = []
    while not os.path.isdir(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    for number, new in enumerate(missing):
        try:
            os.mkdir(new, 0o700)
        except FileExistsError:
            continue
        if number == 0 and not ignores_all(os.path.dirname(new)):
            with open(os.path.join(new, ".gitignore"), "w", encoding="ascii") as file:
                file.write(IGNORE_ALL)


def ignores_all(folder):
    """Say whether the directory was made by this lookup, for a secret of another host."""
    try:
        with open(os.path.join(folder, ".gitignore"), encoding="utf-8") as file:
            return file.read() == IGNORE_ALL
    except (OSError, UnicodeDecodeError):
        return False


def _owners(folders):
    """Return who, beside whoever runs this and root, may own secrets: the owners of these directories."""
    return {os.stat(folder).st_uid for folder in folders if folder and os.path.isdir(folder)}


def refuse_planted(path, owners=frozenset()):
    """Raise AnsibleLookupError where somebody else could have put there what the path leads to.

    What passes can't be exchanged by others before it is opened, so looking at paths is enough.
    owners: who else may own it.
    """
    trusted = {os.geteuid(), 0, *owners}
    here, ahead, followed = "/", path.split("/"), 0
    while ahead:
        name = ahead.pop(0)
        if name in ("", ".", ".."):
            here = os.path.dirname(here) if name == ".." else here
            continue
        place, last = os.path.join(here, name), not any(ahead)
        _refuse_shared(here, os.lstat(here), last)
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            return
        is_link = stat.S_ISLNK(status.st_mode)
        if status.st_uid not in trusted:
            raise AnsibleLookupError(_of_another(place, status, is_link))
        if is_link:
            followed += 1
            if followed > 40:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(place)
            here, ahead = "/" if target.startswith("/") else here, [*target.split("/"), *ahead]
        else:
            here = place


def _refuse_shared(folder, status, last):
    """Refuse a directory in which others can exchange what is ours. last: it is to hold the secret itself."""
    if status.st_mode & stat.S_ISVTX:
        return
    if status.st_mode & 0o002 or (last and status.st_mode & 0o020 and not _only_ours(status.st_gid)):
        raise AnsibleLookupError(
            "%s can be written by others (mode %04o), who could put a secret of theirs there: run chmod go-w %s, and "
            "remove the secrets in it that you do not know." % (folder, status.st_mode & 0o7777, shlex.quote(folder))
        )


def _only_ours(group):
    """Return whether a group has nobody else in it, as the one that many systems give each user."""
    try:
        ours = {pwd.getpwuid(os.geteuid()).pw_name, "root"}
        members = {*grp.getgrgid(group).gr_mem, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == group)}
    except KeyError:
        return False
    return members <= ours


def _of_another(place, status, is_link):
    quoted = shlex.quote(place)
    if is_link:
        return "%s is a symbolic link of another user: remove it with: rm %s" % (place, quoted)
    return (
        "%s belongs to another user (%d), who could have put a secret of theirs there: if it is yours, run "
        "chown %d %s; otherwise remove it." % (place, status.st_uid, os.geteuid(), quoted)
    )


def _alone(opened, folder):
    """Return whether nobody else can have made this name of the file. For a moment after its making it has two."""
    if not os.stat(folder).st_mode & 0o022:
        return True
    for _attempt in range(20):
        if os.fstat(opened).st_nlink == 1:
            return True
        time.sleep(0.05)
    return False


def read(path, owners=frozenset()):
    """Return the secret in the file; raise AnsibleLookupError with the command that fixes it when it is not private."""
    quoted = shlex.quote(path)
    refuse_planted(path, owners)
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as file:
        # Of what was opened, not of what the path may mean by now.
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            raise AnsibleLookupError("%s is not a file: name a file for the secret." % path)
        if mode & 0o077:
            raise AnsibleLookupError(
                "%s can be read or written by others (mode %04o): if nobody has, run chmod 0600 %s; otherwise remove "
                "the file for a new secret." % (path, stat.S_IMODE(mode), quoted)
            )
        if not _alone(opened, os.path.dirname(os.path.realpath(path))):
            raise AnsibleLookupError(
                "%s is also the name of another file (a hard link), which others may have made: remove it with: rm %s"
                % (path, quoted)
            )
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise AnsibleLookupError("%s has more than %d bytes, which is no secret." % (path, LONGEST))
    try:
        secret = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise AnsibleLookupError("%s is not UTF-8 text." % path) from None
    if not secret:
        raise AnsibleLookupError("%s is empty: remove it for a new secret: rm %s" % (path, quoted))
    if "\n" in secret:
        raise AnsibleLookupError("%s has several lines: a secret is one line." % path)
    return secret
