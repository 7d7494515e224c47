# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two ways to give the kernel the rules.

Each is a module with
    PACKAGE                 what it needs on the host
    RULES                   its files in the folder of rules
    rules(policy)           their texts, by name
    ufw_deny_ports(policy)  the ports that UFW may deny as well
    Backend(module, policy) reads the kernel; then says
        is_missing          the package is not installed
        foreign()           what somebody else has under our names, or None
        differences()       in words, how the kernel differs from the policy
        diffs()             the same for a diff
        warnings()          what the operator should know when the rules change
    leftovers(module)       what is in the kernel of it, where the other one is wanted
    prove(module, policy, family)
                            findings, or None without the package
What can't be done raises HostProblem.
"""

from __future__ import annotations

from .iptables import backend as iptables_backend
from .nftables import backend as nftables_backend

BACKENDS = {"iptables": iptables_backend, "nftables": nftables_backend}


def others(name):
    """Return the backends that are not wanted."""
    return [backend for other, backend in BACKENDS.items() if other != name]
