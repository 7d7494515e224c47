# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""See plugins/modules/policy.py for the documentation."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import declared as config_declared
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import (
    ports as inventory_ports,
    roles as inventory_roles,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.sources import expand_ports, refusal
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy import (
    arguments as policy_arguments,
    causes as policy_causes,
    cluster as policy_cluster,
    container as policy_container,
    facts as policy_facts,
    forms as policy_forms,
    general as policy_general,
    instances as policy_instances,
    notice as policy_notice,
    ports as policy_ports,
    sentinel as policy_sentinel,
    tls as policy_tls,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.arguments import checked_arguments
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import waivers as report_waivers

# Roles that leave the hosts alone: what system these have, and whether facts were gathered, does not matter.
_ON_CONTROLLER = {"documents"}
_OPTIONS = dict(roles=dict(type="list", elements="str", required=True))


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        arguments = checked_arguments(self, _OPTIONS)
        result = super().run(tmp, task_vars)
        specs = inventory_roles.read_specs()
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
        defaults = inventory_roles.role_defaults(self._loader)
        # In check mode our lookup writes no file: a policy that is refused must leave nothing behind.
        merged = {**defaults, **variables, "ansible_check_mode": True}
        self._templar = self._templar.copy_with_new_env(available_variables=merged)
        settings, problems, wrong = {}, [], {}
        for name, spec in {name: spec for role in roles for name, spec in specs[role].items()}.items():
            if name not in merged:
                problems += ["%s is missing: set it." % name] if spec.get("required") else []
                continue
            if merged[name] is None and defaults.get(name) is None:
                continue
            value, found = self._checked(name, merged[name], spec)
            if name == "redis_instances" and not found:
                value, found = policy_instances.check_types(value, specs["redis"])
            if found:
                wrong[name] = found
            else:
                settings[name] = value
        problems += policy_causes.root_causes(wrong, merged, defaults, policy_instances.unused(settings))

        others, found = self._checked(
            "redis_ignored_variables", merged.get("redis_ignored_variables", []), {"type": "list", "elements": "str"}
        )
        # A type error of it is already in the list where the role redis is among the checked ones.
        problems += [problem for problem in found if problem not in problems]
        facts = variables.get("ansible_facts") or {}
        problems += policy_arguments.unknown_variables(variables, specs, others if not found else [], facts)
        problems += policy_facts.option_problems(facts, specs)

        ports = {}
        for name in ("ansible_port", "ansible_ssh_port"):
            if name in variables:
                ports[name], found = self._checked(name, variables[name], {"type": "int"})
                problems += found
        opened, found = self._resolve_sources(settings, specs, merged)
        problems += found
        ssh_ports = policy_ports.ssh_ports(ports, facts)
        problems += policy_ports.port_problems(settings, ssh_ports)
        problems += policy_ports.firewall_problems(settings)
        problems += policy_notice.notice_problems(settings, ssh_ports)
        if set(roles) - _ON_CONTROLLER:
            problems += policy_general.system_problems(facts, settings.get("redis_allow_untested_system", False))
        for check in (
            policy_forms.form_problems,
            policy_general.policy_problems,
            config_declared.settings_problems,
            policy_tls.tls_problems,
        ):
            problems += policy_instances.of_each(check, settings)
        for check in (
            policy_container.container_problems,
            policy_sentinel.sentinel_problems,
            policy_cluster.cluster_problems,
        ):
            problems += check(settings)
        inventory = (variables.get("groups") or {}).get("all", ())
        problems += report_waivers.host_problems(settings.get("audit_waivers", []), inventory, "audit_waivers")
        problems += policy_instances.instance_problems(
            settings,
            variables.get("inventory_hostname", ""),
            inventory,
            inventory_roles.native(defaults["redis_renamed_commands"]),
        )
        if opened is not None:
            problems += policy_ports.exposure_problems(settings, opened)
        return [" ".join(problem.split()) for problem in problems]

    def _checked(self, name, raw, spec):
        """Evaluate a variable and check its type; return (value, problems)."""
        try:
            value = self._templar.template(raw)
        except AnsibleError as error:
            return None, ["%s can't be evaluated: %s" % (name, _reason(error, _has_secret(spec)))]
        return policy_arguments.check_value(name, value, spec)

    def _resolve_sources(self, settings, specs, variables):
        """Put addresses in place of names into the settings; return (firewall_ports with addresses, problems).

        The ports are None where they are not known, so that further checks are not misled.
        """
        sources = inventory_roles.sources_of(variables)
        allowed = settings.pop("redis_allowed_sources", None)
        addresses, refused = sources.expand(allowed or [])
        problems = [refusal("redis_allowed_sources", problem) for problem in refused]
        if allowed is not None and not refused:
            settings["redis_allowed_sources"] = addresses

        if "firewall_ports" in settings:
            ports, found = expand_ports(settings["firewall_ports"], sources, told=allowed)
            settings["firewall_ports"] = ports
            return None if refused or found else ports, problems + found
        # Not among the checked roles, but it says who may reach the server.
        ports, found = self._checked("firewall_ports", variables["firewall_ports"], specs["firewall"]["firewall_ports"])
        if not found:
            ports, found = expand_ports(ports, sources)
        if found:
            ports = inventory_ports.default_ports(
                {**settings, "inventory_hostname": variables.get("inventory_hostname")}
            )
        return None if refused else ports, problems


def _has_secret(spec):
    return bool(spec.get("no_log")) or any(_has_secret(option) for option in (spec.get("options") or {}).values())


def _reason(error, secret):
    """Return why a template failed. A filter that fails on a secret may quote it; a name or a lookup is no secret."""
    if not secret or isinstance(error, AnsibleUndefinedVariable) or str(error).startswith("The lookup plugin"):
        return str(error)
    return "its template fails; why is not shown, because that may hold the secret."
