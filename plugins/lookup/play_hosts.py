# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: play_hosts
short_description: The hosts of a playbook of this collection, or an error where it would do nothing
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - For C(hosts) of a play. Returns the name of the group when the play has hosts and tasks.
  - Ansible skips a play that matches no host, and ends well; likewise where no task has one of the tags. This fails
    instead, before anything is done, for an empty group, a C(--limit) that leaves none of it, and a tag that the
    playbook does not have.
  - Tags are compared where the playbooks of the command line are this collection's. Where others import these, only
    what looks like one of its controls is.
  - Where a play may have no hosts, as in a playbook that imports several, set the variable C(redis_allow_no_hosts) to
    true, as an extra variable or in C(vars) of C(import_playbook); no host's variables are known yet.
options:
  _terms:
    description: Name of the group.
    type: list
    elements: str
    required: true
  playbook:
    description: Name of the playbook, without C(.yml).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Harden Redis
  hosts: "{{ lookup('celebrum.redis_hardening.play_hosts', 'redis_servers', playbook='site') }}"
  gather_facts: false
"""

RETURN = r"""
_raw:
  description: The name of the group.
  type: list
  elements: str
"""

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import play as inventory_play

# Which only look at the text of a playbook.
_ONLY_LOOKS = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        variables, playbook, (group,) = variables or {}, self.get_option("playbook"), terms
        if any(context.CLIARGS.get(name) for name in _ONLY_LOOKS):
            return [group]
        may_be_none = boolean(self._templar.template(variables.get("redis_allow_no_hosts", False)), strict=False)
        members = (variables.get("groups") or {}).get(group) or []
        # While `hosts` is not known yet, this is all hosts that --limit leaves.
        left = [host for host in variables.get("ansible_play_hosts_all", members) if host in members]
        problems = (
            [] if left or may_be_none else [inventory_play.no_hosts(group, members, context.CLIARGS.get("subset"))]
        )
        own = all(inventory_play.is_ours(argument) for argument in context.CLIARGS.get("args") or [""])
        problems += inventory_play.tag_problems(playbook, list(variables.get("ansible_run_tags") or []), own)
        if problems:
            raise AnsibleLookupError("%s.yml is refused, nothing was done: %s" % (playbook, " ".join(problems)))
        return [group]
