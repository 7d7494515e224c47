# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and networks that a policy names."""

from __future__ import annotations

import functools
import ipaddress


class PolicyProblem(ValueError):
    """The policy can't be made into rules; each problem says where and what to write instead."""

    def __init__(self, *problems):
        super().__init__("; ".join(problems))
        self.problems = problems


@functools.cache
def parse_source(text):
    """Return the network that an address or network in text form stands for."""
    if "%" in text:
        raise PolicyProblem("%s names an interface; write the address without it" % text)
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            interface = ipaddress.ip_interface(text)
        except ValueError:
            raise PolicyProblem(
                "'%s' is neither an address nor a network. Write it like 10.0.0.5, 10.0.0.0/24 or fd00:1::/64; the "
                "lookup celebrum.redis_hardening.firewall_ports makes addresses of groups, hosts and names" % text
            ) from None
        raise PolicyProblem(
            "%s has bits set behind the network's length: write %s for the network, or %s for the one address"
            % (text, interface.network, interface.ip)
        ) from None
    if network.prefixlen == 0:
        raise PolicyProblem("%s is everyone; name the networks that need Redis" % text)
    if network.version == 6 and network.subnet_of(ipaddress.ip_network("::ffff:0:0/96")):
        raise PolicyProblem("%s is an IPv4 address in IPv6 form; write it as IPv4" % text)
    if network.network_address.is_multicast or network.network_address.is_unspecified:
        raise PolicyProblem("%s can't be the source of a connection" % text)
    return network


def outermost(networks):
    """Return sorted networks without those that lie in another."""
    kept = []
    for network in networks:
        if not kept or not network.subnet_of(kept[-1]):
            kept.append(network)
    return kept


def _network_order(network):
    return network.version, int(network.network_address), network.prefixlen
