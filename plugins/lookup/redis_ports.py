# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_ports
short_description: The ports of the host's Redis, by purpose, with their sources
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns what the variables of P(celebrum.redis_hardening.redis#role) say of the host's ports. It is the default of
    C(firewall_ports) in P(celebrum.redis_hardening.firewall#role).
  - The port for data, and where TLS is switched on the port for TLS, are open to C(redis_allowed_sources). Where TLS is
    required, the port for data is reserved and open to nobody.
options:
  _terms:
    description: None.
    type: list
    elements: raw
"""

EXAMPLES = r"""
- name: Redis as usual, and one port more
  ansible.builtin.import_role:
    name: celebrum.redis_hardening.firewall
  vars:
    firewall_ports: "{{ query('celebrum.redis_hardening.redis_ports') + [{'port': 9121, 'sources': ['monitors']}] }}"
"""

RETURN = r"""
_raw:
  description: The ports, with C(port), C(sources) and C(purpose).
  type: list
  elements: dict
  sample: [{"port": 6379, "sources": ["app_servers"], "purpose": "data"}]
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.ports import (
    PORT_VARIABLES,
    default_ports,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import native


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        known = {name: variables[name] for name in PORT_VARIABLES if name in (variables or {})}
        return default_ports(native(self._templar.template(known)))
