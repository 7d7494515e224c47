# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ufw_rules asks UFW and the kernel, and how it tells UFW its rules."""

from __future__ import annotations

from ..._errors import HostProblem
from ..._host import files as host_files, ssh as host_ssh
from ..iptables import host as iptables_host
from . import rules as ufw_rules

DEFAULTS = "/etc/default/ufw"
RULES = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
ENGLISH = {"LC_ALL": "C"}


def read_rules(module):
    """Return family -> rules, of the families that UFW is in charge of."""
    both = ufw_rules.setting(host_files.read_file(DEFAULTS) or "", "IPV6")
    families = [family for family in iptables_host.families() if family == 4 or both]
    rules = {}
    for family in families:
        text = host_files.read_file(RULES[family])
        if text is None:
            module.fail_json(msg="ufw is broken: %s is missing; 'dpkg-reconfigure ufw' mends it" % RULES[family])
        try:
            rules[family] = ufw_rules.parse_rules(text, family)
        except ValueError as problem:
            module.fail_json(msg="%s: %s" % (RULES[family], problem))
    return rules


def read_active(module, ufw):
    status, output, errors = module.run_command([ufw, "status"], environ_update=ENGLISH)
    active = ufw_rules.is_active(output)
    if status != 0 or active is None:
        module.fail_json(msg="ufw is broken: 'ufw status' says: %s" % (errors or output).strip())
    return active


def read_kernel(module):
    """Return family -> the output of iptables-save."""
    try:
        return {family: iptables_host.read_save(module, family) or "" for family in iptables_host.families()}
    except HostProblem as problem:
        module.fail_json(msg=str(problem))


def is_loaded(kernel, rules):
    """Return whether the kernel has as many rules of UFW's users as its files."""
    return all(
        ufw_rules.user_rules(host_files.read_file(RULES[family]) or "") == ufw_rules.user_rules(kernel[family])
        for family in rules
    )


def tell(module, ufw, words):
    status, output, errors = module.run_command([ufw, *words], environ_update=ENGLISH)
    if status != 0:
        module.fail_json(msg="'ufw %s' fails: %s" % (" ".join(words), (errors or output).strip()))


def apply(module, ufw, plan, was_active, enabling):
    """Add the rules, those for SSH first, see them there, then enable."""
    # commands has SSH first, and each is in the kernel and in the files when it returns.
    for words in plan.commands:
        tell(module, ufw, words)
    left = make_plan(module, read_rules(module), was_active)[0]
    if left.missing or left.problems:
        module.fail_json(
            msg="ufw was told, and still has no rule '%s'; it was not enabled"
            % "; ".join(map(str, left.missing or left.problems))
        )
    if enabling:
        status, output, errors = module.run_command([ufw, "--force", "enable"], environ_update=ENGLISH)
        is_on = ufw_rules.is_active(module.run_command([ufw, "status"], environ_update=ENGLISH)[1])
        if status == 0 and is_on and is_loaded(read_kernel(module), read_rules(module)):
            return
        # Half a firewall may have a policy to drop and no rule for SSH.
        if not was_active:
            module.run_command([ufw, "--force", "disable"], environ_update=ENGLISH)
        module.fail_json(
            msg="UFW could not be enabled with all its rules%s: %s"
            % ("" if was_active else ", and is off again", (errors or output).strip())
        )


def make_plan(module, rules, active):
    """Return the plan, and port -> how we know that SSH comes in there."""
    connection = host_ssh.operators_connection()
    ssh = host_ssh.ssh_ports(module, module.params["ssh_ports"])
    options = module.params
    unique = [sorted(set(ports)) for ports in (ssh, options["allow"], options["deny_ports"])]
    return ufw_rules.plan(rules, *unique, enabling=not active, connection=connection), ssh
