#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_units
short_description: Stop the servers and the Sentinel of a host that are no longer declared
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Makes the units of servers and of a Sentinel that run on a host be no others than the declared ones. It starts none;
    that is what M(celebrum.redis_hardening.redis_service) does.
  - A unit that this collection has set up, which is told from its drop-in, and that is no longer declared is stopped,
    disabled, and loses its drop-in. Its configuration, users, log and data stay, unless O(purge) names it.
  - The unit that the package brings is disabled when it is not declared and does not run, because it would start with
    the package's settings at the next boot. If it runs and was not set up by this collection, the module fails.
  - Other instances that this collection has not set up are left alone, with a warning.
  - An instance is not stopped when its configuration saves no data, unless O(purge) names it. Everything is checked
    before anything is changed.
  - It fails where this collection has set up the other engine, whose data would not go over, and where a server of that
    listens at one of O(ports), and where O(bind) has addresses that the host lacks.
  - It fails where one of O(servers) can't become what is declared, as a server with data can't become a node of a
    cluster, and says which way there is. Running servers are asked, on loopback.
options:
  engine:
    description: Which server it is. It names the units and the directories.
    type: str
    choices: [redis, valkey]
    default: redis
  units:
    description:
      - Names of the declared units, without C(.service), as in V(redis-server) and V(redis-server@7000), and
        V(redis-sentinel) on a host with a Sentinel.
    type: list
    elements: str
    required: true
  ports:
    description: Ports of the declared units, at which no server of the other engine may listen.
    type: list
    elements: int
    default: []
  bind:
    description:
      - Addresses at which the declared units are to listen, by the name of the variable that has them, for the message.
      - One with the prefix C(-) need not be there yet. A wildcard is always there.
    type: dict
    default: {}
  servers:
    description:
      - The declared servers. Each is looked at, and where it runs asked what it is now.
      - Of the connection options only those of the login and of the certificates are used.
    type: list
    elements: dict
    default: []
    suboptions:
      unit:
        description: Name of its unit, without C(.service).
        type: str
        required: true
      topology:
        description: What it is to belong to.
        type: str
        choices: [standalone, replication, cluster]
        default: standalone
      port:
        description: Port for plain text, V(0) for none.
        type: int
        default: 0
      tls_port:
        description: Port for TLS, V(0) for none.
        type: int
        default: 0
      address:
        description: Where the other servers of its group reach it.
        type: str
      current_password:
        description: Password of the user V(default) on a server that is being taken over.
        type: str
  purge:
    description:
      - Names of instances whose configuration, users, log and data are deleted, once they have been stopped; V(default)
        for that of the package. What is deleted can't be brought back.
      - Only files in the places of this collection are deleted. The module fails when the configuration of the instance
        names another directory or another log, when one of them is a symbolic link, and when the instance is declared.
      - Of V(default) the files in C(/var/lib/redis) are deleted, and not the directories of other instances in it.
    type: list
    elements: str
    default: []
  drop_in_name:
    description: File name of the drop-in by which a unit of this collection is told.
    type: str
    default: hardening.conf
  stop_timeout:
    description:
      - Seconds that a server may take to save its data and end. One that can't save them does not end.
    type: int
    default: 600
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.connection
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
  platform:
    platforms: posix
seealso:
  - module: celebrum.redis_hardening.redis_service
"""

EXAMPLES = r"""
- name: Keep the package's server and one instance, and delete what was on 7002
  celebrum.redis_hardening.redis_units:
    units: [redis-server, redis-server@7000]
    purge: ["7002"]
"""

RETURN = r"""
needed:
  description: Whether there is something to change.
  returned: success, in check mode
  type: bool
logins:
  description: Where running servers are found that do not listen as declared (yet), by unit.
  returned: success
  type: dict
  sample: {"redis-server": {"port": 6380, "tls": true}}
masters:
  description: Those of O(servers) that are to belong to a replicated group, run, and follow nobody.
  returned: success
  type: list
  elements: dict
  sample: [{"host": "10.20.0.11", "port": 6379, "keys": 12}]
leaving:
  description: Those of O(servers), by unit, that are to stand alone and follow a master.
  returned: success
  type: list
  elements: str
  sample: [redis-server]
stopped:
  description: Units that were stopped (in check mode, would be).
  returned: success
  type: list
  elements: str
  sample: [redis-server@7001]
disabled:
  description: Units that no longer start at boot.
  returned: success
  type: list
  elements: str
  sample: [redis-server@7001]
to_take_over:
  description: Declared units that have a server, or a configuration, that this collection has not set up.
  returned: success
  type: list
  elements: str
  sample: [redis-server]
purged:
  description: Instances of which files were deleted.
  returned: success
  type: list
  elements: str
  sample: ["7002"]
"""

import os

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import processes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import (
    bind_addresses as host_bind_addresses,
    systemd as host_systemd,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import units as service_units
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.instance_files import Files
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.units_run import (
    carry_out,
    diff,
    look_at_files,
    look_at_other,
    systemctl,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._switch import (
    look as switch_look,
    rules as switch_rules,
)


def to_take_over(module, found):
    """Return the declared units that have a server or a configuration without having been set up by this collection."""
    engine = module.params["engine"]
    names = [name.removesuffix(".service") for name in module.params["units"]]
    servers = {name: service_units.instance_of(name) for name in names if service_units.instance_of(name)}
    fresh = {name: one for name, one in servers.items() if name not in found or found[name].drop_in is None}
    # All that a host costs that has been set up.
    if not fresh:
        return []
    strangers = processes.in_the_way(processes.servers(), servers, module.params["ports"])
    return [
        name
        for name, instance in fresh.items()
        if strangers or (name in found and found[name].active) or os.path.lexists(Files(engine, instance).config)
    ]


def look_at_servers(module, found):
    """Return (Looks by unit, why some can't become what is declared)."""
    looks, problems = {}, []
    for server in module.params["servers"]:
        unit = found.get(server["unit"], service_units.Unit(server["unit"]))
        pid = "0"
        if unit.active:
            shown = systemctl(module, "show", unit.name + ".service", "--property", "MainPID")
            pid = host_systemd.parse_show(shown).get("MainPID", "0")
        looks[unit.name] = switch_look.look(module.params, server, unit, pid)
        wanted, admin = switch_look.place_of(server), module.params["login_user"] or "default"
        problems += switch_rules.problems(looks[unit.name].now, wanted, admin)
    return looks, problems


def masters(servers, looks):
    """Return [{host, port, keys}, ...] of the declared members of replicated groups that are masters now."""
    return [
        dict(host=server["address"], port=switch_look.place_of(server).inner[0], keys=looks[server["unit"]].keys)
        for server in servers
        if server["topology"] == switch_rules.REPLICATION and server["address"]
        if looks[server["unit"]].keys is not None and not looks[server["unit"]].follows
    ]


def leaving(servers, looks):
    """Return the units of those that are to stand alone, and are replicas now."""
    return [
        server["unit"]
        for server in servers
        if server["topology"] == switch_rules.STANDALONE and looks[server["unit"]].follows
    ]


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            engine=dict(type="str", default="redis", choices=["redis", "valkey"]),
            units=dict(type="list", elements="str", required=True),
            ports=dict(type="list", elements="int", default=[]),
            bind=dict(type="dict", default={}),
            servers=switch_look.servers_argument_spec(),
            purge=dict(type="list", elements="str", default=[]),
            drop_in_name=dict(type="str", default="hardening.conf"),
            stop_timeout=dict(type="int", default=600),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    if not os.path.isdir("/run/systemd/system"):
        module.fail_json(msg="systemd does not run on this host; the servers need it.")
    params = module.params
    listing = systemctl(
        module, "list-units", "--all", "--plain", "--no-legend", "--full", *service_units.patterns(params["engine"])
    )
    found = service_units.find(params["engine"], listing, params["drop_in_name"])
    plan = service_units.plan(
        params["engine"], found, {name.removesuffix(".service") for name in params["units"]}, params["purge"]
    )
    paths = look_at_files(module, found, plan)
    plan.problems += look_at_other(module, listing)
    plan.problems += host_bind_addresses.missing_problems(
        params["bind"], lambda: host_bind_addresses.own_addresses(module.run_command)
    )
    looks, problems = look_at_servers(module, found)
    plan.problems += problems
    if plan.problems:
        # A play asks in check mode before its first change, and later has made others.
        unchanged = "Nothing was changed." if module.check_mode else "No unit was changed."
        module.fail_json(msg="%s %s" % (unchanged, " ".join(plan.problems)))
    for warning in plan.warnings:
        module.warn(warning)
    if not module.check_mode:
        try:
            carry_out(module, found, plan, paths)
        except Refused as problem:
            module.fail_json(msg=str(problem))
    changed = bool(plan.stop or plan.disable or plan.release or paths)
    result = dict(changed=changed, stopped=plan.stop, disabled=plan.disable, purged=list(paths))
    result["to_take_over"] = to_take_over(module, found)
    result["logins"] = {unit: one.login for unit, one in looks.items() if one.login}
    result["masters"] = masters(params["servers"], looks)
    result["leaving"] = leaving(params["servers"], looks)
    if module.check_mode:
        # Where changed is taken away from the task.
        result["needed"] = changed
    if module._diff and changed:
        result["diff"] = diff(found, plan, paths)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
