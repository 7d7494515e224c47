# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of Compose files: filled in as Compose does, or shown with what the file itself says of them."""

from __future__ import annotations

import re

# In the place of a variable that has no value here.
UNKNOWN = "?"
# The same where text is searched for passwords: a character that no file holds.
REFERENCE = "\0"
_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})")


def interpolate(text, environment, unknown=lambda _name: UNKNOWN):
    """Return the text with its variables filled in as Compose does; what unknown says for those without a value."""

    def value(match):
        dollar, bare, name, sign, word = match.groups()
        if dollar:
            return "$"
        given = environment.get(bare or name)
        # With the colon an empty value counts as none.
        there = bool(given) if (sign or "").startswith(":") else given is not None
        if (sign or "").endswith("+"):
            return interpolate(word, environment, unknown) if there else ""
        if (sign or "").endswith("-") and not there:
            return interpolate(word, environment, unknown)
        return given if there else unknown(bare or name)

    return _VARIABLE.sub(value, text)


def reveal(text):
    """Return the text with what the file itself has in the place of its variables: defaults and alternatives.

    What comes from elsewhere is REFERENCE; $$, by which a container works out a value, stays.
    """

    def value(match):
        dollar, _bare, _name, sign, word = match.groups()
        if dollar:
            return "$$"
        return (reveal(word) if (sign or "")[-1:] in ("-", "+") else "") or REFERENCE

    return _VARIABLE.sub(value, text)


def parse_env(text):
    """Return the variables of an .env file. What it can't read it leaves out: Compose will say so."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*", line)
        if match:
            name, value = match.groups()
            quoted = re.match(r"(['\"])(.*?)\1", value)
            found[name] = quoted[2] if quoted else re.sub(r"\s+#.*", "", value)
    return found
