# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom an allow-list means: each entry is an address or network, a group or a host of the inventory, or a DNS name."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.networks import PolicyProblem, parse_source

# Names asked for at a time; small resolvers lose what is more.
RESOLVERS = 8
# Hosts of a group that are told one by one when something is wrong with them.
TOLD = 3
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# The last label of a name is no number: 10.0.3 and 0x0a000003 would be taken for addresses by the resolver.
_NAME = re.compile(r"(?=.{1,253}$)(%s\.)*(?!(\d+|0[xX][0-9A-Fa-f]*)\.?$)%s\.?" % (_LABEL, _LABEL))


class SourceProblem(ValueError):
    """An entry means nobody, or nobody knows whom; the text says why and what to set."""


class Sources:
    """The meaning of entries, for one inventory.

    groups: group -> names of its hosts, those of its children among them. variables: host -> its variables, of which
    firewall_addresses and ansible_host count. resolve: a function like resolve_names().
    """

    def __init__(self, groups, variables, resolve):
        self.groups = groups
        self.hosts = frozenset(groups.get("all") or ())
        self.variables = variables
        self.resolve = resolve
        self._answers = {}

    def expand(self, entries):
        """Return (addresses and networks as text, sorted and each once; [(index of the entry, what is wrong), ...])."""
        networks, problems, meant = set(), [], []
        for at, entry in enumerate(entries):
            try:
                meant.append((at, self._meaning(str(entry))))
            except SourceProblem as problem:
                problems.append((at, str(problem)))
        # All at once: names that nobody answers for cost their time only once.
        self._ask({text for _at, members in meant for _who, text in members if is_name(text)})
        for at, members in meant:
            found, wrong = self._networks(members)
            networks |= found
            problems += [(at, problem) for problem in wrong]
        return [as_text(network) for network in sorted(networks, key=_order)], sorted(problems, key=_index)

    def _meaning(self, entry):
        """Return [(whose, address or name), ...]; whose is "" for what the entry says itself."""
        if _is_literal(entry):
            return [("", entry)]
        if entry == "all":
            raise SourceProblem(
                "all is every host of the inventory, which are more than Redis' clients: name their groups"
            )
        if entry in self.groups:
            hosts = sorted(self.groups[entry])
            if entry in self.hosts and hosts != [entry]:
                raise SourceProblem("%s is a group and also a host: rename one of them, or write addresses" % entry)
            if not hosts:
                raise SourceProblem("the group %s has no hosts: add its hosts to the inventory, or remove it" % entry)
            return [member for host in hosts for member in self._addresses(host, "%s, of the group %s" % (host, entry))]
        if entry in self.hosts:
            return self._addresses(entry, entry)
        # Names without a dot are left to the inventory: a mistyped group must not become what a search domain has.
        if is_name(entry) and "." in entry.rstrip("."):
            return [("", entry)]
        raise SourceProblem("'%s' is no address, network, group or host%s" % (entry, self._instead(entry)))

    def _addresses(self, host, who):
        try:
            stated = self.variables[host].get("firewall_addresses")
            reached = self.variables[host].get("ansible_host") or host
        except Exception as error:  # whatever a template of the operator's can fail with
            return [(who, SourceProblem("its variables can't be evaluated: %s" % error))]
        if stated is None:
            return [(who, _without_interface(str(reached)))]
        if not isinstance(stated, (list, tuple)) or not stated:
            return [(who, SourceProblem("its firewall_addresses is no list of addresses"))]
        return [(who, str(text)) for text in stated]

    def _ask(self, names):
        unknown = sorted(names - set(self._answers))
        if unknown:
            self._answers.update(self.resolve(unknown))

    def _networks(self, members):
        networks, problems = set(), []
        for who, text in members:
            try:
                networks |= self._of(who, text)
            except SourceProblem as problem:
                problems.append(str(problem) if not who else _HOST_PROBLEM % (who, problem))
        if len(problems) > TOLD:
            problems[TOLD:] = ["the same goes for %d more of its hosts" % (len(problems) - TOLD)]
        return networks, problems

    def _of(self, who, text):
        """Return the networks that an address, network or name stands for."""
        if isinstance(text, SourceProblem):
            raise text
        if not is_name(text):
            network = _parsed(text)
            if who and network.is_loopback:
                raise SourceProblem("its address is %s, which is loopback" % text)
            return {network}
        answer = self._answers[text]
        if isinstance(answer, str):
            raise SourceProblem("the name %s does not resolve (%s)%s" % (text, answer, "" if who else _NAME_ADVICE))
        networks = {_parsed(address) for address in answer}
        if any(network.is_loopback for network in networks):
            raise SourceProblem(
                "the name %s is %s on the controller, which is loopback%s"
                % (text, " and ".join(answer), "" if who else _NAME_ADVICE)
            )
        return networks

    def _instead(self, entry):
        close = get_close_matches(entry, [*self.groups, *self.hosts], n=1, cutoff=0.75)
        if close:
            return ": did you mean %s?" % close[0]
        return " of the inventory, nor a DNS name with a dot: write one, like 10.0.0.5, 10.0.0.0/24 or fd00:1::/64"


_HOST_PROBLEM = "%s: %s: set firewall_addresses for this host, as in firewall_addresses: [10.0.3.20]"
_NAME_ADVICE = ": write its addresses, or fix the name"


def is_name(text):
    """Say whether the text can be a host's name; an address, even a mistyped one, is none."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _is_literal(entry):
    """Say whether an entry is, or was meant to be, an address or a network."""
    if re.search(r"[:/%]", entry) or re.fullmatch(r"[\d.]+", entry):
        return True
    try:
        ipaddress.ip_address(entry)
    except ValueError:
        return False
    return True


def _parsed(text):
    try:
        return parse_source(text)
    except PolicyProblem as problem:
        try:
            ipaddress.ip_interface(text.partition("%")[0])
        except ValueError:
            raise SourceProblem(
                "'%s' is neither an address nor a network: write it like 10.0.0.5, 10.0.0.0/24 or fd00:1::/64" % text
            ) from None
        raise SourceProblem(str(problem)) from None


def as_text(network):
    """Return a network, or the one address that it is, as text."""
    return str(network.network_address if network.num_addresses == 1 else network)


def _index(problem):
    return problem[0]


def _order(network):
    return network.version, int(network.network_address), network.prefixlen


def expand_ports(ports, sources, told=None):
    """Return (the ports with addresses for sources, problems that name the entry and what to set).

    ports: entries of firewall_ports. sources: a Sources. told: entries whose problems are told elsewhere.
    """
    expanded, problems = [], []
    for at, entry in enumerate(ports):
        where = "firewall_ports[%d]" % at
        if not isinstance(entry, Mapping):
            problems.append("%s must be a dictionary with a port." % where)
            continue
        entries = entry.get("sources") or []
        if not isinstance(entries, (list, tuple)):
            problems.append("%s.sources must be a list." % where)
            continue
        addresses, wrong = sources.expand(entries)
        expanded.append({**entry, "sources": addresses})
        if entries == told:
            continue
        where += " (port %s)" % entry.get("port")
        problems += [refusal("%s: sources" % where, problem) for problem in wrong]
    return expanded, problems


def refusal(name, problem):
    """Return a sentence for a problem that Sources.expand() found in a list of this name."""
    return "%s[%d] is refused: %s%s" % (name, *problem, "" if problem[1].endswith("?") else ".")


def resolve_names(names):
    """Return name -> all its addresses, sorted, or why there are none, as text."""
    with ThreadPoolExecutor(max_workers=min(RESOLVERS, len(names))) as pool:
        return dict(zip(names, pool.map(_resolve, names), strict=True))


def _resolve(name):
    try:
        answers = _asked(name)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return sorted({_without_interface(str(address[0])) for *_rest, address in answers})


def _without_interface(text):
    """Return an address without the interface by which the controller reaches it, which is none of the host's."""
    return text.partition("%")[0]


def _asked(name):
    try:
        return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno != socket.EAI_AGAIN:
            raise
    # The server did not answer in time; that is no reason yet to refuse a policy.
    return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
