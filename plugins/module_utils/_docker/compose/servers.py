# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which services of a Compose file are Redis servers, and in whose network each of them is."""

from __future__ import annotations

import re

from .ports import parse_span
from .tree import is_list, is_scalar
from .variables import UNKNOWN

# In the place of a service, for those in the network of the host.
HOST = object()
REDIS_PORT = 6379
# How many services one may extend, or share the network of, one after the other. It also ends circles.
DEEPEST = 10
_SERVER = re.compile(r"redis|valkey|keydb|redict")
# Programs beside Redis that carry its name: their ports are their own.
_NO_SERVER = re.compile(r"exporter|commander|insight|admin|browser|[-_]ui$|proxy|operator|shake|smq|gears$")
_PROGRAM = re.compile(r"(?:redis|valkey|keydb)-(?:stack-)?(?:server|sentinel)\b")
_PORT = re.compile(r"--(?:tls-)?port[\s=]+[\"']?(\d{1,5})\b")
_PORT_VARIABLE = re.compile(r"(?:^|_)(?:REDIS|VALKEY|KEYDB)\w*_PORT|(?:REDIS|VALKEY|KEYDB)_PORT_NUMBER$|^PORT$")


class Project:
    """The services of one file, with what they inherit by extends."""

    def __init__(self, tree, top):
        self.tree, self.top = tree, top
        self.nodes = tree.services(top)
        self._layers, self._containers = {}, {}
        self._dashed = {name.replace("_", "-"): name for name in self.nodes}
        for name in self.nodes:
            self._containers.setdefault(tree.text(self.get(name, "container_name")), name)

    def layers(self, name):
        """Return key -> node of a service, and then of each service of this file that it extends."""
        if name not in self._layers:
            found, base = [], name
            while base in self.nodes and len(found) < DEEPEST:
                found.append(self.tree.entries(self.nodes[base]))
                extends = found[-1].get("extends")
                base = None if "file" in self.tree.entries(extends) else self._base_name(extends)
            self._layers[name] = found
        return self._layers[name]

    def _base_name(self, extends):
        return self.tree.text(self.tree.entries(extends).get("service", extends))

    def get(self, name, *keys):
        """Return the node of the first of these keys that a service has or inherits, or None."""
        return next((layer[key] for layer in self.layers(name) for key in keys if key in layer), None)

    def ports(self, service):
        """Return the entries of `ports`."""
        ports = service.get("ports")
        return ports.value if is_list(ports) else []

    # -- servers

    def is_server(self, name, leads_to_redis=lambda _name: False):
        """Say whether a service is a Redis server. leads_to_redis: whether its ports speak for that."""
        words = [one for key in ("command", "entrypoint") for one in self.tree.scalars(self.get(name, key))]
        if any(_PROGRAM.search(one.value) for one in words):
            return True
        image = self.get(name, "image")
        if image is None:
            return self._is_named_so(name)
        repository = _repository(self.tree.text(image))
        if repository and UNKNOWN not in repository:
            return _names_server(repository)
        # A variable without a value still has a telling name.
        telling = _repository(self.tree.text(image, unknown=str))
        if _SERVER.search(telling) or _NO_SERVER.search(telling):
            return _names_server(telling)
        return self._is_named_so(name) or leads_to_redis(name)

    def _is_named_so(self, name):
        """Say whether one of the names of a service is a server's; what another file says of it is not known here."""
        bases = [self._base_name(layer["extends"]) for layer in self.layers(name) if "extends" in layer]
        names = [name.lower(), self.tree.text(self.get(name, "container_name")).lower(), *map(str.lower, bases)]
        return not _NO_SERVER.search(names[0]) and any(_names_server(one) for one in names)

    def listening(self, name):
        """Return the ports on which a server listens as far as the file says it, None where it does not."""
        words = [one for key in ("command", "entrypoint") for one in self.tree.scalars(self.get(name, key))]
        named = [
            (variable, value or "")
            for layer in self.layers(name)
            for _line, variable, value in self.tree.named(layer.get("environment"))
        ]
        text = " ".join([*map(self.tree.text, words), *(value for _variable, value in named)])
        numbers = _PORT.findall(text)
        numbers += [value for variable, value in named if _PORT_VARIABLE.search(variable) and parse_span(value)]
        if not numbers and re.search(r"\.conf\b", text):
            return None
        return {int(number) for number in numbers} or {REDIS_PORT}

    # -- networks

    def home(self, name):
        """Return the service in whose network a service is: itself, another, HOST, or None where nobody knows here."""
        for _step in range(DEEPEST):
            mode = self.tree.text(self.get(name, "network_mode", "net"))
            kind, _colon, other = mode.partition(":")
            if mode == "host" or (not mode and self._on_host(name)):
                return HOST
            if kind not in ("service", "container"):
                return name
            name = self._called(other, kind)
        return None

    def _called(self, other, kind):
        """Return the service of this name, or the one whose container has it; None where it is not of this file."""
        if other in self.nodes or kind == "service":
            return other if other in self.nodes else None
        if other and other in self._containers:
            return self._containers[other]
        # Without a name of its own a container is PROJECT-SERVICE-NUMBER.
        words = re.split(r"[-_]", re.sub(r"[-_]\d+$", "", other))
        ends = ("-".join(words[at:]) for at in range(min(len(words), DEEPEST)))
        return next((self._dashed[end] for end in ends if end in self._dashed), None)

    def _on_host(self, name):
        """Say whether one of a service's networks is the host's, which is one of that name from outside of the file."""
        networks = self.get(name, "networks")
        names = [one.value for one in self.tree.scalars(networks)] if is_list(networks) else self.tree.entries(networks)
        known = self.tree.entries(self.top.get("networks"))
        for one in names:
            network = self.tree.entries(known.get(one))
            external = network.get("external")
            given = self.tree.entries(external).get("name") or network.get("name")
            outside = is_scalar(external) and self.tree.text(external).lower() == "true" or self.tree.entries(external)
            if outside and (self.tree.text(given) if given is not None else one) == "host":
                return True
        return False


def _repository(image):
    return image.lower().rsplit("/", 1)[-1].split("@")[0].split(":")[0]


def _names_server(name):
    return bool(_SERVER.search(name)) and not _NO_SERVER.search(name)
