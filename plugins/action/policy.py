# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""See plugins/modules/policy.py for the documentation."""

from __future__ import annotations

import os

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _arguments, _policy, _policy_ports

ROLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "roles")
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        _validation, arguments = self.validate_argument_spec(
            argument_spec=dict(roles=dict(type="list", elements="str", required=True))
        )
        result = super().run(tmp, task_vars)
        specs = read_specs()
        strangers = sorted(set(arguments["roles"]) - set(specs))
        if strangers:
            raise AnsibleActionFail(
                "roles: %s: no role of this collection; there are %s."
                % (", ".join(strangers), ", ".join(sorted(specs)))
            )
        problems = self._problems(arguments["roles"], specs, task_vars or {})
        result.update(changed=False, msg="Nothing is wrong with the policy.")
        if problems:
            result.update(failed=True, msg="\n".join(["The policy is refused, nothing was changed:", *problems]))
        return result

    def _problems(self, roles, specs, variables):
        defaults = self._defaults(specs)
        # In check mode our lookup writes no file: a policy that is refused must leave nothing behind.
        merged = {**defaults, **variables, "ansible_check_mode": True}
        self._templar = self._templar.copy_with_new_env(available_variables=merged)
        settings, problems = {}, []
        for name, spec in {name: spec for role in roles for name, spec in specs[role].items()}.items():
            if name not in merged:
                problems += ["%s is missing: set it." % name] if spec.get("required") else []
                continue
            if merged[name] is None and defaults.get(name) is None:
                continue
            value, found = self._checked(name, merged[name], spec)
            if found:
                problems += found
            else:
                settings[name] = value

        others, found = self._checked(
            "redis_other_variables", merged.get("redis_other_variables", []), {"type": "list", "elements": "str"}
        )
        # A type error of it is already in the list where the role redis is among the checked ones.
        problems += [problem for problem in found if problem not in problems]
        facts = variables.get("ansible_facts") or {}
        problems += _arguments.unknown_variables(variables, specs, others if not found else [], facts)

        ports = {}
        for name in ("ansible_port", "ansible_ssh_port"):
            if name in variables:
                ports[name], found = self._checked(name, variables[name], {"type": "int"})
                problems += found
        problems += _policy_ports.port_problems(settings, _policy_ports.ssh_ports(ports, facts))
        problems += _policy_ports.firewall_problems(settings)
        problems += _policy.system_problems(facts, settings.get("redis_allow_untested_system", False))
        problems += _policy.policy_problems(settings)
        return [" ".join(problem.split()) for problem in problems]

    def _checked(self, name, raw, spec):
        """Evaluate a variable and check its type; return (value, problems)."""
        try:
            value = self._templar.template(raw)
        except AnsibleError as error:
            return None, ["%s can't be evaluated: %s" % (name, _reason(error, _has_secret(spec)))]
        return _arguments.check_value(name, value, spec)

    def _defaults(self, specs):
        """Return the defaults of all roles: the policy is checked before any role has been loaded."""
        defaults = {}
        for role in sorted(specs):
            path = os.path.join(ROLES, role, "defaults", "main.yml")
            if os.path.exists(path):
                defaults.update(self._loader.load_from_file(path, trusted_as_template=True) or {})
        return defaults


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


def _has_secret(spec):
    return bool(spec.get("no_log")) or any(_has_secret(option) for option in (spec.get("options") or {}).values())


def _reason(error, secret):
    """Return why a template failed. A filter that fails on a secret may quote it; a name or a lookup is no secret."""
    if not secret or isinstance(error, AnsibleUndefinedVariable) or str(error).startswith("The lookup plugin"):
        return str(error)
    return "its template fails; why is not shown, because that may hold the secret."
