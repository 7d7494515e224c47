"""Print docs/controls.md, which is made from the control catalogue: ./run docs."""

from __future__ import annotations

import sys

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS

GROUPS = {
    "NET": "Network",
    "ACL": "Users and logins",
    "CMD": "Commands",
    "CFG": "Settings",
    "TLS": "TLS",
    "REP": "Replication",
    "SEN": "Sentinel",
    "CLU": "Cluster",
    "HST": "Host",
    "VER": "Versions",
    "AUD": "Audit",
}


def main():
    print("# Controls\n")
    print("What the collection makes so and proves. The id is part of the task's name, is its tag, and stands in every")
    print("finding. `sources` are the documents that ask for it: guide, overview, ports, design, and the mitigation")
    print("strategies by number.\n")
    print("This page is made from `plugins/module_utils/_audit/controls.py` by `./run docs`.")
    for control in CONTROLS:
        if control.split("-")[1] not in GROUPS:
            sys.exit(f"{control} belongs to no group of this page")
    for group, title in GROUPS.items():
        if not any(control.split("-")[1] == group for control in CONTROLS):
            continue
        print(f"\n## {title}")
        for control, entry in CONTROLS.items():
            if control.split("-")[1] != group:
                continue
            print(f"\n### {control}: {entry['title']}\n")
            print(f"Severity {entry['severity']}; sources: {', '.join(entry['sources'])}.\n")
            print(f"Why: {entry['why']}\n")
            print(f"Fix: {entry['fix']}")


main()
