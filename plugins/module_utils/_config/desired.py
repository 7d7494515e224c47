# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The desired configuration: from the module's options to a file, and what of it may be shown."""

from __future__ import annotations

import difflib

from .._errors import Refused
from .._redis.commands import rename_lines, rename_problems
from .._redis.replies import printable
from . import directives as table, values
from .syntax import split_line

HEADER = "# Managed by celebrum.redis_hardening. Changes made here are undone; change the inventory instead."


def desired(settings, secret_settings, renamed):
    """Return {directive: arguments}, sorted, from the module's options.

    Raises Refused naming everything that is wrong as far as that can be told without a server.
    """
    problems = ["renamed_commands: " + problem for problem in rename_problems(renamed)]
    wanted, seen = {}, {}
    for option, given in (("settings", settings or {}), ("secret_settings", secret_settings or {})):
        for name in given:
            directive = str(name).lower()
            problem = _name_problem(option, directive) or _duplicate(seen, directive)
            if problem:
                problems.append(problem)
                continue
            try:
                words = values.arguments(directive, given[name])
                values.meaning(directive, words)
                wanted[directive] = words
            except ValueError as error:
                # The value itself is not named: it may be a secret.
                problems.append("%s: %s %s." % (option, directive, error))
    if all(values.set_value(wanted.get(name, [])) for name in ("requirepass", "aclfile")):
        problems.append(
            "secret_settings: requirepass acts on the user default, which the ACL file holds when aclfile is set: "
            "give default a password in redis_users instead."
        )
    if problems:
        raise Refused(" ".join(problems))
    return dict(sorted(wanted.items()))


def _name_problem(option, directive):
    if directive in table.REFUSED:
        return "%s: %s can't be set here: %s." % (option, directive, table.REFUSED[directive])
    if not directive.replace("-", "").replace("_", "").replace(".", "").isalnum() or not directive.isascii():
        return "%s: %r is not the name of a directive." % (option, directive)
    if option == "settings" and values.is_secret(directive):
        return "settings: %s is a secret: put it into secret_settings." % directive
    return None


def _duplicate(seen, directive):
    name = values.canonical(directive)
    if name in seen:
        return "%s and %s are the same setting: keep one." % (seen[name], directive)
    seen[name] = directive
    return None


def suggestion(directive, known):
    """Return ' (did you mean ...?)' where a known name is near."""
    near = difflib.get_close_matches(directive, sorted(known), n=1)
    return " (did you mean %s?)" % near[0] if near else ""


def render(wanted, renamed):
    """Return the text of the configuration file: settings by name, then renames, in an order that does not change."""
    lines = [HEADER]
    for directive, words in wanted.items():
        lines += values.file_lines(directive, words)
    return "".join(line + "\n" for line in lines + rename_lines(renamed))


def parse(text):
    """Return [(directive, arguments)] of a configuration file; lines that can't be read are left out."""
    found = []
    for line in text.split("\n"):
        line = line.strip(" \t\r\n")
        if not line or line.startswith("#"):
            continue
        try:
            words = split_line(line)
        except ValueError:
            continue
        found.append((words[0].lower(), words[1:]))
    return found


def shown(text, secret_names=()):
    """Return the text of a configuration file for a diff: secrets as fingerprints, comments only counted."""
    hidden = table.SECRETS | set(secret_names)
    lines, comments = [], 0
    for line in text.split("\n"):
        bare = line.strip(" \t\r\n")
        if bare == HEADER:
            lines.append(bare)
        elif bare.startswith("#"):
            # A comment may hold an old password.
            comments += 1
        elif bare:
            lines.append(_shown_line(bare, hidden))
    if comments:
        lines.insert(0, "# (%d lines of comments)" % comments)
    return printable("".join(line + "\n" for line in lines))


def _shown_line(line, hidden):
    try:
        words = split_line(line)
        if words[0].lower() not in hidden:
            return line
    except ValueError:
        # What can't be read might be a secret with a quote too many.
        words = line.split(None, 1)
    if not words:
        # A form feed alone, say: the server reads nothing there.
        return line
    return "%s %s" % (words[0], values.fingerprint(" ".join(words[1:])))


def hide_misplaced_secrets(module):
    """Keep out of the module's output what stands in settings and belongs into secret_settings."""
    for name, value in (module.params["settings"] or {}).items():
        if values.is_secret(str(name)) and value:
            module.no_log_values.add(str(value))


def hidden_names(secret_settings):
    """Return all names of the settings that were declared as secrets."""
    return {spelling for name in secret_settings or {} for spelling in values.spellings(str(name))}


def shown_value(directive, text, secret_names=()):
    """Return a value for a result or a diff: a secret as its fingerprint."""
    if values.is_secret(directive) or directive in secret_names:
        return values.fingerprint(text)
    return printable(text)
