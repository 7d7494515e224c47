# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads RESP2 replies of a server that may be hostile: each exchange has limits of time and size.

An exchange is what is sent at once, one command or many, and all replies to it.
"""

from __future__ import annotations

import re
import socket
import ssl as tls
import time

EXCHANGE_BYTES = 32 * 1024 * 1024
EXCHANGE_ENTRIES = 250_000
LINE_BYTES = 64 * 1024
DEPTH = 16
# A server that is silent for the connection's timeout is given up; one that always sends a little more, after this
# many of them.
EXCHANGE_TIMES = 4
# Errors end up in messages.
ERROR_CHARACTERS = 1000
_CHUNK = 64 * 1024
# Before Python 3.10 it is no TimeoutError.
_SILENCE = socket.timeout


class Reader:
    """What comes from one socket. kinds: has the classes of exceptions by redis-py's names. error_of: makes a reply's
    exception from its text. Raises TimeoutError, ConnectionError and InvalidResponse of kinds, and what the socket
    raises besides; after that the connection is of no use."""

    def __init__(self, sock, seconds, kinds, error_of):
        self.sock, self.seconds, self.kinds, self.error_of = sock, seconds, kinds, error_of
        self._buffer, self._at = b"", 0
        self.begin()

    def begin(self):
        """Begin an exchange: something is sent."""
        self._until = None
        self._bytes, self._entries = EXCHANGE_BYTES, EXCHANGE_ENTRIES

    def read(self, depth=0):
        """Return one reply: bytes, int, list or None, errors as exceptions."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return self.error_of(_shown(rest))
        if kind not in (b":", b"$", b"*") or not re.fullmatch(rb"[+-]?[0-9]{1,19}", rest):
            raise self.kinds.InvalidResponse("Protocol Error: %r" % line[:40])
        number = int(rest)
        if kind == b":" or number < 0:
            return number if kind == b":" else None
        if kind == b"$":
            return self._bulk(number)
        self._entries -= number
        if self._entries < 0:
            raise self.kinds.InvalidResponse("its reply has more than %d entries" % EXCHANGE_ENTRIES)
        if depth >= DEPTH:
            raise self.kinds.InvalidResponse("its reply has lists more than %d deep" % DEPTH)
        return [self.read(depth + 1) for _entry in range(number)]

    def line(self):
        """Return the next line without its end."""
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            if len(self._buffer) - self._at > LINE_BYTES:
                raise self.kinds.InvalidResponse("its reply has a line of more than %d bytes" % LINE_BYTES)
            self._receive()
        self._spend(end + 2 - self._at)
        found, self._at = self._buffer[self._at : end], end + 2
        return found

    def can_read(self, seconds):
        """Tell whether there is something to be read within so many seconds. ConnectionError: the server has ended."""
        if self._at < len(self._buffer):
            return True
        self.sock.settimeout(seconds)
        try:
            self._take()
        except (_SILENCE, BlockingIOError, tls.SSLWantReadError):
            return False
        finally:
            self.sock.settimeout(self.seconds)
        return True

    def _bulk(self, number):
        # Before any of it is read.
        self._spend(number + 2)
        parts, missing = [], number + 2
        while missing:
            if self._at == len(self._buffer):
                self._receive()
            parts.append(self._buffer[self._at : self._at + missing])
            self._at += len(parts[-1])
            missing -= len(parts[-1])
        return b"".join(parts)[:-2]

    def _spend(self, number):
        self._bytes -= number
        if self._bytes < 0:
            raise self.kinds.InvalidResponse("its reply has more than %d bytes" % EXCHANGE_BYTES)

    def _receive(self):
        now = time.monotonic()
        if self._until is None:
            self._until = now + EXCHANGE_TIMES * self.seconds
        left = self._until - now
        if left > 0:
            self.sock.settimeout(min(left, self.seconds))
            try:
                return self._take()
            except _SILENCE as error:
                if left > self.seconds:
                    raise self.kinds.TimeoutError("Timeout reading from socket") from error
            finally:
                # Also what is sent has this limit.
                self.sock.settimeout(self.seconds)
        raise self.kinds.TimeoutError("its reply was not complete after %g s" % (EXCHANGE_TIMES * self.seconds))

    def _take(self):
        part = self.sock.recv(_CHUNK)
        if not part:
            raise self.kinds.ConnectionError("Connection closed by server.")
        self._buffer, self._at = self._buffer[self._at :] + part, 0


def _shown(line):
    """Return the text of an error, which a terminal can show."""
    text = line[: 4 * ERROR_CHARACTERS].decode("utf-8", "replace")[:ERROR_CHARACTERS]
    return "".join(sign if sign.isprintable() else "?" for sign in text)
