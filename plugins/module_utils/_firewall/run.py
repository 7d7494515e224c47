# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of redis_firewall."""

from __future__ import annotations

import importlib.util
import os

from .._host import files as host_files, ssh as host_ssh
from . import (
    backends as firewall_backends,
    clients as firewall_clients,
    files as firewall_files,
    host as firewall_host,
    policy as firewall_policy,
    trial as firewall_trial,
)
from .ufw import rules as ufw_rules


def refuse_dangers(module, policy, backend):
    """End the module when these rules could cut off the operator, the containers, or somebody else's chain."""
    ssh = host_ssh.ssh_ports(module, module.params["ssh_ports"])
    for port in policy.ports:
        if port in ssh:
            module.fail_json(
                msg="port %d is an SSH port (%s), and guarding it could lock you out: give Redis another port, or "
                "remove %d from ports and reserved_ports" % (port, ssh[port], port)
            )
    for interface in firewall_host.default_interfaces():
        for pattern in policy.bridges:
            if firewall_policy.matches_interface(pattern, interface):
                module.fail_json(
                    msg="docker_bridges: '%s' means %s too, through which the host reaches the world; name Docker's "
                    "own bridges (in the role: firewall_docker_bridges)" % (pattern, interface)
                )
    # Where our file is, what bears our names is ours, whatever has been done to it since.
    owned = firewall_host.rules_files(firewall_backends.BACKENDS[module.params["backend"]].RULES)
    foreign = None if owned else backend.foreign()
    if foreign:
        module.fail_json(msg="%s, which this module did not make. Remove or rename it, then run again" % foreign)


def diffs(backend, wanted, outdated):
    """Return the difference of the rules in the kernel, and of the script and the unit where there were some."""
    result = backend.diffs()
    for path in outdated:
        before = None if path.startswith(firewall_files.FOLDER) else host_files.read_file(path)
        if before is not None:
            result.append(dict(before_header=path, after_header=path, before=before, after=wanted[path][0]))
    return result


def present(module, policy):
    """Make the kernel and the files so, and end the module."""
    chosen = firewall_backends.BACKENDS[module.params["backend"]]
    backend = chosen.Backend(module, policy)
    result = dict(changed=False, differences=[], guarded_ports=policy.ports)
    # Asked here, because the role would need a task of its own for it.
    has_engine = bool(module.get_bin_path("dockerd", opt_dirs=host_files.SBIN))
    result["docker_library_missing"] = has_engine and importlib.util.find_spec("docker") is None
    result["ufw_deny_ports"] = chosen.ufw_deny_ports(policy)
    result["ufw_enabled"] = ufw_rules.setting(host_files.read_file(ufw_rules.CONF) or "", "ENABLED")
    if backend.is_missing:
        result["missing_packages"] = [chosen.PACKAGE]
    refuse_dangers(module, policy, backend)
    if not os.path.isdir(firewall_host.SYSTEMD_RUNS):
        module.fail_json(msg="systemd does not run this host, so nothing would load the rules when it starts")

    wanted = firewall_host.wanted_files(chosen.rules(policy))
    kernel_differences = backend.differences()
    for other in firewall_backends.others(module.params["backend"]):
        kernel_differences += other.leftovers(module)
    outdated = {}
    for path, (text, mode) in wanted.items():
        difference = host_files.file_difference(path, text, mode)
        if difference:
            outdated[path] = difference
    on_trial = os.path.isdir(firewall_files.TRIAL_FOLDER)
    result["pending"] = on_trial
    result["differences"] = kernel_differences + list(outdated.values())
    result["differences"] += ["%s is left over" % path for path in firewall_trial.other_rules(module)]
    if backend.is_missing:
        result["differences"].insert(0, "the package %s is missing" % chosen.PACKAGE)
    if not firewall_host.unit_is_enabled():
        result["differences"].append("%s is not enabled" % firewall_files.UNIT_NAME)
    if on_trial:
        result["differences"].append("rules are on trial that were never confirmed")
    result["changed"] = bool(result["differences"])
    if module._diff and result["changed"]:
        result["diff"] = diffs(backend, wanted, outdated)

    if backend.is_missing and not module.check_mode:
        result.update(changed=False)
        module.fail_json(
            msg="%s is not installed: install the package %s, then run again" % (chosen.PACKAGE, chosen.PACKAGE),
            **result,
        )
    if kernel_differences and not backend.is_missing:
        firewall_trial.rehearse(module, wanted)
    if result["changed"]:
        cut = firewall_clients.unnamed_clients(firewall_clients.read_tables(), policy)
        for text in [*backend.warnings(), firewall_clients.warning(cut)]:
            if text:
                module.warn(text)
    if result["changed"] and not module.check_mode:
        result["pending"] = firewall_trial.apply(
            module, policy, wanted, list(outdated), bool(kernel_differences), on_trial
        )
    module.exit_json(**result)
