# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall by nftables: one table of our own, for IPv4 and IPv6. See _backends for what a backend is."""

from __future__ import annotations

from ..._errors import HostProblem
from .. import policy as firewall_policy
from ..iptables import host as iptables_host
from . import kernel as nftables_kernel, proof, rules as nftables_rules
from .host import LIST, find_nft, read_ruleset, read_table

PACKAGE = "nftables"
RULES = ("rules.nft",)
# Loads what comes in, and lists the table, where nothing else sees it.
ELSEWHERE = ["--net", "sh", "-c", '"$0" -f - && "$0" "$@"']


def rules(policy):
    return {RULES[0]: nftables_rules.render(policy)}


def ufw_deny_ports(policy):
    # What UFW drops does not get in, whatever our table says.
    notice = (*policy.reserved, firewall_policy.NOTICE_PORT) if policy.notice else ()
    return [port for port in policy.ports if not policy.sources[port] and port not in notice]


class Backend:
    def __init__(self, module, policy):
        self.module = module
        self.policy = policy
        self.text = nftables_rules.render(policy)
        self.nft = find_nft(module)
        self.is_missing = self.nft is None
        self.kernel = None if self.is_missing else read_table(module, self.nft)
        self._wanted = None

    def foreign(self):
        return nftables_kernel.foreign_table(self.kernel)

    @property
    def wanted(self):
        """The wanted table as this host's nft lists it; as it was rendered where there is no nft."""
        if self._wanted is None:
            self._wanted = self.text[self.text.rindex("\ntable ") + 1 :] if self.is_missing else self._list_elsewhere()
        return self._wanted

    def _list_elsewhere(self):
        unshare = self.module.get_bin_path("unshare", required=True)
        if self.module.run_command([unshare, "--net", "true"])[0] != 0:
            raise HostProblem(
                "this host lets nobody make network namespaces, without which the rules can't be compared; use the "
                "backend iptables"
            )
        status, output, errors = self.module.run_command([unshare, *ELSEWHERE, self.nft, *LIST], data=self.text)
        if status != 0:
            raise HostProblem("the kernel does not take the rules; nothing was changed: %s" % errors.strip())
        return output

    def differences(self):
        return nftables_kernel.differences(self.kernel, self.wanted)

    def diffs(self):
        return [
            dict(
                before_header="rules in the kernel",
                after_header="rules of the policy",
                before=nftables_kernel.listing(self.kernel or ""),
                after=nftables_kernel.listing(self.wanted),
            )
        ]

    def warnings(self):
        """What the table lets in may still be dropped by others. Nobody's rules are changed for that."""
        if self.is_missing:
            return []
        return [
            "IPv%d: %s; let the named sources in there too" % (family, text)
            for family in iptables_host.families()
            for text in proof.shut_out(self.policy, family, *read_ruleset(self.module, family))[:3]
        ]


def leftovers(module):
    """Return in words what the kernel still has of this backend, where the other one is wanted."""
    nft = find_nft(module)
    if nft is None:
        return []
    try:
        kernel = read_table(module, nft)
    except HostProblem:
        return []
    if kernel is None or nftables_kernel.foreign_table(kernel):
        return []
    return ["the table of the backend nftables is left over"]


def prove(module, policy, family):
    """Return the findings on one family, or None when nftables is not installed."""
    return proof.prove(policy, family, *read_ruleset(module, family)) if find_nft(module) else None
