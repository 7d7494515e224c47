# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ACL file of a server: what it says, and what it should say."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._host import files
from .users import AclError, file_line, parse_line

# Room for a hundred thousand users.
_LARGEST = 16 * files.LARGEST


@dataclass
class AclFile:
    """What an ACL file says. clean: it has nothing beside one line for each user, and no plain password."""

    exists: bool = False
    users: dict = field(default_factory=dict)
    clean: bool = True


def read_file(path):
    """Return the AclFile at path. Raises AclError for a file that can't be understood, and Refused."""
    text = files.read(path, _LARGEST)
    return AclFile() if text is None else parse_file(text, path)


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
                "aclfile %s, line %d can't be read: %s. No user was changed. Fix the line, or delete the file to have"
                " it written anew." % (path, number, error)
            ) from error
        found.clean = found.clean and user.name not in found.users and not any(word[0] in "><" for word in words)
        found.users[user.name] = user
    return found


def render_file(users, channels=True):
    """Return the content of the ACL file for these users: `default` first, hashes only, no comment."""
    ordered = sorted(users.values(), key=lambda user: (user.name != "default", user.name))
    return "".join(file_line(user, channels) + "\n" for user in ordered)
