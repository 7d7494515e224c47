"""Who is connected and would be cut off."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import clients
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.policy import NOTICE_PORT, build_policy
from hypothesis import given, strategies as st

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
REST = "00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0"


def word(address, port):
    """Write an end as the kernel does."""
    packed = ipaddress.ip_address(address).packed
    numbers = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return "%s:%04X" % ("".join("%08X" % number for number in numbers), port)


def table(*rows):
    """rows: (own address, own port, other address, other port[, state])."""
    lines = [HEAD]
    for number, (own, port, other, other_port, *state) in enumerate(rows):
        lines.append(
            "%4d: %s %s %s %s" % (number, word(own, port), word(other, other_port), (state or ["01"])[0], REST)
        )
    return "\n".join([*lines, ""])


def policy(*sources):
    return build_policy([{"port": 6379, "sources": list(sources), "purpose": "data"}], [6380], [])


def test_a_line_of_a_real_kernel():
    line = "   1: 0B4D000A:18EB 144D000A:C350 01 " + REST
    if sys.byteorder == "little":
        ((own, other),) = clients.connections(HEAD + "\n" + line)
        assert own == (ipaddress.ip_address("10.0.77.11"), 6379)
        assert other == (ipaddress.ip_address("10.0.77.20"), 50000)


def test_who_is_not_named_is_told():
    texts = [
        table(
            ("10.0.0.1", 6379, "10.0.0.20", 50000),
            ("10.0.0.1", 6379, "10.0.0.9", 50001),
            ("10.0.0.1", 6379, "10.0.0.9", 50002),
            ("10.0.0.1", 6380, "10.0.0.20", 50003),
            ("10.0.0.1", 22, "10.0.0.30", 50004),
        ),
        table(
            ("fd00::1", 6379, "fd00:1::9", 50000),
            ("fd00::1", 6379, "fd00:2::9", 50000),
            ("::ffff:10.0.0.1", 6379, "::ffff:10.0.0.7", 50000),
            ("::ffff:10.0.0.1", 6379, "::ffff:10.0.0.20", 50009),
        ),
    ]
    assert clients.unnamed_clients(texts, policy("10.0.0.20", "fd00:1::/64")) == {
        6379: ["10.0.0.7", "10.0.0.9", "fd00:2::9"],
        6380: ["10.0.0.20"],
    }


@pytest.mark.parametrize(
    "rows",
    [
        [("127.0.0.1", 6379, "127.0.0.1", 50000)],
        [("::1", 6379, "::1", 50000)],
        # To its own address, over loopback: both ends are in the table.
        [("10.0.0.1", 6379, "10.0.0.1", 50000), ("10.0.0.1", 50000, "10.0.0.1", 6379)],
        [("10.0.0.1", 6379, "10.0.0.2", 50000), ("10.0.0.2", 50000, "10.0.0.1", 6379)],
        # The same, to a bridge's address: Docker's masquerading puts another of its own in place of the source.
        [("10.0.0.1", 6379, "192.0.2.2", 50000), ("10.0.0.1", 50000, "10.0.0.1", 6379)],
        # It listens, or is over.
        [("0.0.0.0", 6379, "0.0.0.0", 0, "0A")],
        [("10.0.0.1", 6379, "10.0.0.9", 50000, "06")],
        # Its own connection to a Redis elsewhere.
        [("10.0.0.1", 50000, "10.0.0.9", 6379)],
        [],
    ],
)
def test_who_is_not_cut_off_is_not_told(rows):
    assert clients.unnamed_clients([table(*rows)], policy()) == {}


@pytest.mark.parametrize("stranger_action", ["drop", "reject", "notice"])
def test_a_reserved_port_is_closed_to_those_too_who_may_see_the_notice(stranger_action):
    ports = [{"port": 6380, "sources": ["10.0.0.9"], "purpose": "reserved"}]
    texts = [table(("10.0.0.1", 6380, "10.0.0.9", 50000), ("10.0.0.1", NOTICE_PORT, "10.0.0.9", 50001))]
    assert clients.unnamed_clients(texts, build_policy(ports, [], [], stranger_action)) == {6380: ["10.0.0.9"]}


def test_the_warning_names_them():
    found = {6379: ["10.0.0.%d" % number for number in range(1, 13)], 7000: ["fd00::9"]}
    text = clients.warning(found)
    assert "(port 6379: 10.0.0.1, 10.0.0.2" in text
    assert "10.0.0.10 and 2 more; port 7000: fd00::9)" in text
    assert clients.warning({}) is None


ADDRESS = st.ip_addresses().filter(lambda one: not getattr(one, "ipv4_mapped", None))


@given(ADDRESS, ADDRESS, st.integers(0, 65535), st.integers(0, 65535))
def test_what_the_kernel_writes_is_read(own, other, port, other_port):
    text = table((str(own), port, str(other), other_port))
    assert clients.connections(text) == [((own, port), (other, other_port))]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells its connections this way")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_real_connection_is_seen(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket(family))
        try:
            listening.bind((address, 0))
        except OSError:
            pytest.skip("no such address here")
        listening.listen()
        port = listening.getsockname()[1]
        client = stack.enter_context(socket.create_connection((address, port)))
        server, peer = listening.accept()
        stack.enter_context(server)
        seen = {pair for text in clients.read_tables() for pair in clients.connections(text)}
        ours = (ipaddress.ip_address(address), port)
        theirs = (ipaddress.ip_address(address), peer[1])
        assert {(ours, theirs), (theirs, ours)} <= seen
        assert client
