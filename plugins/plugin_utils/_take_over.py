# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What take_over.yml prints of a host: YAML to paste, with comments."""

from __future__ import annotations

import textwrap

import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover_variables import without_hashes

_LONG = ("users",)


def text_of(host, found, path=None):
    """Return the text. found: results of redis_takeover. path: for a screen, which shows no sums but where they are."""
    if not found:
        return "# %s: there is no server that this collection has not set up.\n" % host
    return "\n".join(_instance(host, one, path) for one in found)


def _instance(host, one, path):
    name, variables = one.get("__redis_name", "default"), one.get("variables") or {}
    prefix = "redis_" if name == "default" else ""
    lines = _comment(
        "%s: %s" % (host, one.get("server") or "%s, which does not run" % ", ".join(one.get("files") or []))
    )
    if variables:
        place = "host_vars/%s.yml" % host if prefix else "the entry %s of redis_instances" % name
        lines += _comment("What keeps it as it is, where the policy has it otherwise; for %s." % place)
        if path:
            lines += _comment("The same is in %s%s." % (path, _with_sums(variables)))
            variables = without_hashes(variables)
    for key, value in variables.items():
        lines += _comment((one.get("notes") or {}).get(key, ""))
        # A list of plain values stands in one line.
        style = None if isinstance(value, list) and key not in _LONG else False
        lines += yaml.safe_dump(
            {prefix + key: value}, sort_keys=False, default_flow_style=style, width=100
        ).splitlines()
    lines += [line for text in one.get("missing") or [] for line in _comment("Hardening that is missing: %s." % text)]
    losses = one.get("losses") or []
    lines += [line for loss in losses for line in _comment("site.yml now refuses: %s" % loss["text"])]
    return "\n".join(lines) + "\n"


def _with_sums(variables):
    return ", with the sums of the passwords" if without_hashes(variables) != variables else ""


def _comment(text):
    return textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="#   ")
