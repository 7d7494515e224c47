# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ACL users as values: read from a declaration or from what a server prints, and written back. Pure functions.

All text is str; bytes of a server that are no UTF-8 travel as surrogate escapes (text(), raw()).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from .._arguments import in_quotes
from .._redis.replies import printable
from .entries import inside, login_problems, rule_problems
from .rights import BLANK, Permissions, Rights, split


class AclError(ValueError):
    """The declared users, or an ACL file, can't be used; the text says what is wrong and what to set."""


@dataclass(frozen=True)
class User:
    """One ACL user. hashes: SHA-256 of its passwords. other: rules that this code does not know."""

    name: str
    enabled: bool = False
    nopass: bool = False
    hashes: frozenset = frozenset()
    sanitize: bool = True
    rights: Permissions = Permissions()
    selectors: tuple = ()
    other: frozenset = frozenset()


def hash_of(password):
    """Return the form in which servers keep this password."""
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).hexdigest()


def redacted(line):
    """Return the line with every password hash cut to its fingerprint, and printable."""
    return printable(re.sub(r"(?<![^\s'])([#!][^\s']{8})[^\s']+", r"\1...", line))


def parse(name, words):
    """Return the User that a new user `name` becomes by these rules."""
    rights, selectors, other, hashes = Rights(), [], set(), set()
    flags = dict(enabled=False, nopass=False, sanitize=True)
    for word in _joined(words):
        lower = word.lower()
        if lower == "reset":
            rights, selectors, other, hashes = Rights(), [], set(), set()
            flags = dict(enabled=False, nopass=False, sanitize=True)
        elif lower in ("on", "off"):
            flags["enabled"] = lower == "on"
        elif lower in ("sanitize-payload", "skip-sanitize-payload"):
            flags["sanitize"] = lower == "sanitize-payload"
        elif lower in ("nopass", "resetpass"):
            flags["nopass"], hashes = lower == "nopass", set()
        elif word[0] in "#>":
            flags["nopass"] = False
            hashes.add(word[1:] if word[0] == "#" else hash_of(word[1:]))
        elif word[0] in "!<":
            hashes.discard(word[1:] if word[0] == "!" else hash_of(word[1:]))
        elif lower == "clearselectors":
            selectors = []
        elif word[0] == "(" and word[-1] == ")":
            selector = Rights()
            other.update("(%s)" % rule for rule in split(word[1:-1]) if not selector.take(rule))
            selectors.append(selector.done())
        elif not rights.take(word):
            other.add(word)
    ordered = tuple(sorted(selectors, key=_permission_words))
    return User(
        name=name, hashes=frozenset(hashes), rights=rights.done(), selectors=ordered, other=frozenset(other), **flags
    )


def parse_line(line):
    """Return (User, words) of a line 'user <name> <rules>', as ACL LIST and ACL files have it. Raises ValueError."""
    parts = split(line)
    if len(parts) < 2 or parts[0].lower() != "user":
        raise ValueError("it does not begin with 'user <name>'")
    return parse(parts[1], parts[2:]), parts[2:]


def words_of(user, channels=True):
    """Return the rules that make a new user this one, in one fixed order.

    channels: False for Redis 6.0, which knows no channel rules.
    """
    words = ["on" if user.enabled else "off"]
    words += ["nopass"] * user.nopass + ["skip-sanitize-payload"] * (not user.sanitize)
    words += ["#" + one for one in sorted(user.hashes)]
    words += _permission_words(user.rights, channels)
    words += ["(%s)" % " ".join(_permission_words(selector, channels)) for selector in user.selectors]
    return words + sorted(user.other)


def line_of(user):
    """Return the user in the form in which servers list it."""
    return " ".join(["user", user.name, *words_of(user)])


def file_line(user, channels=True):
    """Return the user's line in an ACL file.

    `reset` first: the line then means the same whatever a user starts with in the server that reads it.
    """
    return " ".join(["user", user.name, "reset", *words_of(user, channels)])


def selector_text(permissions):
    """Return a selector as it is declared, without parentheses."""
    return " ".join(_permission_words(permissions))


def _permission_words(permissions, channels=True):
    words = sorted(permissions.keys)
    if channels:
        # Explicit, because acl-pubsub-default may give new users and selectors all channels.
        words += ["resetchannels"] if "&*" not in permissions.channels else []
        words += sorted(permissions.channels)
    return words + list(permissions.commands)


def _joined(words):
    """Yield the words, those of one selector as one: it goes from '(' to the first word that ends with ')'."""
    open_selector = []
    for word in words:
        if open_selector or (word[0] == "(" and word[-1] != ")"):
            open_selector.append(word)
            if word[-1] == ")":
                yield " ".join(open_selector)
                open_selector = []
        else:
            yield word
    if open_selector:
        yield " ".join(open_selector)


def declared(entries):
    """Return {name: User} of the declared users, `default` always among them. Raises AclError naming all problems."""
    users, problems = {}, []
    for position, entry in enumerate(entries or [], 1):
        name = entry.get("name") or ""
        label = "'%s'" % printable(name) if name else "entry %d" % position
        if not name:
            problems.append("%s has no name." % label)
        elif BLANK.search(name) or in_quotes(name):
            problems.append(
                "%r: a user's name can't hold blanks, line breaks or NUL, nor be in quotes of its own."
                % printable(name)
            )
        if name in users:
            problems.append("%s is declared twice: keep one of the two." % label)
        found = login_problems(entry) + rule_problems(entry)
        problems += ["%s: %s" % (label, problem) for problem in found]
        users[name] = User(name) if found else parse(name, _entry_words(entry))
    if problems:
        raise AclError("users: " + " ".join(problems))
    # Without a rule for it this user is on, without a password, with all rights.
    users.setdefault("default", User("default"))
    return users


def _entry_words(entry):
    words = ["on" if entry.get("enabled", True) else "off"]
    words += ["#" + hash_of(password) for password in entry.get("passwords") or []]
    words += ["#" + one for one in entry.get("password_hashes") or []]
    words += [key if key[0] in "~%" else "~" + key for key in entry.get("keys") or []]
    words += [channel if channel[0] == "&" else "&" + channel for channel in entry.get("channels") or []]
    words += ["skip-sanitize-payload"] if entry.get("sanitize_payload") is False else []
    words += list(entry.get("commands") or [])
    return words + ["(%s)" % inside(selector) for selector in entry.get("selectors") or []]
