# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of a policy: where a server listens (redis_bind) and whom it serves (redis_allowed_sources)."""

from __future__ import annotations

import ipaddress

from .networks import PolicyProblem, parse_source

# The most that Redis takes (CONFIG_BINDADDR_MAX).
MOST_ADDRESSES = 16
_WILDCARDS = {"*": "0.0.0.0", "::*": "::"}  # noqa: S104 - to be recognised, not to be bound to
# The roles and the audit talk to the server there.
_CHECKED_AT = ipaddress.ip_address("127.0.0.1")


def bind_address(entry):
    """Return an entry of redis_bind as an address, wildcards as 0.0.0.0 and ::, or None if it isn't one."""
    text = entry.removeprefix("-")
    try:
        address = ipaddress.ip_address(_WILDCARDS.get(text, text))
    except ValueError:
        return None
    return None if getattr(address, "ipv4_mapped", None) else address


def exposed(bind):
    """Return the entries of redis_bind that are reachable from other hosts."""
    addresses = [(entry, bind_address(entry)) for entry in bind]
    return [entry for entry, address in addresses if address is not None and not address.is_loopback]


def bind_problems(bind):
    """Return why the server could not start, or not be checked, with this redis_bind."""
    problems, seen = [], {}
    if len(bind) > MOST_ADDRESSES:
        problems.append("redis_bind has %d addresses: remove some, Redis takes %d." % (len(bind), MOST_ADDRESSES))
    for at, entry in enumerate(bind):
        address = bind_address(entry)
        if address is None:
            problems.append(
                "redis_bind[%d] is %r, which is no IP address: set an address of the host, such as 127.0.0.1."
                % (at, entry)
            )
        elif address in seen:
            problems.append("redis_bind has %s twice (%s, %s): remove one." % (address, seen[address], entry))
        else:
            seen[address] = entry
    for wildcard in [address for address in seen if address.is_unspecified]:
        contained = [text for other, text in seen.items() if other.version == wildcard.version and other != wildcard]
        if contained:
            problems.append(
                "redis_bind has %s, which already contains %s, and Redis would not start: remove one or the other."
                % (seen[wildcard], ", ".join(contained))
            )
    if _CHECKED_AT not in seen and ipaddress.ip_address("0.0.0.0") not in seen:  # noqa: S104
        problems.append(
            "redis_bind is %s without 127.0.0.1, where the server is set up and checked: add 127.0.0.1." % list(bind)
        )
    return problems


def source_problems(name, sources):
    """Return why these can't be the allowed sources. name: how the variable is called."""
    problems, networks = [], []
    for at, entry in enumerate(sources):
        try:
            networks.append(parse_source(entry))
        except PolicyProblem as problem:
            problems.append("%s[%d] is refused: %s." % (name, at, problem))
    return problems + width_problems(name, networks)


def width_problems(name, networks):
    """Return a problem for each family of which these are half of all addresses or more. name: how to call them."""
    problems = []
    for version, bits in ((4, 32), (6, 128)):
        own = [network for network in networks if network.version == version]
        # Split into pieces, the internet is still the internet.
        if sum(network.num_addresses for network in ipaddress.collapse_addresses(own)) >= 2 ** (bits - 1):
            problems.append(
                "%s has %s, which is half of the internet or more: name the clients' networks."
                % (name, " and ".join(map(str, own)))
            )
    return problems
