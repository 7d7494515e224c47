# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script redis-ports-block: when rules are loaded, tried and kept. iptables and nftables have their own parts."""

from __future__ import annotations

from .iptables import script as iptables_script
from .nftables import script as nftables_script

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
# Rules that are to be kept, all of them, until each is in its place.
next=$kept/next
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

# Whatever ends us, the files are those of one policy: all new ones are on the disk before they count, which they do
# with one rename. Until then the timer runs.
keep() {
  rm -rf "$next.new" && mkdir -m 700 "$next.new" || return 1
  for new in "$trial"/rules.*; do
    cp "$new" "$next.new" && chmod 600 "$next.new/${new##*/}" && sync "$next.new/${new##*/}" || return 1
  done
  sync "$next.new" && mv "$next.new" "$next" && sync "$kept" || return 1
  without_trial
  # The service may be waiting for us with its rollback.
  disarm "$timer.service"
  rm -rf "$trial"
}

# Put the rules that are to be kept where they belong. Linked, so that a start of the host can do it again.
put_in_place() {
  [ -d "$next" ] || return 0
  for new in "$next"/rules.*; do
    rm -f "$kept/${new##*/}" && ln "$new" "$kept/${new##*/}" || return 1
  done
  for old in "$kept"/rules.*; do
    [ -e "$next/${old##*/}" ] || rm -f "$old" || return 1
  done
  sync "$kept" && rm -rf "$next"
}

# What holds without a trial.
without_trial() {
  folder=$kept
  put_in_place || { folder=$next; echo "redis-ports-block: $next can't be put in its place" >&2; }
}

back() {
  rm -rf "$trial"
  without_trial
  settle
}

# The timer runs before anything changes: whoever is killed from here on, and whatever the rules do, it comes to an end.
try() {
  disarm "$timer.service"
  if { [ "$2" = 0 ] || arm "$2"; } && rm -rf "$trial" && mv "$1" "$trial" && folder=$trial && settle &&
    { [ "$2" != 0 ] || keep; }
  then
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
  without_trial
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
    all check || exit 1
    keep || { echo "redis-ports-block: the rules could not be kept, and are still on trial" >&2; exit 1; } ;;
  rollback:1)
    echo "redis-ports-block: not confirmed in time; back to the rules before" >&2
    disarm
    back ;;
  remove:1) clear_all ;;
  rehearse:2) folder=$2; settle ;;
  *) echo "usage: redis-ports-block apply|check|guard|status|commit|rollback|remove|try FOLDER SECONDS" >&2; exit 64 ;;
esac
"""


SCRIPT = _START + iptables_script.SHELL + nftables_script.SHELL + _EVERYWHERE
