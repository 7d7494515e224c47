# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers' rules on a host: what differs, and how it is fixed."""

from __future__ import annotations

import os
import shutil

from ..._firewall import policy as firewall_policy
from ..._firewall.iptables import host as iptables_host, kernel as iptables_kernel
from ..._host import files as host_files
from . import rules, rules_files

LINKS = ["/etc/systemd/system/%s.wants/%s" % (target, rules_files.UNIT_NAME) for target in rules_files.WANTED_BY]


def kernels(module):
    """Return family -> table -> chain -> rules, of the families that the host has."""
    return {
        family: iptables_kernel.parse_save(iptables_host.read_save(module, family) or "")
        for family in iptables_host.families()
    }


def wanted_files(networks):
    """Return path -> (text, mode)."""
    files = {
        "%s/rules.v%d" % (rules_files.FOLDER, family): (
            rules.rules_file(rules.render(networks, family)),
            0o600,
        )
        for family in firewall_policy.FAMILIES
    }
    files[rules_files.SCRIPT_PATH] = (rules_files.SCRIPT, 0o755)
    files[rules_files.UNIT_PATH] = (rules_files.UNIT, 0o644)
    return files


def differences(kernel, networks):
    """Return in words what differs from the rules of these networks, in the kernel and on the disk."""
    found = []
    for family, tables in kernel.items():
        found += ["IPv%d: %s" % (family, text) for text in rules.differences(tables, rules.render(networks, family))]
        if rules.engine_rules(tables, networks):
            found.append("IPv%d: the engine's own rules are left over" % family)
    found += filter(None, (host_files.file_difference(path, *file) for path, file in wanted_files(networks).items()))
    if not _is_enabled():
        found.append("%s is not enabled" % rules_files.UNIT_NAME)
    return found


def _is_enabled():
    return all(os.path.islink(link) for link in LINKS)


def apply(module, networks):
    """Bring kernel and files to the rules of these networks; take away what the engine has left behind."""
    systemctl = module.get_bin_path("systemctl", required=True)
    files = wanted_files(networks)
    outdated = [path for path, file in files.items() if host_files.file_difference(path, *file)]
    for path in outdated:
        host_files.write_file(path, *files[path])
    module.run_command([rules_files.SCRIPT_PATH, "apply"], check_rc=True)
    if rules_files.UNIT_PATH in outdated:
        module.run_command([systemctl, "daemon-reload"], check_rc=True)
    if not _is_enabled():
        module.run_command([systemctl, "enable", rules_files.UNIT_NAME], check_rc=True)
    module.run_command([systemctl, "start", rules_files.UNIT_NAME], check_rc=True)
    for family, tables in kernels(module).items():
        restore = module.get_bin_path(iptables_host.COMMANDS[family] + "-restore", True, host_files.SBIN)
        for table, lines in rules.engine_rules(tables, networks).items():
            text = "\n".join(["*" + table, *lines, "COMMIT", ""])
            status, _output, errors = module.run_command([restore, "-w", "--noflush"], data=text)
            if status:
                module.warn(
                    "the engine's own rules of before could not be taken out of %s, and stay until the host is started "
                    "anew; somebody else's rules may lead to them: %s" % (table, errors.strip())
                )


def leftovers():
    """Return what is on the disk of rules that are no longer wanted."""
    paths = [rules_files.UNIT_PATH, rules_files.SCRIPT_PATH, rules_files.FOLDER]
    return [path for path in paths if os.path.lexists(path)]


def remove(module):
    """Take the rules and their unit away: the engine makes its own again."""
    systemctl = module.get_bin_path("systemctl", required=True)
    if os.path.exists(rules_files.SCRIPT_PATH):
        module.run_command([rules_files.SCRIPT_PATH, "remove"], check_rc=True)
    if os.path.exists(rules_files.UNIT_PATH):
        module.run_command([systemctl, "disable", "--now", rules_files.UNIT_NAME], check_rc=True)
    for path in leftovers():
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    module.run_command([systemctl, "daemon-reload"], check_rc=True)


def listing(kernel):
    """Return our chains in the kernel as lines for a diff."""
    lines = []
    for family, tables in kernel.items():
        for table, (_hook, chain) in rules.HOOKS.items():
            lines += ["IPv%d -A %s %s" % (family, chain, rule) for rule in tables.get(table, {}).get(chain, [])]
    return "".join(line + "\n" for line in lines)


def wanted_listing(kernel, networks):
    """Return the same lines for the wanted state."""
    return listing({family: rules.render(networks, family) for family in kernel})
