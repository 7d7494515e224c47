# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules: text is taken as it was written, or not at all.

YAML makes 504 of 0770, 2126 of 04116, 1.1 of 1.10, 3000 of 50:00 and true of yes, and Ansible makes text of these
again, which is not what was written. By then nobody can tell what that was.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from ansible.module_utils import basic


class AnsibleModule(basic.AnsibleModule):
    """Ansible's, but where an option is text it takes nothing else."""

    def __init__(self, argument_spec, **arguments):
        super().__init__(argument_spec, **arguments)
        # Ansible has this function for modules that want to see their options before they are converted.
        problems = text_problems(self.argument_spec, basic._load_params())
        if problems:
            self.fail_json(msg=" ".join(problems))


def text_problems(spec, given, where=""):
    """Return a problem for each value of these options that is to be text and is none. No message holds a value.

    spec: of the options. given: their values before any conversion. where: what to put before the options' names.
    """
    return [
        problem
        for name, option in spec.items()
        for key in (name, *option.get("aliases", ()))
        if key in given
        for problem in _problems(where + key, given[key], option)
    ]


def _problems(where, value, option):
    wanted, needed = option.get("type", "str"), option.get("required", False)
    if wanted == "list":
        element = dict(option, type=option.get("elements"), required=True)
        if isinstance(value, (list, tuple)):
            return [
                problem
                for at, entry in enumerate(value)
                for problem in _problems("%s[%d]" % (where, at), entry, element)
            ]
        return _problems(where, value, dict(element, required=needed))
    if wanted == "dict":
        inner = option.get("options")
        return text_problems(inner, value, where + ".") if inner and isinstance(value, Mapping) else []
    if value is None:
        return ["%s has no value: set one." % where] if needed and wanted in ("str", "path") else []
    wrong = not_text(value) if wanted in ("str", "path") else ""
    if wanted == "raw" and isinstance(value, (bool, int, float)):
        # A mode; the list and the dictionary that it might be are judged elsewhere.
        wrong = not_text(value)
    return [text_problem(where, wrong)] if wrong else []


def not_text(value):
    """Return what a value is that is no text, '' for text."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, (list, tuple)):
        return "a list"
    # A day is the one thing beside text that becomes again what was written.
    day = isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    return "" if isinstance(value, str) or day else "a point in time"


def text_problem(where, wrong):
    """Return what to say of a value that is no text. wrong: from not_text()."""
    if wrong in ("a list", "a dictionary"):
        return "%s must be text, not %s." % (where, wrong)
    example = "no" if wrong == "true or false" else "0770"
    return '%s must be text, not %s: quote it, as in %s: "%s"; after a template, add | string.' % (
        where,
        wrong,
        where,
        example,
    )


def in_quotes(text):
    """Return whether the text has quotes around it, as files of the server have them, and YAML and Ansible do not."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
