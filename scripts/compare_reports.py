"""compare_reports.py BEFORE AFTER: print what changed between two report.json, as a table for a terminal."""

from __future__ import annotations

import json
import pathlib
import sys

from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report import report

before, after = (json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:3])
print(report.compare(before, after))
