#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_takeover
short_description: What a server that was not set up by this collection would lose by the policy
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Looks at a server before it is taken over, and changes nothing. Its process is found by the unit, its configuration
    by the unit's command line, with all that this includes. It is asked for its settings, data, clients, users, modules
    and replicas.
  - All that the declared settings, users and renames would take from it is named in one message, with what to declare
    to keep it. The module then fails, unless O(allow) has it.
  - A server whose configuration this collection has written is not looked at.
  - It is asked without a library, so before anything has been installed. Its renamed commands are found in its
    configuration.
extends_documentation_fragment:
  - celebrum.redis_hardening.users
  - celebrum.redis_hardening.read_only
notes:
  - Run it as root, on the server's host.
  - Not to be allowed is what would lose data in any case, or would end the run in its middle. That is a server that
    can't be asked, that listens elsewhere, or keeps its data elsewhere; commands needed for the take-over that have
    another name; and a server outside of O(unit) that holds one of the ports.
options:
  unit:
    description: Name of the unit, without C(.service).
    type: str
    default: redis-server
  other_units:
    description: Units that may hold other ports of the host, because they are declared as well.
    type: list
    elements: str
    default: []
  config:
    description: Its configuration, where the unit's command line does not name one.
    type: path
    default: /etc/redis/redis.conf
  settings:
    description: The declared directives and values, as for M(celebrum.redis_hardening.redis_config).
    type: dict
    required: true
  topology:
    description: The declared topology.
    type: str
    choices: [standalone, replication, cluster]
    default: standalone
  nodes:
    description: Addresses of the servers of its group.
    type: list
    elements: str
    default: []
  ports:
    description:
      - Ports with their C(sources), as P(celebrum.redis_hardening.firewall_ports#lookup) returns them. Clients from
        other addresses would be cut off. Without it nobody asks where clients come from.
    type: list
    elements: dict
  plaintext_port:
    description: The port at which the server is found as long as it does no TLS yet.
    type: int
  server_binary:
    description:
      - The server's program. It is started on trial, without configuration, for the defaults that directives are
        compared with. Without it they are not compared.
    type: path
  login_user:
    description: The user that is tried first.
    type: str
  login_password:
    description: Its password.
    type: str
  current_password:
    description: Password of the user V(default), which is tried next. No login at all is tried last.
    type: str
  login_timeout:
    description: Seconds to wait for the connection and for each reply.
    type: float
    default: 5.0
  allow:
    description: What may be lost; C(docs/take-over.md) explains the choices.
    type: list
    elements: str
    choices: [eviction, writes, persistence, clients, events, renames, directives, modules, users, replication]
    default: []
  hashes:
    description:
      - Whether RV(variables) has the SHA-256 of the users' passwords, with which they can be guessed. Hide the task's
        result then (C(no_log)).
    type: bool
    default: false
  refuse:
    description: Whether the module fails for what is not allowed. With V(false) it only returns it.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Refuse what would lose data or clients
  celebrum.redis_hardening.redis_takeover:
    settings: {port: 6379, maxmemory: 256mb, maxmemory-policy: noeviction}
    users:
      - {name: admin, passwords: ["{{ redis_admin_password }}"], commands: ["+@all"], keys: ["*"]}
    current_password: "{{ redis_current_password }}"
    allow: [directives]
"""

RETURN = r"""
needed:
  description: Whether there is a server that is not set up by this collection, running or stopped.
  returned: always
  type: bool
server:
  description: The process, its user and its unit; empty where none runs.
  returned: always
  type: str
  sample: process 812 (/usr/bin/redis-check-rdb of user redis, redis-server.service)
files:
  description: Its configuration with all that it includes.
  returned: always
  type: list
  elements: str
  sample: [/etc/redis/redis.conf]
losses:
  description: What it would lose. C(kind) is what to give to O(allow), empty where that does not help.
  returned: always
  type: list
  elements: dict
  sample: [{"kind": "modules", "text": "modules that would not be loaded any more: bf."}]
variables:
  description:
    - The variables of the role redis, without prefix, that keep what the server has where the policy has it otherwise.
  returned: success
  type: dict
  sample: {"appendonly": true, "maxmemory": "512mb"}
notes:
  description: Why some of RV(variables) are as they are.
  returned: success
  type: dict
  sample: {"timeout": "it has 0, never (RH-CFG-03); this is a year"}
missing:
  description: What hardening the server lacks.
  returned: success
  type: list
  elements: str
  sample: ["protected-mode no (RH-NET-05)"]
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.argspec import acl_argument_spec
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.users import AclError
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.processes import show_by
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.losses import KINDS, refusal
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.run import Look
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.variables import Kept, without_hashes


def message(unit, refused):
    """Return the refusal: what there is, one line each, and how to go on."""
    kinds = list(dict.fromkeys(loss.kind for loss in refused if loss.kind))
    lines = ["%s.service was not set up by this collection, and nothing was changed:" % unit]
    lines += ["- %s%s" % (loss.kind + ": " if loss.kind else "", loss.text) for loss in refused]
    if kinds:
        lines.append(
            "Declare it (take_over.yml prints the variables), or accept what is lost: redis_take_over_allow: [%s]."
            % ", ".join(kinds)
        )
    return "\n".join(lines)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            acl_argument_spec(),
            unit=dict(type="str", default="redis-server"),
            other_units=dict(type="list", elements="str", default=[]),
            config=dict(type="path", default="/etc/redis/redis.conf"),
            settings=dict(type="dict", required=True),
            topology=dict(type="str", choices=["standalone", "replication", "cluster"], default="standalone"),
            nodes=dict(type="list", elements="str", default=[]),
            ports=dict(type="list", elements="dict"),
            plaintext_port=dict(type="int"),
            server_binary=dict(type="path"),
            login_user=dict(type="str"),
            login_password=dict(type="str", no_log=True),
            current_password=dict(type="str", no_log=True),
            login_timeout=dict(type="float", default=5.0),
            allow=dict(type="list", elements="str", choices=list(KINDS), default=[]),
            hashes=dict(type="bool", default=False),
            refuse=dict(type="bool", default=True),
        ),
        supports_check_mode=True,
    )

    try:
        look = Look(module.params, show_by(module)).run()
    except (Refused, AclError) as problem:
        module.fail_json(msg=str(problem))
    result = dict(
        changed=False,
        needed=look.now is not None or bool(look.losses),
        server=look.server.described() if look.server else "",
        files=list(look.old.files),
        losses=[dict(kind=loss.kind, text=loss.text) for loss in look.losses],
        variables={},
        notes={},
        missing=[],
    )
    if look.now is not None:
        memory = look.info.get("total_system_memory", "")
        kept = Kept(look.now, look.wanted, int(memory) if memory.isdigit() else 0)
        variables = kept.variables if module.params["hashes"] else without_hashes(kept.variables)
        result.update(variables=variables, notes=kept.notes, missing=kept.missing)
    refused = refusal(look.losses, module.params["allow"])
    if refused and module.params["refuse"]:
        found = {name: result[name] for name in ("changed", "needed", "server", "files", "losses")}
        module.fail_json(msg=message(module.params["unit"], refused), **found)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
