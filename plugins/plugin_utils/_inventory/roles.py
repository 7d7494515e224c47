# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What plugins on the controller ask of the inventory and of the roles of this collection."""

from __future__ import annotations

import os
from collections.abc import Mapping

import yaml

from .sources import Sources, resolve_names

ROLES = os.path.join(os.path.abspath(__file__).rpartition("/plugins/")[0], "roles")
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_specs():
    """Return role -> the options of its entry point main, for all roles of this collection."""
    specs = {}
    for role in sorted(os.listdir(ROLES)):
        path = os.path.join(ROLES, role, "meta", "argument_specs.yml")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                content = yaml.load(file, Loader=_YamlLoader)  # noqa: S506 - it is the safe loader
            specs[role] = content["argument_specs"]["main"].get("options", {})
    return specs


def role_defaults(loader, *roles):
    """Return the defaults of these or all roles, which a plugin may be asked about before a role has been loaded.

    Their internal variables are among them, because defaults are made of these.
    """
    defaults = {}
    for role in roles or sorted(os.listdir(ROLES)):
        for folder in ("defaults", "vars"):
            path = os.path.join(ROLES, role, folder, "main.yml")
            if os.path.exists(path):
                # "Unsafe" is what must not be changed: a copy of it all costs more than reading it.
                defaults.update(loader.load_from_file(path, unsafe=True, trusted_as_template=True) or {})
    return defaults


def sources_of(variables):
    """Return the Sources of the inventory. variables: those of a task, or of a lookup."""
    return Sources(variables.get("groups") or {}, variables.get("hostvars") or {}, resolve_names)


def native(value):
    """Return plain Python values: variables may be evaluated only when they are looked at."""
    if isinstance(value, Mapping):
        return {str(key): native(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [native(entry) for entry in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
