# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall by iptables: chains of our own, for IPv4 and IPv6. See _backends for what a backend is."""

from __future__ import annotations

from ..._errors import HostProblem
from .. import host as firewall_host, policy as firewall_policy
from ..nftables import host as nftables_host, proof as nftables_proof
from . import host as iptables_host, kernel as iptables_kernel, proof as iptables_proof, rules as iptables_rules

PACKAGE = "iptables"
RULES = ("rules.v4", "rules.v6")
# Ours are the first rules in these, so that what they let in has passed.
JUDGED = ("filter INPUT", "mangle FORWARD", "filter DOCKER-USER")


def rules(policy):
    return {
        "rules.v%d" % family: iptables_rules.rules_file(iptables_rules.render(policy, family))
        for family in firewall_policy.FAMILIES
    }


def ufw_deny_ports(policy):
    return policy.ports


class Backend:
    def __init__(self, module, policy):
        self.module, self.policy = module, policy
        if firewall_host.has_firewalld(module):
            raise HostProblem(
                "firewalld is in use here, and empties the tables of iptables when it starts, reloads or stops: set "
                "backend to nftables (in the role: firewall_backend), whose table it leaves alone, or disable firewalld"
            )
        saves = {family: iptables_host.read_save(module, family) for family in iptables_host.families()}
        self.is_missing = None in saves.values()
        self.kernels = {family: iptables_kernel.parse_save(text or "") for family, text in saves.items()}
        self.wanted = {family: iptables_rules.render(policy, family) for family in saves}

    def foreign(self):
        for family, kernel in self.kernels.items():
            found = iptables_kernel.foreign_chain(kernel)
            if found:
                return "IPv%d: %s" % (family, found)
        return None

    def differences(self):
        return [
            "IPv%d: %s" % (family, text)
            for family, kernel in self.kernels.items()
            for text in iptables_kernel.differences(kernel, self.wanted[family])
        ]

    def diffs(self):
        return [
            dict(
                before_header="IPv%d rules in the kernel" % family,
                after_header="IPv%d rules of the policy" % family,
                before=iptables_kernel.listing(kernel),
                after=iptables_kernel.wanted_listing(self.wanted[family]),
            )
            for family, kernel in self.kernels.items()
        ]

    def warnings(self):
        """What passes our chains may still be dropped in other tables. Nobody's rules are changed for that."""
        if self.is_missing:
            return []
        return [
            "IPv%d: %s; let the named sources in there too" % (family, text)
            for family in self.kernels
            for text in shut_out(self.module, self.policy, family)[:3]
        ]


def shut_out(module, policy, family):
    """Return in words which named sources are dropped outside of the chains where ours come first."""
    try:
        text, saved = nftables_host.read_ruleset(module, family)
    except HostProblem:
        # What nft does not tell is left to the proof from other hosts.
        return []
    return nftables_proof.shut_out(policy, family, text, saved, judged=JUDGED)


def leftovers(module):
    """Return in words what the kernel still has of this backend, where the other one is wanted."""
    found = []
    for family in iptables_host.families():
        try:
            text = iptables_host.read_save(module, family)
        except HostProblem:
            # iptables can't even read these tables, so it did not make rules in there.
            continue
        kernel = iptables_kernel.parse_save(text or "")
        chains = [chain for table in kernel.values() for chain in table if iptables_kernel.OWN_CHAIN.fullmatch(chain)]
        if chains and not iptables_kernel.foreign_chain(kernel):
            found.append("IPv%d: the chains of the backend iptables are left over" % family)
    return found


def prove(module, policy, family):
    """Return the findings on one family, or None when iptables is not installed."""
    text = iptables_host.read_save(module, family)
    return None if text is None else iptables_proof.prove(policy, family, text, shut_out(module, policy, family))
