# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Compose file does with Redis that it should not, by line, and what to write there instead.

The file is read as a tree of nodes, because only these know their lines. Nothing of it is run or built.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .secrets import secret_faults

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

# In the place of a variable that has no value here.
UNKNOWN = "?"
_SERVER = re.compile(r"redis|valkey|keydb|redict")
# Programs beside Redis that carry its name: their ports are their own.
_NO_SERVER = re.compile(r"exporter|commander|insight|admin|browser|[-_]ui$|proxy|operator|shake|smq|gears$")
_PROGRAM = re.compile(r"(?:redis|valkey|keydb)-(?:server|sentinel)\b")
_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})")


class Unreadable(Exception):
    """The file is no YAML, or no Compose file; the text names the line."""


@dataclass(frozen=True, order=True)
class Fault:
    """One line to change. kind: published or secret. found: what it does, without secrets. instead: what to write."""

    line: int
    kind: str
    service: str
    found: str
    instead: str


@dataclass(frozen=True)
class Publication:
    """One entry of `ports`. published, target: (lowest, highest) port, or None where the file does not say."""

    host: str
    published: tuple | None
    target: tuple | None
    protocol: str = "tcp"

    @property
    def loopback(self):
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def touches(self, ports):
        """Return whether one of the ports is among those that are published, on the host or in the container."""
        spans = [span for span in (self.published, self.target) if span]
        return any(low <= port <= high for low, high in spans for port in ports)


def faults(text, guarded, environment=None, allow_loopback=False):
    """Return the Faults of a Compose file, in the order of their lines. Raises Unreadable.

    guarded: ports that nobody may publish; services that are Redis servers may publish none at all.
    environment: the variables of the .env file beside it. allow_loopback: take what is published to the host itself.
    """
    tree = _Tree(environment or {})
    found = set()
    services = tree.services(text)
    for name, node in services.items():
        service = tree.entries(node)
        server = _is_server(tree, name, service, services)
        found |= set(_published(tree, name, service, server, guarded, allow_loopback))
        found |= {Fault(line, "secret", name, *words) for line, *words in secret_faults(tree, service, server)}
    return sorted(found)


def references(text, environment=None):
    """Return the paths of the Compose files that a file takes in, by include or extends, as it writes them."""
    tree = _Tree(environment or {})
    top = tree.top(text)
    include = top.get("include")
    nodes = [tree.entries(one).get("path", one) for one in include.value] if _listed(include) else []
    nodes += [
        tree.entries(tree.entries(service).get("extends")).get("file")
        for service in tree.entries(top.get("services")).values()
    ]
    found = {tree.text(scalar) for node in nodes if node is not None for scalar in tree.scalars(node)}
    # Of others, and of what a variable without a value names, nothing is known here.
    return sorted(path for path in found if path and "://" not in path and UNKNOWN not in path)


def _is_server(tree, name, service, services):
    image = None
    seen = set()
    while image is None and service is not None and id(service) not in seen:
        seen.add(id(service))
        for key in ("command", "entrypoint"):
            if any(_PROGRAM.search(scalar.value) for scalar in tree.scalars(service.get(key))):
                return True
        if "image" in service:
            image = tree.text(service["image"])
            # A variable without a value still has a telling name.
            image = service["image"].value if UNKNOWN in image else image
        elif "build" in service:
            image = name
        else:
            base = service.get("extends")
            base = tree.text(tree.entries(base).get("service", base)) if base is not None else None
            name, service = base or name, tree.entries(services[base]) if base in services else None
    # What another file says of it is not known here, but its name is.
    image = name if image is None else image
    repository = (image or "").lower().rsplit("/", 1)[-1].split("@")[0].split(":")[0]
    return bool(_SERVER.search(repository)) and not _NO_SERVER.search(repository)


def _published(tree, name, service, server, guarded, allow_loopback):
    mode = service.get("network_mode")
    if server and mode is not None and tree.text(mode) == "host":
        found = "network_mode: host puts all its ports on the host's addresses"
        yield Fault(_line(mode), "published", name, found, "networks: [default]")
    ports = service.get("ports")
    for entry in ports.value if _listed(ports) else []:
        one = _publication(tree, entry)
        if one is None or (allow_loopback and one.loopback):
            continue
        # Redis speaks TCP; who serves something else on these numbers is left alone.
        if server or (one.protocol == "tcp" and one.touches(guarded)):
            yield Fault(_line(entry), "published", name, _told(one), _instead(one, len(ports.value)))


def _told(one):
    target = _span(one.target) or "its port"
    if one.loopback:
        where = "the host's loopback address, where neighbours of the host reach it with Docker before 28"
    elif one.host in ("", "0.0.0.0", "::", UNKNOWN):  # noqa: S104 - read, not bound
        where = "all addresses of the host"
    else:
        where = "%s of the host" % one.host
    return "publishes %s on %s%s" % (target, where, ", port %s" % _span(one.published) if one.published else "")


def _instead(one, entries):
    line = 'expose: ["%s"]' % (_span(one.target) or "6379")
    return line + (" in place of the whole of ports" if entries == 1 else " beside ports, and delete this entry")


def _publication(tree, entry):
    """Return the Publication of an entry in the short or the long form, None for what is neither."""
    if isinstance(entry, yaml.ScalarNode):
        return parse_short(tree.text(entry))
    fields = tree.entries(entry)
    if "target" not in fields:
        return None
    values = {key: tree.text(value) for key, value in fields.items() if isinstance(value, yaml.ScalarNode)}
    return Publication(
        values.get("host_ip", "").strip("[]"),
        parse_span(values.get("published", "")),
        parse_span(values.get("target", "")),
        values.get("protocol", "tcp").lower(),
    )


def parse_short(text):
    """Return the Publication that [[HOST:]PUBLISHED:]TARGET[/PROTOCOL] means; ranges are LOW-HIGH."""
    text, _slash, protocol = text.partition("/")
    # The host's address may be IPv6, with or without brackets.
    *before, target = text.rsplit(":", 2)
    host, published = before if len(before) == 2 else ["", *before] if before else ["", ""]
    return Publication(host.strip("[]"), parse_span(published), parse_span(target), (protocol or "tcp").lower())


def parse_span(text):
    """Return (low, high) of '6379' or '6379-6381', None for anything else."""
    found = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", text, re.ASCII)
    return (int(found[1]), int(found[2] or found[1])) if found else None


def _span(span):
    return ("%d" if span[0] == span[1] else "%d-%d") % span[: 1 + (span[0] != span[1])] if span else ""


def interpolate(text, environment):
    """Return the text with its variables filled in as Compose does; UNKNOWN for those without a value."""

    def value(match):
        dollar, bare, name, sign, word = match.groups()
        if dollar:
            return "$"
        given = environment.get(bare or name)
        # With the colon an empty value counts as none.
        there = bool(given) if (sign or "").startswith(":") else given is not None
        if (sign or "").endswith("+"):
            return interpolate(word, environment) if there else ""
        if (sign or "").endswith("-") and not there:
            return interpolate(word, environment)
        return given if there else UNKNOWN

    return _VARIABLE.sub(value, text)


def parse_env(text):
    """Return the variables of an .env file. What it can't read it leaves out: Compose will say so."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*", line)
        if match:
            name, value = match.groups()
            quoted = re.match(r"(['\"])(.*?)\1", value)
            found[name] = quoted[2] if quoted else re.sub(r"\s+#.*", "", value)
    return found


def _line(node):
    return node.start_mark.line + 1


class _Tree:
    """Reads nodes: variables are filled in, anchors and merged mappings followed."""

    def __init__(self, environment):
        self.environment = environment
        self._known = {}

    def top(self, text):
        """Return key -> node of the whole file."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise Unreadable("line %d: %s" % (mark.line + 1, error.problem or error.context)) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise Unreadable("line 1: %s" % (str(error).splitlines() or ["it is nested too deep"])[0]) from error
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise Unreadable("line %d: a Compose file is a mapping" % _line(root))
        return self.entries(root)

    def services(self, text):
        """Return name -> node of all services of the file."""
        top = self.top(text)
        if "services" in top:
            return self.entries(top["services"])
        # The oldest form has the services at the top.
        return {name: node for name, node in top.items() if {"image", "build"} & set(self.entries(node))}

    def entries(self, node):
        """Return key -> node of a mapping, with what is merged into it by '<<'; {} for anything else."""
        if not isinstance(node, yaml.MappingNode):
            return {}
        if id(node) not in self._known:
            # Set first, so that a mapping which is merged into itself ends.
            self._known[id(node)] = {}
            own, merged = {}, {}
            for key, value in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                        merged = {**self.entries(source), **merged}
                elif isinstance(key, yaml.ScalarNode):
                    own[key.value] = value
            self._known[id(node)] = {**merged, **own}
        return self._known[id(node)]

    def text(self, node):
        return interpolate(node.value, self.environment) if isinstance(node, yaml.ScalarNode) else ""

    def scalars(self, node):
        """Return the scalar nodes of a value that is one or a list of them."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return [one for one in nodes if isinstance(one, yaml.ScalarNode)]

    def named(self, node):
        """Return (line, name, raw value or None) of each entry of an environment, which is a mapping or a list."""
        if isinstance(node, yaml.MappingNode):
            pairs = self.entries(node).items()
            return [(_line(one), name, None if _is_null(one) else one.value) for name, one in pairs if _scalar(one)]
        found = []
        for one in self.scalars(node):
            name, equals, value = one.value.partition("=")
            found.append((_line(one), name, value if equals else None))
        return found


def _listed(node):
    return isinstance(node, yaml.SequenceNode)


def _scalar(node):
    return isinstance(node, yaml.ScalarNode)


def _is_null(node):
    return node.tag == "tag:yaml.org,2002:null"
