# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `nft -j list ruleset` shows, as rules that ../evaluate.py can follow a packet through: pure functions.

A rule becomes one rule or more with the options of iptables. What can't be told from a TCP packet of one family (a
rate, a mark, a match of iptables) becomes a condition that ../evaluate.py does not know: the rule may match or not.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
from dataclasses import dataclass

from .. import evaluate as evaluator

FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
ADDRESS = {"ip": 4, "ip6": 6}
# Ways in which a condition may be met, as (sources, conditions): surely, and perhaps.
SURE = ((), ())
PERHAPS = ((), (("unknown", False, ""),))
# Statements that decide nothing.
PASSING = frozenset(("counter", "log", "mangle", "notrack", "continue", "ct helper", "ct timeout", "last", "flow"))
VERDICTS = {"accept": evaluator.ACCEPT, "drop": evaluator.DROP, "reject": evaluator.DROP}
VERDICTS |= {"return": evaluator.RETURN, "redirect": evaluator.REDIRECT}
# What may let a packet through or not, for all that ../evaluate.py knows.
UNCERTAIN = frozenset(("queue", "tproxy", "synproxy", "fwd", "dnat", "snat", "masquerade"))
OTHER_PROTOCOLS = frozenset(("udp", "udplite", "icmp", "icmpv6", "sctp", "dccp", "esp", "ah", "comp", "igmp"))


@dataclass(frozen=True)
class Base:
    """A chain that hangs at a hook, with the chains of its table; in the ruleset it bears the hook's name."""

    table: str
    chain: str
    hook: str
    priority: int
    ruleset: evaluator.Ruleset


def parse(text):
    """Return the objects of the JSON text as (kind, content)."""
    return [pair for entry in json.loads(text)["nftables"] for pair in entry.items()]


def table_flags(objects, table):
    """Return the flags of a table ('inet redis_ports') as text; a dormant table has no effect."""
    return next((str(one.get("flags", "")) for kind, one in objects if kind == "table" and _owner(one) == table), "")


def bases(objects, family, hook, chain_name, nat=False):
    """Return the chains at a hook that packets of this family pass, first those that come first: those that filter, or
    those that translate addresses. In its ruleset such a chain is called chain_name."""
    found = []
    for kind, one in objects:
        if kind != "chain" or one.get("hook") != hook or one["family"] not in FAMILIES[family]:
            continue
        if (one.get("type") == "nat") == nat and "dormant" not in table_flags(objects, _owner(one)):
            chains = _reachable(_chains(objects, _owner(one), family), _target(one["name"]))
            chains[chain_name] = chains.pop(_target(one["name"]))
            policies = {chain_name: evaluator.DROP if one.get("policy") == "drop" else evaluator.ACCEPT}
            ruleset = evaluator.Ruleset(chains, policies)
            found.append(Base(_owner(one), one["name"], hook, one.get("prio", 0), ruleset))
    return sorted(found, key=lambda base: base.priority)


def _owner(one):
    """Return the family and the name of the table that an object is, or lies in."""
    return "%s %s" % (one["family"], one.get("table") or one["name"])


def _target(name):
    """Return the name of a chain where it can't be taken for a verdict's."""
    return "chain " + name


def _chains(objects, table, family):
    sets = {
        one["name"]: one.get("elem", []) for kind, one in objects if kind in ("set", "map") and _owner(one) == table
    }
    chains = {_target(one["name"]): [] for kind, one in objects if kind == "chain" and _owner(one) == table}
    for kind, one in objects:
        if kind == "rule" and _owner(one) == table:
            chains.setdefault(_target(one["chain"]), []).extend(_rules(one.get("expr", []), sets, family))
    return chains


def _reachable(chains, start):
    """Return the chains that a packet may come through from one of them."""
    found, waiting = {}, [start]
    while waiting:
        name = waiting.pop()
        if name in chains and name not in found:
            found[name] = chains[name]
            waiting += {rule.target for rule in chains[name]}
    return found


def _rules(statements, sets, family):
    """Return the rules that one rule of nftables amounts to: each combination of the ways to meet its conditions."""
    ways, end = [], ("", False)
    for statement in statements:
        ((name, value),) = statement.items()
        if name == "match":
            ways.append(_match(value["left"], value["op"], value["right"], sets, family))
        elif name == "vmap":
            pairs = sets.get(value["data"][1:], []) if isinstance(value["data"], str) else value["data"]["set"]
            return [
                rule
                for key, verdict in pairs
                # "continue" goes on to the next rule.
                if _end(verdict)
                for rule in _combine([*ways, _match(value["key"], "==", key, sets, family)], _end(verdict))
            ]
        elif _end(statement):
            end = _end(statement)
        elif name not in PASSING:
            # A rate, a set that may be full, a match of iptables.
            ways.append([PERHAPS])
    return list(_combine(ways, end))


def _end(statement):
    """Return (target, whether it is a goto) of a statement that ends a rule, else None."""
    ((name, value),) = statement.items()
    if name in ("jump", "goto"):
        return _target(value["target"]), name == "goto"
    if name in VERDICTS:
        return VERDICTS[name], False
    if name in UNCERTAIN or (name == "xt" and (value or {}).get("type") == "target"):
        return "unknown", False
    return None


def _combine(ways, end):
    for chosen in itertools.product(*ways):
        sources = tuple(source for one, _conditions in chosen for source in one)
        conditions = tuple(condition for _sources, one in chosen for condition in one)
        yield evaluator.Rule(sources, conditions, *end)


def _match(left, operator, right, sets, family):
    """Return the ways in which a TCP packet of this family may match: none, one or several."""
    ((name, one),) = left.items()
    protocol, key = (one.get("protocol"), one.get("field") or one.get("key")) if isinstance(one, dict) else (None, None)
    if name == "payload" and (protocol in OTHER_PROTOCOLS or ADDRESS.get(protocol, family) != family):
        return []
    judge = {
        ("payload", "ip", "saddr"): _sources,
        ("payload", "ip6", "saddr"): _sources,
        ("payload", "ip", "protocol"): _constant("tcp", "6"),
        ("payload", "ip6", "nexthdr"): _constant("tcp", "6"),
        ("payload", "tcp", "dport"): _ports("--dports"),
        ("payload", "th", "dport"): _ports("--dports"),
        ("meta", None, "iif"): _interfaces,
        ("meta", None, "iifname"): _interfaces,
        ("meta", None, "l4proto"): _constant("tcp", "6"),
        ("meta", None, "nfproto"): _constant(*{4: ("ipv4", "2"), 6: ("ipv6", "10")}[family]),
        ("meta", None, "protocol"): _constant(*{4: ("ip", "0x0800"), 6: ("ip6", "0x86dd")}[family]),
        ("ct", None, "state"): _states,
        ("ct", None, "direction"): _constant("original", "0"),
        ("ct", None, "proto-dst"): _ports("--ctorigdstport") if name == "ct" and one.get("dir") == "original" else None,
    }.get((name, protocol, key))
    if judge is None or operator not in ("==", "!=", "in"):
        return [PERHAPS]
    try:
        values = list(_values(right, sets))
        if not values:
            # Nothing is in an empty set, and everything is outside of it.
            return [SURE] if operator == "!=" else []
        return judge(values, operator == "!=")
    except (AttributeError, KeyError, TypeError, ValueError):
        return [PERHAPS]


def _values(right, sets):
    """Yield the single values of a right side: of a set, of a list, or one."""
    if isinstance(right, str) and right.startswith("@"):
        right = sets[right[1:]]
    elif isinstance(right, dict) and "set" in right:
        right = right["set"]
    elif isinstance(right, dict) and "elem" in right:
        right = [right["elem"]["val"]]
    if isinstance(right, list):
        for one in right:
            yield from _values(one, sets)
    else:
        yield right


def _constant(*names):
    """A packet of ours always has this value, so that the condition is met or is not."""
    return lambda values, negated: [SURE] if any(str(value) in names for value in values) != negated else []


def _sources(values, negated):
    networks = [network for value in values for network in _networks(value)]
    sources = [(network, int(network.network_address), int(network.netmask), negated) for network in networks]
    return [(tuple(sources), ())] if negated else [((source,), ()) for source in sources]


def _networks(value):
    if isinstance(value, dict) and "range" in value:
        return list(ipaddress.summarize_address_range(*map(ipaddress.ip_address, value["range"])))
    if isinstance(value, dict):
        return [ipaddress.ip_network("%(addr)s/%(len)d" % value["prefix"])]
    return [ipaddress.ip_network(value)]


def _ports(option):
    return lambda values, negated: [((), ((option, negated, ",".join(map(_port, values))),))]


def _port(value):
    if isinstance(value, dict):
        return "%d:%d" % tuple(value["range"])
    # nft 1.0.6 shows a port of conntrack in a set as '0x18eb [invalid type]'.
    return str(value if isinstance(value, int) else int(value.split()[0], 0))


def _interfaces(values, negated):
    names = [value[:-1] + "+" if value.endswith("*") and not value.endswith("\\*") else value for value in values]
    conditions = [("-i", negated, name.replace("\\*", "*")) for name in names]
    return [((), tuple(conditions))] if negated else [((), (one,)) for one in conditions]


def _states(values, negated):
    return [((), (("--ctstate", negated, ",".join(value.upper() for value in values)),))]
