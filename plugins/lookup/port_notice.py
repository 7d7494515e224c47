# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: port_notice
short_description: What the notice on the reserved ports is by default
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Returns the defaults of P(celebrum.redis_hardening.port_notice#role), by the ports that
    P(celebrum.redis_hardening.redis#role) and P(celebrum.redis_hardening.firewall#role) have.
options:
  _terms:
    description: None.
    type: list
    elements: raw
"""

EXAMPLES = r"""
- name: Whether clients may still come to a port where there is no Redis any more
  ansible.builtin.debug:
    msg: "{{ lookup('celebrum.redis_hardening.port_notice').enabled }}"
"""

RETURN = r"""
_raw:
  description:
    - C(enabled), whether Redis has none of C(firewall_reserved_ports).
    - C(ports), which are C(firewall_reserved_ports) without those that C(firewall_ports) opens.
    - C(use_ports), which are the ports of the host's Redis, or that of its Sentinel where it has no Redis.
  type: list
  elements: dict
  sample: [{"enabled": true, "ports": [6379, 6380], "use_ports": [7000]}]
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.notice import NOTICE_VARIABLES, notice
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import native


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        known = {name: variables[name] for name in NOTICE_VARIABLES if name in (variables or {})}
        return [notice(native(self._templar.template(known)))]
