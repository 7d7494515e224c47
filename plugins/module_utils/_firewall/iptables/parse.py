# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules as iptables-save prints them."""

from __future__ import annotations

import re
import shlex

from ..evaluate import ACCEPT, JUDGED_MODULES, JUDGES, Rule, Ruleset, parse_network

QUOTED = re.compile(r"[\"'\\]")


def parse(text, table):
    """Return the Ruleset of one table that iptables-save printed."""
    chains, policies = {"INPUT": [], "FORWARD": []}, {"INPUT": ACCEPT, "FORWARD": ACCEPT}
    current = None
    for line in text.splitlines():
        if line.startswith("*"):
            current = line[1:]
        if current != table:
            continue
        words = split(line)
        if line.startswith(":"):
            chains.setdefault(words[0][1:], [])
            policies[words[0][1:]] = words[1]
        elif line.startswith("-A "):
            chains.setdefault(words[1], []).append(parse_rule(words[2:]))
    return Ruleset(chains, policies)


def split(line):
    """Return the words of a line. Quotes are looked at where there are some: for 10,000 rules that takes a second."""
    return shlex.split(line) if QUOTED.search(line) else line.split()


def parse_rule(words):
    sources, conditions, target, goto, negated = [], [], "", False, False
    words = iter(words)
    for word in words:
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            target, goto = next(words), word == "-g"
            break
        if word == "-m":
            module = next(words)
            if module not in JUDGED_MODULES:
                conditions.append(("-m", False, module))
        elif word == "--comment":
            next(words)
        elif word == "-s":
            value = next(words)
            network = parse_network(value)
            if network is None:
                conditions.append((word, negated, value))
            else:
                sources.append((network, int(network.network_address), int(network.netmask), negated))
        elif word in JUDGES:
            conditions.append((word, negated, next(words)))
        elif word.startswith("-"):
            conditions.append((word, negated, ""))
        negated = False
    return Rule(tuple(sources), tuple(conditions), target, goto)
