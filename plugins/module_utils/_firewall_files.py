# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What redis_firewall puts on the host beside the rules: the script that loads them, and the unit that runs it."""

from __future__ import annotations

FOLDER = "/etc/redis-ports-block"
SCRIPT_PATH = "/usr/local/sbin/redis-ports-block"
UNIT_NAME = "redis-ports-block.service"
UNIT_PATH = "/etc/systemd/system/" + UNIT_NAME
WANTED_BY = ("multi-user.target", "docker.service")

SCRIPT = r"""#!/bin/sh
# Managed by celebrum.redis_hardening.
# Keeps the Redis ports closed to all but the named sources, by the rules in /etc/redis-ports-block.
#
#   redis-ports-block apply    load the rules and put the jumps to them in front
#   redis-ports-block check    fail, saying why, unless the kernel has exactly these rules, in front
#   redis-ports-block status   show the rules with their counters
#
# A second argument names another folder of rules, for a rehearsal in a network namespace of its own.
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
folder=${2:-/etc/redis-ports-block}
own='REDIS-PORTS(-DOCKER)?(-[0-9]+)?'

say() { echo "redis-ports-block: $family: $*" >&2; }

# Select a family: its name, its commands, its file.
use() {
  family=IPv$1 file=$folder/rules.v$1
  case $1 in
    4) iptables=iptables ;;
    6) iptables=ip6tables ;;
  esac
  [ "$(tail -n 1 "$file")" = COMMIT ] || { say "$file is missing or incomplete"; return 1; }
}

read_kernel() {
  saved=$("$iptables-save" -t filter) || { say "the kernel's rules can't be read"; return 1; }
}

# Print the lines that put the jumps in place: none when they are. INPUT and DOCKER-USER jump to our chains first and
# once. Docker itself keeps DOCKER-USER in front in FORWARD; where it doesn't, we jump there.
jumps() {
  printf '%s\n' "$saved" | awk '
    function place(chain) {
      if (!(first[chain] && copies[chain] == 1)) printf "%s-I %s 1 %s\n", removal[chain], chain, rule[chain]
    }
    BEGIN {
      rule["INPUT"] = "-p tcp -j REDIS-PORTS"
      rule["DOCKER-USER"] = "-p tcp -j REDIS-PORTS-DOCKER"
      rule["FORWARD"] = "-j DOCKER-USER"
    }
    $1 == "-A" && ($2 in rule) {
      number[$2]++
      target = rule[$2]
      sub(/.* /, "", target)
      exact = ($0 == "-A " $2 " " rule[$2])
      if ($(NF - 1) == "-j" && $NF == target) {
        copies[$2]++
        removal[$2] = removal[$2] "-D" substr($0, 3) "\n"
        if (exact && (number[$2] == 1 || $2 == "FORWARD")) first[$2] = 1
      }
    }
    END {
      place("INPUT")
      place("DOCKER-USER")
      if (!first["FORWARD"]) print "-I FORWARD 1 " rule["FORWARD"]
    }'
}

# Replace our chains and mend the jumps in one transaction. No other chain is touched.
load() {
  read_kernel || return 1
  {
    echo '*filter'
    printf '%s\n' "$saved" | grep -q '^:DOCKER-USER ' || echo ':DOCKER-USER - [0:0]'
    grep -e '^:' -e '^-A ' "$file"
    jumps
    echo COMMIT
  } | "$iptables-restore" -w --noflush
}

# Remove chains of an earlier policy, which nothing leads to any more.
tidy() {
  read_kernel || return 1
  printf '%s\n' "$saved" | sed -nE "s/^:($own) .*/\1/p" | while read -r chain; do
    grep -q "^:$chain " "$file" && continue
    "$iptables" -w -F "$chain"
    "$iptables" -w -X "$chain" || say "the chain $chain is still used by somebody else"
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
  done
  say "the rules could not be loaded"
  return 1
}

check() {
  read_kernel || return 1
  wanted=$(grep '^-A ' "$file" | sort -s -k 2,2)
  actual=$(printf '%s\n' "$saved" | grep -E "^-A $own " | sort -s -k 2,2) || :
  [ "$actual" = "$wanted" ] || { say "the rules in the kernel are not those of $file"; return 1; }
  mend=$(jumps)
  [ -z "$mend" ] || { say "a jump is missing, repeated or not first; apply would do:" "$mend"; return 1; }
}

status() {
  read_kernel || return 1
  echo "$family"
  printf '%s\n' "$saved" | sed -nE "s/^:($own) .*/\1/p" | while read -r chain; do
    "$iptables" -w -v -n -L "$chain"
  done
}

# Do it for both families, whatever happens to the first. A kernel without IPv6 has nothing to close.
both() {
  failed=0
  for version in 4 6; do
    [ "$version" = 4 ] || [ -e /proc/net/if_inet6 ] || continue
    (use "$version" && "$1") || failed=1
  done
  return "$failed"
}

# One at a time. A rehearsal disturbs nobody.
if [ -z "${2:-}" ]; then
  exec 9>/run/redis-ports-block.lock
  flock -w 60 9 || { echo "redis-ports-block: another one is still at work" >&2; exit 1; }
fi

case ${1:-} in
  apply) both apply && both check ;;
  check) both check ;;
  status) both status; both check && echo "The rules are in place." ;;
  *) echo "usage: redis-ports-block apply|check|status [folder]" >&2; exit 64 ;;
esac
"""

UNIT = """# Managed by celebrum.redis_hardening.
[Unit]
Description=Redis ports closed to all but the named sources
Documentation=file:///etc/redis-ports-block/rules.v4 file:///etc/redis-ports-block/rules.v6
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target docker.service
After=local-fs.target ufw.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/redis-ports-block apply
ExecReload=/usr/local/sbin/redis-ports-block apply
# Stopping the unit leaves the rules where they are.

[Install]
WantedBy=multi-user.target docker.service
"""
