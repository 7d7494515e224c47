# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a server that is to be taken over, before the host has a library for that.

The look comes before anything is changed, so before python3-redis is installed. Only what it takes: commands and their
raw replies (RESP2). What the server answers is bounded, as nobody knows yet whose server it is.
"""

from __future__ import annotations

import socket
import ssl
import time

LARGEST_REPLY = 64 << 20
DEEPEST = 8


class ReplyError(Exception):
    """The server's answer to a command is an error."""


class NoAnswer(Exception):
    """The server can't be reached, or does not answer as a server would."""


class Client:
    """One connection. place: a Unix socket's path, or (address, port).

    tls: None for plain text; the files of a certificate and its key to show, or ().
    """

    def __init__(self, place, timeout=5.0, tls=None):
        self._seconds = timeout
        try:
            if isinstance(place, str):
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.settimeout(timeout)
                self._socket.connect(place)
            else:
                self._socket = socket.create_connection(place, timeout)
                if tls is not None:
                    self._socket = _context(tls).wrap_socket(self._socket)
        except (OSError, ValueError) as error:
            raise NoAnswer(str(error)) from error
        self._file = self._socket.makefile("rb")

    def close(self):
        self._file.close()
        self._socket.close()

    def execute_command(self, *words):
        """Return the reply. Raises ReplyError, NoAnswer."""
        reply = self.ask([words])[0]
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def pipeline(self, transaction=False):
        """Return what _connection.pipeline() needs."""
        if transaction:
            raise ValueError("transactions are not for looking")
        return _Batch(self)

    def ask(self, commands):
        """Send all commands in one go; return their replies in order, errors as ReplyError objects."""
        self._taken, self._until = 0, time.monotonic() + 10 * self._seconds
        try:
            self._socket.sendall(b"".join(_request(words) for words in commands))
            return [self._reply() for _command in commands]
        except (OSError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    def _reply(self, depth=0):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._bytes(int(rest) + 2)[:-2]
        if kind == b"*" and depth < DEEPEST:
            return None if rest == b"-1" else [self._reply(depth + 1) for _item in range(int(rest))]
        raise NoAnswer("it does not answer like a Redis server")

    def _line(self):
        line = self._counted(self._file.readline(1 << 16))
        if not line.endswith(b"\r\n"):
            raise NoAnswer("it closed the connection, or does not answer like a Redis server")
        return line[:-2]

    def _bytes(self, count):
        if not 0 <= count <= LARGEST_REPLY:
            raise NoAnswer("its answer is too large")
        found = self._counted(self._file.read(count))
        if len(found) < count:
            raise NoAnswer("it closed the connection")
        return found

    def _counted(self, found):
        self._taken += len(found)
        if self._taken > LARGEST_REPLY:
            raise NoAnswer("its answer is too large")
        if time.monotonic() > self._until:
            raise NoAnswer("its answer takes too long")
        return found


class _Batch:
    def __init__(self, client):
        self.client, self.commands, self.response_callbacks = client, [], {}

    def execute_command(self, *words):
        self.commands.append(words)

    def execute(self, raise_on_error=True):
        replies = self.client.ask(self.commands)
        for reply in replies if raise_on_error else []:
            if isinstance(reply, ReplyError):
                raise reply
        return replies


def _request(words):
    parts = [word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _context(certificate):
    # The server is told by its process, which holds the socket; a certificate would say no more.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    return context
