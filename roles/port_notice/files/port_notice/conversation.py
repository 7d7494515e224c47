# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the port notice says, and how it answers what clients send. Pure: bytes in, bytes out."""

from __future__ import annotations

import re

MAX_REPLIES = 32
MAX_BYTES = 64 * 1024
MAX_LINE = 4096
TLS_ALERT = bytes.fromhex("15030100020228")  # fatal, handshake_failure

_BINARY = re.compile(rb"[^\t\r\x20-\x7e\x80-\xff]")
_HTTP = re.compile(rb"([A-Z]{3,10}) \S+ HTTP/\d(?:\.\d)?")
_INLINE = re.compile(rb"[A-Za-z]+(?:[ \t]|$)")


def notice_text(port, use_ports, documentation="", contact=""):
    """Return what is said on a port."""
    text = "Port %d is reserved, there is no Redis here. Connect to port %s instead."
    text %= port, ", ".join(use_ports)
    more = (("Documentation", documentation), ("Contact", contact))
    return text + "".join(" %s: %s" % pair for pair in more if pair[1])


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
