# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host tells about itself must not become what the operator has declared.

Whatever a module returns as a fact is taken for a variable of that host, and one of the inventory with the same name is
no longer seen. A host that somebody has taken over could so name itself anything, or change paths on the controller.
"""

from __future__ import annotations

# Of setup, package_facts and service_facts: the facts that have no prefix.
_ORDINARY = frozenset(("gather_subset", "module_setup", "ansible_local", "packages", "services"))

# Of other tools, and what Ansible itself found out about the host.
_PREFIXES = ("facter_", "ohai_", "discovered_interpreter_")


def option_problems(facts, specs):
    """Return a problem for each option of a role whose value is what the host says. specs: role name -> its options."""
    options = {name for spec in specs.values() for name in spec}
    return [
        "%s is among the facts of the host, and so the host's word in place of yours: find out why (a set_fact of your "
        "own with cacheable: true does that, and so does somebody who has taken over the host)." % name
        for name in sorted(options.intersection(map(str, facts)))
    ]


def hidden_variables(variables):
    """Return the names of those variables of a host that may be what it says itself: a fact has the name and the value.

    A fact that a module returns as ansible_x is among the facts as x, and hides no variable x.
    """
    facts = variables.get("ansible_facts") or {}
    return sorted(
        name
        for name in map(str, facts)
        if name in variables and variables[name] == facts[name]
        if name not in _ORDINARY and not name.startswith(_PREFIXES)
    )
