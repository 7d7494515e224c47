# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""The parts of the script redis-ports-block that know one backend: shell functions."""

from __future__ import annotations

IPTABLES = r"""# Select a family and a table, and the commands for them.
select_table() {
  family=IPv$1 table=$2 file=$folder/rules.v$1
  case $1 in
    4) iptables=iptables ;;
    6) iptables=ip6tables ;;
  esac
}

# Select the file's section and the kernel's rules as well.
use() {
  select_table "$1" "$2"
  [ "$(tail -n 1 "$file")" = COMMIT ] || { say "$file is missing or incomplete"; return 1; }
  wanted=$(sed -n "/^\*$table\$/,/^COMMIT\$/p" "$file" | grep -e '^:' -e '^-A ')
  read_kernel
}

read_kernel() {
  actual=$("$iptables-save" -t "$table") || { say "the kernel's rules can't be read"; return 1; }
}

# Print the lines that put each jump in front, once: none when it is. With 'move' leave those alone that are missing;
# with 'remove' take all away.
jumps() {
  printf '%s\n' "$actual" | awk -v table="$table" -v only="${1:-}" -v keep="${wanted:+1}" '
    BEGIN {
      if (table == "filter") {
        jump["INPUT"] = "-p tcp -j REDIS-PORTS"
        jump["DOCKER-USER"] = "-p tcp -j REDIS-PORTS-DOCKER"
      } else if (table == "mangle") {
        jump["FORWARD"] = "-p tcp -j REDIS-PORTS-DOCKER"
      } else {
        jump["PREROUTING"] = "-p tcp -j REDIS-PORTS"
      }
    }
    $1 == "-A" && ($2 in jump) {
      number[$2]++
      name = jump[$2]
      sub(/.* /, "", name)
      if ($(NF - 1) == "-j" && $NF == name) {
        copies[$2]++
        removal[$2] = removal[$2] "-D" substr($0, 3) "\n"
        if (number[$2] == 1 && $0 == "-A " $2 " " jump[$2]) first[$2] = 1
      }
    }
    END {
      for (chain in jump) {
        if (!keep) { printf "%s", removal[chain]; continue }
        if (first[chain] && copies[chain] == 1) continue
        if (only == "move" && !copies[chain]) continue
        printf "%s-I %s 1 %s\n", removal[chain], chain, jump[chain]
      }
    }'
}

# The table nat is for a notice only: without one we have no business there, but to take away what is left of it.
concerned() {
  [ "$table" != nat ] || printf '%s\n' "$wanted" "$actual" | grep -qE -e "^(:|-A )$own( |\$)" -e "-j $own\$"
}

# Load lines into the table in one transaction, without touching any other chain.
restore() {
  { echo "*$table"; cat; echo COMMIT; } | "$iptables-restore" -w --noflush
}

# Replace our chains and mend the jumps. Docker finds its chain when it comes.
load() {
  {
    [ "$table" != filter ] || printf '%s\n' "$actual" | grep -q '^:DOCKER-USER ' || echo ':DOCKER-USER - [0:0]'
    printf '%s\n' "$wanted"
    jumps
  } | restore
}

# Remove chains of an earlier policy, which nothing leads to any more.
tidy() {
  read_kernel || return 1
  printf '%s\n' "$actual" | sed -nE "s/^:($own) .*/\1/p" | while read -r chain; do
    printf '%s\n' "$wanted" | grep -q "^:$chain " && continue
    "$iptables" -w -t "$table" -F "$chain"
    "$iptables" -w -t "$table" -X "$chain" || say "the chain $chain is still used by somebody else"
  done
}

# Another program that changes the rules between our look and our load makes the load fail: look again.
apply() {
  for attempt in 1 2 3 4 5; do
    if load; then
      tidy
      return
    fi
    [ "$attempt" = 5 ] || sleep 0.2
    read_kernel || return 1
  done
  say "the rules could not be loaded"
  return 1
}

# Rules are compared chain by chain, since the kernel has its own order of chains.
by_chain() { grep -E "^-A $own " | sort -s -k 2,2; }

check() {
  [ "$(printf '%s\n' "$actual" | by_chain)" = "$(printf '%s\n' "$wanted" | by_chain)" ] ||
    { say "the rules in the kernel are not those of $file"; return 1; }
  mend=$(jumps)
  [ -z "$mend" ] || { say "a jump is missing, repeated or not first; apply would do: $mend"; return 1; }
}

guard() {
  moves=$(jumps move)
  [ -z "$moves" ] || { printf '%s\n' "$moves" | restore; }
  read_kernel || return 1
  check
}

status() {
  echo "$family $table"
  printf '%s\n' "$actual" | sed -nE "s/^:($own) .*/\1/p" | while read -r chain; do
    "$iptables" -w -t "$table" -v -n -L "$chain"
  done
}

"""

NFTABLES = r"""use_nftables() {
  family="IPv4 and IPv6" table="inet redis_ports" file=$folder/rules.nft
  [ "$(tail -n 1 "$file")" = "}" ] || { say "$file is missing or incomplete"; return 1; }
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
