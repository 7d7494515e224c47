# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server could listen at the addresses that are declared for it: the kernel of the host is asked."""

from __future__ import annotations

import contextlib
import errno
import json
import socket

from .addresses import bind_address


def missing_problems(binds, own, refused=None):
    """Return a problem for each variable that has addresses which the host lacks.

    binds: {variable: its addresses, as Redis takes them}. own: returns the addresses of the host, for the message.
    refused: says why the kernel refuses an address.
    """
    problems, told = [], set()
    for variable, addresses in binds.items():
        # One with the prefix may come later, as that of a failover does: Redis starts without it.
        tried = [text for text in addresses if not text.startswith("-") and bind_address(text) and text not in told]
        lacking = {text: why for text in tried if (why := (refused or why_refused)(text))}
        told |= set(lacking)
        if lacking:
            first, present = next(iter(lacking)), ", ".join(own())
            problems.append(
                "%s has %s, and the server would not start: %s. Set %s to addresses of the host; or, for one "
                'that comes later (a virtual address), put a - before it, as in "-%s", and it starts without it.'
                % (
                    variable,
                    " and ".join("%s (%s)" % entry for entry in lacking.items()),
                    "this host has %s" % present if present else "this host has others",
                    variable,
                    first,
                )
            )
    return problems


def why_refused(text):
    """Return why the kernel lets nobody listen at an address now, '' when it does.

    Listening at an address that no interface has may be allowed by net.ipv4.ip_nonlocal_bind; the kernel knows.
    """
    address = bind_address(text)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        place = socket.getaddrinfo(str(address), 0, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(place)
    except socket.gaierror:
        return "there is no interface %s" % text.partition("%")[2]
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return "no interface has it"
        if error.errno == errno.EINVAL and address.version == 6 and address.is_link_local:
            return "it is link-local: name its interface, as in %s%%eth0" % text
        if error.errno == errno.ENODEV:
            return "there is no interface %s" % text.partition("%")[2]
        # Redis itself goes on without a family that the kernel does not have.
    return ""


def own_addresses(run_command):
    """Return the addresses of the host, loopback and link-local ones last; [] where `ip` does not tell."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        _code, out, _error = run_command(["ip", "-json", "address", "show"], handle_exceptions=False)
        found = [
            (entry["scope"] != "global", entry["local"] + ("%" + link["ifname"] if entry["scope"] == "link" else ""))
            for link in json.loads(out)
            for entry in link.get("addr_info", [])
            if "local" in entry
        ]
        return [text for _last, text in sorted(found, key=lambda entry: entry[0])]
    return []
