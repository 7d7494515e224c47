# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script and the unit say the same as the Python beside them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall_files, _firewall_kernel


def test_shellcheck(tmp_path):
    script = tmp_path / "script"
    script.write_text(_firewall_files.SCRIPT)
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--shell=sh", script], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_jumps_are_the_same():
    in_script = re.findall(r'jump\["(\S+)"\] = "(.*)"', _firewall_files.SCRIPT)
    assert in_script == [(chain, rule) for _table, chain, rule in _firewall_kernel.JUMPS]


def test_names_of_chains_are_the_same():
    pattern = re.search(r"^own='(.*)'$", _firewall_files.SCRIPT, re.MULTILINE)[1]
    assert pattern.replace("[0-9]", r"\d") == _firewall_kernel.OWN_CHAIN.pattern


def test_the_unit_runs_the_script_and_is_wanted():
    assert "WantedBy=%s\n" % " ".join(_firewall_files.WANTED_BY) in _firewall_files.UNIT
    assert "ExecStart=%s apply\n" % _firewall_files.SCRIPT_PATH in _firewall_files.UNIT
    # Whoever may take the rules away has them loaded again after its start.
    for name in ("nftables", "netfilter-persistent"):
        for key in ("After", "PartOf", "WantedBy"):
            assert re.search(r"(?m)^%s=.*\b%s\.service" % (key, name), _firewall_files.UNIT), (key, name)
    assert "ExecStop" not in _firewall_files.UNIT
    folders = "kept=%s trial=%s " % (_firewall_files.FOLDER, _firewall_files.TRIAL_FOLDER)
    assert folders in _firewall_files.SCRIPT
