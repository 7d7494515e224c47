# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_sentinels
short_description: Where the Sentinels of the host's group are
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns address and port for each host in C(redis_sentinel_hosts) of P(celebrum.redis_hardening.redis#role).
options:
  _terms:
    description: None.
    type: list
    elements: raw
"""

EXAMPLES = r"""
- name: Tell the clients where the Sentinels are
  ansible.builtin.debug:
    msg: "{{ query('celebrum.redis_hardening.redis_sentinels') }}"
"""

RETURN = r"""
_raw:
  description: The Sentinels.
  type: list
  elements: dict
  sample: [{"host": "10.20.0.11", "port": 26379}]
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import (
    instances as inventory_instances,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.peers import peers_of
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import native, role_defaults


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        own = {**role_defaults(self._loader), **variables}
        templar = self._templar.copy_with_new_env(available_variables=own)
        known = native(templar.template({name: own[name] for name in ("redis_sentinel_hosts", "sentinel_port")}))
        peers = peers_of(known["redis_sentinel_hosts"], templar, self._loader, own)
        return inventory_instances.sentinels(
            {"sentinel_hosts": known["redis_sentinel_hosts"]}, peers, known["sentinel_port"]
        )
