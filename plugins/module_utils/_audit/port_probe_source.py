# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a probe from here proves anything: to an address that the policy lets in a port is open, as it should be."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from .._host.networks import parse_source

ADVICE = "Set audit_outside_hosts to another host, which the policy does not name: for this one the port is to be open."


def own_address(address, port):
    """Return the address from which this host connects to another, None when it does not say. Nothing is sent."""
    with contextlib.suppress(OSError):
        family, kind, _proto, _name, place = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            return probe.getsockname()[0].partition("%")[0]
    return None


def named(target, look, allowed, own=own_address):
    """Return why a look at a port proves nothing, '' when it does.

    allowed: [{port, sources}, ...] of the policy, as addresses and networks. own: as own_address().
    """
    if target["expect"] not in ("closed", "notice") or not allowed:
        return ""
    mine = own(look["address"], target["port"])
    if mine is None:
        return ""
    if mine == look["address"].partition("%")[0]:
        return "it was tried on the host itself, %s, where loopback is always let in" % mine
    address = ipaddress.ip_address(mine)
    sources = [source for entry in allowed if entry["port"] == target["port"] for source in entry["sources"] or []]
    network = next((text for text in sources if address in parse_source(text)), None)
    if network is None:
        return ""
    return "it was tried from %s, which the policy lets in (%s, in redis_allowed_sources or firewall_ports)" % (
        mine,
        network,
    )
