"""What holds for all roles together: the catalogue's ids in the tasks, and documented variables."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if (path / "defaults").is_dir())


def tasks():
    for role in ROLES:
        for path in (role / "tasks").glob("*.yml"):
            for task in yaml.safe_load(path.read_text()):
                yield "%s: %s" % (path, task["name"]), task


def ids(words):
    """Return the ids that words name; RH-ACL alone stands for all of its group."""
    return {control for control in CONTROLS for word in words if control == word or control.rsplit("-", 1)[0] == word}


def test_every_control_is_named_by_a_task():
    named = set()
    for _where, task in tasks():
        named |= ids(task["name"].split())
    assert named == set(CONTROLS)


def test_ids_in_tasks_are_in_the_catalogue():
    for where, task in tasks():
        words = [word for word in [*task["name"].split(), *task.get("tags", [])] if word.startswith("RH-")]
        for word in words:
            assert ids([word]), "%s names %s" % (where, word)


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_defaults_are_documented_with_the_same_value(role):
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert set(defaults) <= set(specs)
    for name, value in defaults.items():
        assert name.startswith(role.name + "_")
        # Values that are templates are described in words.
        if "default" in specs[name] and "{{" not in str(value):
            assert specs[name]["default"] == value, name
    for name, spec in specs.items():
        assert spec.get("required") or name in defaults, name


def test_every_control_is_a_tag_of_the_playbook_that_mends_it():
    """Of site.yml and container.yml; the report is for verify.yml alone."""
    found = set()
    for name in ("site", "container"):
        playbook = ROLES[0].parents[1] / "playbooks" / f"{name}.yml"
        command = ["ansible-playbook", "-i", "localhost,", "--list-tags", playbook]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found |= set(re.findall(r"RH-[A-Z]+-\d+", listed))
    assert found == set(CONTROLS) - {"RH-AUD-01"}


def owner(name, roles):
    """Return the role whose internal variable this is: the one with the longest name that fits."""
    return max((role for role in roles if name.startswith("__%s_" % role)), key=len, default=None)


def foreign_variables(files, roles):
    """Return {(role that reads, variable), ...}. files: {role or None for playbooks: text}."""
    read = {(role, name) for role, text in files.items() for name in re.findall(r"\b__[a-z]\w+", text)}
    return {(role, name) for role, name in read if owner(name, roles) not in (None, role)}


def test_no_role_reads_the_internal_variables_of_another():
    roles = [folder.name for folder in ROLES]
    text = {
        folder.name: "\n".join(path.read_text() for path in sorted(folder.rglob("*")) if path.suffix in (".yml", ".j2"))
        for folder in ROLES
    }
    playbooks = ROLES[0].parents[1] / "playbooks"
    text[None] = "\n".join(path.read_text() for path in sorted(playbooks.glob("*.yml")))
    assert foreign_variables(text, roles) == set()
    assert foreign_variables({"audit": "{{ __redis_login }} __audit_outside __redis_container_x"}, roles) == {
        ("audit", "__redis_login"),
        ("audit", "__redis_container_x"),
    }
