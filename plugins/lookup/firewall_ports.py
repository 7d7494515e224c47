# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_ports
short_description: The guarded ports, with addresses for all their sources
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Takes a list of ports as in the variable C(firewall_ports) of P(celebrum.redis_hardening.firewall#role), and returns
    it with addresses and networks only in C(sources), sorted, as M(celebrum.redis_hardening.redis_firewall) takes it.
  - "An entry of C(sources) is the first of these that it can be: an address or network; a group of the inventory, for
    the addresses of all its hosts; a host of the inventory; a DNS name with a dot in it, for all its A and AAAA
    records."
  - The addresses of a host are its variable C(firewall_addresses), or else its C(ansible_host), or else its name. A
    name is resolved by the controller.
options:
  _terms:
    description:
      - A list of dictionaries with C(port), and C(sources) where there are any. Other keys stay as they are.
    type: list
    elements: raw
    required: true
notes:
  - Whether a host is in the play, or in C(--limit), does not matter.
  - Refused are a group without hosts, a host without an address, a name that does not resolve or is loopback, the group
    C(all), and what is a group and a host at the same time.
  - The rules keep the addresses that a name had in this run.
"""

EXAMPLES = r"""
- name: Close the ports to all but the application servers and a monitor
  celebrum.redis_hardening.redis_firewall:
    ports: "{{ query('celebrum.redis_hardening.firewall_ports', ports) }}"
  vars:
    ports:
      - port: 6379
        sources: [app_servers, monitor.example.org, 10.0.4.0/24]
"""

RETURN = r"""
_raw:
  description: The ports.
  type: list
  elements: dict
  sample: [{"port": 6379, "sources": ["10.0.3.20", "10.0.4.0/24"]}]
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import native, sources_of
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.sources import expand_ports


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        ports = [entry for term in terms for entry in (term if isinstance(term, (list, tuple)) else [term])]
        expanded, problems = expand_ports(native(ports), sources_of(variables or {}))
        if problems:
            raise AnsibleLookupError("\n".join(problems))
        return expanded
