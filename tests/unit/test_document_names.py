"""What the documents name is there: variables, playbooks, modules, other documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[2]
DOCUMENTS = sorted([TOP / "README.md", *(TOP / "docs").glob("*.md"), *(TOP / "roles").glob("*/README.md")])
ROLES = sorted(path.name for path in (TOP / "roles").iterdir() if path.is_dir())
PLUGINS = {path.stem for kind in ("modules", "lookup", "action") for path in (TOP / "plugins" / kind).glob("*.py")}
PLAYBOOKS = {path.stem for path in (TOP / "playbooks").glob("*.yml")}
# Groups of the inventory, the collection itself, and what others call something.
OTHERS = {"redis_servers", "redis_container_hosts", "redis_hardening", "redis_exporter", "sentinel_kwargs"}


def variables():
    """Return the variables of all roles, with the options of their entries: users, ports, instances."""
    found = set()

    def collect(options):
        for name, option in options.items():
            found.add(name)
            collect(option.get("options") or {})

    for role in ROLES:
        specs = yaml.safe_load((TOP / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        for entry in specs.values():
            collect(entry.get("options") or {})
    return found


def options():
    """Return the options and results that modules document."""
    names = r"^ +(\w+):$"
    files = [*(TOP / "plugins" / "modules").glob("*.py"), *(TOP / "plugins" / "doc_fragments").glob("*.py")]
    return {name for path in files for name in re.findall(names, path.read_text(), re.MULTILINE)}


VARIABLES, OPTIONS = variables(), options()


def unknown_names(text):
    """Return the words that look like a variable of a role and are nothing of this collection."""
    prefixes = "|".join(sorted(ROLES, key=len, reverse=True))
    words = set(re.findall(rf"(?<![\w./|-])(?:{prefixes})_[a-z_]*[a-z](?![\w/(-]|\.md)", text))
    return sorted(words - VARIABLES - PLUGINS - PLAYBOOKS - OPTIONS - OTHERS - set(ROLES))


def unknown_plugins(text):
    """Return what is named as one of this collection's playbooks, roles or plugins and is none."""
    found = set(re.findall(r"celebrum\.redis_hardening\.(\w+)", text))
    return sorted(found - PLUGINS - PLAYBOOKS - set(ROLES))


def missing_links(path):
    """Return the files that are linked to, or named as docs/NAME.md or NAME.yml in playbooks/, and are not there."""
    text = path.read_text(encoding="utf-8")
    links = [path.parent / link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    links += [TOP / link for link in re.findall(r"\b(?:docs|playbooks)/[\w-]+\.(?:md|yml)\b", text)]
    return sorted(str(link) for link in links if not link.exists())


def defaults():
    return yaml.safe_load((TOP / "roles" / "redis" / "defaults" / "main.yml").read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_what_a_document_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    assert unknown_names(text) == []
    assert unknown_plugins(text) == []
    assert missing_links(path) == []


def test_the_table_of_defaults_has_those_of_the_role():
    table = re.findall(r"^\| `(redis_\w+)` \| `([^`]+)` \|", (TOP / "docs" / "defaults.md").read_text(), re.MULTILINE)
    assert len(table) >= 10
    assert {name: yaml.safe_load(value) for name, value in table} == {name: defaults()[name] for name, _value in table}


def test_the_table_of_defaults_has_the_missing_commands():
    text = (TOP / "docs" / "defaults.md").read_text()
    row = re.search(r"^\| commands \| (.*?) are gone", text, re.MULTILINE).group(1)
    assert re.findall(r"[A-Z]+", row) == [name for name, new in defaults()["redis_renamed_commands"].items() if not new]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("set `redis_maxmemoryy: 1gb`", ["redis_maxmemoryy"]),
        ("`redis_maxmemory` and redis_acl, /opt/redis_data, `audit_report_dir`", []),
        ("firewall_port: 1", ["firewall_port"]),
    ],
)
def test_a_wrong_name_is_found(text, found):
    assert unknown_names(text) == found


def test_a_wrong_playbook_is_found():
    assert unknown_plugins("celebrum.redis_hardening.sites, celebrum.redis_hardening.site") == ["sites"]
