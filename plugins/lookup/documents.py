# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: documents
short_description: What the inventory says that the users of Redis should know
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns, for the templates of P(celebrum.redis_hardening.documents#role), which ports of the hosts are reserved and
    which are open to whom, how to connect, what the port notice says, and whom to ask.
  - Looks at the inventory only, and connects to no host. Passwords, and the new names of renamed commands, are neither
    evaluated nor returned.
options:
  _terms:
    description:
      - Names of hosts of the inventory.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Which ports are reserved?
  ansible.builtin.debug:
    msg: "{{ lookup('celebrum.redis_hardening.documents', groups.redis_servers).reserved }}"
"""

RETURN = r"""
_raw:
  description: One dictionary for all hosts together.
  type: list
  elements: dict
"""

from collections.abc import Mapping

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.networks import PolicyProblem
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import (
    native,
    role_defaults,
    sources_of,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report.documents import (
    VARIABLES,
    DocumentProblem,
    build_documents,
)


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        names = [str(name) for term in terms for name in (term if isinstance(term, (list, tuple)) else [term])]
        defaults = role_defaults(self._loader)
        try:
            hosts = {name: self._settings(name, defaults, variables) for name in names}
            return [build_documents(hosts, sources_of(variables))]
        except (DocumentProblem, PolicyProblem) as problem:
            raise AnsibleLookupError("The policy can't be described: %s" % problem) from problem

    def _settings(self, host, defaults, variables):
        if host not in variables["groups"]["all"]:
            raise AnsibleLookupError("%s is no host of the inventory." % host)
        own = {**defaults, **variables["hostvars"].raw_get(host)}
        # In check mode our lookup for secrets writes no file.
        own.update(hostvars=variables["hostvars"], groups=variables["groups"], ansible_check_mode=True)
        templar = self._templar.copy_with_new_env(available_variables=own)
        # All but the first have defaults in the roles, once they know them.
        settings = {"ansible_host": host, "redis_tls": "off", "redis_tls_port": 6380, "redis_tls_auth_clients": "no"}
        for name in VARIABLES:
            if name in own:
                settings[name] = self._evaluated(templar, host, name, own[name])
        settings["users"] = self._users(templar, host, own["redis_users"])
        renamed = own["redis_renamed_commands"]
        # A new name may be a template, and is not looked at.
        settings["disabled"] = [str(name) for name in renamed if not renamed[name]] if _is_dict(renamed) else []
        return settings

    def _evaluated(self, templar, host, name, raw):
        try:
            return native(templar.template(raw))
        except AnsibleError as error:
            raise AnsibleLookupError("%s of %s can't be evaluated: %s" % (name, host, error)) from error

    def _users(self, templar, host, raw):
        """Return the names of the users that may log in, evaluating nothing else of them where that is possible."""
        users = [self._shown(templar, host, user) for user in self._shown(templar, host, raw) or []]
        return [
            self._evaluated(templar, host, "a name in redis_users", user.get("name"))
            for user in users
            if _is_dict(user)
            and boolean(self._evaluated(templar, host, "enabled in redis_users", user.get("enabled", True)))
        ]

    def _shown(self, templar, host, raw):
        """Evaluate what is a template as a whole; a filter that fails on a secret may quote it."""
        if not isinstance(raw, str):
            return raw
        try:
            return templar.template(raw)
        except AnsibleError:
            raise AnsibleLookupError(
                "redis_users of %s can't be evaluated; why is not shown, because that may hold a secret." % host
            ) from None


def _is_dict(value):
    return isinstance(value, Mapping)
