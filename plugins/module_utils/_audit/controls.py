# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control catalogue: what this collection makes so, why, and how to fix it.

The id joins the task's name and tag, the finding, and the line in docs/controls.md. Severity: critical (anyone can read
or take over), high (one mistake away from it), medium (limits the damage), low (helps to notice).
`sources` name the documents that ask for it: guide, overview, strategy-1 to strategy-11, ports, design.
The entries stand in the files _controls_*.py.
"""

from __future__ import annotations

from .controls_access import ACCESS
from .controls_group import GROUP
from .controls_server import SERVER

FIELDS = ("title", "severity", "why", "sources", "fix")
CONTROLS = {
    name: dict(zip(FIELDS, entry, strict=True)) for family in (ACCESS, SERVER, GROUP) for name, entry in family.items()
}
