# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What redis_firewall refuses, and what is left when a load fails. In network namespaces; needs root."""

from __future__ import annotations

import json
import subprocess
import sys

import firewall_lab
import pytest
from firewall_lab import FILES, POLICY, UNIT, host_file
from module_process import MODULES


@pytest.fixture
def lab(tmp_path):
    with firewall_lab.Lab(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def untouched_lab(tmp_path_factory):
    """A host that nobody changes."""
    with firewall_lab.Lab(tmp_path_factory.mktemp("untouched")) as one:
        one.sh("ip route add default via 10.66.2.2")
        yield one


REFUSED = [
    ({"ports": [{"port": 6379, "sources": ["10.0.0.5/24"]}]}, "write 10.0.0.0/24 for the network, or 10.0.0.5"),
    ({"ports": [{"port": 6379, "sources": ["app.example.com"]}]}, "makes addresses of groups, hosts and names"),
    ({"ports": [{"port": 6379, "sources": ["0.0.0.0/0"]}]}, "0.0.0.0/0 is everyone"),
    ({"ports": [{"port": 70000}]}, "a port is a number from 1 to 65535"),
    ({"ports": [], "reserved_ports": []}, "nothing to guard"),
    ({"ports": [{"port": 2222}], "ssh_ports": [2222]}, "port 2222 is an SSH port (ssh_ports)"),
    ({"ports": [{"port": 6379}], "rollback_after": -5}, "rollback_after: -5 is no time"),
    ({"ports": [{"port": 6379, "sources": ["::/0"]}]}, "::/0 is everyone"),
    ({"ports": [{"port": 6379, "sources": ["::ffff:10.0.0.0/104"]}]}, "is an IPv4 address in IPv6 form"),
    ({"ports": [{"port": 6379, "sources": ["fe80::1%eth0"]}]}, "fe80::1%eth0 names an interface"),
    ({"ports": [{"port": 6379}], "docker_bridges": ["br+"]}, "'br+' means br-test too"),
    ({"ports": [{"port": 6379}], "docker_bridges": ["+"]}, "'+' is not the name of an interface"),
]


@pytest.mark.parametrize(("policy", "message"), REFUSED, ids=[message for _policy, message in REFUSED])
def test_refuses_before_any_change(untouched_lab, policy, message):
    lab = untouched_lab
    before = lab.rules()
    for check_mode in (True, False):
        result = lab.module("redis_firewall", policy, check=check_mode)
        assert result["failed"]
        assert message in result["msg"]
    assert lab.rules() == before
    assert not any(host_file(lab, path).exists() for path in [*FILES, UNIT])


@pytest.mark.parametrize(
    "line",
    [
        "port 22; echo port 7001",
        "listenaddress 0.0.0.0:7001",
        "listenaddress [::]:7001",
        "listenaddress 10.0.0.5:7001 rdomain management",
    ],
)
def test_refuses_a_port_of_sshd(lab, line):
    lab.sh(f"printf '#!/bin/sh\\necho {line}\\n' > /usr/sbin/sshd; chmod 755 /usr/sbin/sshd")
    result = lab.module("redis_firewall", POLICY)
    assert "port 7001 is an SSH port (sshd)" in result["msg"]
    assert not host_file(lab, FILES[0]).exists()


SOCKETS = """
Listen={address}:7001 (Stream)
Listen=/run/odd.sock (Stream)
ActiveState={state}

ActiveState=inactive
"""


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_refuses_a_port_on_which_systemd_listens_for_sshd(lab, address):
    host_file(lab, "/run/shown").write_text(SOCKETS.format(address=address, state="active").lstrip())
    assert "port 7001 is an SSH port (ssh.socket)" in lab.module("redis_firewall", POLICY)["msg"]
    assert not host_file(lab, FILES[0]).exists()
    # Debian's package has the socket, but does not use it.
    host_file(lab, "/run/shown").write_text(SOCKETS.format(address=address, state="inactive").lstrip())
    assert lab.apply(check=True)["changed"]


@pytest.mark.parametrize(
    "state", ["ActiveState=active\nUnitFileState=disabled", "ActiveState=inactive\nUnitFileState=enabled"]
)
def test_refuses_iptables_beside_firewalld(lab, state):
    lab.sh("printf '#!/bin/sh\\n' > /usr/sbin/firewalld; chmod 755 /usr/sbin/firewalld")
    host_file(lab, "/run/shown").write_text(state + "\n")
    result = lab.module("redis_firewall", POLICY)
    assert result["failed"]
    assert "set backend to nftables" in result["msg"]
    assert not host_file(lab, FILES[0]).exists()
    lab.backend = "nftables"
    lab.apply()
    # One that is installed and not used is in nobody's way.
    lab.backend = "iptables"
    host_file(lab, "/run/shown").write_text("ActiveState=inactive\nUnitFileState=disabled\n")
    assert lab.apply(check=True)["changed"]


def test_refuses_the_port_of_this_connection(lab, monkeypatch):
    # It is read from the environment with which processes were started, and not forked.
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 40000 192.0.2.2 7001")
    command = [*lab.enter(), sys.executable, "-m", MODULES + "redis_firewall"]
    given = json.dumps({"ANSIBLE_MODULE_ARGS": POLICY})
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert "port 7001 is an SSH port (this connection)" in json.loads(done.stdout)["msg"]


@pytest.mark.parametrize(
    "script",
    [
        "iptables -N REDIS-PORTS; iptables -A REDIS-PORTS -p tcp --dport 6379 -j ACCEPT",
        "ip6tables -N REDIS-PORTS-DOCKER; ip6tables -A OUTPUT -j REDIS-PORTS-DOCKER",
    ],
)
def test_refuses_somebody_elses_chain(lab, script):
    lab.sh(script)
    before = lab.rules()
    result = lab.module("redis_firewall", POLICY)
    assert "which this module did not make" in result["msg"]
    assert lab.rules() == before
    assert not host_file(lab, FILES[0]).exists()


def test_refuses_without_systemd(lab):
    lab.sh("rm -r /run/systemd/system")
    assert "systemd does not run this host" in lab.module("redis_firewall", POLICY)["msg"]
    assert not host_file(lab, FILES[0]).exists()


def test_refuses_without_the_kernels_support(lab):
    lab.sh("rm /usr/sbin/ip6tables-save; ln -s /bin/false /usr/sbin/ip6tables-save")
    assert "ip6tables-save fails" in lab.module("redis_firewall", POLICY)["msg"]
    assert not host_file(lab, FILES[0]).exists()


# Fails for IPv6 in the host's own network only, or everywhere.
BROKEN = """
rm /usr/sbin/ip6tables-restore
cat > /usr/sbin/ip6tables-restore <<END
#!/bin/sh
[ "\\$(readlink /proc/self/ns/net)" != "{namespace}" ] || exit 1
exec xtables-nft-multi ip6tables-restore "\\$@"
END
chmod 755 /usr/sbin/ip6tables-restore
"""


def test_rules_that_the_kernel_refuses_change_nothing(lab):
    lab.apply()
    before = lab.rules()
    files = [host_file(lab, path).read_text() for path in FILES]
    lab.sh("rm /usr/sbin/ip6tables-restore; ln -s /bin/false /usr/sbin/ip6tables-restore")
    result = lab.module("redis_firewall", {"ports": [{"port": 6379}]})
    assert "nothing was changed" in result["msg"]
    assert lab.rules() == before
    assert [host_file(lab, path).read_text() for path in FILES] == files


def test_a_load_that_fails_half_way_returns_to_the_previous_rules(lab):
    lab.apply()
    before = lab.rules()
    files = [host_file(lab, path).read_text() for path in FILES]
    lab.sh(BROKEN.format(namespace=lab.sh("readlink /proc/self/ns/net").stdout.strip()))
    result = lab.module("redis_firewall", {"ports": [{"port": 6379}]})
    assert "the rules could not be loaded" in result["msg"]
    assert lab.rules() == before
    assert [host_file(lab, path).read_text() for path in FILES] == files
    assert lab.script("check") == 0
