"""The lookup secret, in a real playbook with forks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "action"))
import playbook

TASK = {
    "ansible.builtin.set_fact": {"outcome": "{{ lookup('celebrum.redis_hardening.secret', 'credentials/shared') }}"},
    "no_log": True,
}
HOSTS = {"h%d" % number: {} for number in range(6)}


def test_hosts_that_ask_at_once_agree(tmp_path):
    _code, output, outcomes = playbook.run(tmp_path, HOSTS, [TASK], "-f", "6", "-vvv")
    (value,) = {outcomes[host] for host in HOSTS}
    assert (tmp_path / "credentials" / "shared").read_text() == value + "\n"
    assert value not in output


def test_check_mode_writes_nothing(tmp_path):
    _code, _output, outcomes = playbook.run(tmp_path, {"h1": {}}, [TASK], "--check")
    assert len(outcomes["h1"]) == 44
    assert not (tmp_path / "credentials").exists()


@pytest.mark.parametrize("rights", [0o644])
def test_the_command_that_mends_it_is_on_the_screen(tmp_path, rights):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "shared").write_text("x" * 44)
    (tmp_path / "credentials" / "shared").chmod(rights)
    code, output, _outcomes = playbook.run(tmp_path, {"h1": {}}, [{**TASK, "no_log": False}])
    assert code == 2
    assert "chmod 0600 %s" % (tmp_path / "credentials" / "shared") in output
    assert "x" * 44 not in output
