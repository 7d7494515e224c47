# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw_rules on a host without UFW. The scenario ufw shows the rest, with UFW and packets."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("ufw", path="/usr/sbin:/usr/bin") is not None or shutil.which("netfilter-persistent") is not None,
    reason="this machine has UFW, or its rival",
)


def test_auto_does_nothing(run_module):
    result = run_module("ufw_rules", {"deny_ports": [6379]})
    assert (result["changed"], result["active"], result["differences"]) == (False, False, [])


def test_check_mode_predicts_the_first_run(run_module):
    options = {"enabled": "enabled", "ssh_ports": [2222], "allow": [80], "deny_ports": [6379]}
    result = run_module("ufw_rules", options, check=True, diff=True)
    assert result["changed"]
    assert result["missing_packages"] == ["ufw"]
    assert result["differences"][0] == "the package ufw is missing"
    assert result["differences"][-1] == "UFW is not enabled"
    after = result["diff"]["after"].splitlines()
    assert after[0] == "Status: active"
    assert (
        after.index("allow 2222/tcp (IPv4)") < after.index("allow 80/tcp (IPv4)") < after.index("deny 6379/tcp (IPv4)")
    )
    assert result["diff"]["before"] == "Status: inactive\n"


def test_a_run_says_which_package_is_missing(run_module):
    result = run_module("ufw_rules", {"enabled": "enabled", "ssh_ports": [22]})
    assert result["failed"]
    assert result["missing_packages"] == ["ufw"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ssh_ports": [2222], "deny_ports": [2222]}, "port 2222 is an SSH port"),
        ({"ssh_ports": [22], "allow": [80], "deny_ports": [80]}, "port 80 is in allow"),
        ({"ssh_ports": [22], "deny_ports": [0]}, "deny_ports: 0 is no port"),
        ({"ssh_ports": [70000]}, "ssh_ports: 70000 is no port"),
    ],
)
def test_refused(run_module, options, message):
    result = run_module("ufw_rules", {"enabled": "enabled", **options}, check=True)
    assert result["failed"]
    assert message in result["msg"]


def test_without_any_ssh_port_it_is_refused(run_module, monkeypatch):
    if shutil.which("sshd", path="/usr/sbin:/sbin"):
        pytest.skip("sshd tells its port")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    result = run_module("ufw_rules", {"enabled": "enabled"}, check=True)
    assert "no SSH port is known" in result["msg"]
