# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall policy held against what iptables-save shows of the kernel: findings, from pure functions."""

from __future__ import annotations

from . import evaluate as evaluator, fates, policy as firewall_policy

# How many problems a finding names.
SHOWN = 3


# What becomes of those who are not named, on the reserved ports of the host.
TURNED_AWAY = {
    "drop": "",
    "reject": ", or rejected on reserved ports",
    "notice": ", but get to the notice on reserved ports, limited in rate",
}

# The ways of a packet: what it is called, and the table and chain in which it is judged. To containers each of two
# chains must close the ports by itself: the first is always passed, the second is where Docker's users look.
WAYS = (
    ("to the host", "filter", "INPUT"),
    ("to containers", "mangle", "FORWARD"),
    ("to containers, by DOCKER-USER", "filter", "DOCKER-USER"),
)


def packets(policy, port, hook, interface, state):
    """Return the packets by which a client may try to reach a port: on the host, or of a container, through a published
    port or straight."""
    if hook == "INPUT":
        return [evaluator.Packet(interface, port, port, state)]
    other = next(number for number in range(9, 65536) if number not in policy.sources)
    return [evaluator.Packet(interface, None, port, state), evaluator.Packet(interface, port, other, state)]


def led_packet(port, interface=evaluator.ELSEWHERE, state="NEW"):
    """Return a packet to a reserved port that was led to the notice."""
    return evaluator.Packet(interface, firewall_policy.NOTICE_PORT, port, state)


def open_doors(policy, family, ruleset, hook):
    """Return in words which guarded ports let somebody in whom the policy does not name."""
    found = []
    for port in policy.ports:
        # The sources of a reserved port reach the notice, not the port.
        named = policy.named(port, family, containers=True)
        for interface in outer_interfaces(policy, ruleset, hook):
            way = "any interface" if interface == evaluator.ELSEWHERE else interface
            # New connections, and those that a source has kept from when it was named.
            for state, note in (("NEW", ""), ("ESTABLISHED", ", to connections that exist already")):
                tried = packets(policy, port, hook, interface, state)
                sources = [_let_in(ruleset, packet, hook, family, named) for packet in tried]
                if hook == "INPUT" and policy.notice and port in policy.reserved:
                    sources.append(_let_to_notice(ruleset, led_packet(port, interface, state), family, policy))
                source = next((one for one in sources if one), None)
                if source:
                    found.append("%d is open to others by %s%s (our probe: %s)" % (port, way, note, source))
                    break
    return found


def outer_interfaces(policy, ruleset, hook):
    """Return the interfaces by which somebody else's packets come in. Containers' own are left alone on their way to
    other places, not on their way to the host."""
    return [
        name
        for name in ruleset.interfaces(hook)
        if name != "lo"
        and not (hook != "INPUT" and any(firewall_policy.matches_interface(one, name) for one in policy.bridges))
    ]


def _let_in(ruleset, packet, hook, family, named):
    """Return a source outside the named ones whose packet is not surely dropped."""
    return _stranger(ruleset, packet, hook, family, named, lambda outcomes: outcomes != {evaluator.DROP})


def _stranger(ruleset, packet, hook, family, named, condition):
    """Return a source outside the named ones for whose packet the condition holds, see fates.where()."""
    chains = evaluator.specialise(ruleset, packet, hook)
    found = fates.where(ruleset, chains, hook, family, condition)
    return fates.example(fates.without(found, fates.region(named)), family)


def _let_to_notice(ruleset, packet, family, policy):
    """The same for a packet that was led to the notice. Where that is for everyone, new connections must have a limit,
    by which they may be dropped."""
    readers = policy.named(packet.original_port, family)
    if policy.stranger_action != "notice":
        return _let_in(ruleset, packet, "INPUT", family, readers)
    if packet.state != "NEW":
        return None
    source = _stranger(ruleset, packet, "INPUT", family, readers, lambda outcomes: evaluator.DROP not in outcomes)
    return source and "%s without a limit" % source


def closed_doors(policy, family, ruleset, hook):
    """Return in words which named sources the rules may drop. What comes after our chains is Docker's business."""
    found = []
    for port in policy.ports:
        named = policy.named(port, family, containers=True)

        def arriving(interface, port=port):
            return packets(policy, port, hook, interface, "NEW")[0]

        parts = shut_parts(policy, family, ruleset, hook, named, arriving, lambda outcomes: evaluator.DROP in outcomes)
        found += ["%d is closed to %s" % (port, part) for part in parts]
    return found


def shut_parts(policy, family, ruleset, hook, named, arriving, is_shut):
    """Return in words those named networks, or parts of them, that are shut out whichever way they come.

    A client that gets in by one interface is in: by which one it comes is not known here. arriving: makes a packet of
    an interface. is_shut: says so of the set of what may become of a packet.
    """
    shut = fates.region(named)
    for interface in outer_interfaces(policy, ruleset, hook):
        if not shut:
            return []
        chains = evaluator.specialise(ruleset, arriving(interface), hook)
        shut = fates.common(shut, fates.where(ruleset, chains, hook, family, is_shut))
    return [
        str(network) if first == int(network[0]) else "%s of %s" % (network[first - int(network[0])], network)
        for network in named
        for first, _last in fates.common(shut, fates.region([network]))
    ]


def closed_notice(policy, family, rulesets):
    """Return in words from which reserved ports somebody who may see the notice does not get to it."""
    found = []
    for port in policy.reserved if policy.notice else ():
        led = _led(policy, family, rulesets, port, lambda outcomes: outcomes == {evaluator.ACCEPT})
        lost = [str(network) for network in policy.named(port, family) if not fates.holds(led, network[0])]
        if policy.stranger_action == "notice":
            # Others are limited in rate, and so may be dropped.
            led = _led(policy, family, rulesets, port, lambda outcomes: evaluator.ACCEPT in outcomes)
            lost += [] if fates.holds(led, evaluator.STRANGERS[family][0]) else ["others"]
        found += ["%d does not lead %s to the notice" % (port, name) for name in lost]
    return found


def _led(policy, family, rulesets, port, is_let_in):
    """Return the region of who gets from a reserved port to the notice, by some interface."""
    door, nat = rulesets["filter"], rulesets[firewall_policy.NOTICE_TABLE]
    found = []
    for name in {*outer_interfaces(policy, door, "INPUT"), *outer_interfaces(policy, nat, "PREROUTING")}:
        chains = evaluator.specialise(door, led_packet(port, name), "INPUT")
        let_in = fates.where(door, chains, "INPUT", family, is_let_in)
        chains = evaluator.specialise(nat, evaluator.Packet(name, port, port), "PREROUTING")
        led = fates.where(nat, chains, "PREROUTING", family, lambda outcomes: evaluator.REDIRECT in outcomes)
        found = fates.union(found, fates.common(let_in, led))
    return found
