#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_host_verify
short_description: Prove what the host does around a Redis server - files, sandbox, kernel settings
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Looks at the files that are named here, asks the kernel which process serves the connection and what that may do,
    and compares. Unit files and templates are not read.
  - What the server says of its files and its process is compared with them, and believed in nothing else.
  - Nothing is changed.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.connection.renames
  - celebrum.redis_hardening.read_only
options:
  user:
    description: The account that the server must run as and that may read its files.
    type: str
    default: redis
  config:
    description: The configuration file that the server must have.
    type: path
    required: true
  dir:
    description: The directory of the data, in which the server must work.
    type: path
    required: true
  aclfile:
    description: The server's ACL file. Not judged without it.
    type: path
  logfile:
    description: The server's log. Not judged without it.
    type: path
  key_files:
    description: Keys of the server's certificates, and other files that nobody else may read.
    type: list
    elements: path
    default: []
  config_rewritten:
    description: Whether the server must be able to rewrite its configuration file, which then must not be in C(/etc).
    type: bool
    default: false
  start_guard:
    description:
      - Unit of a member of a group, without C(.service). Whether it asks the group before it starts is proved by what
        systemd says of the unit, and by having the guard ask.
    type: str
  sysctl:
    description: Kernel settings, as in M(celebrum.redis_hardening.sysctl_settings).
    type: dict
    default: {}
  sysctl_skip_reason:
    description: Why kernel settings can't be judged here; they are then reported as skipped.
    type: str
"""

EXAMPLES = r"""
- name: Prove files, sandbox and kernel settings
  celebrum.redis_hardening.redis_host_verify:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    config: /etc/redis/redis.conf
    dir: /var/lib/redis
    aclfile: /etc/redis/users.acl
    logfile: /var/log/redis/redis-server.log
    sysctl: {vm.overcommit_memory: 1}
"""

RETURN = r"""
findings:
  description:
    - One finding per file, sandbox property and kernel setting, of the controls RH-HST-01 to RH-HST-03, and one of
      RH-REP-07 for a member of a group.
  returned: always
  type: list
  elements: dict
"""

import json
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding, verdict
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import sockets
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import sysctl as host_sysctl
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.live_commands import live_names
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.replies import text
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import (
    proof,
    start_guard as service_start_guard,
)


def info(client, section):
    """Return one section of INFO as a dict of strings."""
    reply = text(client.execute_command("INFO", section))
    return dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)


def said_of_files(client, config):
    """Return what the server says of its files, {directive: text}."""
    said = {}
    for name in proof.ASKED:
        reply = client.execute_command(config, "GET", name)
        said[name] = text(reply[1]) if isinstance(reply, list) and len(reply) == 2 else ""
    return said


def verify_sysctl(settings, skip_reason, instance):
    findings = []
    for name, wanted in sorted(settings.items()):
        expected = ("at least %s" if host_sysctl.LARGER_IS_FINE.get(name) else "%s") % wanted
        path = Path("/proc/sys", *name.split("."))
        actual = path.read_text().strip() if path.exists() else "not there"
        if skip_reason:
            entry = finding("RH-HST-03", "skipped", expected, skip_reason, subject=name, instance=instance)
        else:
            ok = host_sysctl.satisfied(name, wanted, actual)
            entry = verdict("RH-HST-03", ok, expected, actual, subject=name, instance=instance)
        findings.append(entry)
    return findings


def verify_start_guard(module, unit, instance):
    """Ask systemd what runs before a start, and the guard whom it can ask."""
    names = "ExecStartPre,ExecStopPost,TimeoutStartUSec"
    _code, shown, _error = module.run_command(["systemctl", "show", unit + ".service", "--property", names])
    code, said, error = module.run_command(["timeout", "60", service_start_guard.COMMAND, "check", unit])
    try:
        answers = (
            json.loads(said) if code == 0 else "it does not run: %s" % (error.strip()[-200:] or "exit code %d" % code)
        )
    except ValueError:
        answers = "it does not run: it says %.80r" % said
    return service_start_guard.judge(shown, answers, unit, instance)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            user=dict(type="str", default="redis"),
            config=dict(type="path", required=True),
            dir=dict(type="path", required=True),
            aclfile=dict(type="path"),
            logfile=dict(type="path"),
            key_files=dict(type="list", elements="path", default=[], no_log=False),
            config_rewritten=dict(type="bool", default=False),
            sysctl=dict(type="dict", default={}),
            sysctl_skip_reason=dict(type="str"),
            start_guard=dict(type="str"),
            renamed_commands=dict(type="dict", default={}),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    client, _anonymous = connect_to_look(module)
    params, instance = module.params, redis_connection.endpoint(module.params)
    declared = proof.Declared(
        params["config"], params["dir"], params["aclfile"] or "", params["logfile"] or "", tuple(params["key_files"])
    )
    findings = []
    try:
        server = info(client, "server")
        pid = sockets.pid_of(client, server)
        config = live_names(client, params["renamed_commands"], ["CONFIG"])["CONFIG"]
        said = dict(said_of_files(client, config) if config else {}, config_file=server.get("config_file", ""))
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem))
    except (redis_connection.redis.RedisError, OSError) as error:
        module.fail_json(msg=str(redis_connection.explain(error, params)))
    if config is None:
        unknown = "the server has no CONFIG command, so it can't be asked where its files are"
        findings.append(finding("RH-HST-01", "error", proof.NOBODY, unknown, instance=instance))
    findings += proof.file_findings(declared, said, instance)
    findings.append(proof.owner_finding(declared, params["user"], params["config_rewritten"], instance))
    port = 0 if params["login_unix_socket"] else params["login_port"]
    ends = sockets.listening(pid) if pid else None
    said_pid = server.get("process_id", "")
    findings += proof.process_findings(pid, ends, port, declared, said_pid, params["user"], instance)
    if module.params["start_guard"]:
        findings += verify_start_guard(module, module.params["start_guard"], instance)
    findings += verify_sysctl(params["sysctl"], params["sysctl_skip_reason"], instance)
    module.exit_json(changed=False, findings=findings)


if __name__ == "__main__":
    main()
