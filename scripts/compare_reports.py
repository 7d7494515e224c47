"""compare_reports.py BEFORE AFTER: print what changed between two report.json, as a table for a terminal."""

from __future__ import annotations

import json
import pathlib
import sys

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _report

before, after = (json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:3])
print(_report.compare(before, after))
