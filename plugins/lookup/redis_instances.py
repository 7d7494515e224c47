# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_instances
short_description: The instances of the host's Redis, with their files, ports, users and settings
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns what the variables of P(celebrum.redis_hardening.redis#role) say of each entry of C(redis_instances).
  - The result holds passwords. Keep it out of loops and of what is shown.
  - The other servers of a group are looked up by the variables that the inventory gives them.
options:
  _terms:
    description: None.
    type: list
    elements: raw
"""

EXAMPLES = r"""
- name: Where the instances of this host keep their data
  ansible.builtin.debug:
    msg: "{{ query('celebrum.redis_hardening.redis_instances') | map(attribute='dir') }}"
"""

RETURN = r"""
_raw:
  description:
    - The instances. Beside the variables of the role without their prefix each has C(unit), C(config), C(aclfile),
      C(settings), C(secret_settings), C(all_users), C(nodes), C(sentinels), C(directories), C(run_dir), C(rewritten),
      C(start_guard), and C(server), which is what M(celebrum.redis_hardening.redis_units) is told of it.
  type: list
  elements: dict
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import (
    start_guard as service_start_guard,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import (
    instances as inventory_instances,
    settings as inventory_settings,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.peers import peers_of
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import native, role_defaults

_PLACES = ("pki_host_dir", "sentinel_port", "sentinel_master_name")


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        defaults = role_defaults(self._loader, "redis")
        own = {**role_defaults(self._loader), **variables}
        templar = self._templar.copy_with_new_env(available_variables=own)
        own_words = ("__", "celebrum_")
        names = [n for n in defaults if not n.startswith(own_words) and n not in inventory_instances.OF_GROUPS]
        settings = native(templar.template({name: own[name] for name in names}))
        # Asked for only where there is use for them, since asking makes them.
        needed = inventory_instances.needed_passwords(inventory_instances.values(settings))
        settings.update(native(templar.template({name: own[name] for name in needed})))
        place = native(templar.template({name: own[name] for name in _PLACES}))
        values = inventory_instances.values(settings)
        hosts = [name for value in values for key in ("group_hosts", "sentinel_hosts") for name in value.get(key) or []]
        peers = peers_of(hosts, templar, self._loader, own)
        renames = native(defaults["redis_renamed_commands"])
        place["own"] = (
            peers[variables["inventory_hostname"]].address if variables["inventory_hostname"] in peers else ""
        )
        host = str(variables["inventory_hostname"])
        found = [self._instance(value, settings, place, peers, renames, host) for value in values]
        return [
            {**value, "start_guard": service_start_guard.settings(value, settings["redis_engine"], place)}
            for value in found
        ]

    def _instance(self, value, settings, place, peers, renames, host):
        value = {**value, **inventory_instances.layout(value, settings["redis_engine"])}
        value["renamed_commands"] = inventory_instances.renamed_commands(value, renames)
        return {
            **value,
            "all_users": inventory_instances.users(value, settings),
            "settings": inventory_settings.settings(value, place["pki_host_dir"]),
            "secret_settings": inventory_settings.secret_settings(value),
            "server": inventory_instances.server(value, peers[host].address if host in peers else None),
            "nodes": inventory_instances.nodes(value, peers),
            "sentinels": inventory_instances.sentinels(value, peers, place["sentinel_port"]),
            "has_tls": inventory_instances.has_tls(value),
            "tls_server": inventory_instances.tls_server(value, settings),
            "login_port": inventory_instances.group_port(value),
            "bind_variable": inventory_instances.variable_of(value, settings, "bind"),
            "plaintext_port": inventory_instances.plaintext_port(value, settings),
        }
