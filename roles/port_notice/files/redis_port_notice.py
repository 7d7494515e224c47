#!/usr/bin/python3
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
import ipaddress
import os
import re
import signal
import socket
import time
from collections import Counter
from functools import partial

MAX_REPLIES = 32
MAX_BYTES = 64 * 1024
MAX_LINE = 4096
MAX_ADDRESSES = 10000
LINGER_SECONDS = 1
SO_ORIGINAL_DST = 80  # in linux/netfilter_ipv4.h, and the same for IPv6
TLS_ALERT = bytes.fromhex("15030100020228")  # fatal, handshake_failure

_BINARY = re.compile(rb"[^\t\r\x20-\x7e\x80-\xff]")
_HTTP = re.compile(rb"([A-Z]{3,10}) \S+ HTTP/\d(?:\.\d)?")
_INLINE = re.compile(rb"[A-Za-z]+(?:[ \t]|$)")


class Conversation:
    """What one client says and is answered: bytes in, bytes out, however the bytes are cut into chunks."""

    def __init__(self, text):
        self.text = text
        self.error = b"-ERR %s\r\n" % text.encode()
        self.kind, self.done = "other", False
        self._replies = self._seen = 0
        self._buffer = bytearray()
        self._arguments = 0  # bulk strings that the current command still lacks
        self._skip = 0  # bytes that the current bulk string still lacks

    def feed(self, data):
        """Return the answer to some more bytes."""
        data = data[: MAX_BYTES - self._seen]
        self._seen += len(data)
        self._buffer += data
        answers = []
        while not self.done and (answer := self._step()) is not None:
            answers.append(answer)
        if not self.done and self._seen >= MAX_BYTES:
            answers.append(self.stop())
        return b"".join(answers)

    def stop(self):
        """End it. Who got no answer yet gets the text, which is also what somebody sees who came with netcat."""
        self.done = True
        self._buffer.clear()
        return b"" if self._replies else self._reply()

    def _reply(self):
        self._replies += 1
        self.done = self.done or self._replies >= MAX_REPLIES
        return self.error

    def _step(self):
        """Take one line or bulk string from the buffer; return the answer to it, or None when it is not complete."""
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            if self._skip:
                return None
            return b"" if self._arguments else self._reply()
        if self.kind == "other" and self._buffer[:1] == b"\x16":  # a handshake of TLS
            self.kind, self.done = "tls", True
            return TLS_ALERT
        end = self._buffer.find(b"\n", 0, MAX_LINE)
        line = bytes(self._buffer[: end if end >= 0 else MAX_LINE])
        if _BINARY.search(line) or (end < 0 and len(line) == MAX_LINE):
            return self.stop()
        if end < 0:
            return None
        del self._buffer[: end + 1]
        return self._line(line.removesuffix(b"\r"))

    def _line(self, line):
        if self._arguments:
            length = re.fullmatch(rb"\$(\d{1,9})", line)
            if not length or int(length[1]) > MAX_BYTES:
                return self.stop()
            self._arguments -= 1
            self._skip = int(length[1]) + 2
        elif count := re.fullmatch(rb"\*(-?\d{1,9})", line):
            self.kind = "redis"
            self._arguments = max(0, int(count[1]))
        elif request := _HTTP.fullmatch(line):
            self.kind, self.done = "http", True
            return self._gone(request[1])
        elif _INLINE.match(line):
            self.kind = "redis"
            return self._reply()
        elif line:
            return self.stop()
        return b""

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
        self._open, self._attempts, self._told = Counter(), Counter(), set()
        self._minute = None

    def admit(self, address, now):
        """Return (admitted, worth a line in the log); an address over its limit is worth one line a minute."""
        who = _who(address)
        if now // 60 != self._minute:
            self._minute, self._attempts, self._told = now // 60, Counter(), set()
        known = who in self._attempts or len(self._attempts) < MAX_ADDRESSES
        if known:
            self._attempts[who] += 1
            room = self._open[who] < self.at_a_time and self._open.total() < self.total
            if room and self._attempts[who] <= self.a_minute:
                self._open[who] += 1
                return True, True
        tell = known and who not in self._told
        if tell:
            self._told.add(who)
        return False, tell

    def release(self, address):
        self._open.subtract([_who(address)])
        self._open = +self._open


def _who(address):
    """Return what is counted: an IPv4 address, or an IPv6 network of the size that one customer has."""
    address = ipaddress.ip_address(address.partition("%")[0])
    return address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False)


class Service:
    def __init__(self, options):
        self.options = options
        self.limits = Limits(options.connections, options.attempts, options.total)
        self.connections, self.wanted_by_others = set(), set()
        self.held = {}  # port -> server

    def text(self, port):
        text = "Port %d is reserved, there is no Redis here. Connect to port %s instead."
        text %= port, ", ".join(self.options.use_port)
        more = (("Documentation", self.options.documentation), ("Contact", self.options.contact))
        return text + "".join(" %s: %s" % pair for pair in more if pair[1])

    async def run(self):
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, self.give_back)
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        while not stopped.is_set():
            for port in (self.options.led_port, *self.options.port):
                if port and port not in self.held:
                    await self.take(port)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self.options.retry)
        self.close([*self.held])

    def give_back(self):
        self.wanted_by_others.update(self.options.port)
        self.close(self.options.port)
        say(2, "all ports are given back")

    def close(self, ports):
        for port in ports:
            if port in self.held:
                self.held.pop(port).close()
        for transport in self.connections:
            transport.abort()

    async def take(self, port):
        """Listen on a port, unless somebody else does, on whatever address.

        A port that somebody had is taken only when it is found free twice: a Redis that restarts must get it again.
        """
        serve = partial(self.serve, port)
        try:
            server = await asyncio.start_server(serve, self.options.address, port, start_serving=False)
            if port in self.wanted_by_others:
                server.close()
                self.wanted_by_others.discard(port)
                return
            self.held[port] = server
            await server.start_serving()
            say(2, "port %d: listening" % port)
        except OSError as error:
            if port in self.held:
                self.held.pop(port).close()
            if port not in self.wanted_by_others:
                say(2, "port %d is left alone, and tried again later: %s" % (port, os.strerror(error.errno)))
            self.wanted_by_others.add(port)

    async def serve(self, port, reader, writer):
        transport = writer.transport
        peer = transport.get_extra_info("peername")
        if port == self.options.led_port:
            port = asked_for(transport.get_extra_info("socket"))
        here = peer and port in self.options.port  # not gone already, nor led here from elsewhere
        admitted, tell = self.limits.admit(peer[0], time.monotonic()) if here else (False, False)
        if not admitted:
            if tell:
                attempt(peer[0], port, "limited")
            transport.abort()
            return
        talk = Conversation(self.text(port))
        self.connections.add(transport)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.options.seconds):
                    while not talk.done and (data := await reader.read(MAX_BYTES)):
                        writer.write(talk.feed(data))
            writer.write(b"" if talk.done else talk.stop())
            # A moment to take leave: closing on unread bytes would destroy the answer on its way.
            writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while await reader.read(MAX_BYTES):
                    pass
        except OSError:  # a time that is over is one, too
            pass
        finally:
            transport.abort()
            self.connections.discard(transport)
            self.limits.release(peer[0])
            attempt(peer[0], port, talk.kind)


def asked_for(connection):
    """Return the port that a client asked for, before the firewall led it here; None when it was not led."""
    level, size = (socket.SOL_IP, 16) if connection.family == socket.AF_INET else (socket.IPPROTO_IPV6, 28)
    try:
        return int.from_bytes(connection.getsockopt(level, SO_ORIGINAL_DST, size)[2:4], "big")
    except OSError:
        return None


def attempt(address, port, kind):
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    say(1, "%s from=%s port=%d client=%s" % (now, address, port, kind))


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
