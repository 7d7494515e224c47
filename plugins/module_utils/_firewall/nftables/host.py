# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel has in its nftables rules."""

from __future__ import annotations

from ..._errors import HostProblem
from ..._host import files as host_files
from ..iptables import host as iptables_host
from . import kernel as nftables_kernel, rules as nftables_rules

LIST = ["-s", "list", "table", nftables_rules.FAMILY, nftables_rules.TABLE]


def find_nft(module):
    return module.get_bin_path("nft", opt_dirs=host_files.SBIN)


def read_table(module, nft):
    """Return the listing of our table, or None when the kernel has none."""
    output = _run(module, nft, "list", "tables")
    return _run(module, nft, *LIST) if nftables_kernel.has_table(output) else None


def _run(module, nft, *arguments):
    status, output, errors = module.run_command([nft, *arguments])
    if status != 0:
        raise HostProblem("nft fails, so the kernel can't be given rules: %s" % errors.strip())
    return output


def read_ruleset(module, family):
    """Return all rules as nft tells them (none without nft), and those of iptables as it tells them itself."""
    nft = find_nft(module)
    try:
        saved = iptables_host.read_save(module, family)
    except HostProblem:
        # Tables of nftables that iptables can't read are read as such.
        saved = None
    return _run(module, nft, "-j", "list", "ruleset") if nft else '{"nftables": []}', saved
