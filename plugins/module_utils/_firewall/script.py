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


_START = r"""#!/bin/sh
# Managed by celebrum.redis_hardening.
# Keeps the Redis ports closed to all but the named sources, by the rules in /etc/redis-ports-block.
#
#   redis-ports-block apply    load the rules, put the jumps to them in front, remove those of the other backend
#   redis-ports-block check    fail, saying why, unless the kernel has exactly these rules, in front
#   redis-ports-block guard    put jumps in front again that others have got in front of, then check
#   redis-ports-block status   show the rules with their counters
#   redis-ports-block try FOLDER SECONDS
#                              load the rules of this folder, and go back after so many seconds unless they are
#                              confirmed by then; with 0 keep them at once
#   redis-ports-block commit   confirm: keep the rules on trial
#   redis-ports-block rollback return to the rules before them, now
#   redis-ports-block remove   take all of it out of the kernel: the ports are open to whom nobody else refuses
#   redis-ports-block rehearse FOLDER
#                              load and check the rules of this folder, in a network namespace of its own
#
# The rules are those of iptables (rules.v4 and rules.v6), of nftables (rules.nft), or both while one takes over.
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
kept=/etc/redis-ports-block trial=/run/redis-ports-block/trial timer=redis-ports-block-rollback
own='REDIS-PORTS(-DOCKER)?(-[0-9]+)?'

say() { echo "redis-ports-block: $family $table: $*" >&2; }

# Without any rules it is those of iptables that are missing.
with_nftables() { [ -e "$folder/rules.nft" ]; }
with_iptables() { [ -e "$folder/rules.v4" ] || [ -e "$folder/rules.v6" ] || ! with_nftables; }

"""


_EVERYWHERE = r"""# Do it everywhere, whatever happens to the first. A kernel without IPv6 has nothing to close.
all() {
  failed=0
  if with_iptables; then
    for version in 4 6; do
      [ "$version" = 4 ] || [ -e /proc/net/if_inet6 ] || continue
      for part in filter mangle nat; do
        (use "$version" "$part" && { ! concerned || "$1"; }) || failed=1
      done
    done
  fi
  if with_nftables; then
    (use_nftables && "nft_$1") || failed=1
  fi
  return "$failed"
}

# Remove what the other backend has in the kernel, unless somebody else made it.
clear_iptables() {
  wanted=''
  for version in 4 6; do
    for part in filter mangle nat; do
      select_table "$version" "$part"
      command -v "$iptables-save" > /dev/null || continue
      read_kernel || continue
      if printf '%s\n' "$actual" | grep -qE "^-A $own " &&
        ! printf '%s\n' "$actual" | grep -qE "^-A $own .*--comment redis_hardening"; then continue; fi
      ! concerned || { jumps | restore && tidy; }
    done
  done
}

clear_nftables() {
  command -v nft > /dev/null || return 0
  nft list table inet redis_ports 2> /dev/null | grep -q 'comment "redis_hardening"' || return 0
  nft delete table inet redis_ports
}

# Docker's chain goes where there is no Docker and nothing is in it.
clear_all() {
  disarm "$timer.service"
  rm -rf "$trial"
  (clear_iptables)
  clear_nftables
  command -v dockerd > /dev/null || for command in iptables ip6tables; do
    ! command -v "$command" > /dev/null || "$command" -w -X DOCKER-USER 2> /dev/null || true
  done
}

# The new rules first, then the old ones' end, so that the ports are closed all the time.
settle() {
  all apply && all check || return 1
  with_iptables || (clear_iptables)
  with_nftables || clear_nftables
}

disarm() { systemctl stop "$timer.timer" "$@" 2>/dev/null || true; }

keep() {
  # The service may be waiting for us with its rollback.
  disarm "$timer.service"
  for new in "$trial"/rules.*; do
    cp "$new" "$kept/.new"
    chmod 600 "$kept/.new"
    mv "$kept/.new" "$kept/${new##*/}"
  done
  for old in "$kept"/rules.*; do
    [ -e "$trial/${old##*/}" ] || rm -f "$old"
  done
  sync "$kept"
  rm -rf "$trial"
}

back() {
  rm -rf "$trial"
  folder=$kept
  settle
}

# The timer runs before anything changes: whoever is killed from here on, and whatever the rules do, it comes to an end.
try() {
  disarm "$timer.service"
  if { [ "$2" = 0 ] || arm "$2"; } && rm -rf "$trial" && mv "$1" "$trial" && folder=$trial && settle
  then
    [ "$2" != 0 ] || keep
    return
  fi
  disarm
  back
  echo "redis-ports-block: the rules before are back" >&2
  return 1
}

arm() {
  systemd-run --quiet --collect --unit="$timer" --on-active="$1" --timer-property=AccuracySec=1s \
    --description="Return to the rules of the Redis ports before" /usr/local/sbin/redis-ports-block rollback
}

verb=${1:-}
# One at a time. A rehearsal disturbs nobody.
if [ "$verb" != rehearse ]; then
  exec 9>/run/redis-ports-block.lock
  flock -w 60 9 || { echo "redis-ports-block: another one is still at work" >&2; exit 1; }
  # What holds now. Rules on trial do not outlive the host's next start.
  folder=$kept
  [ ! -d "$trial" ] || folder=$trial
fi

case $verb:$# in
  apply:1) settle ;;
  check:1 | guard:1) all "$verb" ;;
  status:1)
    all status
    [ "$folder" = "$kept" ] || echo "These rules are on trial: the ones before come back unless they are confirmed."
    all check && echo "The rules are in place." ;;
  try:3) try "$2" "$3" ;;
  commit:1)
    [ -d "$trial" ] || { echo "redis-ports-block: nothing is on trial (any more)" >&2; exit 1; }
    all check && keep ;;
  rollback:1)
    echo "redis-ports-block: not confirmed in time; back to the rules before" >&2
    disarm
    back ;;
  remove:1) clear_all ;;
  rehearse:2) folder=$2; settle ;;
  *) echo "usage: redis-ports-block apply|check|guard|status|commit|rollback|remove|try FOLDER SECONDS" >&2; exit 64 ;;
esac
"""


SCRIPT = _START + IPTABLES + NFTABLES + _EVERYWHERE
