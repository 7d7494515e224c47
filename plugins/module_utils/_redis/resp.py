# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What _redis/connection.py needs of redis-py, for a host without it: a proof must not have to install anything first.

The names are redis-py's. RESP2 over one connection.
"""

from __future__ import annotations

import socket
import ssl as tls
import sys

from .reader import Reader

# What redis-py strips from the text of an error.
_STRIPPED = ("ERR", "LOADING", "NOPERM", "READONLY", "EXECABORT", "NOSCRIPT")


class RedisError(Exception):
    """Anything that is wrong with the server or its reply."""


class ConnectionError(RedisError):  # noqa: A001 - as redis-py calls it
    """There is no connection, or no longer."""


class TimeoutError(RedisError):  # noqa: A001 - as redis-py calls it
    """The server did not answer in time."""


class AuthenticationError(ConnectionError):
    """The login was refused, or there was none."""


class BusyLoadingError(ConnectionError):
    """The server is loading its data."""


class InvalidResponse(RedisError):
    """The answer is no RESP, or too much of it."""


class ResponseError(RedisError):
    """An error that the server replied."""


class NoPermissionError(ResponseError):
    """The user may not do that."""


class ReadOnlyError(ResponseError):
    """A write to a replica."""


exceptions = sys.modules[__name__]
_KINDS = {
    "NOAUTH": AuthenticationError,
    "LOADING": BusyLoadingError,
    "NOPERM": NoPermissionError,
    "READONLY": ReadOnlyError,
}


def error_of(said):
    """Return the exception for the text of an error reply."""
    code, _blank, rest = said.partition(" ")
    if said.startswith("ERR max number of clients"):
        return ConnectionError(rest)
    return _KINDS.get(code, ResponseError)(rest if code in _STRIPPED else said)


class Redis:
    """One connection, made when it is first used; also its own pool. Options as redis.Redis has them."""

    def __init__(self, host="127.0.0.1", port=6379, unix_socket_path=None, username=None, password=None, **options):
        self.place, self.path, self.options = (host, port), unix_socket_path, options
        self.login = [word for word in (username, password) if word is not None] if password is not None else []
        self.seconds = options.get("socket_timeout") or 5.0
        self.response_callbacks, self.connection_pool = {}, self
        self._sock, self._reader = None, None

    def execute_command(self, *words):
        (reply,) = self.exchange([words])
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def pipeline(self, transaction=False):
        return _Batch(self)

    def get_connection(self, *_names):
        self._open()
        return self

    def release(self, _connection):
        """Give a connection back; there is but this one."""

    def disconnect(self):
        if self._sock is not None:
            self._sock.close()
        self._sock, self._reader = None, None

    close = disconnect

    def pack_command(self, *words):
        raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return [b"*%d\r\n" % len(raw), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)]

    def exchange(self, commands):
        """Send all commands, return their replies, errors among them. Raises what ends a connection."""
        self._open()
        try:
            self._reader.begin()
            self._sock.sendall(b"".join(part for words in commands for part in self.pack_command(*words)))
            replies = [self._reader.read() for _command in commands]
        except (OSError, RedisError) as error:
            self.disconnect()
            raise _translated(error) from error
        for reply in replies:
            if isinstance(reply, RedisError) and not isinstance(reply, ResponseError):
                raise reply
        return replies

    def _open(self):
        if self._sock is not None:
            return
        try:
            self._sock = self._connect()
        except OSError as error:
            raise _translated(error) from error
        self._sock.settimeout(self.seconds)
        self._reader = Reader(self._sock, self.seconds, exceptions, error_of)
        if self.login:
            (reply,) = self.exchange([["AUTH", *self.login]])
            if isinstance(reply, ResponseError):
                self.disconnect()
                raise reply if str(reply).startswith("DENIED") else AuthenticationError(str(reply))

    def _connect(self):
        if self.path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self.seconds)
            connection.connect(self.path)
            return connection
        connection = socket.create_connection(self.place, self.seconds)
        if not self.options.get("ssl"):
            return connection
        context = tls.create_default_context(cafile=self.options.get("ssl_ca_certs"))
        context.check_hostname = bool(self.options.get("ssl_check_hostname"))
        context.verify_mode = tls.CERT_NONE if self.options.get("ssl_cert_reqs") == "none" else tls.CERT_REQUIRED
        if self.options.get("ssl_certfile"):
            context.load_cert_chain(self.options["ssl_certfile"], self.options["ssl_keyfile"])
        return context.wrap_socket(connection, server_hostname=self.place[0])


class _Batch:
    def __init__(self, client):
        self.client, self.commands = client, []

    def execute_command(self, *words):
        self.commands.append(words)

    def execute(self, raise_on_error=False):
        return self.client.exchange(self.commands)


def _translated(error):
    """Return an error of a socket as redis-py tells it."""
    if isinstance(error, RedisError):
        return error
    if isinstance(error, socket.timeout):
        return TimeoutError("Timeout reading from socket")
    return ConnectionError(str(error))
