# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles keep beside a directory inventory must not become part of it: a password would become a host's name."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
BESIDE = "{{ inventory_dir | default(playbook_dir, true) }}/"


def folders():
    for defaults in sorted(ROLES.glob("*/defaults/main.yml")):
        for name, value in (yaml.safe_load(defaults.read_text()) or {}).items():
            if isinstance(value, str) and value.startswith("{{ inventory_dir"):
                yield pytest.param(value, id=name)


@pytest.mark.parametrize("value", list(folders()))
def test_files_are_no_hosts(value, tmp_path):
    assert value.startswith(BESIDE)
    folder = tmp_path / value.removeprefix(BESIDE) / "cache1"
    folder.mkdir(parents=True)
    (folder / "admin").write_text("correct-horse-battery-staple=\n")
    (tmp_path / "hosts.yml").write_text("redis_servers: {hosts: {cache1: }}\n")
    done = subprocess.run(
        ["ansible-inventory", "-i", str(tmp_path), "--list"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )
    hosts = {host for group in json.loads(done.stdout).values() for host in group.get("hosts", [])}
    assert hosts == {"cache1"}
    assert "correct-horse" not in done.stdout + done.stderr
