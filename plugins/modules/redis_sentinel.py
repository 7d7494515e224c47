#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_sentinel
short_description: Make a running Sentinel watch a replicated group as declared, without a restart
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Compares what a running Sentinel says with what is declared, and changes the difference with C(SENTINEL MONITOR),
    C(SENTINEL SET) and C(SENTINEL CONFIG SET). The Sentinel writes its file itself; this module never does.
  - A Sentinel that does not watch the group yet is told the master that the other Sentinels hold, or else
    O(master_host). Afterwards the address is the Sentinels' own business, so that a failover is not undone.
  - It is refused, before anything is changed, when the Sentinels disagree about the master, there are two masters, two
    Sentinels have the same id, the data nodes refuse O(auth_pass), or O(quorum) is larger than the group. What a
    failover under way may explain is waited for, up to O(timeout).
  - Run it once for each Sentinel, on its host. Its users are made by M(celebrum.redis_hardening.redis_acl), which works
    with a Sentinel as it does with a server.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.sentinel
  - celebrum.redis_hardening.connection
attributes:
  check_mode:
    support: full
    details: The Sentinel's file is read as it is; a run makes the Sentinel write it first.
  diff_mode:
    support: full
    details: Of passwords only that they change.
  idempotent:
    description: A second run with the same options changes nothing, also after a failover.
    support: full
  platform:
    platforms: posix
options:
  state:
    description:
      - V(present) makes the Sentinel watch the group, and needs O(sentinels) and O(quorum). V(absent) makes it forget
        the group.
    type: str
    choices: [present, absent]
    default: present
  master_host:
    description:
      - Address of the master, as all Sentinels reach it. Only used while no Sentinel watches the group; see
        M(celebrum.redis_hardening.redis_replication), which finds it out.
      - When the Sentinels hold another one, that is kept if it alone says that it is a master, and refused otherwise.
    type: str
  master_port:
    description:
      - Its port, the TLS one where the Sentinels use TLS.
    type: int
    default: 6379
  sentinels:
    description:
      - All Sentinels of the group, this one included, three or more. They are asked about the master with the same
        login.
  down_after_milliseconds:
    description:
      - How long the master may be silent. Sentinels ask once a second, so a value near 1000 fails over without need.
      - Left as it is when not given, as are all of the following.
    type: int
  failover_timeout:
    description:
      - Milliseconds; twice as long is waited before another failover is tried.
    type: int
  parallel_syncs:
    description:
      - How many replicas go over to a new master at a time.
    type: int
  auth_user:
    description:
      - User with which the Sentinel logs in to the data nodes. V("") for the user V(default).
  auth_pass:
    description:
      - Its password. It is tried on the master before the Sentinel is given it.
  renamed_commands:
    description:
      - The data nodes' renamed commands, original name to new name. Those that a Sentinel uses are passed on to it,
        others are taken off it.
  sentinel_user:
    description:
      - User with which this Sentinel logs in to the others.
    type: str
  sentinel_pass:
    description:
      - Its password. Must be the same on all Sentinels.
    type: str
  resolve_hostnames:
    description:
      - Whether the Sentinel takes names for addresses.
    type: bool
  announce_hostnames:
    description:
      - Whether it gives names to clients.
    type: bool
  announce_ip:
    description:
      - Address under which the others find it, where that is not the one it connects from. V("") for none.
    type: str
  announce_port:
    description:
      - Port under which the others find it. V(0) for its own.
    type: int
  forget_stale:
    description:
      - Whether a Sentinel that is not in O(sentinels), such as one whose host was replaced, is forgotten, by
        C(SENTINEL RESET). Without this they are only named in RV(stale); they count for the majority that a failover
        needs.
      - The Sentinel then forgets the replicas too and learns of them again from the master, so this is refused while
        the master is down. Use it with C(throttle=1), so that the other Sentinels can still act.
    type: bool
    default: false
  config_file:
    description:
      - Where the Sentinel's file is on the host. It is read, never written, and through no link; see the notes.
    type: path
    default: /etc/redis/sentinel.conf
  timeout:
    description:
      - Seconds to wait for a failover to end, or for what was forgotten to be found again.
    type: int
    default: 60
notes:
  - No command tells the login for the data nodes and the renamed commands. They are compared with the file that the
    Sentinel writes on every change, so the user that runs the module must be able to read it.
  - The login needs C(+sentinel +info +ping).
seealso:
  - module: celebrum.redis_hardening.redis_replication
  - module: celebrum.redis_hardening.redis_sentinel_verify
"""

EXAMPLES = r"""
- name: The servers say who the master is
  celebrum.redis_hardening.redis_replication:
    nodes: [{host: 10.20.0.11}, {host: 10.20.0.12}, {host: 10.20.0.13}]
    login_user: admin
    login_password: "{{ redis_admin_password }}"
  register: group
  run_once: true

- name: Every Sentinel watches them
  celebrum.redis_hardening.redis_sentinel:
    login_user: admin
    login_password: "{{ sentinel_admin_password }}"
    master_host: "{{ group.master.rpartition(':')[0] }}"
    sentinels: [{host: 10.20.0.11}, {host: 10.20.0.12}, {host: 10.20.0.13}]
    quorum: 2
    down_after_milliseconds: 5000
    auth_user: sentinel
    auth_pass: "{{ redis_sentinel_password }}"
    sentinel_user: peer
    sentinel_pass: "{{ sentinel_peer_password }}"
"""

RETURN = r"""
master:
  description: The master that the Sentinel watches (in check mode, would). Empty with O(state=absent).
  returned: success
  type: str
  sample: 10.20.0.11:6379
changes:
  description: Names of the settings that were changed (in check mode, would be).
  returned: success
  type: list
  elements: str
  sample: [quorum, auth-pass]
stale:
  description: What the Sentinel takes for a member of its group and is not in O(sentinels), before it forgets them.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel import (
    client as sentinel_client,
    run as sentinel_run,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.options import option_problems


def main():
    module = AnsibleModule(
        argument_spec=dict(
            sentinel_client.argument_spec(),
            state=dict(type="str", default="present", choices=["present", "absent"]),
            master_host=dict(type="str"),
            master_port=dict(type="int", default=6379),
            down_after_milliseconds=dict(type="int"),
            failover_timeout=dict(type="int"),
            parallel_syncs=dict(type="int"),
            sentinel_user=dict(type="str"),
            sentinel_pass=dict(type="str", no_log=True),
            resolve_hostnames=dict(type="bool"),
            announce_hostnames=dict(type="bool"),
            announce_ip=dict(type="str"),
            announce_port=dict(type="int"),
            forget_stale=dict(type="bool", default=False),
            config_file=dict(type="path", default="/etc/redis/sentinel.conf"),
            timeout=dict(type="int", default=60),
        ),
        supports_check_mode=True,
        mutually_exclusive=redis_connection.CONNECTION_RULES["mutually_exclusive"],
        required_together=[*redis_connection.CONNECTION_RULES["required_together"], ("auth_user", "auth_pass")],
        required_by=dict(sentinel_user=["sentinel_pass"]),
        required_if=[("state", "present", ["sentinels", "quorum"])],
    )
    problems = option_problems(module.params)
    if problems:
        module.fail_json(msg="the Sentinel was not changed: " + " ".join(problems))
    client = redis_connection.connect(module)
    sentinel = sentinel_client.Sentinel(module.params, client)
    try:
        result = sentinel_run.run(module, sentinel)
    except Refused as refused:
        module.fail_json(msg="the Sentinel was not changed: %s" % refused)
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    finally:
        sentinel.close()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
