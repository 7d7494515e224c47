# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server's process really listens on, from the kernel."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys

from .._redis.connection import borrowed

LISTEN, ESTABLISHED = "0A", "01"
# The flags of a Unix socket that listens.
_ACCEPTS = "00010000"


def pid_of(client, info):
    """Return server_pid() for the connection of a client."""
    with borrowed(client) as connection:
        return server_pid(connection._sock, info) if connection._sock else None


def server_pid(connection_socket, info, proc="/proc"):
    """Return the process id of the server at the other end, None when it does not run on this host (or out of sight).

    connection_socket: an open socket to it. info: fields of INFO. A process is believed only when the kernel says that
    the other end of this very connection is its: one that forwards the connection is none.
    """
    if connection_socket.family == socket.AF_UNIX:
        credentials = connection_socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid = struct.unpack("3i", credentials)[0]
        return pid or None
    # Of the kernel's own list: what a server says becomes no path.
    pid = next((name for name in os.listdir(proc) if name.isdecimal() and name == info.get("process_id")), None)
    if pid is None:
        return None
    here = _endpoint(connection_socket.getsockname())
    rows = _rows(proc, pid)
    mine = _inodes(proc, pid)
    found = any(remote == here and state == ESTABLISHED and inode in mine for _own, remote, state, inode in rows)
    return int(pid) if found else None


def listening(pid, proc="/proc"):
    """Return {(address, port)} on which the process listens; None when that can't be read (root is needed)."""
    mine = _inodes(proc, pid)
    if not mine:
        return None
    return {own for own, _remote, state, inode in _rows(proc, pid) if state == LISTEN and inode in mine}


def listening_paths(pid, proc="/proc"):
    """Return the paths of the Unix sockets on which the process listens, as it has named them."""
    mine = _inodes(proc, pid)
    try:
        with open("%s/%s/net/unix" % (proc, pid), encoding="utf-8", errors="surrogateescape") as handle:
            rows = [line.rstrip("\n").split(None, 7) for line in handle]
    except OSError:
        return set()
    return {row[7] for row in rows if len(row) == 8 and row[3] == _ACCEPTS and row[6] in mine}


def _inodes(proc, pid):
    folder = "%s/%s/fd" % (proc, pid)
    found = set()
    try:
        for entry in os.listdir(folder):
            try:
                target = os.readlink("%s/%s" % (folder, entry))
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found


def _rows(proc, pid):
    """Return (own end, remote end, state, inode) of each TCP socket in the process's network."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            with open("%s/%s/net/%s" % (proc, pid, name), encoding="ascii") as handle:
                lines = handle.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            found.append((_decode(words[1]), _decode(words[2]), words[3], words[9]))
    return found


def _decode(text):
    """Return (address, port) of an end as the kernel prints it: words of 32 bits in the machine's byte order."""
    address, _colon, port = text.partition(":")
    raw = bytes.fromhex(address)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return _plain(ipaddress.ip_address(raw)), int(port, 16)


def _endpoint(name):
    return _plain(ipaddress.ip_address(name[0].partition("%")[0])), name[1]


def _plain(address):
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def expected(bind, ports, ends=()):
    """Return ({(address, port)} that may be listened on, and those of them that must be).

    bind: the declared addresses; a leading '-' says that an address may be missing on the host. ends: what is listened
    on: of a name's addresses a server takes one.
    """
    may, must = set(), set()
    for word in bind:
        addresses = _addresses(word.removeprefix("-"))
        for port in ports:
            places = [(address, port) for address in addresses]
            may.update(places)
            if not word.startswith("-"):
                must.add(next((place for place in places if place in ends), places[0]))
    return may, must


def _addresses(word):
    """Return the addresses of a word of bind, one of which is listened on, as the kernel's list has them."""
    if word in ("*", "0.0.0.0"):  # noqa: S104
        return ["0.0.0.0"]  # noqa: S104
    if word in ("::*", "::"):
        return ["::"]
    try:
        # The kernel's list has no interface.
        return [_plain(ipaddress.ip_address(word.partition("%")[0]))]
    except ValueError:
        pass
    # As Redis asks: a word without a colon is IPv4.
    family = socket.AF_INET6 if ":" in word else socket.AF_INET
    try:
        found = socket.getaddrinfo(word, None, family, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [word]
    return list(dict.fromkeys(entry[4][0].partition("%")[0] for entry in found))


def spelled(ends):
    """Return the ends as text: '127.0.0.1:6379, [::1]:6379'."""
    return ", ".join(("[%s]:%s" if ":" in address else "%s:%s") % (address, port) for address, port in sorted(ends))
