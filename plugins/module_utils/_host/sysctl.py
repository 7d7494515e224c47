# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings that Redis needs, and when a value is good enough."""

from __future__ import annotations

# Whether a larger value does as well. net.core.somaxconn is 4096 on newer kernels, which must not be lowered;
# vm.overcommit_memory is a mode, and 2 is the opposite of 1.
LARGER_IS_FINE = {
    "net.core.somaxconn": True,
    "net.ipv4.tcp_max_syn_backlog": True,
    "vm.max_map_count": True,
    "vm.overcommit_memory": False,
    "vm.swappiness": False,
}


def satisfied(name, wanted, actual):
    """Tell whether the kernel's value (text or int) does for the wanted one."""
    try:
        wanted, actual = int(wanted), int(actual)
    except (TypeError, ValueError):
        return False
    return actual >= wanted if LARGER_IS_FINE[name] else actual == wanted


def render(settings):
    """Return the text of the sysctl.d file."""
    lines = ["%s = %s" % (name, settings[name]) for name in sorted(settings)]
    return "# Written by celebrum.redis_hardening; changes here are undone.\n" + "".join(line + "\n" for line in lines)


def parse(text):
    """Return the settings of a sysctl.d file as a dict of strings."""
    pairs = (
        line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith(("#", ";"))
    )
    return {name.strip(): value.strip() for name, value in pairs}


def wanted_file(settings, live, present):
    """Return what the file must hold: what the kernel does not satisfy by itself, and what the file already sets.

    settings: wanted values. live: values of the kernel. present: what the file sets now. All dicts by name.
    """
    return {
        name: str(value)
        for name, value in settings.items()
        if not satisfied(name, value, live.get(name)) or present.get(name) == str(value)
    }
