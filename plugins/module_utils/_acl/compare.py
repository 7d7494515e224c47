# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether two ACL users are the same. Pure functions.

Redis 6.0 to 7.0 do not keep the text of command rules; they print other rules that allow the same commands. So rules
are worked out here into the set of commands that they allow, with the server's own lists of commands and categories
(ACL CAT). That writes nothing, not even a scratch user, and so serves check mode and verification alike.
"""

from __future__ import annotations

import functools

from .._redis.replies import printable
from .users import words_of


class CommandTable:
    """The commands and categories of one server. categories: {name: [command or command|subcommand]}."""

    def __init__(self, categories):
        self.names = frozenset(name for members in categories.values() for name in members)
        subcommands = {}
        for name in self.names:
            command, _bar, subcommand = name.partition("|")
            if subcommand:
                subcommands.setdefault(command, set()).add(name)
        self._targets = {name: frozenset({name} | subcommands.get(name, set())) for name in self.names}
        self._categories = {"@" + category: frozenset(members) for category, members in categories.items()}
        self.effect = functools.lru_cache(maxsize=None)(self._effect)

    def _effect(self, rules):
        """Return (future, names): whether commands of the future are allowed, and which of today's are.

        Among the names are also "select|1", one first argument, and "!x", the denial of a command that is in no
        category, as those of modules may be.
        """
        future, allowed = False, set()
        for rule in rules:
            grant, name = rule[0] == "+", rule[1:]
            if name == "@all":
                future, allowed = grant, set(self.names) if grant else set()
                continue
            targets = self._categories.get(name) or self._targets.get(name)
            if targets:
                allowed -= {one for one in allowed - self.names if one.partition("|")[0] in targets}
                allowed = allowed | targets if grant else allowed - targets
            elif grant and name.partition("|")[0] in allowed & self.names:
                pass  # a first argument of a command that is allowed with all arguments
            else:
                allowed -= {name, "!" + name}
                allowed.add(name if grant else "!" + name)
        return future, frozenset(allowed)

    def allows(self, user, name):
        """Return whether the user may run this command (lower-case, 'config|set'), with whatever keys."""
        command, subcommand, _argument = name.partition("|")
        for permissions in (user.rights, *user.selectors):
            future, allowed = self.effect(permissions.commands)
            if name in allowed:
                return True
            if name not in self.names and (command in allowed if subcommand else future and "!" + name not in allowed):
                return True
        return False


def differences(wanted, live, table, keeps_text):
    """Return in what the live user is not the wanted one: a list of words, empty when they are the same.

    keeps_text: the server keeps the text of rules (Redis 7.2 and later, Valkey); the rules have to be the same ones
    then, not only to allow the same. Their order is free as long as they allow the same.
    """
    found = []
    if wanted.enabled != live.enabled:
        found.append("enabled")
    if (wanted.hashes, wanted.nopass) != (live.hashes, live.nopass):
        found.append("passwords")
    if wanted.sanitize != live.sanitize:
        found.append("sanitize_payload")
    for aspect in ("keys", "channels"):
        if getattr(wanted.rights, aspect) != getattr(live.rights, aspect):
            found.append(aspect)
    if not _same_commands(wanted.rights.commands, live.rights.commands, table, keeps_text):
        found.append("commands")
    if not _same_selectors(wanted.selectors, live.selectors, table, keeps_text):
        found.append("selectors")
    if wanted.other != live.other:
        found.append("rules unknown to this collection")
    return found


def _same_commands(wanted, live, table, keeps_text):
    if wanted == live:
        # The same text is the same rights on every server: what a server prints, read back, gives what it printed.
        return True
    if keeps_text and set(wanted) != set(live):
        return False
    return table.effect(wanted) == table.effect(live)


def _same_selectors(wanted, live, table, keeps_text):
    unmatched = list(live)
    for one in wanted:
        match = next(
            (
                other
                for other in unmatched
                if (one.keys, one.channels) == (other.keys, other.channels)
                and _same_commands(one.commands, other.commands, table, keeps_text)
            ),
            None,
        )
        if match is None:
            return False
        unmatched.remove(match)
    return not unmatched


def describe(wanted, live, aspects):
    """Return what differs, in words, without secrets: for messages and findings."""
    return "; ".join("%s: %s" % (aspect, _describe_one(wanted, live, aspect)) for aspect in aspects)


def _describe_one(wanted, live, aspect):
    if aspect == "enabled":
        return "the user is %s" % ("on" if live.enabled else "off")
    if aspect == "passwords":
        if live.nopass:
            return "any password is taken (nopass)"
        return _set_difference(
            {"#" + one[:8] + "..." for one in wanted.hashes}, {"#" + one[:8] + "..." for one in live.hashes}
        )
    if aspect == "sanitize_payload":
        return "payloads are %s" % ("checked" if live.sanitize else "not checked")
    if aspect in ("keys", "channels"):
        return _set_difference(getattr(wanted.rights, aspect), getattr(live.rights, aspect))
    if aspect == "commands":
        return printable("'%s' instead of '%s'" % (" ".join(live.rights.commands), " ".join(wanted.rights.commands)))
    if aspect == "selectors":
        have, want = ([word for word in words_of(one) if word[0] == "("] for one in (live, wanted))
        return printable("'%s' instead of '%s'" % (" ".join(have), " ".join(want)))
    return printable(" ".join(sorted(live.other)))


def _set_difference(wanted, live):
    parts = []
    if live - wanted:
        parts.append("extra " + " ".join(sorted(live - wanted)))
    if wanted - live:
        parts.append("missing " + " ".join(sorted(wanted - live)))
    return printable(", ".join(parts))
