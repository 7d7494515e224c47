"""Run a playbook with this collection, on hosts that are all the controller, in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins import module_utils

COLLECTIONS = Path(next(iter(module_utils.__path__))).parents[4]
PROGRAM = shutil.which("ansible-playbook", path=str(Path(sys.executable).parent)) or shutil.which("ansible-playbook")
FILES = {"ansible.cfg", "inventory.json", "outcomes.json", "playbook.json"}


def run(folder, hosts, tasks, *arguments, **play):
    """Run the tasks in the directory; return (return code, output, hosts' `outcome` variables). hosts: their variables.

    The outcome of a host is what its tasks registered under this name; empty where they did not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "inventory.json").write_text(
        json.dumps({"all": {"hosts": {name: {**local, **variables} for name, variables in hosts.items()}}})
    )
    collect = {
        "ansible.builtin.copy": {
            "dest": str(folder / "outcomes.json"),
            "content": "{{ dict(groups.all | zip(groups.all | map('extract', hostvars) | map(attribute='outcome', "
            "default=''))) | to_json }}",
            "mode": "0600",
        },
        "check_mode": False,
    }
    first = {"hosts": "all", "gather_facts": False, "tasks": tasks, **play}
    second = {"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": [collect]}
    (folder / "playbook.json").write_text(json.dumps([first, second]))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    process = subprocess.run(
        [PROGRAM, "-i", "inventory.json", "playbook.json", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ANSIBLE_CONFIG": "ansible.cfg",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "LC_ALL": "C.UTF-8",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    outcomes = folder / "outcomes.json"
    return process.returncode, process.stdout, json.loads(outcomes.read_text()) if outcomes.exists() else {}
