#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_service
short_description: Run a Redis or Valkey server as a sandboxed systemd service, and restart it without losing a key
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Writes the unit's drop-in, enables and starts the unit, restarts it when something asks for it, and waits until the
    server answers a login and has loaded its data.
  - A running server is restarted only when O(restart_required) says so, when the drop-in is newer than the process,
    when a package upgrade has replaced the binary under it, or when it does not answer where it should.
  - Before a restart the running server is asked whether its data would survive it. A server that has keys and no
    persistence gets save points first, so that systemd's SIGTERM makes it write them.
  - With O(restart=rolling) a server that belongs to a group, replicated or a cluster, is restarted when its turn comes,
    see O(role), and only while the group is whole. A master hands its role to a replica first.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.connection.renames
  - celebrum.redis_hardening.replication.sentinels
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    platforms: posix
options:
  unit:
    description: Name of the unit, without C(.service).
    type: str
    default: redis-server
  drop_in:
    description:
      - Text of the drop-in, for the unit's directory below C(/etc/systemd/system). Without it none is written.
    type: str
  drop_in_name:
    description: File name of the drop-in.
    type: str
    default: hardening.conf
  log_file:
    description:
      - The server's log. Where the server does not start, the module fails with its last lines, and with those of the
        journal, without values of directives.
    type: path
  restart_required:
    description:
      - Whether the running server must be restarted, as M(celebrum.redis_hardening.redis_config) returns it.
    type: bool
    default: false
  allow_data_loss:
    description:
      - Restart also a server whose data can't be shown to survive it, and one of a group that is not whole, in place.
    type: bool
    default: false
  start_timeout:
    description:
      - Seconds that the server may take to start and to load its data, and the same again until it is in step with its
        group.
    type: int
    default: 120
  restart:
    description:
      - V(now) restarts a server that needs it, whatever depends on it.
      - V(rolling) asks the server first. One that stands alone (it follows nobody, nobody follows it, it is in no
        cluster, no Sentinel watches it) is restarted. Of any other, O(role) says whether it is its turn.
    type: str
    choices: [now, rolling]
    default: now
  role:
    description:
      - Which servers of a group this call restarts, with O(restart=rolling). What a server is at that moment counts.
      - V(any) restarts none, and returns what is to do as RV(pending). Then run V(replica) on all hosts, and then
        V(master), with C(throttle=1).
      - V(replica) restarts replicas, and waits until they are in step again.
      - V(master) restarts both. A master of a cluster hands over to its best replica by C(CLUSTER FAILOVER). One that
        Sentinels watch is failed over by them, while writes are paused until it follows the new master, so that no
        acknowledged write is lost. Without Sentinels the clients know its address, and it is restarted in place.
      - While a member is down, a replica is not in step, a failover is under way, or the Sentinels disagree, it waits
        for up to O(handover_timeout), and then refuses.
    type: str
    choices: [any, replica, master]
    default: any
  start_guard:
    description:
      - For a member of a group, the program that the drop-in runs before and after the server, and whom it asks. It is
        put in place before the unit is changed. A change of it takes no restart.
      - With O(drop_in) and without this the unit's settings of it are removed.
    type: dict
    suboptions:
      program:
        description: Its files, as name and text.
        type: dict
        required: true
      settings:
        description: Whom it asks and how, without secrets.
        type: dict
        required: true
  config_file:
    description:
      - The server's configuration file. A replica's is made to name its master, and that of a master which hands over
        the new one, because the server's own C(CONFIG REWRITE) would put back the settings that wait for the restart.
        By default it is the one that the unit's command line names.
    type: path
  nodes:
    description: Servers of a replicated group. Without them and without Sentinels, nobody knows of one that is down.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Address or name.
        type: str
        required: true
      port:
        description: Its port for clients.
        type: int
        default: 6379
  handover_timeout:
    description: Seconds to wait for what passes by itself before a restart.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Run the server in its sandbox
  celebrum.redis_hardening.redis_service:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    drop_in: |
      [Service]
      UMask=0077
    restart_required: "{{ config.restart_required }}"

- name: Restart the replicas of a group, one by one
  celebrum.redis_hardening.redis_service:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    restart_required: "{{ config.restart_required }}"
    restart: rolling
    role: replica
    sentinels: [{host: 10.20.0.11}, {host: 10.20.0.12}, {host: 10.20.0.13}]
    sentinel_user: admin
    sentinel_password: "{{ sentinel_admin_password }}"
  throttle: 1
"""

RETURN = r"""
started:
  description: Whether the unit was stopped and has been started.
  returned: always
  type: bool
restarted:
  description: Whether the running server was restarted.
  returned: always
  type: bool
reasons:
  description: Why it was started or restarted.
  returned: always
  type: list
  elements: str
  sample: [the drop-in has changed]
pending:
  description:
    - V(replica) or V(master) when a member of a group, which is that now, still has to be restarted for RV(reasons), by
      a call with that O(role). Otherwise V(none).
  returned: always
  type: str
  sample: none
handed_over_to:
  description: Who took over from this master before it was restarted (in check mode, the one that could).
  returned: with O(restart=rolling) when it handed over
  type: str
  sample: 10.20.0.12:6379
gap:
  description: Seconds for which clients waited for their writes during that.
  returned: with O(restart=rolling) when it handed over
  type: float
  sample: 1.3
"""

import os

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._handover.rolling import NotDone, Rolling
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import rename_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication import (
    argspec as replication_argspec,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import (
    start_guard as service_start_guard,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.data_safety import (
    CannotAsk,
    DataAtRisk,
    secure_data,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.unit import Service


def restart_now(module, service):
    """Restart the server in place; return what is added to the result."""
    if not module.check_mode:
        if not module.params["allow_data_loss"]:
            try:
                secure_data(module.params, service.ports())
            except DataAtRisk as problem:
                override = "" if isinstance(problem, CannotAsk) else " (allow_data_loss overrides this.)"
                module.fail_json(msg="%s Nothing was restarted.%s" % (problem, override))
        service.restart()
    return dict(restarted=True)


def restart_rolling(module, service, reasons):
    """Restart the server if it is its turn; return what is added to the result."""
    module.params["config_file"] = module.params["config_file"] or service.config_file()
    failed = None
    try:
        facts = vars(Rolling(module.params, service, module.check_mode).run(module.params["role"]))
    except NotDone as problem:
        failed, facts = str(problem), problem.facts
    facts = {name: value for name, value in facts.items() if value not in ("", None)}
    if failed:
        module.fail_json(msg=failed, reasons=reasons, **facts)
    return facts


def place_guard(module):
    """Put the start guard in place, or remove what a former member of a group has of it; return (changed, diffs)."""
    if module.params["drop_in"] is None:
        return False, []
    try:
        changed, before, after = service_start_guard.install(
            module.params["unit"], module.params["start_guard"], module.check_mode
        )
    except (Refused, OSError) as problem:
        module.fail_json(msg="The start guard can't be put in place: %s" % problem)
    path = "%s/%s.json" % (service_start_guard.SETTINGS, module.params["unit"])
    differs = dict(before_header=path, after_header=path, before=before, after=after)
    return changed, [differs] if before != after else []


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            unit=dict(type="str", default="redis-server"),
            drop_in=dict(type="str"),
            drop_in_name=dict(type="str", default="hardening.conf"),
            log_file=dict(type="path"),
            restart_required=dict(type="bool", default=False),
            renamed_commands=dict(type="dict", default={}),
            allow_data_loss=dict(type="bool", default=False),
            start_timeout=dict(type="int", default=120),
            restart=dict(type="str", choices=["now", "rolling"], default="now"),
            role=dict(type="str", choices=["any", "replica", "master"], default="any"),
            start_guard=dict(
                type="dict",
                options=dict(program=dict(type="dict", required=True), settings=dict(type="dict", required=True)),
            ),
            config_file=dict(type="path"),
            nodes=dict(replication_argspec.places(6379), default=[]),
            **replication_argspec.sentinels_argument_spec(),
            handover_timeout=dict(type="int", default=60),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    problems = rename_problems(module.params["renamed_commands"])
    if problems:
        module.fail_json(msg="renamed_commands: %s" % " ".join(problems))
    service = Service(module)
    if not os.path.isdir("/run/systemd/system"):
        module.fail_json(msg="systemd does not run on this host; the service needs it.")
    properties = service.show()
    bare = properties["LoadState"] == "not-found"
    if bare and not module.check_mode:
        module.fail_json(msg="There is no unit %s: install the server's package first." % service.unit)
    guard_changed, diffs = place_guard(module)
    drop_in_changed, before = service.write_drop_in()
    changed, reasons = drop_in_changed or guard_changed, []
    result = dict(started=False, restarted=False, pending="none")

    if not module.check_mode and (drop_in_changed or properties["NeedDaemonReload"] == "yes"):
        service.systemctl("daemon-reload")
        service.forget_config_file(before)
    if properties["UnitFileState"] != "enabled":
        changed = True
        if not module.check_mode:
            service.systemctl("enable", service.unit)

    if bare or properties["ActiveState"] not in ("active", "reloading"):
        result["started"], reasons = True, ["it was not running"]
        if not module.check_mode:
            redis_connection.require_library(module)
            service.start()
    elif module.check_mode and redis_connection.LIBRARY_MISSING:
        # It is still to be installed, on a host that had a server before.
        reasons = ["the drop-in has changed"] if drop_in_changed else []
        result["restarted"] = drop_in_changed
    else:
        redis_connection.require_library(module)
        reasons = service.restart_reasons(properties, drop_in_changed)
        if reasons and module.params["restart"] == "rolling":
            result.update(restart_rolling(module, service, reasons))
        elif reasons:
            result.update(restart_now(module, service))
    result.update(changed=changed or result["started"] or result["restarted"], reasons=reasons)
    if drop_in_changed:
        path = service.drop_in_path
        diffs.append(dict(before_header=path, after_header=path, before=before, after=module.params["drop_in"]))
    if diffs:
        result["diff"] = diffs
    module.exit_json(**result)


if __name__ == "__main__":
    main()
