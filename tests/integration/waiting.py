# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for what a server does in its own time."""

from __future__ import annotations

import time

import redis


def wait_for(condition, seconds=60):
    """Return when the condition holds. A server that can't be asked yet is waited for, too."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, OSError):
            pass
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
