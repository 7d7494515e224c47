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
  - Asks the running server where its files are, the kernel what its process may do, and compares. Unit files and
    templates are not read.
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
    description: Kernel settings, as in M(celebrum.redis_hardening.redis_kernel).
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
import os
import pwd
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding, verdict
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import (
    sysctl as host_sysctl,
    systemd as host_systemd,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.live_commands import live_names
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import connect_to_look
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import (
    start_guard as service_start_guard,
)

# Where a server may write: its data, its log, its runtime folder, and the private /tmp that systemd gives it.
WRITABLE = ("/var/lib/", "/var/log/", "/run/", "/tmp", "/var/tmp")  # noqa: S108


def info(client, section):
    """Return one section of INFO as a dict of strings."""
    text = client.execute_command("INFO", section).decode("utf-8", "replace")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def server_files(client, config, config_file):
    """Return the files that the server itself names, absolute, without those it does not use."""
    values = {}
    for name in ("dir", "aclfile", "logfile", "dbfilename", "appenddirname", "tls-key-file"):
        reply = client.execute_command(config, "GET", name)
        values[name] = reply[1].decode("utf-8", "surrogateescape") if reply else ""
    folder = values["dir"]
    named = [config_file, values["aclfile"], values["logfile"], values["tls-key-file"], folder]
    named += [os.path.join(folder, values[key]) for key in ("dbfilename", "appenddirname") if values[key]]
    return [os.path.join(folder, name) for name in named if name and os.path.exists(os.path.join(folder, name))]


def verify_files(paths, instance):
    """One finding a file: nobody outside its owner and group may read or write it."""
    findings = []
    for path in paths:
        mode = os.stat(path).st_mode & 0o7777
        actual = "mode %04o" % mode
        ok = not mode & 0o007
        findings.append(verdict("RH-HST-01", ok, "no access for others", actual, subject=path, instance=instance))
    return findings


def verify_config_owner(path, user, rewritten, instance):
    """The running server must not be able to replace its own configuration, unless a failover makes it do so."""
    if rewritten:
        ok, expected = not path.startswith("/etc/"), "not in /etc, since a failover rewrites it"
        return verdict("RH-HST-01", ok, expected, path, subject="configuration", instance=instance)
    owner = pwd.getpwuid(os.stat(path).st_uid).pw_name
    return verdict(
        "RH-HST-01",
        owner != user,
        "owner is not %s" % user,
        "owner %s" % owner,
        subject=path + " (owner)",
        instance=instance,
    )


def verify_process(pid, user, instance):
    """What the kernel lets the process do."""
    status = host_systemd.process_status(pid)
    uid = int(status["Uid"].split()[1])
    account = pwd.getpwuid(uid).pw_name
    writable = host_systemd.writable_mounts(pid, uid, [int(group) for group in status["Groups"].split()])
    outside = [point for point in writable if not (point + "/").startswith(WRITABLE)]
    facts = [
        ("account", account == user, user, account),
        ("capabilities", int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0, "none", status["CapBnd"]),
        ("no new privileges", status["NoNewPrivs"] == "1", "1", status["NoNewPrivs"]),
        ("system call filter", status["Seccomp"] == "2", "2 (filter)", status["Seccomp"]),
        ("writable places", not outside, "data, log and /run only", ", ".join(outside) or "data, log and /run only"),
        ("umask", status["Umask"] == "0077", "0077", status["Umask"]),
    ]
    return [
        verdict("RH-HST-02", ok, expected, actual, subject=subject, instance=instance)
        for subject, ok, expected, actual in facts
    ]


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
    instance, user = redis_connection.endpoint(module.params), module.params["user"]
    server = info(client, "server")
    config = live_names(client, module.params["renamed_commands"], ["CONFIG"])["CONFIG"]
    findings = []
    if config is None:
        unknown = "the server has no CONFIG command"
        findings.append(finding("RH-HST-01", "error", "no access for others", unknown, instance=instance))
    else:
        findings += verify_files(server_files(client, config, server.get("config_file", "")), instance)
    if server.get("config_file"):
        rewritten = module.params["config_rewritten"]
        findings.append(verify_config_owner(server["config_file"], user, rewritten, instance))
    findings += verify_process(server["process_id"], user, instance)
    if module.params["start_guard"]:
        findings += verify_start_guard(module, module.params["start_guard"], instance)
    findings += verify_sysctl(module.params["sysctl"], module.params["sysctl_skip_reason"], instance)
    module.exit_json(changed=False, findings=findings)


if __name__ == "__main__":
    main()
