# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script and the unit say the same as the Python beside them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    files as firewall_files,
    script as firewall_script,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    kernel as iptables_kernel,
)


def test_shellcheck(tmp_path):
    script = tmp_path / "script"
    script.write_text(firewall_script.SCRIPT)
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--shell=sh", script], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_jumps_are_the_same():
    in_script = re.findall(r'jump\["(\S+)"\] = "(.*)"', firewall_script.SCRIPT)
    assert in_script == [(chain, rule) for _table, chain, rule in iptables_kernel.JUMPS]


def test_names_of_chains_are_the_same():
    pattern = re.search(r"^own='(.*)'$", firewall_script.SCRIPT, re.MULTILINE)[1]
    assert pattern.replace("[0-9]", r"\d") == iptables_kernel.OWN_CHAIN.pattern


def test_the_unit_runs_the_script_and_is_wanted():
    assert "WantedBy=%s\n" % " ".join(firewall_files.WANTED_BY) in firewall_files.UNIT
    assert "ExecStart=%s apply\n" % firewall_files.SCRIPT_PATH in firewall_files.UNIT
    # Whoever may take the rules away has them loaded again after its start.
    for name in ("nftables", "netfilter-persistent"):
        for key in ("After", "PartOf", "WantedBy"):
            assert re.search(r"(?m)^%s=.*\b%s\.service" % (key, name), firewall_files.UNIT), (key, name)
    assert "ExecStop" not in firewall_files.UNIT
    folders = "kept=%s trial=%s " % (firewall_files.FOLDER, firewall_files.TRIAL_FOLDER)
    assert folders in firewall_script.SCRIPT
