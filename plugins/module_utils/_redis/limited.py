# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of redis-py with the limits of reader.py, over TCP, TLS and Unix sockets alike.

redis-py has a limit for each silence of a server and none for a whole reply; hiredis makes room for as many entries as
a list claims to have.
"""

from __future__ import annotations

from .reader import Reader


def limit(client, library, seconds):
    """Have each connection of the client, which has made none yet, read with limits. library: redis-py."""
    pool = client.connection_pool
    pool.connection_class = _connection(pool.connection_class, seconds)
    pool.connection_kwargs.update(parser_class=_parser(library))


def _connection(kind, seconds):
    class Limited(kind):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            # Which redis-py 5.0 forgets for Unix sockets.
            self.socket_timeout = seconds

        def send_packed_command(self, *arguments, **options):
            # Without a reader it connects first, and a new reader begins.
            if self._parser.reader is not None:
                self._parser.reader.begin()
            super().send_packed_command(*arguments, **options)

    return Limited


def _parser(library):
    # Of its own the parser has what it makes of the text of an error.
    class Parser(library.connection.DefaultParser):
        def __init__(self, socket_read_size=0):
            self.reader = None

        def on_connect(self, connection):
            self.reader = Reader(connection._sock, connection.socket_timeout, library.exceptions, self.parse_error)

        def on_disconnect(self):
            self.reader = None

        def can_read(self, timeout=0):
            return self.reader.can_read(timeout)

        def read_response(self, disable_decoding=False, **_options):
            if self.reader is None:
                raise library.ConnectionError("Connection closed by server.")
            reply = self.reader.read()
            # Such errors end the connection; others are the answer to a command.
            if isinstance(reply, library.ConnectionError):
                raise reply
            return reply

    return Parser
