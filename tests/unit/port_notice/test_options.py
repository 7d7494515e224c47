# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the port notice is told on its command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/port_notice/files/port_notice"


@pytest.mark.parametrize("option", ["--contact", "--documentation", "--use-port"])
def test_a_text_with_a_line_end_is_refused(option):
    command = [sys.executable, "-ISB", PROGRAM, "--port", "6379", "--use-port", "7000", option, "a\r\n+OK"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert refused.returncode == 2
    assert "control characters" in refused.stderr
