# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers that a policy may have."""

from __future__ import annotations


def range_problems(settings, ranges):
    """Return a problem for each number that is out of its range. ranges: variable -> (least, most, why)."""
    return [
        "%s is %s: set %d to %d; %s." % (name, settings[name], low, high, why)
        for name, (low, high, why) in ranges.items()
        if settings.get(name) is not None and not low <= settings[name] <= high
    ]
