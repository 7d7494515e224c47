# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the firewall modules ask the host, with either backend: its files, its unit, its way out."""

from __future__ import annotations

import os

from .._host.files import SBIN
from . import files, script

SYSTEMD_RUNS = "/run/systemd/system"


def wanted_files(rules):
    """Return path -> (text, mode) of all that redis_firewall keeps on the host. rules: name -> text."""
    wanted = {"%s/%s" % (files.FOLDER, name): (text, 0o600) for name, text in rules.items()}
    wanted[files.SCRIPT_PATH] = (script.SCRIPT, 0o755)
    wanted[files.UNIT_PATH] = (files.UNIT, 0o644)
    return wanted


def rules_files(names):
    """Return those files of the folder of rules that are there."""
    paths = ["%s/%s" % (files.FOLDER, name) for name in names]
    return [path for path in paths if os.path.lexists(path)]


def unit_links():
    """Return the links by which systemd starts the unit."""
    return ["/etc/systemd/system/%s.wants/%s" % (target, files.UNIT_NAME) for target in files.WANTED_BY]


def unit_is_enabled():
    return all(os.path.islink(link) and os.path.realpath(link) == files.UNIT_PATH for link in unit_links())


def has_firewalld(module):
    """Return whether firewalld runs, or will with the next start of the host."""
    systemctl = module.get_bin_path("systemctl")
    if not systemctl or not module.get_bin_path("firewalld", opt_dirs=SBIN):
        return False
    output = module.run_command([systemctl, "show", "firewalld.service", "-p", "ActiveState,UnitFileState"])[1]
    return bool({"ActiveState=active", "UnitFileState=enabled"} & set(output.splitlines()))


def default_interfaces():
    """Return the interfaces through which the host reaches the rest of the world."""
    found = set()
    for path, is_default, column in (
        ("/proc/net/route", lambda words: words[1] == words[7] == "00000000", 0),
        ("/proc/net/ipv6_route", lambda words: words[0] == "0" * 32 and words[1] == "00" and words[9] != "lo", 9),
    ):
        try:
            with open(path, encoding="ascii", errors="replace") as routes:
                rows = [line.split() for line in routes]
        except OSError:
            continue
        found.update(words[column] for words in rows if len(words) > 9 and is_default(words))
    return sorted(found)
