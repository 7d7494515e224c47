"""The lookup play_hosts, in real playbooks: what would do nothing fails, and says why."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "action"))
import playbook
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import play as inventory_play

DOCUMENTS = "celebrum.redis_hardening.documents"
PLAYBOOKS = sorted(Path(inventory_play.PLAYBOOKS).glob("*.yml"))
INVENTORY = {
    "redis_servers": {"hosts": {"r1": {}, "r2": {}}},
    "others": {"hosts": {"web1": {}}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plays")
    (folder / "hosts.json").write_text(json.dumps(INVENTORY))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    imported = [{"import_playbook": DOCUMENTS, "tags": ["mine"], "vars": {"redis_allow_no_hosts": True}}]
    (folder / "own.json").write_text(json.dumps(imported))

    def ansible(*arguments, inventory="hosts.json"):
        done = subprocess.run(
            [playbook.PROGRAM, "-i", inventory, *arguments, "-e", "documents_dir=%s/out" % folder],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "ANSIBLE_CONFIG": "ansible.cfg",
                "ANSIBLE_COLLECTIONS_PATH": str(playbook.COLLECTIONS),
                "LC_ALL": "C.UTF-8",
                "COLUMNS": "1000",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, " ".join(done.stdout.split())

    return ansible


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((DOCUMENTS, "--limit", "web1"), "--limit web1 leaves none of the hosts of the group redis_servers: r1, r2."),
        ((DOCUMENTS, "--limit", "web1", "--check"), "--limit web1 leaves none of the hosts"),
        ((DOCUMENTS, "--tags", "document"), "no task of it has the tag document: did you mean documents?"),
        (("own.json", "--tags", "mine,RH-TLS-4"), "no task of it has the tag RH-TLS-4"),
    ],
)
def test_what_would_do_nothing_is_refused(run, arguments, words):
    code, output = run(*arguments)
    assert code != 0
    assert "documents.yml is refused, nothing was done: " + words in output
    assert "TASK" not in output


def test_an_inventory_without_the_group(run):
    code, output = run(DOCUMENTS, inventory="web1,")
    assert code != 0
    assert "the group redis_servers has no hosts" in output


@pytest.mark.parametrize(
    "arguments",
    [(DOCUMENTS, "--limit", "r1", "--tags", "documents"), ("own.json", "--tags", "mine"), (DOCUMENTS, "--limit", "r*")],
)
def test_what_does_something_runs(run, arguments):
    code, output = run(*arguments, "--check")
    assert code == 0, output
    assert "TASK" in output


@pytest.mark.parametrize(
    "arguments", [(DOCUMENTS, "--syntax-check"), (DOCUMENTS, "--list-hosts"), ("own.json", "--tags", "of-others")]
)
def test_where_nothing_is_to_be_done(run, arguments):
    code, output = run(*arguments, inventory="web1,")
    assert code == 0, output


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_playbook_asks(path):
    hosts = re.findall(r"^  hosts: (.*)$", path.read_text(), flags=re.MULTILINE)
    for line in hosts:
        own = "playbook='%s'" % path.stem
        assert line == "localhost" or ("lookup('celebrum.redis_hardening.play_hosts', " in line and own in line)


@pytest.mark.parametrize(
    ("name", "tags", "own", "words"),
    [
        ("site", ["all"], True, None),
        ("site", ["RH-TLS-04", "sentinel", "always"], True, None),
        ("site", ["rh-tls-04"], True, "did you mean RH-TLS-04?"),
        ("site", ["RH-NET-07"], True, "a control of another playbook"),
        ("site", ["RH-NET-07"], False, "a control of another playbook"),
        ("site", ["stage2"], True, "no task of it has the tag stage2."),
        ("site", ["stage2"], False, None),
        ("container", ["RH-NET-07"], True, None),
        ("verify", ["RH-TLS-04"], True, "run it without --tags"),
        ("verify", ["all"], True, None),
    ],
)
def test_tags(name, tags, own, words):
    problems = inventory_play.tag_problems(name, tags, own)
    assert len(problems) == (words is not None), problems
    assert words is None or words in problems[0]


def test_whose_playbook_it_is(tmp_path):
    assert inventory_play.is_ours(DOCUMENTS)
    assert inventory_play.is_ours(os.path.join(inventory_play.PLAYBOOKS, "site.yml"))
    assert not inventory_play.is_ours(str(tmp_path / "site.yml"))
