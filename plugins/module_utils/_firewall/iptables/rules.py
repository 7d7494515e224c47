# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""From the firewall policy to iptables rules: pure functions.

Rules are written exactly as iptables-save prints them, so that wanted and actual rules are compared as text.
"""

from __future__ import annotations

import socket

from ..policy import MARK, NOTICE_PORT, NOTICE_TABLE, port_words

INPUT_CHAIN = "REDIS-PORTS"
DOCKER_CHAIN = "REDIS-PORTS-DOCKER"
TABLES = ("filter", "mangle")
# New connections of one address, or of an IPv6 network of 64 bits, where the notice is for everyone. A full table of
# addresses drops those that are not in it.
NOTICE_RATE = "--hashlimit-upto 20/min --hashlimit-burst 10 --hashlimit-mode srcip --hashlimit-name redis-port-notice"
NOTICE_TABLE_SIZE = "--hashlimit-htable-max 10000"
MULTIPORT_LIMIT = 15


def multiports(ports):
    """Return the ports in as few values for --dports as the limit of 15 ports allows; a range counts as two."""
    values, used = [], MULTIPORT_LIMIT
    for word in port_words(ports):
        size = 2 if ":" in word else 1
        if used + size > MULTIPORT_LIMIT:
            values.append([])
            used = 0
        values[-1].append(word)
        used += size
    return [",".join(words) for words in values]


def render(policy, family):
    """Return table -> chain -> rules for one family, each rule as iptables-save prints it after '-A CHAIN '."""
    docker = _docker_chains(policy, family)
    tables = {"filter": {**_host_chains(policy, family), **docker}, "mangle": docker}
    return {**tables, NOTICE_TABLE: _notice_chains(policy, family)} if policy.notice else tables


def _host_chains(policy, family):
    main = ["-i lo -m comment --comment %s -j ACCEPT" % MARK]
    chains = {INPUT_CHAIN: main}
    # Reserved ports themselves are as closed as those of containers.
    for ports, networks in policy.groups(family, containers=True):
        name = "%s-%d" % (INPUT_CHAIN, ports[0])
        main += ["-p tcp -m multiport --dports %s -j %s" % (value, name) for value in multiports(ports)]
        chains[name] = ["-s %s -j ACCEPT" % _address(network) for network in networks]
    if policy.notice:
        rules, more = _notice_doors(policy, family)
        main += rules
        chains.update(more)
    if policy.stranger_action == "reject":
        main += [
            "-p tcp -m multiport --dports %s -j REJECT --reject-with tcp-reset" % value
            for value in multiports(policy.reserved)
        ]
    # Without a look at the connection's state: whoever is no longer named is cut off at once.
    main += ["-p tcp -m multiport --dports %s -j DROP" % value for value in multiports(policy.ports)]
    return chains


def _notice_doors(policy, family):
    """Return (rules, chains): who gets to the notice's port, led there from a reserved port and in no other way."""
    led = "-p tcp -m tcp --dport %d -m conntrack %%s--ctorigdstport %%s --ctdir ORIGINAL %%s" % NOTICE_PORT
    rules, chains = [], {}
    for ports, networks in policy.reader_groups(family):
        name = "%s-%d" % (INPUT_CHAIN, ports[0])
        rules += [led % ("", word, "-j " + name) for word in port_words(ports)]
        chains[name] = ["-s %s -j ACCEPT" % _address(network) for network in networks]
    if policy.stranger_action == "notice":
        mask = " --hashlimit-srcmask 64" if family == 6 else ""
        limit = "-m hashlimit %s %s%s -j ACCEPT" % (NOTICE_RATE, NOTICE_TABLE_SIZE, mask)
        for word in port_words(policy.reserved):
            rules.append(led % ("--ctstate ESTABLISHED ", word, "-j ACCEPT"))
            rules.append(led % ("--ctstate NEW ", word, limit))
    return rules, chains


def _notice_chains(policy, family):
    """Return the chains that lead from the reserved ports to the notice. What containers send is left alone, and so is
    what the host sends itself, which does not come this way."""
    main = ["-m addrtype ! --dst-type LOCAL -m comment --comment %s -j RETURN" % MARK]
    main += ["-i %s -j RETURN" % bridge for bridge in policy.bridges]
    chains = {INPUT_CHAIN: main}
    reserved = "-p tcp -m multiport --dports %s -j %s"
    for ports, networks in policy.reader_groups(family):
        name = "%s-%d" % (INPUT_CHAIN, ports[0])
        main += [reserved % (value, name) for value in multiports(ports)]
        chains[name] = [
            "-s %s -p tcp -j REDIRECT --to-ports %d" % (_address(network), NOTICE_PORT) for network in networks
        ]
    if policy.stranger_action == "notice":
        target = "REDIRECT --to-ports %d" % NOTICE_PORT
        main += [reserved % (value, target) for value in multiports(policy.reserved)]
    return chains


def _docker_chains(policy, family):
    original = "-p tcp -m conntrack --ctorigdstport %s --ctdir ORIGINAL %s"
    main = ["-i %s -j RETURN" % bridge for bridge in policy.bridges]
    chains = {DOCKER_CHAIN: main}
    for ports, networks in policy.groups(family, containers=True):
        name = "%s-%d" % (DOCKER_CHAIN, ports[0])
        # By goto, so that RETURN leads past the drops of this chain, back to where the packet came from.
        main += [original % (word, "-g " + name) for word in port_words(ports)]
        chains[name] = ["-s %s -j RETURN" % _address(network) for network in networks] + ["-j DROP"]
    # The port that was published, whatever Docker has made of it since; then the container's own port, for those who
    # reach the container without a published port.
    main += [original % (word, "-j DROP") for word in port_words(policy.ports)]
    main += [
        "-p tcp -m multiport --dports %s -m comment --comment %s -j DROP" % (value, MARK)
        for value in multiports(policy.ports)
    ]
    return chains


def _address(network):
    kind = socket.AF_INET if network.version == 4 else socket.AF_INET6
    # Not str(): Python and the C library differ on a few IPv6 addresses.
    return "%s/%d" % (socket.inet_ntop(kind, network.network_address.packed), network.prefixlen)


def rules_file(wanted):
    """Return the chains as input for iptables-restore --noflush: it replaces these chains and touches no other."""
    lines = ["# Managed by celebrum.redis_hardening; loaded by redis-ports-block."]
    for table, chains in wanted.items():
        lines.append("*" + table)
        lines += [":%s - [0:0]" % chain for chain in chains]
        lines += ["-A %s %s" % (chain, rule) for chain, rules in chains.items() for rule in rules]
        lines.append("COMMIT")
    return "\n".join([*lines, ""])
