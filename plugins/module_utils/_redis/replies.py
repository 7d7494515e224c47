# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replies of a server as text, and back."""

from __future__ import annotations

from collections.abc import Iterable

from .._errors import Refused


def text(reply) -> str:
    """Return a reply as text; bytes that are not UTF-8 survive the way back."""
    return reply.decode("utf-8", "surrogateescape") if isinstance(reply, bytes) else str(reply)


def raw(words: Iterable[str]) -> list[bytes]:
    """Return the words as bytes to send; the opposite of text()."""
    return [word.encode("utf-8", "surrogateescape") for word in words]


def parse_info(reply) -> dict[str, str]:
    """Return {field: text} of an INFO reply. Raises Refused when it is none."""
    fields = {}
    for line in text(reply).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name] = value
    if isinstance(reply, Exception) or "redis_version" not in fields:
        raise Refused("INFO gave no server version (%s): the user needs +info." % text(reply)[:120])
    return fields


def printable(name: str) -> str:
    """Return text that can be shown and stored as JSON: a byte that is no UTF-8 becomes \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
