# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role firewall makes of variables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[2] / "roles" / "firewall"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())


def templated(text, variables):
    trusted = {name: trust_as_template(value) for name, value in VARIABLES.items()}
    return Templar(loader=DataLoader(), variables={**trusted, **variables}).template(trust_as_template(text))


def tasks(name):
    """Return module -> its options, of the first task for each module."""
    found = {}
    for task in yaml.safe_load((ROLE / "tasks" / name).read_text()):
        for key, value in task.items():
            if key.startswith("celebrum."):
                found.setdefault(key.rpartition(".")[2], value)
    return found


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({}, []),
        ({"ansible_port": 2222}, [2222]),
        ({"ansible_ssh_port": 2200}, [2200]),
        ({"ansible_port": "2222", "ansible_ssh_port": 2200}, [2222, 2200]),
        ({"ansible_port": 2222, "ansible_ssh_port": "2222"}, [2222]),
        ({"ansible_port": None, "ansible_ssh_port": ""}, []),
    ],
)
def test_ports_of_ssh_are_the_same_everywhere(variables, ports):
    assert templated(tasks("ufw.yml")["ufw_rules"]["ssh_ports"], variables) == ports
    # A port that is forwarded leads to 22 all the same, so that is never guarded; UFW need not let it in.
    assert templated(tasks("close.yml")["redis_firewall"]["ssh_ports"], variables) == [22, *ports]
