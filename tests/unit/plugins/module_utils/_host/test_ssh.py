# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""By which connection and on which ports the operator comes in."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import ssh
from hypothesis import given, strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1 50000 10.0.0.2 22", ("10.0.0.1", "10.0.0.2", 22)),
        ("fd00::1 50000 fd00::2 2222", ("fd00::1", "fd00::2", 2222)),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", ("fe80::1", "fe80::2", 22)),
        # A socket for both families.
        ("::ffff:10.0.0.1 50000 ::ffff:10.0.0.2 22", ("10.0.0.1", "10.0.0.2", 22)),
    ],
)
def test_a_connection(text, expected):
    client, server, port = ssh.parse_connection(text)
    assert (str(client), str(server), port) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UNKNOWN 65535 UNKNOWN 65535",
        "UNKNOWN 65535 10.0.0.2 22",
        "10.0.0.1 50000 UNKNOWN 22",
        "10.0.0.1 50000 10.0.0.2",
        "10.0.0.1 50000 10.0.0.2 22 22",
        "10.0.0.1 50000 10.0.0.2 0",
        "10.0.0.1 50000 10.0.0.2 65536",
        "10.0.0.1 50000 10.0.0.2 -1",
        "10.0.0.1 50000 10.0.0.2 \u00b2",
        "10.0.0.1 50000 10.0.0.2 99999999999999999999999",
        "vsock 50000 vsock 22",
        "10.0.0.1/24 50000 10.0.0.2 22",
    ],
)
def test_no_connection(text):
    assert ssh.parse_connection(text) is None


@given(st.text() | st.lists(st.text(alphabet="0123456789abcdef.:% ²"), max_size=5).map(" ".join))
def test_nothing_crashes_on_nonsense(text):
    found = ssh.parse_connection(text)
    assert found is None or 0 < found[2] < 65536


@pytest.mark.parametrize(
    ("outer", "inner", "port"),
    [
        ("10.0.0.1 50000 10.0.0.2 2222", "UNKNOWN 65535 UNKNOWN 65535", "2222"),
        ("10.0.0.1 50000 10.0.0.2 2222", "", "2222"),
        ("10.0.0.1 50000 10.0.0.2 2222", "10.0.0.3 50000 10.0.0.2 2223", "2223"),
    ],
)
def test_the_processes_above_are_looked_at(outer, inner, port):
    """Each process has the environment with which it was started."""
    look = "from %s import operators_connection as look; print(look()[2])" % ssh.__name__
    above = "import os, subprocess, sys; os.environ['SSH_CONNECTION'] = %r; subprocess.run([sys.executable, '-c', %r])"
    done = subprocess.run(
        [sys.executable, "-c", above % (inner, look)],
        env={**os.environ, "SSH_CONNECTION": outer},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == port + "\n", done.stderr


@pytest.mark.parametrize(
    ("listen", "ports"),
    [
        ("0.0.0.0:22 (Stream)", [22]),
        ("[::]:22 (Stream)", [22]),
        ("127.0.0.1:2222 (Stream)", [2222]),
        ("[fd00::5]:2222 (Stream)", [2222]),
        ("[::ffff:10.0.0.5]:2222 (Stream)", [2222]),
        # As systemd writes the interface of a link-local address.
        ("[fe80::5]:22%eth0 (Stream)", [22]),
        # Not over a network, or not TCP.
        ("vsock::22 (Stream)", []),
        ("vsock:2:22 (Stream)", []),
        ("/run/ssh:22 (Stream)", []),
        ("@ssh:22 (Stream)", []),
        ("[::]:22 (Datagram)", []),
        ("[::]:22 (SequentialPacket)", []),
    ],
)
def test_what_systemd_listens_on(listen, ports):
    shown = "ActiveState=active\nListen=%s\n\nActiveState=inactive\nListen=[::]:2200 (Stream)\n"
    assert ssh.socket_ports(shown % listen) == ports


def test_several_places_of_one_socket():
    text = "Listen=[::]:22 (Stream)\nListen=vsock::23 (Stream)\nListen=0.0.0.0:24 (Stream)\nActiveState=active\n"
    assert ssh.socket_ports(text) == [22, 24]


def test_addresses_are_what_the_firewall_compares():
    client, _server, _port = ssh.parse_connection("::ffff:10.0.0.1 50000 fd00::2 22")
    assert client in ipaddress.ip_network("10.0.0.0/24")
