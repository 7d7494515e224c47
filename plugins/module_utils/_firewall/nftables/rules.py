# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the firewall policy to one table of nftables: pure functions.

The table decides as the rules of _iptables do. One difference can't be helped: what it lets in still has to
pass the other tables of the host, because in nftables only a drop is final.
"""

from __future__ import annotations

from ..._host.networks import outermost
from ..policy import FAMILIES, MARK, NOTICE_PORT

FAMILY, TABLE = "inet", "redis_ports"
HOST_CHAIN, CONTAINER_CHAIN, NOTICE_CHAIN = "host", "containers", "notice"
# After conntrack, which knows the port that a client asked for, and before everybody else's filters.
PRIORITY = "mangle + 10"
# Before Docker leads packets to its containers.
NOTICE_PRIORITY = "dstnat - 10"
ADDRESS = {4: "ip", 6: "ip6"}
# As _iptables says it: new connections to the notice, where it is for everyone. A full set counts nobody
# more, and lets nobody more in.
NOTICE_RATE = "limit rate 20/minute burst 10 packets"
NOTICE_SOURCES = 10000
NOTICE_KEY = {4: "ip saddr", 6: "ip6 saddr & ffff:ffff:ffff:ffff::"}
# Matches what was asked for, whatever has been made of it since.
ASKED_FOR = "meta l4proto tcp ct direction original ct original proto-dst"


def render(policy):
    """Return the input for nft -f that makes the table, or replaces it, in one step."""
    table = "%s %s" % (FAMILY, TABLE)
    blocks = [*_port_sets(policy), *_source_sets(policy), *_notice_sets(policy)]
    blocks += [
        _block("chain " + HOST_CHAIN, [_hook("filter", "input", PRIORITY), *_host_rules(policy)]),
        _block("chain " + CONTAINER_CHAIN, [_hook("filter", "forward", PRIORITY), *_container_rules(policy)]),
    ]
    if policy.notice:
        rules = [_hook("nat", "prerouting", NOTICE_PRIORITY), *_notice_rules(policy)]
        blocks.append(_block("chain " + NOTICE_CHAIN, rules))
    lines = [
        "# Managed by celebrum.redis_hardening; loaded by redis-ports-block.",
        # Deleting what is not there would fail.
        "table " + table,
        "delete table " + table,
        "table %s {" % table,
        '\tcomment "%s"' % MARK,
        *("\n".join(block) for block in blocks),
        "}",
    ]
    return "\n".join([*lines, ""])


def _block(name, lines):
    return ["", "\t%s {" % name, *("\t\t" + line for line in lines), "\t}"]


def _set(name, kind, elements, *more):
    return _block("set " + name, ["type " + kind, *more, "elements = { %s }" % ", ".join(elements)])


def _port_sets(policy):
    # By name, because nft 1.0.6 can't print a set without a name next to a port of conntrack.
    yield _set("guarded", "inet_service", map(str, policy.ports))
    if policy.reserved:
        yield _set("reserved", "inet_service", map(str, policy.reserved))


def _source_sets(policy):
    for family in FAMILIES:
        yield from _group_sets("ports", "sources", family, policy.groups(family, containers=True))
        if policy.notice:
            yield from _group_sets("notice_ports", "readers", family, policy.reader_groups(family))


def _group_sets(ports_name, sources_name, family, groups):
    for ports, networks in groups:
        yield _set(_name(ports_name, family, ports), "inet_service", map(str, ports))
        # nft refuses elements that overlap.
        elements = map(_element, outermost(networks))
        yield _set(_name(sources_name, family, ports), "ipv%d_addr" % family, elements, "flags interval")


def _notice_sets(policy):
    if policy.notice and policy.stranger_action == "notice":
        for family in FAMILIES:
            lines = ["type ipv%d_addr" % family, "size %d" % NOTICE_SOURCES, "flags dynamic,timeout", "timeout 1m"]
            yield _block("set knocks%d" % family, lines)


def _name(what, family, ports):
    """Return the name of a group's set: sources4_6379 may reach ports4_6379 by IPv4, of which 6379 is the first."""
    return "%s%d_%d" % (what, family, ports[0])


def _element(network):
    return str(network.network_address if network.num_addresses == 1 else network)


def _hook(kind, hook, priority):
    return "type %s hook %s priority %s; policy accept;" % (kind, hook, priority)


def _host_rules(policy):
    yield 'iifname "lo" accept'
    yield from _named_rules(policy, "tcp dport")
    if policy.notice:
        yield from _notice_doors(policy)
    if policy.reserved:
        if policy.stranger_action == "reject":
            yield "tcp dport @reserved counter reject with tcp reset"
        # Also to a notice that is no more, or no longer for all who are connected to it.
        yield ASKED_FOR + " @reserved counter drop"
    # Without a look at the connection's state: whoever is no longer named is cut off at once.
    yield "tcp dport @guarded counter drop"


def _notice_doors(policy):
    """Who gets to the notice's port, led there from a reserved port and in no other way."""
    led = "tcp dport %d ct direction original ct original proto-dst" % NOTICE_PORT
    for family in FAMILIES:
        for ports, _networks in policy.reader_groups(family):
            yield "%s @%s %s saddr @%s counter accept" % (led, *_reader_names(family, ports))
    if policy.stranger_action == "notice":
        yield led + " @reserved ct state established accept"
        for family in FAMILIES:
            limit = "update @knocks%d { %s %s }" % (family, NOTICE_KEY[family], NOTICE_RATE)
            yield "%s @reserved ct state new %s counter accept" % (led, limit)


def _notice_rules(policy):
    """Lead from the reserved ports to the notice. What containers send is left alone."""
    yield "fib daddr type != local return"
    for bridge in policy.bridges:
        yield "iifname %s return" % _interface(bridge)
    for family in FAMILIES:
        for ports, _networks in policy.reader_groups(family):
            named = "tcp dport @%s %s saddr @%s" % _reader_names(family, ports)
            yield "%s redirect to :%d" % (named, NOTICE_PORT)
    if policy.stranger_action == "notice":
        yield "tcp dport @reserved redirect to :%d" % NOTICE_PORT


def _reader_names(family, ports):
    return _name("notice_ports", family, ports), ADDRESS[family], _name("readers", family, ports)


def _container_rules(policy):
    for bridge in policy.bridges:
        yield "iifname %s accept" % _interface(bridge)
    yield from _named_rules(policy, ASKED_FOR)
    # The port that was published, whatever Docker has made of it since; then the container's own port, for those who
    # reach the container without a published port.
    yield ASKED_FOR + " @guarded counter drop"
    yield "tcp dport @guarded counter drop"


def _named_rules(policy, port):
    # Reserved ports themselves are open to nobody.
    for family in FAMILIES:
        for ports, _networks in policy.groups(family, containers=True):
            names = _name("ports", family, ports), ADDRESS[family], _name("sources", family, ports)
            yield port + " @%s %s saddr @%s counter accept" % names


def _interface(pattern):
    """Return a name or prefix with '+' as nft writes it, where a star at the end is the prefix's."""
    if pattern.endswith("+"):
        return '"%s*"' % pattern[:-1]
    return '"%s"' % (pattern[:-1] + "\\*" if pattern.endswith("*") else pattern)
