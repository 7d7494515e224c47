# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a declared user, by list and place, since what is in the wrong list may be a password."""

from __future__ import annotations

import re

from .._arguments import in_quotes
from .rights import BLANK, COMMAND_ALIASES, HASH, KEY, Rights, split

# What ACL rules begin with that are no pattern, and those that are a word.
_RULE_SIGNS = frozenset("~%&+-@#!<>()")
_RULES = frozenset(
    """
    allchannels allcommands alldbs allkeys clearselectors nocommands nopass off on reset resetchannels resetkeys
    resetpass sanitize-payload skip-sanitize-payload
    """.split()  # noqa: SIM905
)


def inside(selector):
    selector = selector.strip()
    return selector[1:-1] if selector.startswith("(") and selector.endswith(")") else selector


def rule_problems(entry):
    """Return what is wrong with the rights of a declared user, each by its list and place: it may be a password."""
    return (
        _checked(entry, "commands", _is_command, "is no command rule such as +get, -config|set or +@read.")
        + _checked(
            entry, "keys", _is_key, "is no key pattern: cache:*, ~cache:*, %R~cache:*, without blanks and quotes."
        )
        + _checked(
            entry, "keys", lambda one: not _is_rule(one) or one[0] in "~%", _OF_ANOTHER_LIST % ("* for all keys", "~")
        )
        + _checked(entry, "channels", _is_pattern, "is no channel pattern: news:*, without blanks and quotes.")
        + _checked(
            entry, "channels", lambda one: not _is_rule(one) or one[0] == "&", _OF_ANOTHER_LIST % ("* for all", "&")
        )
        + _checked(entry, "selectors", _is_selector, "is no selector such as (+get ~cache:*).")
    )


_OF_ANOTHER_LIST = "is an ACL rule and no pattern: write %s, an empty list for none, or put %s before it."


def _checked(entry, option, test, hint):
    return [
        "%s, entry %d: %s" % (option, position, hint)
        for position, value in enumerate(entry.get(option) or [], 1)
        if not test(value)
    ]


def login_problems(entry):
    problems = _checked(
        entry,
        "passwords",
        lambda one: one and not re.search(r"[\0\r\n]", one),
        "is empty or holds a line break or NUL.",
    )
    problems += _checked(
        entry,
        "passwords",
        lambda one: one not in ("nopass", "resetpass") and not (one[:1] in "#!" and HASH.fullmatch(one[1:])),
        "is an ACL rule and no password: a hash belongs into password_hashes, without #.",
    )
    problems += _checked(
        entry, "password_hashes", HASH.fullmatch, "is not the SHA-256 of a password: 64 hex digits, lower-case."
    )
    enabled = entry.get("enabled", True)
    if enabled and not entry.get("passwords") and not entry.get("password_hashes"):
        problems.append("an enabled user needs a password: set passwords or password_hashes, or enabled: false.")
    return problems


def is_bare_pattern(text):
    """Return whether a pattern may stand without its sign: it then can't be taken for a rule."""
    return _is_pattern(text) and not _is_rule(text)


def _is_rule(text):
    return text[:1] in _RULE_SIGNS or text.lower() in _RULES


def _is_command(rule):
    if not rule or BLANK.search(rule):
        return False
    return rule.lower() in COMMAND_ALIASES or (rule[0] in "+-" and len(rule) > 1)


def _is_pattern(text):
    return bool(text) and not BLANK.search(text) and not in_quotes(text)


def _is_key(key):
    return _is_pattern(key) and (key[0] != "%" or bool(KEY.match(key)))


def _is_selector(selector):
    rules = split(inside(selector or ""))
    # A ')' at the end of a rule would end the selector in an ACL file.
    return bool(rules) and all(not BLANK.search(rule) and rule[-1] != ")" and Rights().take(rule) for rule in rules)
