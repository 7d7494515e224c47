# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of redis.conf: what they are in a declaration, in the server and in its file, and which mean the same.

A value is a list of arguments (text), as they stand behind the directive. The server prints many values differently
from how they were given (1gb as 1073741824, KEA as AKE), so values are compared by what they mean.
"""

from __future__ import annotations

import hashlib
import os
import re

from .._arguments import in_quotes
from . import directives as table
from .syntax import quote

UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}
# What the flag A stands for. The flag n is left out of comparisons: no server prints it.
_ALL_EVENTS = "g$lshzxetd"
_EVENT_FLAGS = set("AKEg$lshzxetdmnoc")
_SEVERAL_ARGUMENTS = {
    "words",
    "buffer limits",
    "decimals",
    "integers",
    "save points",
    "shutdown flags",
}

# Kinds of which a bare number of YAML says what was written.
_NUMBERS = {"integer", "bytes", "bytes or percent", "integers", "decimals", "save points", "buffer limits", "unknown"}
_QUOTES = "\"'"
_QUOTED = "has quotes that would be part of the value: leave out the inner ones; the file gets them where it needs them"


def canonical(directive):
    """Return the one name of a directive that may have several, lower-case."""
    return table.ALIASES.get(directive.lower(), directive.lower())


def spellings(directive):
    """Return all names of the directive, the given one first."""
    name = canonical(directive)
    others = [name, *(alias for alias, target in table.ALIASES.items() if target == name)]
    return list(dict.fromkeys([directive.lower(), *others]))


def kind(directive):
    """Return the kind of value, 'unknown' for a directive that is not in the table."""
    name = canonical(directive)
    if name in table.SPECIAL:
        return table.SPECIAL[name]
    for label, names in (
        ("yes or no", table.YES_NO),
        ("integer", table.INTEGERS),
        ("bytes", table.BYTES),
        ("enum", table.ENUMS),
        ("text", table.TEXTS),
    ):
        if name in names:
            return label
    return "unknown"


def is_secret(directive):
    return directive.lower() in table.SECRETS


def arguments(directive, value):
    """Return the arguments that a declared value (text, number, boolean or list) stands for. Raises ValueError."""
    label, several = kind(directive), isinstance(value, (list, tuple))
    items = [_item(directive, item, several) for item in (value if several else [value])]
    if label == "event flags":
        return ["".join(items)]
    words = " ".join(items).split()
    if label in _SEVERAL_ARGUMENTS:
        if any({word[0], word[-1]} & set(_QUOTES) for word in words):
            raise ValueError(_QUOTED)
        return words
    return words if several and label == "unknown" else [" ".join(items)]


def _item(directive, value, in_list):
    """Return one value as text. Raises ValueError for what YAML has made of another, as 504 of 0770, and for quotes."""
    label = kind(directive)
    if isinstance(value, bool):
        text = "yes" if value else "no"
        if in_list or not (label in ("yes or no", "unknown") or text in table.ENUMS.get(canonical(directive), ())):
            raise ValueError("must be text or a number, not true or false: put what you mean in quotes")
        return text
    if label == "octal" and not isinstance(value, str):
        raise ValueError("must be in quotes, as in '0770': YAML takes a bare octal one for another number")
    if isinstance(value, float) and label != "decimals":
        raise ValueError("is what YAML takes for a number: put what you mean in quotes")
    if isinstance(value, int) and label not in _NUMBERS:
        raise ValueError("must be text, not a number: put what you mean in quotes")
    if not isinstance(value, (str, int, float)):
        raise ValueError("must be text, a number, a boolean or a list of text and numbers")
    text = str(value)
    if text.strip() in ('""', "''"):
        # How redis.conf writes nothing at all.
        return ""
    if in_quotes(text.strip()):
        raise ValueError(_QUOTED)
    return text


def live_arguments(directive, text):
    """Return the arguments of a value as CONFIG GET prints it."""
    return _split(directive, text)


def _split(directive, text):
    if kind(directive) not in _SEVERAL_ARGUMENTS:
        return [text]
    return [] if text.strip() in ('""', "''") else text.split()


def meaning(directive, words):
    """Return what the arguments mean, as something that can be compared. Raises ValueError for an impossible value."""
    label = kind(directive)
    if any("\0" in word for word in words):
        raise ValueError("must not contain a NUL character")
    if label in _SEVERAL_ARGUMENTS and words == [""]:
        words = []
    if label not in _SEVERAL_ARGUMENTS and label != "unknown" and len(words) != 1:
        raise ValueError("takes one value")
    check = _MEANINGS.get(label)
    return check(canonical(directive), words) if check else tuple(words)


def same(directive, wanted, live_text):
    """Return whether the declared arguments and the text of CONFIG GET mean the same."""
    label = kind(directive)
    try:
        live = meaning(directive, live_arguments(directive, live_text))
    except ValueError:
        return False
    desired = meaning(directive, wanted)
    if label == "buffer limits":
        # The server always prints all classes; those that are not declared keep what they have.
        return desired <= live
    if label == "unknown":
        return _loosely(" ".join(wanted)) == _loosely(live_text)
    return desired == live


def _loosely(text):
    """Compare values of directives that are not in the table: as sizes where both are, else as text."""
    try:
        return _bytes("", [text])
    except ValueError:
        return text.lower() if text.lower() in ("yes", "no") else text


def _yes_or_no(_name, words):
    if words[0].lower() not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return words[0].lower() == "yes"


def _integer(name, words):
    low, high = table.INTEGERS.get(name, (None, None))
    if not re.fullmatch(r"-?[0-9]+", words[0]):
        raise ValueError("must be a whole number")
    number = int(words[0])
    if low is not None and not low <= number <= high:
        raise ValueError("must be between %s and %s" % (low, high))
    return number


def _bytes(_name, words):
    match = re.fullmatch(r"([0-9]+)([a-z]*)", words[0].lower())
    if not match or match.group(2) not in UNITS:
        raise ValueError("must be a size such as 100mb (k, kb, m, mb, g, gb)")
    return int(match.group(1)) * UNITS[match.group(2)]


def _bytes_or_percent(name, words):
    match = re.fullmatch(r"([0-9]+)%", words[0])
    if match:
        if int(match.group(1)) > 100:
            raise ValueError("must not be more than 100%")
        return ("percent", int(match.group(1))) if int(match.group(1)) else 0
    return _bytes(name, words)


def _enum(name, words):
    value = words[0].lower()
    if value not in table.ENUMS[name]:
        raise ValueError("must be one of %s" % ", ".join(table.ENUMS[name]))
    return "yes" if (name, value) == ("oom-score-adj", "relative") else value


def _octal(_name, words):
    if not re.fullmatch(r"[0-7]{1,4}", words[0]) or int(words[0], 8) > 0o777:
        raise ValueError("must be an octal mode such as '770', in quotes")
    return int(words[0], 8)


def _folder(_name, words):
    # The server prints the real path, without links and without a slash at the end.
    return os.path.realpath(words[0]) if words[0].startswith("/") else words[0]


def _event_flags(_name, words):
    flags = set(words[0])
    if not flags <= _EVENT_FLAGS:
        raise ValueError("must consist of the flags %s" % "".join(sorted(_EVENT_FLAGS)))
    return frozenset((flags | (set(_ALL_EVENTS) if "A" in flags else set())) - {"A", "n"})


def _save_points(_name, words):
    if len(words) % 2 or not all(re.fullmatch("[0-9]+", word) for word in words):
        raise ValueError("must be pairs of seconds and changes, such as '3600 1'; an empty list for none")
    pairs = [(int(seconds), int(changes)) for seconds, changes in zip(words[::2], words[1::2], strict=True)]
    if any(seconds < 1 for seconds, _changes in pairs):
        raise ValueError("the seconds of a save point must be at least 1")
    return frozenset(pairs)


def _buffer_limits(_name, words):
    limits = {}
    if not words or len(words) % 4:
        raise ValueError("must be groups of class, hard limit, soft limit and seconds, such as 'replica 256mb 64mb 60'")
    for at in range(0, len(words), 4):
        group = {"slave": "replica"}.get(words[at].lower(), words[at].lower())
        if group not in ("normal", "replica", "pubsub"):
            raise ValueError("the class must be normal, replica or pubsub")
        if group in limits:
            raise ValueError("the class %s is given twice" % group)
        if not re.fullmatch("[0-9]+", words[at + 3]):
            raise ValueError("the seconds must be a whole number")
        limits[group] = (group, _bytes("", [words[at + 1]]), _bytes("", [words[at + 2]]), int(words[at + 3]))
    return frozenset(limits.values())


def _shutdown_flags(_name, words):
    flags = frozenset(word.lower() for word in words)
    if not flags or not flags <= set(table.SHUTDOWN_FLAGS):
        raise ValueError("must be one or more of %s" % ", ".join(table.SHUTDOWN_FLAGS))
    return flags


def _integers(_name, words):
    return tuple(_integer("", [word]) for word in words)


def _decimals(_name, words):
    try:
        return tuple(float(word) for word in words)
    except ValueError as error:
        raise ValueError("must be numbers") from error


def _words(_name, words):
    return tuple(words)


def _set_of_words(_name, words):
    return frozenset(words[0].lower().split())


_MEANINGS = {
    "yes or no": _yes_or_no,
    "integer": _integer,
    "bytes": _bytes,
    "bytes or percent": _bytes_or_percent,
    "enum": _enum,
    "octal": _octal,
    "folder": _folder,
    "event flags": _event_flags,
    "save points": _save_points,
    "buffer limits": _buffer_limits,
    "shutdown flags": _shutdown_flags,
    "integers": _integers,
    "decimals": _decimals,
    "words": _words,
    "set of words": _set_of_words,
}


def set_value(words):
    """Return the arguments as the one value that CONFIG SET takes."""
    return " ".join(words)


def file_lines(directive, words):
    """Return the lines of a configuration file that set the directive."""
    size = {"save points": 2, "buffer limits": 4}.get(kind(directive), len(words) or 1)
    groups = [words[at : at + size] for at in range(0, len(words), size)] or [[""]]
    return [" ".join([directive, *map(quote, group)]) for group in groups]


def fingerprint(text):
    """Return what may be shown instead of a secret."""
    if not text:
        return "(empty)"
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
