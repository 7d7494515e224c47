# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docker_daemon puts on the host beside the containers' rules: the script that loads them, and its unit."""

from __future__ import annotations

FOLDER = "/etc/redis-docker-forward"
SCRIPT_PATH = "/usr/local/sbin/redis-docker-forward"
UNIT_NAME = "redis-docker-forward.service"
UNIT_PATH = "/etc/systemd/system/" + UNIT_NAME
WANTED_BY = ("multi-user.target", "docker.service", "nftables.service", "netfilter-persistent.service")

SCRIPT = r"""#!/bin/sh
# Managed by celebrum.redis_hardening.
# The forward and NAT rules that containers need while Docker makes none ("iptables": false in daemon.json).
#
#   redis-docker-forward apply     load the rules of /etc/redis-docker-forward, in front of all others
#   redis-docker-forward remove    take them away
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
folder=/etc/redis-docker-forward

# change apply|remove FAMILY TABLE HOOK CHAIN: one transaction, which touches no other chain.
change() {
  file=$folder/rules.v$2
  case $2 in
    4) tables=iptables ;;
    6) tables=ip6tables ;;
  esac
  wanted=
  if [ "$1" = apply ]; then
    [ "$(tail -n 1 "$file")" = COMMIT ] || [ "$(wc -l < "$file")" = 1 ] || { echo "$file is incomplete" >&2; return 1; }
    wanted=$(sed -n "/^\*$3\$/,/^COMMIT\$/p" "$file" | grep -e '^:' -e '^-A ' || true)
  fi
  # A kernel without this table has nothing to take away.
  actual=$("$tables-save" -t "$3") || [ -z "$wanted" ] || return 1
  jumps=$(printf '%s\n' "$actual" | sed -n "s/^-A \($4 -j $5\)\$/-D \1/p")
  {
    echo "*$3"
    if [ -n "$wanted" ]; then
      # The operator's own chain, to which our first rule leads, may not be there before Docker is.
      [ "$3" != filter ] || printf '%s\n' "$actual" | grep -q '^:DOCKER-USER ' || echo ':DOCKER-USER - [0:0]'
      printf '%s\n' "$wanted"
    fi
    [ -z "$jumps" ] || printf '%s\n' "$jumps"
    if [ -n "$wanted" ]; then
      echo "-I $4 1 -j $5"
    elif printf '%s\n' "$actual" | grep -q "^:$5 "; then
      printf '%s\n' "-F $5" "-X $5"
      # It led to the operator's chain. Docker does so only when it makes a network, not for those that outlived it.
      [ "$3" != filter ] || printf '%s\n' "$actual" | grep -qxe '-A FORWARD -j DOCKER-USER' ||
        echo '-I FORWARD 1 -j DOCKER-USER'
    fi
    echo COMMIT
  } | "$tables-restore" -w --noflush
}

# Another program that changes the rules between our look and our load makes the load fail: look again.
stubborn() {
  for attempt in 1 2 3 4 5; do
    ! change "$@" || return 0
    [ "$attempt" = 5 ] || sleep 0.2
  done
  echo "redis-docker-forward: the rules of $3 for IPv$2 could not be loaded" >&2
  return 1
}

case ${1:-} in
  apply | remove) ;;
  *) echo "usage: redis-docker-forward apply|remove" >&2; exit 64 ;;
esac
exec 9>/run/redis-docker-forward.lock
flock -w 60 9
failed=0
for family in 4 6; do
  [ "$family" = 4 ] || [ -e /proc/net/if_inet6 ] || continue
  stubborn "$1" "$family" filter FORWARD REDIS-DOCKER-FORWARD || failed=1
  stubborn "$1" "$family" nat POSTROUTING REDIS-DOCKER-NAT || failed=1
done
exit "$failed"
"""

UNIT = """# Managed by celebrum.redis_hardening.
[Unit]
Description=Forward and NAT rules for containers, while Docker makes none
Documentation=file:///etc/redis-docker-forward/rules.v4 file:///etc/redis-docker-forward/rules.v6
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target docker.service
After=local-fs.target ufw.service nftables.service netfilter-persistent.service redis-ports-block.service
# They may take rules away when they start.
PartOf=docker.service nftables.service netfilter-persistent.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/redis-docker-forward apply
ExecReload=/usr/local/sbin/redis-docker-forward apply
# Stopping the unit leaves the rules where they are.

[Install]
WantedBy=multi-user.target docker.service nftables.service netfilter-persistent.service
"""
