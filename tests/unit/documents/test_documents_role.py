"""The role documents, in a real playbook: what it writes, that it is stable, and that nothing secret is in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "action"))
import playbook

NAMES = ("REDIS_PORT_RESERVATIONS.md", "redis_cluster_guide.md")
ROLE = {"ansible.builtin.import_role": {"name": "celebrum.redis_hardening.documents"}}
SECRETS = {
    "redis_admin_user": "SECRET-admin-name",
    "redis_admin_password": "SECRET-admin-password",
    "redis_current_password": "SECRET-current-password",
    "redis_renamed_commands": {"CONFIG": "SECRET-config", "ACL": "{{ vault_acl_name }}", "keys": ""},
    "vault_acl_name": "SECRET-acl",
    "ansible_become_password": "SECRET-become",
    "ansible_password": "SECRET-ssh",
    "ansible_ssh_private_key_file": "SECRET-key",
    "redis_users": [
        {"name": "shop", "passwords": ["SECRET-shop-password", "{{ vault_shop }}"], "keys": ["SECRET-keys:*"]},
        {"name": "o'brien", "password_hashes": ["SECRET-hash"]},
        {"name": "old", "enabled": False, "passwords": ["SECRET-old-password"]},
    ],
    "vault_shop": "SECRET-vault-shop",
    "another_secret": "SECRET-other",
}
OPEN = {"redis_bind": ["127.0.0.1", "-::1", "10.0.3.7"], "redis_allowed_sources": ["apps", "10.0.4.0/24"]}
ASK = {
    "port_notice_enabled": True,
    "port_notice_contact": "redis@example.org",
    "port_notice_documentation": "https://wiki.example.org/redis",
}
CLIENTS = {"app1": {"ansible_host": "10.0.3.20"}, "app2": {"ansible_host": "10.0.3.21"}}
TLS = {"redis_tls": "required", "redis_tls_port": 6390, "redis_tls_auth_clients": "yes"}
NODES = [{"port": port, "sources": ["apps"]} for port in (7000, 7001, 7002)]
BUSES = [{"port": port + 10000, "sources": ["redis_servers"], "purpose": "bus"} for port in (7000, 7001, 7002)]
NOTICED = {"port": 6379, "sources": ["app1"], "purpose": "reserved"}

# Evaluated as a whole, password and all.
BULK = {"name": "bulk", "passwords": ["{{ lookup('celebrum.redis_hardening.secret', 'made/bulk') }}"]}

CASES = {
    "plain": {
        "cache1": {**OPEN, **ASK},
        "cache2": {"redis_users": "{{ shared_users | to_json | from_json }}", "shared_users": [BULK]},
    },
    "tls": {"cache1": {**OPEN, **TLS, "redis_bind": ["127.0.0.1", "0.0.0.0"], "ansible_host": "10.0.3.9"}},
    "cluster": {
        name: {
            **OPEN,
            "ansible_host": "10.0.3.%d" % number,
            "redis_port": 7000,
            "redis_bind": ["127.0.0.1", "fd00:3::%d" % number],
            "firewall_ports": [*NODES, *BUSES, NOTICED],
            "port_notice_use_ports": ["7000-7002"],
        }
        for number, name in enumerate(("node1", "node2"), 1)
    },
}


def write(folder, case, *arguments):
    hosts = {name: {**SECRETS, **variables} for name, variables in CASES[case].items()}
    groups = {"redis_servers": list(hosts), "apps": list(CLIENTS)}
    groups = {name: {"hosts": dict.fromkeys(members, {})} for name, members in groups.items()}
    folder.mkdir(exist_ok=True)
    (folder / "groups.json").write_text(json.dumps({"all": {"children": groups}}))
    return playbook.run(folder, {**hosts, **CLIENTS}, [ROLE], "-i", "groups.json", *arguments)


@pytest.fixture(scope="module", params=CASES)
def written(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents") / request.param
    code, output, _outcomes = write(folder, request.param, "-vvv", "--diff")
    assert code == 0, output
    return request.param, folder, output, {name: (folder / "documents" / name).read_text() for name in NAMES}


def blocks(text, language):
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.M | re.S)


def test_nothing_secret_is_written_or_shown(written):
    _case, folder, output, texts = written
    for text in [*texts.values(), output]:
        assert "SECRET" not in text
    assert {item.name for item in folder.iterdir()} - {".ansible"} == playbook.FILES | {"groups.json", "documents"}


def test_it_is_tidy_markdown(written):
    for text in written[3].values():
        lines = text.splitlines()
        assert text.endswith("\n") and not text.endswith("\n\n")
        assert "\n\n\n" not in text
        assert "{{" not in text and "{%" not in text
        prose, fenced = [], False
        for number, line in enumerate(lines):
            assert line == line.rstrip(), line
            if line.startswith("```"):
                assert fenced or re.fullmatch(r"```[a-z]+", line)
                assert fenced or not lines[number - 1]
                assert not fenced or number + 1 == len(lines) or not lines[number + 1]
                fenced = not fenced
            elif not fenced:
                prose.append((number, line))
        assert [line for _number, line in prose if line.startswith("# ")] == lines[:1]
        for number, line in prose:
            starts = [mark for mark in ("#", "|", "- ") if line.startswith(mark)]
            for mark in starts:
                assert not number or not lines[number - 1] or (mark != "#" and lines[number - 1][0] in mark + " "), line
            if line.startswith("#"):
                assert lines[number + 1] == ""
            assert not re.search(r"(?<!<)https?://", line), line


def test_who_may_connect_where(written):
    case, _folder, _output, texts = written
    text = texts[NAMES[0]]
    if case == "plain":
        assert "| 6380 | by custom" in text
        assert "| cache1 | 6379 | data | group apps (10.0.3.20, 10.0.3.21); 10.0.4.0/24 |" in text
        assert "| cache2 | 6379 | data | the host itself only |" in text
        assert "- <redis@example.org>\n- Read on: <https://wiki.example.org/redis>\n" in text
        assert "redis-cli -h cache1 -p 6380 ping\n(error) ERR Port 6380 is reserved, there is no Redis here. " in text
    elif case == "tls":
        assert "| cache1 | 6379 | reserved | the host itself only |" in text
        assert "| cache1 | 6390 | tls | group apps" in text
        assert "Set `port_notice_contact`" in text
        assert "From another host:\n\n- no answer; the connection times out.\n" in text
    else:
        assert "| 6379 | Redis' port by default" in text and "| node1, node2 |" in text
        assert "| node2 | 17002 | bus | group redis_servers (10.0.3.1, 10.0.3.2) |" in text
        assert "| node1 | 6379 | reserved | host app1 (10.0.3.20) |" in text
        assert "Connect to port 7000-7002 instead." in text


def test_how_to_connect(written):
    case, _folder, _output, texts = written
    text = texts[NAMES[1]]
    (command,) = blocks(text, "bash")
    (python,) = blocks(text, "python")
    compile(python, "guide", "exec")
    for script in blocks(text, "javascript"):
        node = shutil.which("node")
        if node:
            subprocess.run([node, "--check", "-"], input=script, text=True, check=True)
        assert script.count("{") == script.count("}") and script.count("(") == script.count(")")
    assert "These commands do not exist here: KEYS." in text
    assert "- A user: `shop`, `o'brien`%s." % (", `bulk`" if case == "plain" else "") in text
    expected = {
        "plain": "redis-cli -h 10.0.3.7 -p 6379 --user shop ping",
        "tls": "redis-cli -h 10.0.3.9 -p 6390 --user shop --tls --cacert ca.crt --cert client.crt "
        "--key client.key ping",
        "cluster": "redis-cli -c -h fd00:3::1 -p 7000 --user shop ping",
    }
    assert expected[case] in command.splitlines()
    if case == "plain":
        assert "| cache2 | 127.0.0.1 | 6379 | no | the host itself only |" in text
        assert "There is no cluster." in text
        assert 'host="10.0.3.7",\n    port=6379,\n    username="shop",' in python
    for words in ('ssl_ca_certs="ca.crt"', 'ssl_certfile="client.crt"'):
        assert (case == "tls") == (words in python)
    for words in ('ca: fs.readFileSync("ca.crt")', 'key: fs.readFileSync("client.key")'):
        assert text.count(words) == (2 if case == "tls" else 0)
    if case == "cluster":
        assert text.count("| allowed sources |") == 6
        assert 'ClusterNode("fd00:3::2", 7002)' in python


def test_a_second_run_changes_nothing_and_neither_does_a_limit(written):
    case, folder, _output, texts = written
    before = {name: (folder / "documents" / name).stat().st_mtime_ns for name in NAMES}
    last = list(CASES[case])[-1]
    for arguments in (("--check", "--diff"), ("--limit", "%s,localhost" % last)):
        code, output, _outcomes = write(folder, case, *arguments)
        assert code == 0, output
        assert set(re.findall(r"%s +: ok=\d+ +changed=(\d+)" % last, output)) == {"0"}
    for name in NAMES:
        assert (folder / "documents" / name).read_text() == texts[name]
        assert (folder / "documents" / name).stat().st_mtime_ns == before[name]


def test_check_mode_tells_all_of_it_where_there_is_nothing_yet(tmp_path):
    code, output, _outcomes = write(tmp_path / "bare", "plain", "--check", "--diff")
    assert code == 0, output
    assert "+# Redis port reservations" in output
    assert "+# Redis cluster guide" in output
    assert not (tmp_path / "bare" / "documents").exists()


def test_a_policy_that_means_nobody_is_refused_and_the_documents_stay(tmp_path):
    folder = tmp_path / "bad"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / NAMES[0]).write_text("as it was")
    tasks = {"redis_allowed_sources": ["appz"]}
    code, output, _outcomes = write(folder, "plain", "-e", json.dumps(tasks))
    assert code == 2
    assert "sources[0] is refused: 'appz' is no address" in " ".join(output.split())
    assert "did you mean apps?" in " ".join(output.split())
    assert (folder / "documents" / NAMES[0]).read_text() == "as it was"
