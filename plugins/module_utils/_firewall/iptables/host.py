# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel has in its iptables rules."""

from __future__ import annotations

import os
import re

from ..._errors import HostProblem
from ..._host.files import SBIN
from .. import policy
from . import rules as iptables_rules

COMMANDS = {4: "iptables", 6: "ip6tables"}


IPV6_IN_USE = "/proc/net/if_inet6"


def families():
    """Return the IP versions of this host. Without IPv6 in the kernel there is nothing to close."""
    return [family for family in policy.FAMILIES if family == 4 or os.path.exists(IPV6_IN_USE)]


def read_save(module, family):
    """Return what iptables-save says of the kernel's rules, or None when iptables is not installed."""
    save = module.get_bin_path(COMMANDS[family] + "-save", opt_dirs=SBIN)
    if not save:
        return None
    status, output, errors = module.run_command([save])
    if status != 0:
        raise HostProblem("%s-save fails, so the kernel can't be given rules: %s" % (COMMANDS[family], errors.strip()))
    foreign = re.search(r"Table `(%s)' is incompatible" % "|".join(iptables_rules.TABLES), output + errors)
    if foreign:
        raise HostProblem(
            "the kernel's IPv%d table %s holds rules of nftables that iptables can't read; move them to a table of "
            "their own" % (family, foreign[1])
        )
    return output
