# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules that iptables-save shows, beside those that _iptables renders: pure functions."""

from __future__ import annotations

import re

from ..policy import MARK, NOTICE_TABLE
from .parse import parse_rule, split
from .rules import DOCKER_CHAIN, INPUT_CHAIN, TABLES

# The two chains, and the chains of sources that hang below them, named after the first port they serve.
OWN_CHAIN = re.compile(r"REDIS-PORTS(-DOCKER)?(-\d+)?")
# Table, chain, and its first rule, which leads to ours. Docker takes DOCKER-USER out of FORWARD for a moment whenever
# it makes a network, and knows nothing of it where it does not manage iptables, as for IPv6 before Docker 27. Nobody
# takes away what stands in mangle, which packets pass before filter. The last is there with a notice only.
JUMPS = (
    ("filter", "INPUT", "-p tcp -j " + INPUT_CHAIN),
    ("filter", "DOCKER-USER", "-p tcp -j " + DOCKER_CHAIN),
    ("mangle", "FORWARD", "-p tcp -j " + DOCKER_CHAIN),
    (NOTICE_TABLE, "PREROUTING", "-p tcp -j " + INPUT_CHAIN),
)
_ALL_TABLES = (*TABLES, NOTICE_TABLE)
# What the rules of a chain may do that is jumped to before ours. (From the chain itself RETURN would let packets in.)
TURNING_AWAY = ("DROP", "REJECT", "RETURN", "LOG", "NFLOG", "SET")


def parse_save(text):
    """Return table -> chain -> rules from the output of iptables-save, rules as in render()."""
    tables = {table: {} for table in _ALL_TABLES}
    chains = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains[line[1:].split(" ", 1)[0]] = []
        elif line.startswith("-A "):
            chain, _space, rule = line[3:].partition(" ")
            chains.setdefault(chain, []).append(rule)
    return tables


def differences(kernel, wanted):
    """Return in words how the kernel's rules differ from the wanted ones; nothing when they don't."""
    found = []
    for table in _ALL_TABLES:
        chains = wanted.get(table, {})
        for chain, rules in chains.items():
            if chain not in kernel[table]:
                found.append("the chain %s of %s is missing" % (chain, table))
            elif kernel[table][chain] != rules:
                found.append("the chain %s of %s has other rules" % (chain, table))
        found += [
            "the chain %s of %s is left over" % (chain, table)
            for chain in kernel[table]
            if OWN_CHAIN.fullmatch(chain) and chain not in chains
        ]
    return found + jump_differences(kernel, wanted)


def jump_differences(kernel, tables=TABLES):
    """Return in words how the way to our chains, in these tables, differs from JUMPS. Before a jump may stand
    what can only turn packets away."""
    found = []
    for table, chain, rule in [jump for jump in JUMPS if jump[0] in tables]:
        way = "%s of %s to %s" % (chain, table, target(rule))
        jumps = _jumps(kernel[table].get(chain, []), target(rule))
        exact = [number for number, other in jumps if other == rule]
        if not exact:
            found.append("the jump from %s is missing" % way)
        elif not _may_come_before(kernel[table], kernel[table][chain][: exact[0] - 1]):
            found.append("the jump from %s is rule %d, not the first" % (way, exact[0]))
        elif len(jumps) > 1:
            found.append("there are several jumps from %s" % way)
    return found


def _may_come_before(chains, rules):
    """Say whether these rules can only turn packets away: drops, and jumps to chains that do no more, such as those of
    fail2ban and CrowdSec. They put themselves in front whenever they start, and let nobody in."""
    judged = {}

    def drops(name):
        if name not in judged:
            judged[name] = name in chains
            targets = {parse_rule(split(rule)).target for rule in chains.get(name, ())}
            judged[name] = judged[name] and all(one in TURNING_AWAY or not one or drops(one) for one in targets)
        return judged[name]

    for rule in map(parse_rule, map(split, rules)):
        if rule.target not in ("DROP", "REJECT") and (rule.goto or not drops(rule.target)):
            return False
    return True


def target(rule):
    """Return where a rule without options to its target leads, or an empty text."""
    words = rule.split()
    return words[-1] if len(words) > 1 and words[-2] in ("-j", "-g") else ""


def _jumps(rules, name):
    """Return (number, rule) for each of these rules that leads to a chain."""
    return [(number, rule) for number, rule in enumerate(rules, 1) if target(rule) == name]


def foreign_chain(kernel):
    """Return what is wrong when a chain with one of our names has content that isn't ours, else None.

    Empty chains are nobody's, unless somebody jumps to them from where we never do.
    """
    for table, chains in kernel.items():
        if any(MARK in rule for chain in (INPUT_CHAIN, DOCKER_CHAIN) for rule in chains.get(chain, [])):
            continue
        for chain, rules in chains.items():
            if OWN_CHAIN.fullmatch(chain) and rules:
                return "a chain %s of %s with other content exists (its first rule: %s)" % (chain, table, rules[0])
            ours = {target(rule) for jump_table, base, rule in JUMPS if (jump_table, base) == (table, chain)}
            for rule in rules:
                if OWN_CHAIN.fullmatch(target(rule)) and target(rule) not in ours:
                    return "a chain %s of %s exists to which %s jumps" % (target(rule), table, chain)
    return None


def listing(kernel):
    """Return our chains and the jumps to them, as lines for a diff."""
    lines = []
    for table in _ALL_TABLES:
        own = []
        for _table, chain, rule in [jump for jump in JUMPS if jump[0] == table]:
            for number, other in _jumps(kernel[table].get(chain, []), target(rule)):
                own.append("-A %s %s%s" % (chain, other, "" if number == 1 else "  # rule %d" % number))
        for chain in sorted(kernel[table]):
            if OWN_CHAIN.fullmatch(chain):
                own += ["-A %s %s" % (chain, rule) for rule in kernel[table][chain]] or ["# %s is empty" % chain]
        lines += ["*" + table, *own] if own else []
    return "".join(line + "\n" for line in lines)


def wanted_listing(wanted):
    """Return the same lines for the wanted state."""
    return listing(
        {
            table: {**chains, **{chain: [rule] for jump_table, chain, rule in JUMPS if jump_table == table and chains}}
            for table, chains in ((table, wanted.get(table, {})) for table in _ALL_TABLES)
        }
    )
