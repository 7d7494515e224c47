"""The host that docs/quickstart.md leaves behind."""

from __future__ import annotations

import os
from pathlib import Path

from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]


def transcript():
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "transcript").read_text(encoding="utf-8")


def test_the_built_collection_did_it_and_not_the_checkout():
    said = transcript()
    assert "/.ansible/collections/ansible_collections/celebrum/redis_hardening/roles/firewall/tasks/" in said
    assert f"{os.environ['MOLECULE_PROJECT_DIRECTORY']}/roles" not in said


def test_outsider_finds_everything_closed(outsider, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380)]
    assert ping(outsider, *targets) == dict.fromkeys(targets, "closed")


def test_the_application_must_log_in(app, variables):
    target = f"{variables['ansible_host']}:6379"
    assert ping(app, target)[target].startswith("-NOAUTH")


def test_it_listens_where_the_document_says(host, variables):
    listening = host.check_output("ss -Hltn sport = :6379")
    assert sorted(line.split()[3] for line in listening.splitlines()) == sorted(
        ["127.0.0.1:6379", "[::1]:6379", f"{variables['ansible_host']}:6379"]
    )
