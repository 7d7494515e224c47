# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rights that ACL rules give, taken one by one as a server takes them, and the shapes of rules. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

HASH = re.compile(r"[0-9a-f]{64}")
KEY = re.compile(r"%(R|W|RW|WR)~", re.IGNORECASE)
# What ends a word in an ACL file; the server refuses the same characters in names and patterns.
BLANK = re.compile(r"[\0\t\n\v\f\r ]")
COMMAND_ALIASES = {"allcommands": "+@all", "nocommands": "-@all"}


@dataclass(frozen=True)
class Permissions:
    """The rights of a user, or of one of its selectors."""

    commands: tuple = ("-@all",)
    keys: frozenset = frozenset()  # "~pattern", "%R~pattern" or "%W~pattern"
    channels: frozenset = frozenset()  # "&pattern"


def split(line):
    """Return the words of a line. As in the server only the ASCII space separates them."""
    return [word for word in line.split(" ") if word]


def settle(rules):
    """Return command rules as Redis 7.2 and later keep them: from a base on, later rules in place of the same earlier.

    A rule takes the place of one for the same command or category, and of those for the command's subcommands.
    """
    kept = ["-@all"]
    for rule in rules:
        rule = COMMAND_ALIASES.get(rule.lower(), rule.lower())
        if rule[1:] == "@all":
            kept = [rule]
            continue
        kept = [one for one in kept if one[1:] != rule[1:] and not one[1:].startswith(rule[1:] + "|")]
        kept.append(rule)
    return tuple(kept)


class Rights:
    """Takes rules one by one, as the server does."""

    def __init__(self):
        self.commands, self.keys, self.channels = [], {}, set()

    def take(self, word):
        """Take a rule on commands, keys or channels; return whether it was one."""
        lower = word.lower()
        if lower in COMMAND_ALIASES or (word[0] in "+-" and len(word) > 1):
            self.commands.append(word)
        elif lower in ("allkeys", "~*"):
            self.keys = {"*": {"R", "W"}}
        elif lower == "resetkeys":
            self.keys = {}
        elif word[0] == "~" or KEY.match(word):
            access, _tilde, pattern = word.partition("~")
            self.keys.setdefault(pattern, set()).update(access[1:].upper() or "RW")
        elif lower in ("allchannels", "&*"):
            self.channels = {"*"}
        elif lower == "resetchannels":
            self.channels = set()
        elif word[0] == "&":
            self.channels.add(word[1:])
        elif lower != "alldbs":  # what new users have, in Valkey 9.1 and later
            return False
        return True

    def done(self):
        # A pattern beside "everything" has no effect, and servers refuse it.
        keys = {"*": {"R", "W"}} if self.keys.get("*") == {"R", "W"} else self.keys
        channels = {"*"} if "*" in self.channels else self.channels
        return Permissions(
            settle(self.commands),
            frozenset(("~" if len(access) == 2 else "%%%s~" % min(access)) + one for one, access in keys.items()),
            frozenset("&" + one for one in channels),
        )
