# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell clients that come to a reserved Redis port which port to use instead.

Attempts go to standard output, one line each and never with anything the client sent; events of the service itself go
to standard error. SIGHUP closes all reserved ports at once, for a while: somebody else wants one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import errno
import os
import signal
import socket
import time
from functools import partial

from conversation import Conversation, notice_text
from limits import Attempts, Limits

CHUNK = 16 * 1024
# Connections that one port takes before the others, and who is being served, have their turn.
AT_ONCE = 4
BACKLOG = 512
LINGER_SECONDS = 1
SO_ORIGINAL_DST = 80  # in linux/netfilter_ipv4.h, and the same for IPv6


class Service:
    def __init__(self, options):
        self.options = options
        self.limits = Limits(options.connections, options.attempts, options.total)
        self.attempts = Attempts(write_attempt)
        self.connections = {}  # connection -> its task
        self.wanted_by_others = set()
        self.held = {}  # port -> listening sockets

    def text(self, port):
        return notice_text(port, self.options.use_port, self.options.documentation, self.options.contact)

    async def run(self):
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, self.give_back)
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        self.turn()
        while not stopped.is_set():
            for port in (self.options.led_port, *self.options.port):
                if port and port not in self.held:
                    self.take(port)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self.options.retry)
        self.close([*self.held])
        while self.connections:
            await asyncio.sleep(0)
        self.attempts.turn(None)

    def turn(self):
        """Have the log's summary written with each minute, also when nobody comes any more."""
        now = time.monotonic()
        self.attempts.turn(now)
        asyncio.get_running_loop().call_later(60 - now % 60, self.turn)

    def give_back(self):
        self.wanted_by_others.update(self.options.port)
        self.close(self.options.port)
        say(2, "all ports are given back")

    def close(self, ports):
        loop = asyncio.get_running_loop()
        for port in ports:
            for listener in self.held.pop(port, ()):
                loop.remove_reader(listener)
                listener.close()
        for task in self.connections.values():
            task.cancel()

    def take(self, port):
        """Listen on a port, unless somebody else does, on whatever address.

        A port that somebody had is taken only when it is found free twice: a Redis that restarts must get it again.
        """
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as undo:
            try:
                listeners = [undo.enter_context(one) for one in bound(self.options.address, port)]
                if port in self.wanted_by_others:
                    self.wanted_by_others.discard(port)
                    return
                for listener in listeners:
                    listener.listen(BACKLOG)
            except OSError as error:
                if port not in self.wanted_by_others:
                    say(2, "port %d is left alone, and tried again later: %s" % (port, os.strerror(error.errno)))
                self.wanted_by_others.add(port)
                return
            undo.pop_all()
        self.held[port] = listeners
        for listener in listeners:
            loop.add_reader(listener, self.accept, listener, port)
        say(2, "port %d: listening" % port)

    def accept(self, listener, port):
        """Take some connections. Who is not let in is gone before anything is made for it."""
        for _connection in range(AT_ONCE):
            try:
                connection, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ECONNABORTED:
                    time.sleep(0.05)  # the machine has no room for one more; to ask at once again makes it no better
                return
            asked = asked_for(connection) if port == self.options.led_port else port
            # Who is not there is gone already, or was not led here from elsewhere.
            if asked not in self.options.port or not self.welcome(connection, peer[0], asked):
                connection.close()

    def welcome(self, connection, address, port):
        now = time.monotonic()
        admitted, leaving = self.limits.admit(connection, address, now)
        if leaving:
            self.connections[leaving].cancel()
        if not admitted:
            self.attempts.add(address, port, "limited", now)
            return False
        connection.setblocking(False)
        talk = Conversation(self.text(port))
        task = asyncio.get_running_loop().create_task(self.serve(connection, talk))
        self.connections[connection] = task
        task.add_done_callback(partial(self.leave, connection, address, port, talk))
        return True

    async def serve(self, connection, talk):
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.options.seconds):
                    while not talk.done and (data := await loop.sock_recv(connection, CHUNK)):
                        await loop.sock_sendall(connection, talk.feed(data))
            last_word(connection, talk)
            # A moment to take leave: closing on unread bytes would destroy the answer on its way.
            connection.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(LINGER_SECONDS):
                while await loop.sock_recv(connection, CHUNK):
                    pass
        except OSError:  # a time that is over is one, too
            pass

    def leave(self, connection, address, port, talk, task):
        """End it, also for one that makes room for another and one that was not served yet."""
        with contextlib.suppress(OSError):
            last_word(connection, talk)
        connection.close()
        del self.connections[connection]
        self.limits.release(connection)
        self.attempts.add(address, port, talk.kind, time.monotonic())


def bound(addresses, port):
    """Yield a socket for each address. Those of a family that the machine does not have are left out."""
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            one = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                continue
            raise
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Of each connection; what clients send is of no use, and must not fill the memory.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        yield one
        one.bind((address, port))


def last_word(connection, talk):
    """Give the text to who got no answer yet."""
    if not talk.done:
        connection.send(talk.stop())


def asked_for(connection):
    """Return the port that a client asked for, before the firewall led it here; None when it was not led."""
    level, size = (socket.SOL_IP, 16) if connection.family == socket.AF_INET else (socket.IPPROTO_IPV6, 28)
    try:
        return int.from_bytes(connection.getsockopt(level, SO_ORIGINAL_DST, size)[2:4], "big")
    except OSError:
        return None


def write_attempt(who, what):
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    say(1, "%s from=%s %s" % (now, who, what))


def say(stream, line):
    with contextlib.suppress(OSError):  # a full disk must not end the service
        os.write(stream, line.encode() + b"\n")


def line_of_text(value):
    if not value.isprintable():
        raise argparse.ArgumentTypeError("must be one line without control characters")
    return value


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--port", type=int, action="append", required=True, help="reserved port to answer on")
    parser.add_argument("--led-port", type=int, help="where the firewall leads clients to")
    parser.add_argument("--use-port", type=line_of_text, action="append", required=True, help="what to name instead")
    parser.add_argument("--documentation", type=line_of_text, default="")
    parser.add_argument("--contact", type=line_of_text, default="")
    parser.add_argument("--address", action="append", help="address to listen on; all without it")
    parser.add_argument("--connections", type=int, default=8, help="connections of an address at a time")
    parser.add_argument("--attempts", type=int, default=60, help="connections of an address in a minute")
    parser.add_argument("--total", type=int, default=256, help="connections of all addresses at a time")
    parser.add_argument("--seconds", type=float, default=5, help="how long a connection may last")
    parser.add_argument("--retry", type=float, default=60, help="seconds between looks at a port that is in use")
    options = parser.parse_args(arguments)
    options.address = options.address or ["0.0.0.0", "::"]  # noqa: S104 - the firewall says who gets here
    return options


if __name__ == "__main__":
    asyncio.run(Service(parse()).run())
