# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role variables against the roles' argument specs: exact names, exact types, no secret in a message.

Stricter than Ansible's own check of a role's arguments, which takes text for a list (and does not convert it for the
role) and says nothing about variables that no role knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher, get_close_matches

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import (
    in_quotes,
    not_text,
    text_problem,
    text_problems,
)

_CONTAINERS = (Mapping, list, tuple)


def check_value(path, value, spec):
    """Check one value; return (the value in its declared type with defaults filled in, problems).

    path: how to call the value in a message. spec: its entry of an argument spec. The returned value is of use only
    when there are no problems. Values of no_log options are never part of a message.
    """
    wanted = spec.get("type", "str")
    if value is None:
        return None, ["%s has no value: set one, or remove the line to get the default." % path]
    if wanted == "list":
        if not isinstance(value, (list, tuple)):
            return None, ["%s must be a list: write each entry on a line of its own, after a dash." % path]
        element = {name: spec[name] for name in ("options", "choices", "no_log") if name in spec}
        element["type"] = spec.get("elements", "raw")
        checked = [check_value("%s[%d]" % (path, at), entry, element) for at, entry in enumerate(value)]
        return [entry for entry, found in checked], [problem for entry, found in checked for problem in found]
    if wanted == "dict":
        if not isinstance(value, Mapping):
            return None, ["%s must be a dictionary of keys and values%s." % (path, _keys_of(spec))]
        return _check_keys(path, value, spec["options"]) if spec.get("options") else (dict(value), [])
    return _check_scalar(path, value, spec, wanted)


def _check_keys(path, value, options):
    checked, problems = {}, []
    for key in value:
        if key not in options:
            problems.append(_line("%s.%s is unknown%s" % (path, key, _instead(key, options))))
    for key, spec in options.items():
        if key in value:
            checked[key], found = check_value("%s.%s" % (path, key), value[key], spec)
            problems += found
        elif spec.get("required"):
            problems.append("%s.%s is missing: set it." % (path, key))
        else:
            checked[key] = spec.get("default")
    return checked, problems


def _check_scalar(path, value, spec, wanted):
    if isinstance(value, _CONTAINERS):
        return None, ["%s must be a single value (%s), not a list or a dictionary." % (path, wanted)]
    if wanted in ("str", "path") or spec.get("no_log"):
        wrong = not_text(value)
        if wrong:
            return None, [text_problem(path, wrong)]
        if in_quotes(str(value)):
            return None, ["%s has quotes around it that are part of the value: leave out the inner ones." % path]
    if spec.get("no_log"):
        # Ansible's own check would quote it.
        return value if isinstance(value, str) else str(value), []
    try:
        result = ArgumentSpecValidator({path: spec}).validate({path: value})
    except OverflowError:
        return None, ["%s is %s, which is no %s." % (path, _line(str(value)).rstrip("."), wanted)]
    return result.validated_parameters[path], [_line(message) for message in result.error_messages]


def _keys_of(spec):
    return " (%s)" % ", ".join(spec["options"]) if spec.get("options") else ""


def _line(message):
    message = " ".join(message.split())
    return message if message.endswith(".") else message + "."


def _instead(name, candidates):
    close = get_close_matches(str(name), list(candidates), n=1, cutoff=0.6)
    if close:
        return ": did you mean %s?" % close[0]
    return "; known are %s." % ", ".join(candidates) if len(candidates) < 12 else "."


# Names of roles with which other people's variables begin as well: only what is nearly one of ours is a mistake.
# How near, as difflib has it: the commoner the word, the nearer.
EVERYBODYS = {
    "audit": 0.75,
    "firewall": 0.75,
    "cluster": 0.9,
    "docker": 0.9,
    "documents": 0.9,
    "pki": 0.9,
    "sentinel": 0.9,
}


def unknown_variables(variables, specs, others, facts=()):
    """Return a problem for each variable that looks like one of the collection's but is known to none of its roles.

    variables: all variables of a host, untemplated. specs: role name -> its options. others: names the operator vouches
    for. facts: names of the host's facts. Registered results are told by their form and left alone.
    """
    known = {name for options in specs.values() for name in options}
    problems = []
    for name in sorted(map(str, variables)):
        if name in known or name in others or name in facts or _is_registered(variables[name]):
            continue
        role = next((role for role in specs if name.startswith(role + "_")), None)
        if role in EVERYBODYS:
            meant = get_close_matches(name, known, n=1, cutoff=EVERYBODYS[role])
            if not meant:
                continue
        elif role:
            meant = get_close_matches(name, known, n=1, cutoff=0.75)
        else:
            meant = _mistyped_prefix(name, specs)
            if not meant:
                continue
        problems.append(
            "%s is not a variable of this collection%s If it is yours, list it in redis_ignored_variables."
            % (name, ": did you mean %s?" % meant[0] if meant else ".")
        )
    return problems


def _is_registered(value):
    return isinstance(value, Mapping) and "changed" in value and "failed" in value


def _mistyped_prefix(name, specs):
    """Return the option that differs from the name in the role's part only: redis_port for redsi_port."""
    for role, options in specs.items():
        parts = name.split("_")
        words = role.count("_") + 1
        head, tail = "_".join(parts[:words]), "_".join(parts[words:])
        if tail and "%s_%s" % (role, tail) in options and SequenceMatcher(None, head.lower(), role).ratio() >= 0.8:
            return ["%s_%s" % (role, tail)]
    return []


def checked_arguments(action, options):
    """Return the arguments of the task, in their types. Raises AnsibleActionFail where text is meant and is none."""
    problems = text_problems(options, action._task.args)
    if problems:
        raise AnsibleActionFail(" ".join(problems))
    return action.validate_argument_spec(argument_spec=options)[1]
