#!/usr/bin/python3
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell clients that come to a reserved Redis port which port to use instead.

Attempts go to standard output, one line each and never with anything the client sent; events of the service itself go
to standard error. SIGHUP closes all ports at once, for a while: somebody else wants one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import errno
import ipaddress
import os
import re
import signal
import socket

MAX_REPLIES = 32
MAX_BYTES = 64 * 1024
MAX_LINE = 4096
MAX_ADDRESSES = 10000
LINGER_SECONDS = 1
TLS_HANDSHAKE = b"\x16"
# A fatal alert, handshake_failure.
TLS_ALERT = bytes.fromhex("15030100020228")

_BINARY = re.compile(rb"[^\t\r\x20-\x7e\x80-\xff]")
_HTTP = re.compile(rb"([A-Z]{3,10}) \S+ HTTP/\d(?:\.\d)?")
_INLINE = re.compile(rb"[A-Za-z]+(?:[ \t]|$)")


class Conversation:
    """What one client says and is answered: bytes in, bytes out, however the bytes are cut into chunks."""

    def __init__(self, text):
        self.text = text
        self.error = b"-ERR %s\r\n" % text.encode()
        self.kind = "other"
        self.done = False
        self.replies = 0
        self._seen = 0
        self._buffer = bytearray()
        self._arguments = 0  # bulk strings that the current command still lacks
        self._skip = 0  # bytes that the current bulk string still lacks

    def feed(self, data):
        """Return the answer to some more bytes."""
        if self.done:
            return b""
        data = data[: MAX_BYTES - self._seen]
        self._seen += len(data)
        self._buffer += data
        answers = []
        while not self.done and self._step(answers):
            pass
        if not self.done and self._seen >= MAX_BYTES:
            answers.append(self.stop())
        return b"".join(answers)

    def stop(self):
        """End it. Who got no answer yet gets the text, which is also what somebody sees who came with netcat."""
        self.done = True
        self._buffer.clear()
        return b"" if self.replies else self._reply()

    def _reply(self):
        self.replies += 1
        if self.replies >= MAX_REPLIES:
            self.done = True
        return self.error

    def _step(self, answers):
        """Take one line or bulk string from the buffer; return whether there was one."""
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            if not self._skip and not self._arguments:
                answers.append(self._reply())
            return not self._skip
        if self.kind == "other" and self._buffer[:1] == TLS_HANDSHAKE:
            self.kind, self.done = "tls", True
            answers.append(TLS_ALERT)
            return False
        end = self._buffer.find(b"\n", 0, MAX_LINE)
        line = bytes(self._buffer[: end if end >= 0 else MAX_LINE])
        if _BINARY.search(line) or (end < 0 and len(line) == MAX_LINE):
            answers.append(self.stop())
            return False
        if end < 0:
            return False
        del self._buffer[: end + 1]
        self._line(line.removesuffix(b"\r"), answers)
        return True

    def _line(self, line, answers):
        if self._arguments:
            length = re.fullmatch(rb"\$(\d{1,9})", line)
            if not length or int(length[1]) > MAX_BYTES:
                answers.append(self.stop())
                return
            self._arguments -= 1
            self._skip = int(length[1]) + 2
        elif count := re.fullmatch(rb"\*(-?\d{1,9})", line):
            self.kind = "redis"
            self._arguments = max(0, int(count[1]))
        elif request := _HTTP.fullmatch(line):
            self.kind, self.done = "http", True
            answers.append(self._gone(request[1]))
        elif _INLINE.match(line):
            self.kind = "redis"
            answers.append(self._reply())
        elif line:
            answers.append(self.stop())

    def _gone(self, verb):
        body = self.text.encode() + b"\n"
        head = (
            b"HTTP/1.1 410 Gone\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" % len(body)
        )
        return head if verb == b"HEAD" else head + body


class Limits:
    """How many connections an address, and all together, may have at a time, and attempts in a minute."""

    def __init__(self, at_a_time, a_minute, total):
        self.at_a_time, self.a_minute, self.total = at_a_time, a_minute, total
        self._open, self._sum = {}, 0
        self._minute, self._attempts, self._told = None, {}, set()

    def admit(self, address, now):
        """Return (admitted, worth a line in the log); an address over its limit is worth one line a minute."""
        who = _who(address)
        if int(now // 60) != self._minute:
            self._minute = int(now // 60)
            self._attempts, self._told = {}, set()
        known = who in self._attempts or len(self._attempts) < MAX_ADDRESSES
        if known:
            self._attempts[who] = self._attempts.get(who, 0) + 1
        if (
            known
            and self._attempts[who] <= self.a_minute
            and self._open.get(who, 0) < self.at_a_time
            and self._sum < self.total
        ):
            self._open[who] = self._open.get(who, 0) + 1
            self._sum += 1
            return True, True
        first = known and who not in self._told
        if first:
            self._told.add(who)
        return False, first

    def release(self, address):
        who = _who(address)
        self._sum -= 1
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]


def _who(address):
    """Return what is counted: an IPv4 address, or an IPv6 network of the size that one customer has."""
    address = ipaddress.ip_address(address.partition("%")[0])
    return address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False)


class Connection(asyncio.Protocol):
    def __init__(self, service, port):
        self.service, self.port = service, port
        self.transport = self.talk = self.timer = self.address = None
        self.ending, self.rest = False, MAX_BYTES

    def connection_made(self, transport):
        self.transport = transport
        loop = asyncio.get_running_loop()
        peer = transport.get_extra_info("peername")
        if not peer:  # gone already
            transport.abort()
            return
        admitted, tell = self.service.limits.admit(peer[0], loop.time())
        if not admitted:
            if tell:
                attempt(peer[0], self.port, "limited")
            transport.abort()
            return
        self.address = peer[0]
        self.talk = Conversation(self.service.text(self.port))
        self.service.connections.add(self)
        self.timer = loop.call_later(self.service.seconds, self.end)

    def data_received(self, data):
        if not self.talk:
            return
        if self.ending:
            self.rest -= len(data)
            if self.rest <= 0:
                self.transport.abort()
            return
        self.transport.write(self.talk.feed(data))
        if self.talk.done:
            self.end()

    def end(self):
        """Say the last word, then wait a moment: closing on unread bytes would destroy the answer on its way."""
        if self.ending or self.transport.is_closing():
            return
        self.ending = True
        self.timer.cancel()
        if not self.talk.done:
            self.transport.write(self.talk.stop())
        self.transport.write_eof()
        self.timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abort)

    def connection_lost(self, exc):
        if not self.talk:
            return
        self.timer.cancel()
        self.service.connections.discard(self)
        self.service.limits.release(self.address)
        attempt(self.address, self.port, self.talk.kind)


class Service:
    def __init__(self, options):
        self.options = options
        self.seconds = options.seconds
        self.limits = Limits(options.connections, options.attempts, options.total)
        self.connections = set()
        self.yielded = asyncio.Event()
        self.held = {}  # port -> its listening servers
        self.wanted_by_others = set()

    def text(self, port):
        parts = ["Port %d is reserved, there is no Redis here." % port]
        parts.append("Connect to port %s instead." % ", ".join(self.options.use_port))
        if self.options.documentation:
            parts.append("Documentation: %s" % self.options.documentation)
        if self.options.contact:
            parts.append("Contact: %s" % self.options.contact)
        return " ".join(parts)

    async def run(self):
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, self.give_back)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        stop = asyncio.ensure_future(stopped.wait())
        while not stop.done():
            self.yielded.clear()
            for port in self.options.port:
                if port not in self.held and not self.yielded.is_set():
                    await self.take(port)
            await asyncio.wait({stop}, timeout=self.options.retry)
        self.close()

    def give_back(self):
        self.yielded.set()
        self.wanted_by_others.update(self.options.port)
        self.close()
        event("all ports are given back")

    def close(self):
        for servers in self.held.values():
            for server in servers:
                server.close()
        self.held.clear()
        for connection in list(self.connections):
            connection.transport.abort()

    async def take(self, port):
        """Listen on a port, unless somebody else does, on whatever address.

        A port that somebody had is taken only when it is found free twice: a Redis that restarts must get it again.
        """
        sockets, servers = [], []
        try:
            for address in self.options.address:
                sockets += _bound(address, port)
            if not sockets:
                raise OSError(errno.EADDRNOTAVAIL, "no address to listen on")
            if port in self.wanted_by_others:
                self.wanted_by_others.discard(port)
                return
            while sockets:
                server = await asyncio.get_running_loop().create_server(lambda: Connection(self, port), sock=sockets[0])
                servers.append(server)
                del sockets[0]
            if self.yielded.is_set():  # give_back() has not seen these
                raise OSError(errno.EADDRINUSE, "given back")
            self.held[port] = servers
            event("port %d: listening" % port)
        except OSError as error:
            for server in servers:
                server.close()
            if port not in self.wanted_by_others:
                event("port %d is left alone, and tried again later: %s" % (port, error.strerror))
            self.wanted_by_others.add(port)
        finally:
            for rest in sockets:
                rest.close()


def _bound(address, port):
    """Return a bound socket in a list, or none where the host does not have the address's family."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return []
        raise
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return []
        raise
    return [bound]


def attempt(address, port, kind):
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _write(1, "%s from=%s port=%d client=%s" % (now, address, port, kind))


def event(text):
    _write(2, text)


def _write(stream, line):
    with contextlib.suppress(OSError):  # a full disk must not end the service
        os.write(stream, line.encode() + b"\n")


def line_of_text(value):
    if not value.isprintable():
        raise argparse.ArgumentTypeError("must be one line without control characters")
    return value


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--port", type=int, action="append", required=True, help="reserved port to answer on")
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
