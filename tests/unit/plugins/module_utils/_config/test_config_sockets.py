# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import sys
import threading

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import sockets
from hypothesis import given, strategies as st

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(own, remote, state, inode):
    return f"   0: {own} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100\n"


@pytest.fixture
def proc(tmp_path):
    """A /proc of process 42, which listens on 127.0.0.1:6379 and [::1]:6379 and serves 127.0.0.1:50000."""
    (tmp_path / "42" / "fd").mkdir(parents=True)
    (tmp_path / "42" / "net").mkdir()
    for number in (11, 12, 13):
        (tmp_path / "42" / "fd" / str(number)).symlink_to(f"socket:[{number}]")
    (tmp_path / "42" / "fd" / "0").symlink_to("/dev/null")
    (tmp_path / "42" / "net" / "tcp").write_text(
        HEAD
        + row("0100007F:18EB", "00000000:0000", "0A", 11)
        + row("0100007F:18EB", "0100007F:C350", "01", 13)
        + row("0100007F:18EB", "0100007F:C352", "01", 98)
        + row("00000000:0016", "00000000:0000", "0A", 99)
    )
    (tmp_path / "42" / "net" / "tcp6").write_text(HEAD + row("0" * 24 + "01000000:18EB", "0" * 32 + ":0000", "0A", 12))
    return str(tmp_path)


@pytest.mark.skipif(sys.byteorder != "little", reason="the table above is a little-endian machine's")
def test_what_a_process_listens_on(proc):
    assert sockets.listening(42, proc) == {("127.0.0.1", 6379), ("::1", 6379)}
    assert sockets.listening(43, proc) is None


class Connection:
    family = socket.AF_INET

    def __init__(self, *name):
        self.name = name

    def getsockname(self):
        return self.name


@pytest.mark.skipif(sys.byteorder != "little", reason="the table above is a little-endian machine's")
@pytest.mark.parametrize(
    ("name", "info", "pid"),
    [
        (("127.0.0.1", 50000), {"process_id": "42"}, 42),
        (("::ffff:127.0.0.1", 50000, 0, 0), {"process_id": "42"}, 42),
        (("127.0.0.1", 50001), {"process_id": "42"}, None),
        (("127.0.0.1", 50002), {"process_id": "42"}, None),
        (("127.0.0.1", 50000), {"process_id": "43"}, None),
        (("127.0.0.1", 50000), {}, None),
    ],
)
def test_a_process_is_believed_only_when_this_connection_is_its(proc, name, info, pid):
    assert sockets.server_pid(Connection(*name), info, proc) == pid


def test_the_kernel_agrees_about_this_very_process(tmp_path):
    import os

    with socket.create_server(("127.0.0.1", 0)) as listener:
        end = listener.getsockname()
        assert end in sockets.listening(os.getpid())
        with socket.create_connection(end) as client, listener.accept()[0]:
            assert sockets.server_pid(client, {"process_id": str(os.getpid())}) == os.getpid()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = threading.Thread(target=listener.accept)
        thread.start()
        client.connect(str(tmp_path / "s"))
        thread.join()
        assert sockets.server_pid(client, {"process_id": "1"}) == os.getpid()


@pytest.mark.parametrize(
    ("bind", "may", "must"),
    [
        (["127.0.0.1", "-::1"], {("127.0.0.1", 1), ("::1", 1)}, {("127.0.0.1", 1)}),
        (["*", "-::*"], {("0.0.0.0", 1), ("::", 1)}, {("0.0.0.0", 1)}),
        (["::0001"], {("::1", 1)}, {("::1", 1)}),
        # The kernel's list has no interfaces.
        (["fe80::1%eth0"], {("fe80::1", 1)}, {("fe80::1", 1)}),
        (["-fe80::1%eth0", "fe80::1%2"], {("fe80::1", 1)}, {("fe80::1", 1)}),
        (["fe80::1%eth0", "fe80::2%eth1"], {("fe80::1", 1), ("fe80::2", 1)}, {("fe80::1", 1), ("fe80::2", 1)}),
        ([], set(), set()),
    ],
)
def test_what_may_and_must_be_listened_on(bind, may, must):
    assert sockets.expected(bind, {1}) == (may, must)


def test_host_names_are_resolved():
    assert ("127.0.0.1", 1) in sockets.expected(["localhost"], {1})[0]


def resolver(**names):
    """Return a getaddrinfo that knows these names, both families in the order given."""

    def getaddrinfo(name, port, family=0, type=0):
        kinds = {socket.AF_INET: ".", socket.AF_INET6: ":"}
        found = [one for one in names.get(name, ()) if kinds.get(family, "") in one]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(family, type, 6, "", (one, 0)) for one in found]

    return getaddrinfo


A, B = ("10.0.0.5", 1), ("10.0.0.6", 1)


@pytest.mark.parametrize(
    ("name", "ends", "may", "must"),
    [
        # A server asks for IPv4 only, and takes one address.
        ("both", {A}, {A}, {A}),
        ("both", set(), {A}, {A}),
        ("two", {A}, {A, B}, {A}),
        ("two", {B}, {A, B}, {B}),
        ("two", set(), {A, B}, {A}),
        ("-two", set(), {A, B}, set()),
        ("six", set(), {("six", 1)}, {("six", 1)}),
        ("nowhere", set(), {("nowhere", 1)}, {("nowhere", 1)}),
        ("a" * 64, set(), {("a" * 64, 1)}, {("a" * 64, 1)}),
    ],
)
def test_of_a_name_one_address_is_taken(monkeypatch, name, ends, may, must):
    names = {"both": ["fd00::5", "10.0.0.5"], "two": ["10.0.0.5", "fe80::5%eth0", "10.0.0.6"], "six": ["fd00::5"]}
    monkeypatch.setattr(socket, "getaddrinfo", resolver(**names))
    assert sockets.expected([name], {1}, ends) == (may, must)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_addresses_are_read_as_the_kernel_prints_them(address, port):
    raw = address.packed
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    mapped = getattr(address, "ipv4_mapped", None)
    assert sockets._decode("%s:%04X" % (raw.hex().upper(), port)) == (str(mapped or address), port)


def test_ends_are_spelled_for_people():
    assert sockets.spelled({("::1", 6379), ("127.0.0.1", 6379)}) == "127.0.0.1:6379, [::1]:6379"
