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
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
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
      - Text of the drop-in, for the unit's folder below C(/etc/systemd/system). Without it none is written.
    type: str
  drop_in_name:
    description: File name of the drop-in.
    type: str
    default: hardening.conf
  restart_required:
    description:
      - Whether the running server must be restarted, as M(celebrum.redis_hardening.redis_config) returns it.
    type: bool
    default: false
  current_password:
    description:
      - Password of the user V(default) on a server that is being taken over, for the question about its data.
    type: str
  renamed_commands:
    description: Commands that the server knows by another name, as in M(celebrum.redis_hardening.redis_config).
    type: dict
    default: {}
  allow_data_loss:
    description:
      - Restart also a server whose data can't be shown to survive it.
    type: bool
    default: false
  start_timeout:
    description: Seconds that the server may take to start and to load its data.
    type: int
    default: 120
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
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _connection, _systemd
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._restart import DataAtRisk, secure_data


class Service:
    """One unit and what is done to it."""

    def __init__(self, module):
        self.module = module
        self.unit = module.params["unit"] + ".service"
        self.drop_in_path = "/etc/systemd/system/%s.d/%s" % (self.unit, module.params["drop_in_name"])

    def systemctl(self, *arguments):
        code, out, error = self.module.run_command(["systemctl", *arguments])
        if code:
            _code, journal, _error = self.module.run_command(
                ["journalctl", "--unit", self.unit, "--lines", "15", "--no-pager", "--output", "cat"]
            )
            self.module.fail_json(
                msg="systemctl %s: %s" % (" ".join(arguments), error.strip()), journal=journal.splitlines()
            )
        return out

    def show(self):
        return _systemd.parse_show(self.systemctl("show", self.unit, "--property", ",".join(_systemd.PROPERTIES)))

    def write_drop_in(self):
        """Bring the drop-in to the wanted text; return (changed, before)."""
        wanted = self.module.params["drop_in"]
        try:
            with open(self.drop_in_path, encoding="utf-8") as handle:
                before = handle.read()
        except FileNotFoundError:
            before = ""
        if wanted is None or before == wanted:
            return False, before
        if not self.module.check_mode:
            os.makedirs(os.path.dirname(self.drop_in_path), mode=0o755, exist_ok=True)
            temporary = self.drop_in_path + ".new"
            with open(temporary, "w", encoding="utf-8") as handle:
                handle.write(wanted)
            os.chmod(temporary, 0o644)
            os.replace(temporary, self.drop_in_path)
        return True, before

    def restart_reasons(self, properties, drop_in_changed):
        """Say why the running server must be restarted; an empty list when it need not be."""
        reasons = []
        if self.module.params["restart_required"]:
            reasons.append("settings that only a restart changes")
        if drop_in_changed:
            reasons.append("the drop-in has changed")
        elif (
            os.path.exists(self.drop_in_path)
            and os.stat(self.drop_in_path).st_mtime > _systemd.started_at(properties) > 0
        ):
            reasons.append("the process is older than its drop-in")
        if _systemd.binary_was_replaced(properties["MainPID"]):
            reasons.append("its binary was replaced by an upgrade")
        if not reasons and self.answers() == "unreachable":
            reasons.append("it does not listen at %s" % _connection.endpoint(self.module.params))
        return reasons

    def answers(self):
        """Return 'ready', or the kind of problem that a login meets, or 'loading'."""
        try:
            client = _connection.open_client(self.module.params)
            loading = b"\nloading:1" in client.execute_command("INFO", "persistence")
            client.close()
        except _connection.ConnectionProblem as problem:
            return problem.kind
        return "loading" if loading else "ready"

    def wait(self):
        """Wait until the server answers the login with its data loaded, or fail with what it says."""
        deadline = time.monotonic() + self.module.params["start_timeout"]
        state = "unreachable"
        while time.monotonic() < deadline:
            state = self.answers()
            if state == "ready":
                return
            if state in ("auth", "permission", "tls"):
                break
            time.sleep(0.1)
        where = _connection.endpoint(self.module.params)
        self.module.fail_json(msg="%s runs, but a login at %s fails: %s." % (self.unit, where, state))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            _connection.redis_argument_spec(),
            unit=dict(type="str", default="redis-server"),
            drop_in=dict(type="str"),
            drop_in_name=dict(type="str", default="hardening.conf"),
            restart_required=dict(type="bool", default=False),
            current_password=dict(type="str", no_log=True),
            renamed_commands=dict(type="dict", default={}),
            allow_data_loss=dict(type="bool", default=False),
            start_timeout=dict(type="int", default=120),
        ),
        supports_check_mode=True,
        **_connection.CONNECTION_RULES,
    )
    service = Service(module)
    if not os.path.isdir("/run/systemd/system"):
        module.fail_json(msg="systemd does not run on this host; the service needs it.")
    properties = service.show()
    bare = properties["LoadState"] == "not-found"
    if bare and not module.check_mode:
        module.fail_json(msg="There is no unit %s: install the server's package first." % service.unit)
    drop_in_changed, before = service.write_drop_in()
    changed, started, restarted, reasons = drop_in_changed, False, False, []

    if not module.check_mode and (drop_in_changed or properties["NeedDaemonReload"] == "yes"):
        service.systemctl("daemon-reload")
    if properties["UnitFileState"] != "enabled":
        changed = True
        if not module.check_mode:
            service.systemctl("enable", service.unit)

    if bare or properties["ActiveState"] not in ("active", "reloading"):
        started, reasons = True, ["it was not running"]
    else:
        _connection.require_library(module)
        reasons = service.restart_reasons(properties, drop_in_changed)
        restarted = bool(reasons)
    if (started or restarted) and not module.check_mode:
        _connection.require_library(module)
        if restarted and not module.params["allow_data_loss"]:
            try:
                secure_data(module.params, _systemd.listening_ports(properties["MainPID"]))
            except DataAtRisk as problem:
                module.fail_json(msg="%s Nothing was restarted. (allow_data_loss overrides this.)" % problem)
        # A unit that failed too often refuses to start until the counter is cleared.
        service.systemctl("reset-failed", service.unit)
        service.systemctl("restart" if restarted else "start", service.unit)
        service.wait()
    result = dict(changed=changed or started or restarted, started=started, restarted=restarted, reasons=reasons)
    if drop_in_changed:
        path = service.drop_in_path
        result["diff"] = dict(before_header=path, after_header=path, before=before, after=module.params["drop_in"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
