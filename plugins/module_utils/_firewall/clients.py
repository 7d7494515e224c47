# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is connected to the guarded ports now without being named by the policy, and so would be cut off.

Known are the connections of the host itself, docker-proxy's among them. Those to containers that Docker's own rules
forward are the containers' and not in these tables.
"""

from __future__ import annotations

import contextlib
import ipaddress
import sys

from .policy import NOTICE_PORT

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"
# Clients of a port that are told by address.
TOLD = 10


def read_tables():
    """Return the kernel's tables of TCP connections as texts. Without IPv6 in the kernel there is one."""
    texts = []
    for path in TABLES:
        with contextlib.suppress(OSError), open(path, encoding="ascii") as table:
            texts.append(table.read())
    return texts


def connections(text):
    """Return [((address, port), (address, port)), ...], own end first, of the established connections in a table."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == ESTABLISHED:
            found.append((_end(words[1]), _end(words[2])))
    return found


def _end(word):
    """Return (address, port) of how the kernel writes them: 32-bit words of the machine, in hexadecimal."""
    address, _colon, port = word.partition(":")
    packed = b"".join(int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8))
    found = ipaddress.ip_address(packed)
    return getattr(found, "ipv4_mapped", None) or found, int(port, 16)


def unnamed_clients(texts, policy):
    """Return port -> addresses, as sorted text, of connected clients that the policy does not name.

    texts: tables as from read_tables(). policy: GuardedPorts of _firewall.
    """
    pairs = {pair for text in texts for pair in connections(text)}
    # The other ends of connections that the host has with itself. Not by the address: Docker's rules may replace it.
    inner = {(own[1], other) for own, other in pairs}
    clients = {}
    for own, other in pairs:
        port, address = own[1], other[0]
        # The notice ends its connections itself, within seconds.
        if port not in policy.sources or port == NOTICE_PORT or address.is_loopback:
            continue
        # Over the loopback interface, whatever the address.
        if (other[1], own) in inner:
            continue
        # What has a reserved port is closed to everyone; its sources are led to the notice, which is elsewhere.
        named = () if port in policy.reserved else policy.named(port, address.version)
        if not any(address in network for network in named):
            clients.setdefault(port, set()).add(address)
    return {
        port: [str(address) for address in sorted(found, key=lambda one: (one.version, one))]
        for port, found in sorted(clients.items())
    }


def warning(clients):
    """Return a warning that names the clients, or None when there are none. clients: from unnamed_clients()."""
    if not clients:
        return None
    parts = []
    for port, addresses in clients.items():
        more = " and %d more" % (len(addresses) - TOLD) if len(addresses) > TOLD else ""
        parts.append("port %d: %s%s" % (port, ", ".join(addresses[:TOLD]), more))
    return (
        "these clients are connected and not among the allowed sources, so they are cut off (%s). To let them in, name "
        "them in ports[].sources (in the roles: redis_allowed_sources or firewall_ports)" % "; ".join(parts)
    )
