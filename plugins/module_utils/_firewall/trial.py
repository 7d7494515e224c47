# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How new rules get into the kernel: rehearsed, then on trial, then kept or taken back."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile

from .._host import files as host_files
from . import backends, files, host, script as firewall_script


def rehearse(module, wanted):
    """Load the wanted files in a network namespace of their own: rules that the kernel would refuse end it here."""
    unshare = module.get_bin_path("unshare", required=True)
    if module.run_command([unshare, "--net", "true"])[0] != 0:
        module.warn("this host lets nobody make network namespaces, so the rules are not rehearsed")
        return
    with tempfile.TemporaryDirectory(prefix="redis-ports-block-") as folder:
        _write_rules(wanted, folder)
        script = os.path.join(folder, "script")
        host_files.write_file(script, firewall_script.SCRIPT, 0o600)
        status, output, errors = module.run_command([unshare, "--net", "sh", script, "rehearse", folder])
    if status != 0:
        module.fail_json(msg="the kernel does not take the rules; nothing was changed: %s" % (errors or output).strip())


def apply(module, policy, wanted, outdated, kernel_differs, on_trial):
    """Write the files that differ, load the rules, see to the unit. Return whether the rules are on trial now."""
    rules = [path for path in wanted if os.path.dirname(path) == files.FOLDER]
    for path in [path for path in outdated if path not in rules]:
        host_files.write_file(path, *wanted[path])
    pending = False
    # The doors first, then what keeps them closed.
    others = other_rules(module)
    if on_trial or others or any(host_files.read_file(path) != wanted[path][0] for path in rules):
        if not others:
            _close_where_nothing_was(module, policy, rules)
        _try(module, wanted)
        pending = module.params["rollback_after"] > 0
    else:
        for path in rules:
            if path in outdated:
                host_files.write_file(path, *wanted[path])
        if kernel_differs:
            _run(module, "apply", failure="the rules could not be loaded")
    systemctl = module.get_bin_path("systemctl", required=True)
    if files.UNIT_PATH in outdated:
        module.run_command([systemctl, "daemon-reload"], check_rc=True)
    if not host.unit_is_enabled():
        module.run_command([systemctl, "enable", files.UNIT_NAME], check_rc=True)
    module.run_command([systemctl, "start", files.UNIT_NAME], check_rc=True)
    _run(module, "check", failure="the rules did not stay")
    return pending


def confirm(module):
    """Keep the rules on trial, and end the module."""
    if not os.path.isdir(files.TRIAL_FOLDER):
        module.fail_json(
            msg="no rules are on trial: they were confirmed already, or not confirmed in time and taken back; run "
            "again with a longer rollback_after (in the role: firewall_rollback_after)"
        )
    if not module.check_mode:
        _run(module, "commit", failure="the rules could not be kept")
    module.exit_json(changed=True, pending=module.check_mode)


def other_rules(module):
    """Return the files of rules of the backends that are not wanted (any more)."""
    return [path for backend in backends.others(module.params["backend"]) for path in host.rules_files(backend.RULES)]


def _close_where_nothing_was(module, policy, rules):
    """On a first run there is nothing to return to: let it be rules without sources."""
    closed = dataclasses.replace(policy, sources={port: () for port in policy.ports}, stranger_action="drop")
    texts = backends.BACKENDS[module.params["backend"]].rules(closed)
    for path, (text, mode) in host.wanted_files(texts).items():
        if path in rules and host_files.read_file(path) is None:
            host_files.write_file(path, text, mode)


def _try(module, wanted):
    os.makedirs(os.path.dirname(files.TRIAL_FOLDER), mode=0o700, exist_ok=True)
    folder = tempfile.mkdtemp(dir=os.path.dirname(files.TRIAL_FOLDER), prefix="wanted-")
    try:
        _write_rules(wanted, folder)
        seconds = str(module.params["rollback_after"])
        _run(module, "try", folder, seconds, failure="the rules could not be loaded")
    finally:
        # Not there any more where it was tried.
        shutil.rmtree(folder, ignore_errors=True)


def _write_rules(wanted, folder):
    for path, (text, mode) in wanted.items():
        if os.path.dirname(path) == files.FOLDER:
            host_files.write_file(os.path.join(folder, os.path.basename(path)), text, mode)


def _run(module, *arguments, failure):
    status, _output, errors = module.run_command([files.SCRIPT_PATH, *arguments])
    if status != 0:
        module.fail_json(msg="%s: %s" % (failure, errors.strip()))
