# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our table as `nft -s list table` shows it, beside the wanted one: pure functions.

nft prints one rule in many ways, by its version and by how the kernel stores it. The wanted table is therefore listed
too, by the same nft, from a network namespace in which it was loaded. The two listings are compared as text.
"""

from __future__ import annotations

import re

from ..policy import MARK
from .rules import FAMILY, TABLE

NAME = "%s %s" % (FAMILY, TABLE)
WHAT = {"chain": "other rules", "set": "other elements"}


def has_table(tables):
    """Say whether the output of `nft list tables` names our table."""
    return "table " + NAME in tables.splitlines()


def listing(text):
    """Return a table's listing without the sources that were counted at run time, as lines for a diff."""
    lines, dynamic, counted = [], False, False
    for line in text.splitlines():
        if line.startswith("\tset "):
            dynamic = False
        elif line.startswith("\t\tflags "):
            dynamic = "dynamic" in line
        counted = counted or (dynamic and line.startswith("\t\telements = {"))
        if not counted:
            lines.append(line + "\n")
        elif line.endswith("}"):
            counted = False
    return "".join(lines)


def parse_listing(text):
    """Return 'chain host' and the like -> its lines; what belongs to the table itself stands under an empty text."""
    blocks, name = {"": []}, ""
    for line in listing(text).splitlines():
        head = re.fullmatch(r"\t(\w+ .+) \{", line)
        if head and not name:
            name = head[1]
            blocks[name] = []
        elif line == "\t}":
            name = ""
        else:
            blocks[name].append(line)
    # The table's first and last line, and empty ones between the blocks.
    blocks[""] = [line for line in blocks[""] if line.startswith("\t")]
    return blocks


def differences(kernel, wanted):
    """Return in words how the kernel's table differs from the wanted one; nothing when it does not.

    Both are listings; the kernel's is None when the table is not there.
    """
    if kernel is None:
        return ["the table %s is missing" % NAME]
    if listing(kernel) == listing(wanted):
        return []
    kernel, wanted = parse_listing(kernel), parse_listing(wanted)
    found = []
    if kernel[""] != wanted[""]:
        found.append("the table %s has other properties: %s" % (NAME, _words(kernel[""]) or "none"))
    for name, lines in wanted.items():
        if name not in kernel:
            found.append("the %s of %s is missing" % (name, NAME))
        elif name and kernel[name] != lines:
            found.append("the %s of %s has %s" % (name, NAME, _change(name, kernel[name], lines)))
    found += ["the %s of %s is left over" % (name, NAME) for name in kernel if name not in wanted]
    return found or ["the parts of %s have another order" % NAME]


def _change(name, kernel, wanted):
    if name.startswith("chain ") and kernel[:1] != wanted[:1]:
        return "another place: %s" % _words(kernel[:1])
    return WHAT.get(name.split()[0], "another content")


def _words(lines):
    return " ".join(line.strip() for line in lines)


def foreign_table(kernel):
    """Return what is wrong when a table of our name was not made by us, else None. An empty one is nobody's."""
    if kernel is None or '\tcomment "%s"' % MARK in kernel.splitlines():
        return None
    content = [name for name in parse_listing(kernel) if name]
    if content:
        return "a table %s with other content exists (its first part: %s)" % (NAME, content[0])
    return None
