# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a playbook of this collection would do nothing: no hosts, or tags that none of its tasks has."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches

import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS

from .roles import ROLES

COLLECTION = "celebrum.redis_hardening."
PLAYBOOKS = os.path.join(os.path.dirname(ROLES), "playbooks")
# Those that Ansible itself knows.
SPECIAL = ("all", "always", "never", "tagged", "untagged")
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FILES = ("import_tasks", "include_tasks")
_ROLES = ("import_role", "include_role", "role")


def no_hosts(group, members, limit):
    """Return why a play has no hosts. members: of the group. limit: what --limit says, None without it."""
    if not members:
        return (
            "the group %s has no hosts. Name them there in the inventory, and give that with -i (an empty or a wrong "
            "inventory has none)." % group
        )
    return "--limit %s leaves none of the hosts of the group %s: %s." % (limit, group, ", ".join(sorted(members)[:10]))


def is_ours(argument):
    """Return whether a playbook of the command line is one of this collection."""
    return str(argument).startswith(COLLECTION) or os.path.realpath(os.path.dirname(argument)) == os.path.realpath(
        PLAYBOOKS
    )


def tag_problems(playbook, tags, own):
    """Return what is wrong with the tags of --tags for a playbook. own: nobody else's tags are among them."""
    if not set(tags) - set(SPECIAL):
        return []
    known = tags_of(playbook)
    if not known:
        return ["it has no tags: run it without --tags."] if own else []
    problems = []
    for tag in tags:
        if tag in known or tag in SPECIAL or not (own or _looks_like_a_control(tag)):
            continue
        close = get_close_matches(tag.upper(), known, n=1, cutoff=0.75) or get_close_matches(tag, known, n=1)
        if tag in CONTROLS:
            problems.append("no task of it has the tag %s, which is a control of another playbook." % tag)
        else:
            problems.append("no task of it has the tag %s%s" % (tag, ": did you mean %s?" % close[0] if close else "."))
    return problems


def _looks_like_a_control(tag):
    return re.match(r"rh[-_]", tag, re.IGNORECASE) is not None


def tags_of(playbook):
    """Return the tags of all tasks that a playbook may run, beside always."""
    found, seen = set(), set()
    _walk(_load(os.path.join(PLAYBOOKS, playbook + ".yml")), PLAYBOOKS, found, seen)
    return found - set(SPECIAL)


def _walk(node, folder, found, seen):
    """Collect tags. directory: where the files are that a task names."""
    if isinstance(node, list):
        for entry in node:
            _walk(entry, folder, found, seen)
    if not isinstance(node, Mapping):
        return
    tags = node.get("tags") or []
    found.update(tags.split(",") if isinstance(tags, str) else tags)
    for key, value in node.items():
        name = str(key).rpartition(".")[2]
        if name in _FILES:
            _file(os.path.join(folder, value["file"] if isinstance(value, Mapping) else value), found, seen)
        elif name in _ROLES:
            own = value if isinstance(value, Mapping) else {"name": value}
            _role(own["name"], own.get("tasks_from", "main"), found, seen)
        if name not in ("tags", "vars"):
            _walk(value, folder, found, seen)


def _role(name, tasks, found, seen):
    if str(name).startswith(COLLECTION):
        path = os.path.join(ROLES, name.removeprefix(COLLECTION), "tasks", tasks)
        _file(path if path.endswith(".yml") else path + ".yml", found, seen)


def _file(path, found, seen):
    if path not in seen and os.path.exists(path):
        seen.add(path)
        _walk(_load(path), os.path.dirname(path), found, seen)


def _load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=_YamlLoader)  # noqa: S506 - it is the safe loader
