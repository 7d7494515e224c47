# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What take_over.yml prints of a host: YAML to paste, with comments."""

from __future__ import annotations

import textwrap

import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.variables import without_hashes

_LONG = ("users",)


def text_of(host, results, path=None):
    """Return the text.

    results: of redis_takeover, one for each instance of the host, those that were skipped among them. path: of the
    file, for a screen, which shows no sums of passwords but where they are.
    """
    found = [one for one in results if one.get("needed")]
    if not found:
        return "# %s: there is no server that this collection has not set up.\n" % host
    lines = _comment("What keeps it as it is, where the policy has it otherwise; for host_vars/%s.yml." % host)
    if path:
        lines += _comment("The same is in %s%s." % (path, ", with the sums of the passwords" if _sums(found) else ""))
    # What stands outside of the entries holds for all instances.
    others = [one for one in found if one["__redis_name"] != "default" or len(results) > 1]
    for one in found:
        if one not in others:
            lines += _about(host, one) + _variables(one, "redis_", path)
    if others:
        lines += ["", *_comment("To be merged into the entries of the same name."), "redis_instances:"]
    for one in others:
        lines += ["  " + line for line in _about(host, one)] + ["  - name: %s" % _dumped(one["__redis_name"])]
        lines += ["    " + line for line in _variables(one, "", path)]
    return "\n".join(lines) + "\n"


def _about(host, one):
    said = _comment("%s: %s" % (host, one["server"] or "%s, without a server that runs" % ", ".join(one["files"])))
    said += [line for text in one["missing"] for line in _comment("Hardening that is missing: %s." % text)]
    return said + [line for loss in one["losses"] for line in _comment("site.yml refuses now: %s" % loss["text"])]


def _variables(one, prefix, path):
    lines, variables = [], without_hashes(one["variables"]) if path else one["variables"]
    for key, value in variables.items():
        lines += _comment(one["notes"].get(key, ""))
        if _is_template({key: value}):
            lines += _comment(
                "%s%s is left out: a value that looks like a template is run where it is pasted." % (prefix, key)
            )
            continue
        # A list of plain values stands in one line.
        style = None if isinstance(value, list) and key not in _LONG else False
        text = yaml.safe_dump({prefix + key: value}, sort_keys=False, default_flow_style=style, width=100)
        lines += text.splitlines()
    return lines


def _is_template(value):
    """Tell whether Ansible would take a text in it for a template: servers may say anything."""
    if isinstance(value, dict):
        return any(_is_template(entry) for pair in value.items() for entry in pair)
    if isinstance(value, (list, tuple)):
        return any(_is_template(entry) for entry in value)
    return isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#"))


def _sums(found):
    return any(without_hashes(one["variables"]) != one["variables"] for one in found)


def _dumped(text):
    return yaml.safe_dump(text).splitlines()[0]


def _comment(text):
    # YAML ends a comment at line breaks of other scripts, too; and a terminal obeys some characters.
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="#   ")
