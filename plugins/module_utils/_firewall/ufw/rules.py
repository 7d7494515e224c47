# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""UFW's rules beside the wanted ones: pure functions.

What 'ufw status' and 'ufw show added' print is made from the '### tuple ###' lines of user.rules and user6.rules. These
are read instead: they keep IPv4 and IPv6 apart, and are there while UFW is off.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

CONF = "/etc/ufw/ufw.conf"
COMMENT = "celebrum.redis_hardening"
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
LETS_IN = ("allow", "limit")
KEEPS_OUT = ("deny", "reject")
# action, protocol, port, destination, source port, source; two names of applications; direction and interfaces
TUPLE = re.compile(
    r"### tuple ###\s+(route:)?(allow|deny|reject|limit)(?:_log(?:-all)?)?\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)"
    r"(?:\s+(?!(?:in|out)(?:_|\s|$))\S+\s+\S+)?(?:\s+(in|out)(_\S+)?)?(?:\s+comment=\S*)?\s*"
)


@dataclass(frozen=True)
class Rule:
    family: int
    action: str
    protocol: str
    ports: str
    destination: str
    source_ports: str
    source: str
    direction: str = "in"
    interface: str = ""
    forwarded: bool = False

    def __str__(self):
        words = ["route"] if self.forwarded else []
        words += [self.action, self.direction] if self.direction == "out" else [self.action]
        words += ["on " + self.interface] if self.interface else []
        words.append(self.ports if self.protocol == "any" else "%s/%s" % (self.ports, self.protocol))
        words += ["from " + self.source] if self.source != ANYWHERE[self.family] else []
        words += ["source port " + self.source_ports] if self.source_ports != "any" else []
        words += ["to " + self.destination] if self.destination != ANYWHERE[self.family] else []
        return "%s (IPv%d)" % (" ".join(words), self.family)

    @property
    def unconditional(self):
        """Does it apply whoever connects, to whichever address?"""
        everywhere = self.source == self.destination == ANYWHERE[self.family]
        return everywhere and self.source_ports == "any" and not self.interface

    def covers(self, port):
        """Does it speak of connections to this TCP port of the host?"""
        return (
            self.direction == "in"
            and not self.forwarded
            and self.protocol in ("tcp", "any")
            and _within(port, self.ports)
        )

    def is_about(self, connection):
        """Is it sure to apply to this connection (source, destination)?"""
        pairs = zip((self.source, self.destination), connection, strict=True)
        inside = all(address in ipaddress.ip_network(network, strict=False) for network, address in pairs)
        return inside and self.source_ports == "any" and not self.interface


@dataclass(frozen=True)
class Plan:
    """missing: rules to add. commands: what to tell ufw for them. problems: why nothing can be done."""

    missing: tuple
    commands: tuple
    problems: tuple


def _within(port, ports):
    if ports == "any":
        return True
    bounds = [[int(bound) for bound in part.split(":")] for part in ports.split(",")]
    return any(bound[0] <= port <= bound[-1] for bound in bounds)


def parse_rules(text, family):
    """Return the rules of a user.rules file, in the order in which they apply."""
    rules = []
    for line in text.splitlines():
        if not line.startswith("### tuple ###"):
            continue
        found = TUPLE.fullmatch(line)
        if not found:
            raise ValueError("UFW's line '%s' is not understood" % line)
        route, action, protocol, ports, destination, source_ports, source, direction, interface = found.groups()
        rule = Rule(
            *(family, action, protocol, ports, destination, source_ports, source),
            direction=direction or "in",
            interface=(interface or "").removeprefix("_"),
            forwarded=bool(route),
        )
        rules.append(rule)
    return rules


def is_active(status):
    """Return whether the output of 'ufw status' says that the kernel has UFW's rules; None when it says neither."""
    found = re.match(r"Status: (active|inactive)$", status, re.MULTILINE)
    return found and found[1] == "active"


def setting(text, name):
    """Return whether a file like ufw.conf says yes to a setting."""
    values = re.findall(r"(?m)^\s*%s\s*=\s*[\"']?(\w+)" % name, text)
    return bool(values) and values[-1].lower() == "yes"


def user_rules(text):
    """Return how many rules for incoming connections a file of rules, or the output of iptables-save, has."""
    return len(re.findall(r"(?m)^-A ufw6?-user-input ", text))


def plan(rules, ssh_ports, allow, deny, enabling, connection=None):
    """Compare UFW's rules (family -> list) with the wanted ones.

    enabling: UFW is off and will be, or may be, on later. connection: (client, server, port) of the operator's SSH.
    """
    missing, problems = [], []
    for port in ssh_ports:
        for family in _ssh_families(rules, port, enabling, connection, problems):
            missing.append(wanted("allow", port, family))
    for port in allow:
        for family, others in rules.items():
            first = next((rule for rule in others if rule.covers(port) and rule.unconditional), None)
            if first is None:
                missing.append(wanted("allow", port, family))
            elif first.action in KEEPS_OUT:
                problems.append(
                    "%d is to be allowed, and UFW has the rule '%s': delete the rule, or take %d out of allow "
                    "(in the role: firewall_ufw_allow)" % (port, first, port)
                )
    for port in deny:
        for family, others in rules.items():
            closing = [rule for rule in others if rule.covers(port) and rule.unconditional]
            # UFW would turn somebody's 'allow' for just this port into our 'deny'.
            taken = any(replaces(rule, port) for rule in others)
            if not taken and not any(rule.action in KEEPS_OUT for rule in closing):
                missing.append(wanted("deny", port, family))
    return Plan(tuple(missing), tuple(_commands(missing, list(rules))), tuple(problems))


def wanted(action, port, family):
    """Return the rule that allows or denies a TCP port."""
    return Rule(family, action, "tcp", str(port), ANYWHERE[family], "any", ANYWHERE[family])


def replaces(rule, port):
    """Would UFW, told of this port, change this rule in place of adding one?"""
    return rule.covers(port) and rule.unconditional and (rule.protocol, rule.ports) == ("tcp", str(port))


def _ssh_families(rules, port, enabling, connection, problems):
    """Return the families for which SSH on this port needs a rule."""
    on_port = {family: [rule for rule in others if rule.covers(port)] for family, others in rules.items()}
    if not enabling and any(rule.action in LETS_IN for others in on_port.values() for rule in others):
        # UFW is on and the operator is in. Whom else it lets in is the operator's choice.
        return []
    # Somebody has chosen who gets in. That is kept to, as long as this connection gets in.
    limited = any(rule.action in LETS_IN and not rule.unconditional for others in on_port.values() for rule in others)
    needed = []
    for family, others in on_port.items():
        used = connection and connection[2] == port and connection[0].version == family
        if used:
            surely = [rule for rule in others if rule.is_about(connection[:2])]
            # A rule of one interface may apply. If it keeps out, that has to be cleared up first.
            perhaps = [rule for rule in others if rule in surely or (rule.interface and rule.action in KEEPS_OUT)]
        else:
            perhaps = [rule for rule in others if rule.unconditional]
        first = perhaps[0] if perhaps else None
        if first and first.action in KEEPS_OUT:
            if enabling:
                problems.append(
                    "UFW's rule '%s' would shut SSH out on port %d: delete it, or allow SSH in front of it"
                    % (first, port)
                )
        elif first is None and (used or not (connection and limited)):
            needed.append(family)
    return needed


def _commands(missing, families):
    """Return the arguments for ufw: one command for both families where both lack a rule."""
    commands = []
    for rule in missing:
        pair = [other.family for other in missing if (other.action, other.ports) == (rule.action, rule.ports)]
        if pair == families:
            words = [rule.action, rule.ports + "/tcp"]
        else:
            words = [rule.action, "proto", "tcp", "from", "any", "to", ANYWHERE[rule.family], "port", rule.ports]
        words += ["comment", COMMENT]
        if words not in commands:
            commands.append(words)
    return commands


def foreign_allows(rules, ports):
    """Return the rules that, but for those in front of UFW's, would let somebody in to one of these ports."""
    return [
        rule
        for others in rules.values()
        for rule in others
        if rule.action in LETS_IN
        and rule.direction == "in"
        and rule.protocol in ("tcp", "any")
        and rule.ports != "any"
        and any(_within(port, rule.ports) for port in ports)
    ]


def listing(rules, active):
    """Return UFW's state as lines for a diff."""
    lines = ["Status: %s" % ("active" if active else "inactive")]
    return "".join(line + "\n" for line in lines + [str(rule) for others in rules.values() for rule in others])
