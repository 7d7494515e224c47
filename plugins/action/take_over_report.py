# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""See plugins/modules/take_over_report.py for the documentation."""

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import native
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.arguments import checked_arguments
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import files
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report.take_over import text_of

_OPTIONS = dict(results_var=dict(type="str", default="__redis_looked"), path=dict(type="path", required=True))


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        arguments = checked_arguments(self, _OPTIONS)
        result = super().run(tmp, task_vars)
        looked = native((task_vars.get(arguments["results_var"]) or {}).get("results") or [])
        found = any(one.get("needed") for one in looked)
        host = str(task_vars["inventory_hostname"])
        path = os.path.join(self._loader.path_dwim(arguments["path"]), host.replace("/", "_") + ".yml")
        text = text_of(host, looked)
        # Not in the result, where callbacks indent and quote it.
        Display().display("\n" + text_of(host, looked, path))
        result.update(changed=False, file=path if found else "")
        if found:
            result["changed"] = _read(path) != text
            if result["changed"] and not task_vars.get("ansible_check_mode"):
                try:
                    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                    files.write(path, text)
                except OSError as error:
                    raise AnsibleActionFail("path: %s can't be written: %s" % (path, error)) from error
        return result


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
