# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of variables that are wrong, those that the operator wrote: a default made of a wrong variable is wrong as well."""

from __future__ import annotations

import re
from collections.abc import Mapping

# These lookups read all variables of the role redis, and name none.
_READS_ALL = re.compile(r"redis_hardening\.(redis_instances|redis_ports|redis_sentinels|firewall_ports|port_notice)\b")
_ALL = "redis_"
# And this one also these.
_READS_FIREWALL = re.compile(r"redis_hardening\.port_notice\b")
_FIREWALL = {"firewall_ports", "firewall_reserved_ports"}


def root_causes(wrong, variables, defaults, unused=()):
    """Return the problems without those of defaults that are made of a wrong variable, or that nothing uses.

    wrong: {variable: its problems}. variables: all of the host, untemplated. defaults: those of the roles, untemplated.
    unused: what the names of variables of unused roles begin with.
    """
    own = {name for name in wrong if not _same(variables.get(name), defaults.get(name))}
    used = [name for name in wrong if name in own or not name.startswith(tuple(unused))]
    causes = [name for name in used if name in own or not _made_of(name, set(wrong) - {name}, variables)]
    return [problem for name in causes or used for problem in wrong[name]]


def _same(value, default):
    """Compare without evaluating anything: what is encrypted is decrypted by a comparison."""
    if isinstance(value, (list, tuple)) and isinstance(default, (list, tuple)):
        return len(value) == len(default) and all(map(_same, value, default))
    plain = (str, bool, int, float, type(None))
    return isinstance(value, plain) and isinstance(default, plain) and value == default


def _made_of(name, others, variables):
    """Return whether the value of a variable is made of one of the others, directly or by a third."""
    seen, ahead = {name}, [name]
    while ahead:
        for word in _words(variables.get(ahead.pop()), variables) - seen:
            if word in others:
                return True
            seen.add(word)
            ahead.append(word)
    return False


def _words(value, variables):
    """Return the names of variables in the templates of a value."""
    if isinstance(value, Mapping):
        return set().union(*(_words(entry, variables) for entry in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(_words(entry, variables) for entry in value))
    if not isinstance(value, str) or "{" not in value:
        return set()
    found = {word for word in re.findall(r"\w+", value) if word in variables}
    if _READS_ALL.search(value):
        found |= {name for name in variables if name.startswith(_ALL)}
    if _READS_FIREWALL.search(value):
        found |= _FIREWALL & set(variables)
    return found
