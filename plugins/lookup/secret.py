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
  - The file gets mode 0600. Folders that are made for it get mode 0700, and the topmost of them a C(.gitignore) that
    keeps all of it out of Git.
options:
  _terms:
    description:
      - Paths of files on the controller. Relative ones begin at the playbook's folder.
    type: list
    elements: path
    required: true
notes:
  - A file that others can read, that is empty, that holds several lines, or that is reached over another user's
    symbolic link is refused with the command that mends it.
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
import os
import secrets
import shlex
import stat
import tempfile

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

LONGEST = 4096
IGNORE_ALL = "*\n"


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        dry = bool((variables or {}).get("ansible_check_mode", False))
        return [self._secret(str(term), dry) for term in terms]

    def _secret(self, term, dry):
        path = os.path.expanduser(term)
        if not os.path.isabs(path):
            path = self._loader.path_dwim(path) if self._loader else os.path.abspath(path)
        try:
            if not os.path.lexists(path):
                if dry:
                    return new_secret()
                create(path, new_secret())
            return read(path)
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
    """Make the folder and its parents with mode 0700, and keep the topmost new one out of Git."""
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
    """Say whether the folder was made by this lookup, for a secret of another host."""
    try:
        with open(os.path.join(folder, ".gitignore"), encoding="utf-8") as file:
            return file.read() == IGNORE_ALL
    except (OSError, UnicodeDecodeError):
        return False


def read(path):
    """Return the secret in the file; raise AnsibleLookupError with the command that mends it when it is not private."""
    quoted = shlex.quote(path)
    link = os.lstat(path)
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (os.geteuid(), 0):
        raise AnsibleLookupError("%s is a symbolic link of another user: remove it with: rm %s" % (path, quoted))
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
