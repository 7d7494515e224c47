# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the script redis-ports-block that knows nftables: shell functions."""

from __future__ import annotations

SHELL = r"""use_nftables() {
  family="IPv4 and IPv6" table="inet redis_ports" file=$folder/rules.nft
  [ "$(tail -n 1 "$file")" = "}" ] || { say "$file is missing or incomplete"; return 1; }
  { closes host && closes containers && leads_to_notice; } ||
    { say "$file lacks rules; site.yml writes it anew"; return 1; }
}

nft_chain() { sed -n "/^.chain $1 {\$/,/^.}\$/p" "$file"; }

# Whether the last rule of a chain, before its bracket, closes the ports.
closes() { nft_chain "$1" | tail -n 2 | head -n 1 | grep -q '^..tcp dport @guarded counter drop$'; }

# Where there is a door to the notice, somebody is led to it.
leads_to_notice() {
  ! nft_chain host | grep -q 'tcp dport 63790 ct' || nft_chain notice | grep -q 'redirect to :63790$'
}

nft_apply() { nft -f "$file" || { say "the rules could not be loaded"; return 1; }; }

# A table in nft's own words, without the sources that were counted at run time.
uncounted() {
  awk '
    /^\tset / { dynamic = 0 }
    /^\t\tflags / { dynamic = /dynamic/ }
    dynamic && /^\t\telements = / { counted = 1 }
    !counted
    /}$/ { counted = 0 }'
}

# The words depend on nft's version, so the wanted rules are put in them too, where nobody else sees them.
nft_check() {
  wanted=$(unshare --net sh -c "nft -f '$file' && nft -s list table inet redis_ports") ||
    { say "$file can't be loaded in a network namespace of its own"; return 1; }
  actual=$(nft -s list table inet redis_ports) || { say "the table is missing"; return 1; }
  [ "$(printf '%s\n' "$actual" | uncounted)" = "$(printf '%s\n' "$wanted" | uncounted)" ] ||
    { say "the rules in the kernel are not those of $file"; return 1; }
}

# Nobody gets in front of a table.
nft_guard() { nft_check; }

nft_status() { nft list table inet redis_ports; }

"""
