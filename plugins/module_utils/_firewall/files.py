# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What redis_firewall puts on the host beside the rules: the script that loads them, and the unit that runs it."""

from __future__ import annotations

FOLDER = "/etc/redis-ports-block"
# Rules on trial: gone with the next start of the host, like the timer that would take them back.
TRIAL_FOLDER = "/run/redis-ports-block/trial"
SCRIPT_PATH = "/usr/local/sbin/redis-ports-block"
LOCK_PATH = "/run/redis-ports-block.lock"
UNIT_NAME = "redis-ports-block.service"
UNIT_PATH = "/etc/systemd/system/" + UNIT_NAME
WANTED_BY = ("multi-user.target", "docker.service", "nftables.service", "netfilter-persistent.service")


UNIT = """# Managed by celebrum.redis_hardening.
[Unit]
Description=Redis ports closed to all but the named sources
Documentation=file:///etc/redis-ports-block
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target docker.service
After=local-fs.target ufw.service nftables.service netfilter-persistent.service
# They may take rules away when they start: /etc/nftables.conf usually begins with a flush of everything, and what
# netfilter-persistent has saved replaces whole tables.
PartOf=docker.service nftables.service netfilter-persistent.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/redis-ports-block apply
ExecReload=/usr/local/sbin/redis-ports-block apply
# Stopping the unit leaves the rules where they are.

[Install]
WantedBy=multi-user.target docker.service nftables.service netfilter-persistent.service
"""
