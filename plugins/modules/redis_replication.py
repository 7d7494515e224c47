#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_replication
short_description: Make servers one replicated group, whoever its master is by now
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks all servers of the group, and the Sentinels where there are some, who the master is, and makes servers that
    belong to nobody its replicas. The inventory names the members, never the master, so that a failover is not undone.
  - In a group in which nobody follows anybody, the server that holds data becomes the master, or the first of
    O(nodes) when none does.
  - It is refused, before anything is changed, when a server can't be reached, two servers have data of their own or
    replicas of their own, a server replicates from outside the group, or the Sentinels disagree with the servers.
    What a failover under way may explain is waited for, up to O(timeout).
  - Run it once for the group, from a host that reaches all of it.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.replication
  - celebrum.redis_hardening.replication.sentinels
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows who follows whom.
  idempotent:
    description: A second run with the same options changes nothing, also after a failover.
    support: full
  platform:
    platforms: all
options:
  absent:
    description:
      - What is done about servers and Sentinels that can't be asked.
      - With V(fail) the module fails. With V(sentinels) Sentinels may be missing that do not run, or do not watch the
        group yet. With V(ignore), meant for check mode, servers may be missing, too; who is there must make sense.
    type: str
    choices: [fail, sentinels, ignore]
    default: fail
  told:
    description:
      - Masters among O(nodes) that may not take the login yet, with the number of their keys, as their own hosts found
        out (RV(celebrum.redis_hardening.redis_units#module:masters)). They count where they can't be asked.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: As in O(nodes).
        type: str
        required: true
      port:
        description: As in O(nodes).
        type: int
        required: true
      keys:
        description: How many keys it has, in all databases.
        type: int
        required: true
  timeout:
    description: Seconds to wait for a failover to end and for the replicas to be in step.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: One master, two replicas, whichever is which
  celebrum.redis_hardening.redis_replication:
    nodes:
      - host: 10.20.0.11
      - host: 10.20.0.12
      - host: 10.20.0.13
    login_user: admin
    login_password: "{{ redis_admin_password }}"
  run_once: true
"""

RETURN = r"""
master:
  description: The master of the group; null where no server can be asked and O(absent=ignore).
  returned: success
  type: str
  sample: 10.20.0.11:6379
replicas:
  description: All others.
  returned: success
  type: list
  elements: str
  sample: ["10.20.0.12:6379", "10.20.0.13:6379"]
joined:
  description: Those that became replicas of it in this run (in check mode, would).
  returned: success
  type: list
  elements: str
"""

import time
from dataclasses import replace

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import rename_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication import (
    nodes as replication_nodes,
    plan as replication_plan,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication.argspec import (
    nodes_argument_spec,
    sentinels_argument_spec,
)

PAUSE = 0.2


def unchanged(module):
    """Return what a refusal leaves as it was: a play asks in check mode first, and later has made other changes."""
    return "nothing was changed" if module.check_mode else "no server was told to follow another"


def open_members(module):
    """Return (Members, nodes that can't be asked), or end the module naming these."""
    members, missing, problems = [], [], []
    for node in module.params["nodes"]:
        try:
            members.append(replication_nodes.Member(module.params, node))
        except (redis_connection.ConnectionProblem, OSError) as problem:
            problems.append(str(problem))
            missing.append(node)
    if problems and module.params["absent"] != "ignore":
        module.fail_json(msg="%s: %s" % (unchanged(module), " ".join(problems)))
    return members, missing


def decide(module, members, missing):
    """Return (nodes, plan); wait for what passes."""
    params = module.params
    end = time.monotonic() + params["timeout"]
    while True:
        try:
            nodes, astray = replication_nodes.settled(members, [member.ask() for member in members])
            nodes += replication_nodes.told_nodes(params, missing)
            try:
                told = replication_nodes.sentinel_master(params, params["absent"] == "fail")
            except ValueError as problem:
                raise Refused(str(problem), passing=True) from problem
            gone = replication_nodes.addresses_of(missing) - {place for node in nodes for place in node.addresses}
            plan = replication_plan.plan(nodes, told, gone)
            return nodes, replace(plan, follow=(*plan.follow, *(name for name in astray if name not in plan.follow)))
        except Refused as refused:
            if not refused.passing or time.monotonic() > end:
                module.fail_json(msg="%s: %s" % (unchanged(module), refused))
        time.sleep(PAUSE)


def join(module, members, plan):
    """Make the servers of the plan replicas of its master, and wait until they are in step."""
    by_name = {member.name: member for member in members}
    for name in plan.follow:
        unwritten = by_name[name].follow(by_name[plan.master.name])
        if unwritten:
            module.warn(
                "%s follows %s, but could not write that to its file, and will not after a restart: %s"
                % (name, plan.master.name, unwritten)
            )
    end = time.monotonic() + module.params["timeout"]
    while True:
        late = replication_plan.lagging(plan.master, [member.ask() for member in members])
        if not late:
            return
        if time.monotonic() > end:
            module.fail_json(
                msg="%s did not get in step with %s within %d s: look at masteruser, masterauth and its log, and "
                "whether the firewall lets it in" % (", ".join(late), plan.master.name, module.params["timeout"])
            )
        time.sleep(PAUSE)


def listing(nodes, plan=None):
    """Return who follows whom, a line for each server."""
    lines = []
    for node in nodes:
        follows = "%s:%d" % node.master if node.master else ""
        if plan and node.name in plan.follow:
            follows = plan.master.name
        lines.append("%s %s" % (node.name, "replica of " + follows if follows else "master"))
    return "".join(line + "\n" for line in lines)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            **redis_connection.redis_argument_spec(),
            **nodes_argument_spec(),
            **sentinels_argument_spec(),
            absent=dict(type="str", choices=["fail", "sentinels", "ignore"], default="fail"),
            told=dict(
                type="list",
                elements="dict",
                default=[],
                options=dict(
                    host=dict(type="str", required=True),
                    port=dict(type="int", required=True),
                    keys=dict(type="int", required=True, no_log=False),
                ),
            ),
            timeout=dict(type="int", default=60),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    if redis_connection.LIBRARY_MISSING and module.params["absent"] == "ignore":
        # A bare host, which can't ask anybody yet.
        module.exit_json(changed=False, master=None, replicas=[], joined=[])
    redis_connection.require_library(module)
    problems = rename_problems(module.params["renamed_commands"])
    names = ["%s:%d" % (node["host"], node["port"]) for node in module.params["nodes"]]
    problems += ["nodes names %s twice." % name for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        module.fail_json(msg=" ".join(problems))

    members, missing = open_members(module)
    if not members and not module.params["told"]:
        module.exit_json(changed=False, master=None, replicas=[], joined=[])
    try:
        nodes, plan = decide(module, members, missing)
        result = dict(changed=bool(plan.follow), master=plan.master.name, joined=list(plan.follow))
        result["replicas"] = [node.name for node in nodes if node.name != plan.master.name]
        if module._diff and plan.follow:
            result["diff"] = dict(before=listing(nodes), after=listing(nodes, plan))
        if not module.check_mode and result["replicas"]:
            join(module, members, plan)
    except (redis_connection.ConnectionProblem, redis_connection.redis.RedisError, OSError) as problem:
        module.fail_json(msg=str(problem))
    finally:
        for member in members:
            member.close()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
