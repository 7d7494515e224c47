# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Compose file does with Redis that it should not, by line, and what to write there instead."""

from __future__ import annotations

from dataclasses import dataclass

from .ports import Publication, parse_short, parse_span, span_text
from .secrets import config_faults, secret_faults
from .servers import HOST, Project
from .shapes import is_about_redis
from .tree import Tree, Unreadable, is_list, is_scalar, line_of, yaml
from .variables import UNKNOWN, interpolate, parse_env

__all__ = ["UNKNOWN", "Publication", "Unreadable", "interpolate", "parse_env", "parse_short", "yaml"]


@dataclass(frozen=True, order=True)
class Fault:
    """One line to change. kind: published or secret. found: what it does, without secrets. instead: what to write.

    service: the name of the part of the file, which is a service or a config.
    """

    line: int
    kind: str
    service: str
    found: str
    instead: str
    part: str = "service"


def faults(text, guarded, environment=None, allow_loopback=False):
    """Return the Faults of a Compose file, in the order of their lines. Raises Unreadable.

    guarded: ports that nobody may publish; services that are Redis servers may publish none at all.
    environment: the variables of the .env file beside it. allow_loopback: take what is published to the host itself.
    """
    tree = Tree(environment or {})
    try:
        return sorted(_faults(tree, text, guarded, allow_loopback))
    except RecursionError as error:
        raise Unreadable("line 1: it is nested too deep") from error


def _faults(tree, text, guarded, allow_loopback):
    project = Project(tree, tree.top(text))
    publisher = _Publisher(project, guarded, allow_loopback)
    found, lines = set(), set()
    # What a service says itself comes first, so that it is not said again of those which extend it. For them it counts
    # where they are more than what they extend: a server, or one in whose network there is a server.
    more = publisher.servers | set(publisher.guests)
    layers = [(0, name, tree.entries(node)) for name, node in project.nodes.items()]
    layers += [(depth, name, one) for name in more for depth, one in enumerate(project.layers(name)) if depth]
    for depth, name, service in sorted(layers, key=lambda one: one[:2]):
        told = tree.text(service.get("image"))
        about_redis = is_about_redis("%s %s" % (name, told))
        secrets = secret_faults(tree, service, name in publisher.servers, about_redis)
        mine = [Fault(line, "secret", name, *words) for line, *words in secrets]
        mine += publisher.published(name, service)
        mine += publisher.on_host(name) if depth == 0 else []
        found |= {one for one in mine if depth == 0 or (one.line, one.kind) not in lines}
        lines |= {(one.line, one.kind) for one in mine}
    for name, config in tree.entries(project.top.get("configs")).items():
        found |= {Fault(line, "secret", name, *words, part="config") for line, *words in config_faults(tree, config)}
    return found


def references(text, environment=None):
    """Return the paths of the Compose files that a file takes in, by include or extends, as it writes them."""
    tree = Tree(environment or {})
    try:
        top = tree.top(text)
        include = top.get("include")
        nodes = [tree.entries(one).get("path", one) for one in include.value] if is_list(include) else []
        nodes += [
            tree.entries(tree.entries(service).get("extends")).get("file")
            for service in tree.entries(top.get("services")).values()
        ]
    except RecursionError as error:
        raise Unreadable("line 1: it is nested too deep") from error
    found = {tree.text(scalar) for node in nodes if node is not None for scalar in tree.scalars(node)}
    # Of others, and of what a variable without a value names, nothing is known here.
    return sorted(path for path in found if path and "://" not in path and UNKNOWN not in path)


class _Publisher:
    """Finds what is published of Redis, by a server itself or by the service in whose network it is."""

    def __init__(self, project, guarded, allow_loopback):
        self.project, self.tree = project, project.tree
        self.guarded, self.allow_loopback = guarded, allow_loopback
        self.servers = {name for name in project.nodes if project.is_server(name, self._leads_to_redis)}
        self.homes = {name: project.home(name) for name in self.servers}
        self.guests = {}
        for name in sorted(self.servers):
            if self.homes[name] not in (name, HOST, None):
                self.guests.setdefault(self.homes[name], []).append((name, project.listening(name)))

    def _leads_to_redis(self, name):
        """Say whether a service has one of the guarded ports, published or not."""
        for service in self.project.layers(name):
            entries = [*self.project.ports(service), *self.tree.scalars(service.get("expose"))]
            found = [self.publication(entry) for entry in entries]
            if any(one.target and one.leads_to(self.guarded) for one in found if one and one.protocol == "tcp"):
                return True
        return False

    def on_host(self, name):
        """Yield the Fault of a server in the network of the host."""
        if self.homes.get(name) is HOST:
            node = self.project.get(name, "network_mode", "net", "networks")
            found = "%s puts all its ports on the host's addresses" % (
                "network_mode: host" if self.tree.text(node) == "host" else "it is in the host's network, which"
            )
            yield Fault(line_of(node), "published", name, found, "networks: [default]")

    def published(self, name, service):
        """Yield the Faults of the entries of ports."""
        entries = self.project.ports(service)
        for entry in entries:
            one = self.publication(entry)
            if one is None or (self.allow_loopback and one.loopback):
                continue
            line, instead = line_of(entry), _instead(one, len(entries))
            # Redis speaks TCP; who serves something else on these numbers is left alone.
            if name in self.servers or (one.protocol == "tcp" and one.touches(self.guarded)):
                yield Fault(line, "published", name, _told(one), instead)
                continue
            for guest, listening in self.guests.get(name, ()) if one.protocol == "tcp" else ():
                if listening is None:
                    found = "%s, and %s in its network may listen there" % (_told(one), guest)
                    instead += ", or name the port in the command of %s (--port)" % guest
                    yield Fault(line, "published", name, found, instead)
                elif one.leads_to(listening):
                    yield Fault(line, "published", name, "%s, of %s in its network" % (_told(one), guest), instead)

    def publication(self, entry):
        """Return the Publication of an entry in the short or the long form, None for what is neither."""
        if is_scalar(entry):
            return parse_short(self.tree.text(entry))
        fields = self.tree.entries(entry)
        if "target" not in fields:
            return None
        values = {key: self.tree.text(value) for key, value in fields.items() if is_scalar(value)}
        return Publication(
            values.get("host_ip", "").strip("[]"),
            parse_span(values.get("published", "")),
            parse_span(values.get("target", "")),
            values.get("protocol", "tcp").lower(),
        )


def _told(one):
    target = span_text(one.target) or "its port"
    if one.loopback:
        where = "the host's loopback address, where neighbours of the host reach it with Docker before 28"
    elif one.host in ("", "0.0.0.0", "::", UNKNOWN):  # noqa: S104 - read, not bound
        where = "all addresses of the host"
    else:
        where = "%s of the host" % one.host
    return "publishes %s on %s%s" % (target, where, ", port %s" % span_text(one.published) if one.published else "")


def _instead(one, entries):
    line = 'expose: ["%s"]' % (span_text(one.target) or "6379")
    return line + (" in place of the whole of ports" if entries == 1 else " beside ports, and delete this entry")
