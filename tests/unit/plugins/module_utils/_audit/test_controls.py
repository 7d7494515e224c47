"""The catalogue, the findings and the code that proves them must agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count, finding, verdict

CHECKOUT = Path(__file__).parents[5]
SOURCES = {"guide", "overview", "ports", "design"} | {f"strategy-{n}" for n in range(1, 12)}


def sources():
    folders = [CHECKOUT / "plugins" / kind for kind in ("modules", "module_utils", "plugin_utils")]
    files = (path for folder in folders for path in folder.rglob("*.py"))
    return {path: path.read_text() for path in files if not path.name.startswith("controls")}


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_a_proof(control):
    """Some verify module must return findings for it."""
    assert any(f'"{control}"' in text for text in sources().values()), "no module returns a finding for it"


def test_every_id_in_the_code_is_in_the_catalogue():
    used = {name for text in sources().values() for name in re.findall(r'"(RH-[A-Z]+-\d+)"', text)}
    assert used <= set(CONTROLS)


@pytest.mark.parametrize("control", CONTROLS)
def test_entries_are_complete(control):
    entry = CONTROLS[control]
    assert re.fullmatch(r"RH-[A-Z]{3}-\d\d", control)
    assert entry["severity"] in {"critical", "high", "medium", "low"}
    assert entry["title"] and entry["why"] and entry["fix"]
    assert entry["sources"] and set(entry["sources"]) <= SOURCES


def test_findings():
    good = verdict("RH-NET-01", True, "closed", "closed", subject="6379")
    bad = verdict("RH-NET-01", False, "closed", "open")
    assert (good["status"], good["remediation"]) == ("pass", "")
    assert (bad["status"], bad["remediation"]) == ("fail", CONTROLS["RH-NET-01"]["fix"])
    assert count([good, bad, bad]) == {"pass": 1, "fail": 2, "waived": 0, "skipped": 0, "error": 0}
    with pytest.raises(ValueError, match="status"):
        finding("RH-NET-01", "fine", "", "")
    with pytest.raises(KeyError):
        finding("RH-NET-99", "pass", "", "")
