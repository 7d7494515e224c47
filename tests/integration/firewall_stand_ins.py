# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host of a lab has in place of systemd, and the script that makes its view of the file system."""

from __future__ import annotations

SYSTEMCTL = """#!/bin/sh
case $1 in stop | show) ;; *) echo "$@" >> /run/systemctl.log ;; esac
system=/etc/systemd/system unit=redis-ports-block.service
case $1 in
  enable)
    for target in $(sed -n 's/^WantedBy=//p' $system/$unit); do
      mkdir -p $system/$target.wants
      ln -sf $system/$unit $system/$target.wants/$unit
    done ;;
  # What has started stays so.
  start) [ -e /run/started ] || { touch /run/started; $(sed -n 's/^ExecStart=//p' $system/$unit); } ;;
  show) cat /run/shown 2>/dev/null || true ;;
  stop) [ ! -e /run/rollback ] || { kill "$(cat /run/rollback)"; rm /run/rollback; } ;;
  is-enabled) [ -L $system/multi-user.target.wants/$unit ] && echo enabled || { echo disabled; exit 1; } ;;
esac
"""
# A timer that knows this one job. Its time is up when the test says so, because a busy machine would lose a race
# against a clock. It must not hold the lock of the script that starts it.
SYSTEMD_RUN = """#!/bin/sh
[ ! -e /run/rollback ] || exit 1
for word; do case $word in --on-active=*) echo "${word#*=}" > /run/rollback-after ;; esac; done
rm -f /run/time-is-up
wait="until [ -e /run/time-is-up ]; do sleep 0.02; done"
work="rm /run/rollback; exec /usr/local/sbin/redis-ports-block rollback"
setsid sh -c "echo \\$\\$ > /run/rollback; $wait; $work" > /dev/null 2>&1 9>&- &
until [ -e /run/rollback ]; do sleep 0.01; done
"""
HOLD = """
set -e
mount -t tmpfs tmpfs {folder}
for path in etc run usr/sbin usr/local/sbin; do
  mkdir -p {folder}/$path.new {folder}/$path.work
  mount -t overlay overlay -o lowerdir=/$path,upperdir={folder}/$path.new,workdir={folder}/$path.work /$path
done
mkdir -p /run/systemd/system {folder}/bin
cat > {folder}/bin/systemctl
cp {folder}/bin/systemctl /usr/sbin
printf '%s' "$SYSTEMD_RUN" > /usr/sbin/systemd-run
chmod 755 {folder}/bin/systemctl /usr/sbin/systemctl /usr/sbin/systemd-run
echo ready
exec sleep infinity
"""
