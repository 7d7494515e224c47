# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a Compose file as a tree of nodes, because only these know their lines. Nothing of it is run or built."""

from __future__ import annotations

import re

from .variables import interpolate

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]


class Unreadable(Exception):
    """The file is no YAML, or no Compose file; the text names the line."""


class Tree:
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
            # It quotes names of anchors and tags, which may be a password without its quotes.
            problem = re.sub(r"'.{2,}'", "that", error.problem or error.context)
            raise Unreadable("line %d: %s" % (mark.line + 1, problem)) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise Unreadable("line 1: %s" % (str(error).splitlines() or ["it is nested too deep"])[0]) from error
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise Unreadable("line %d: a Compose file is a mapping" % line_of(root))
        return self.entries(root)

    def services(self, top):
        """Return name -> node of all services of the file."""
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

    def text(self, node, unknown=None):
        """Return a scalar's text, '' for anything else. unknown: see interpolate()."""
        if not is_scalar(node):
            return ""
        return interpolate(node.value, self.environment, *([unknown] if unknown else []))

    def scalars(self, node):
        """Return the scalar nodes of a value that is one or a list of them."""
        nodes = node.value if is_list(node) else [node]
        return [one for one in nodes if is_scalar(one)]

    def named(self, node):
        """Return (line, name, raw value or None) of each entry of an environment, which is a mapping or a list."""
        if isinstance(node, yaml.MappingNode):
            pairs = self.entries(node).items()
            return [(line_of(one), name, None if _is_null(one) else one.value) for name, one in pairs if is_scalar(one)]
        found = []
        for one in self.scalars(node):
            name, equals, value = one.value.partition("=")
            found.append((line_of(one), name, value if equals else None))
        return found


def line_of(node):
    return node.start_mark.line + 1


def is_list(node):
    return isinstance(node, yaml.SequenceNode)


def is_scalar(node):
    return isinstance(node, yaml.ScalarNode)


def _is_null(node):
    return node.tag == "tag:yaml.org,2002:null"
