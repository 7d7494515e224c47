# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the world, the named sources and the host itself meet on the reserved ports: real packets, the real notice.

On 6379 of the host something listens that is not the notice, as a Redis installed by hand would; 6380 is published by a
container; 7002 is the notice's own.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import firewall_lab
import pytest
from firewall_lab import CONTAINER, HOST, LOOPBACK, NAMED, SOURCES, STRANGER
from firewall_packets import at_once
from waiting import wait_for

FAMILIES = (4, 6)
PROGRAM = Path(__file__).parents[2] / "roles/port_notice/files/port_notice"
LED_PORT = 63790
RESERVED = (6379, 6380, 7003)


def policy(stranger_action, notice=True):
    return {
        "ports": [{"port": 7000, "sources": SOURCES}],
        "reserved_ports": list(RESERVED),
        "reserved_action": stranger_action,
        "reserved_notice": notice,
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A host with the notice; each test brings its own policy."""
    folder = tmp_path_factory.mktemp("stranger_action")
    with firewall_lab.Lab(folder) as one:
        options = [
            "--port",
            "6379",
            "--port",
            "6380",
            "--port",
            "7003",
            "--led-port",
            str(LED_PORT),
            "--use-port",
            "7000",
        ]
        command = [*one.enter(), sys.executable, "-ISB", str(PROGRAM), *options, "--attempts", "9999"]
        with (folder / "attempts").open("wb") as attempts, (folder / "events").open("wb") as events:
            notice = subprocess.Popen(command, stdout=attempts, stderr=events)
        wait_for(lambda: "port 7003: listening" in (folder / "events").read_text())
        assert "port 6379 is left alone" in (folder / "events").read_text()
        one.attempts = folder / "attempts"
        yield one
        notice.terminate()
        notice.wait()


def seen(lab, part, source, target, port):
    """Return what a client gets: notice, redis (whatever else answers), reset or nothing."""

    def attempt():
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(0.4)
            try:
                if source:
                    client.bind((source, 0))
                client.connect((target, port))
                client.sendall(b"PING\r\n")
                answer = client.recv(200)
            except TimeoutError:
                return "nothing"
            except ConnectionRefusedError:
                return "reset"
        if answer.startswith(b"-ERR Port %d is reserved" % port):
            return "notice"
        return "redis"

    return lab.within(part, attempt)


def all_seen(lab, attempts):
    """Return attempt -> what the client gets. attempts: (part, source, target, port)."""
    answers = at_once(lambda *attempt: seen(lab, *attempt), list(attempts))
    return dict(zip(attempts, answers, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("stranger_action", "world"), [("drop", "nothing"), ("reject", "reset"), ("notice", "notice")])
def test_who_meets_what(lab, stranger_action, world, family):
    lab.apply(policy(stranger_action))
    stranger, named = (
        {("client", source[family], HOST[family], port): what for port in RESERVED}
        for source, what in ((STRANGER, world), (NAMED, "notice"))
    )
    # What a container publishes is dropped: nothing on the host could reject it.
    stranger[("client", STRANGER[family], HOST[family], 6380)] = "nothing" if world == "reset" else world
    expected = {**stranger, **named}
    # The host itself talks to whoever has the port.
    for target in (LOOPBACK[family], HOST[family]):
        expected |= {("host", None, target, 6379): "redis", ("host", None, target, 7003): "notice"}
    # Guarded ports that are not reserved, and containers, are as they were.
    expected[("client", NAMED[family], HOST[family], 7000)] = "redis"
    expected[("client", STRANGER[family], HOST[family], 7000)] = "nothing"
    for source in (STRANGER[family], NAMED[family]):
        # Nobody gets to the notice's port but by way of a reserved one.
        expected[("client", source, HOST[family], LED_PORT)] = "nothing"
        expected[("client", source, CONTAINER[family], 6379)] = "nothing"
        expected[("client", source, HOST[family], 6390)] = "nothing"
    assert all_seen(lab, expected) == expected
    assert lab.failing(policy(stranger_action)) == []
    assert lab.script("check") == 0
    assert not lab.apply(policy(stranger_action), check=True)["changed"]
    assert not lab.apply(policy(stranger_action))["changed"]


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_notice_named_sources_get_nothing_either(lab, family):
    for stranger_action, world in (("drop", "nothing"), ("reject", "reset")):
        wanted = policy(stranger_action, notice=False)
        lab.apply(wanted)
        attempts = [("client", source[family], HOST[family], 6379) for source in (STRANGER, NAMED)]
        assert set(all_seen(lab, attempts).values()) == {world}
        assert lab.failing(wanted) == []
        assert not [line for line in nat_rules(lab) if "REDIS" in line]


def nat_rules(lab):
    lines = lab.sh("iptables-save -t nat; ip6tables-save -t nat").stdout.splitlines()
    return [line for line in lines if line.startswith(("-A", ":REDIS"))]


def own_rules(lab):
    return [line for line in lab.own_rules() + nat_rules(lab) if "REDIS-PORTS" in line]


def test_sources_of_one_reserved_port_see_the_notice_there_only(lab):
    lab.apply({"ports": [{"port": 6379, "sources": SOURCES, "purpose": "reserved"}], "reserved_ports": [7003]})
    assert seen(lab, "client", NAMED[4], HOST[4], 6379) == "notice"
    assert seen(lab, "client", NAMED[4], HOST[4], 7003) == "nothing"
    assert seen(lab, "client", STRANGER[4], HOST[4], 6379) == "nothing"


def connected(lab, source, target, port, number):
    """Return how many of so many connections at once come about."""

    def attempt():
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        clients = [socket.socket(family, socket.SOCK_STREAM) for _client in range(number)]
        for client in clients:
            client.setblocking(False)
            client.bind((source, 0))
            client.connect_ex((target, port))
        time.sleep(0.5)
        _none, writable, _none = select.select([], clients, [], 0)
        for client in clients:
            client.close()
        return len(writable)

    return lab.within("client", attempt)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_world_is_limited_and_the_named_are_not(lab, family):
    lab.apply(policy("notice"))
    # Tests before have had a part of the stranger's share.
    assert 1 <= connected(lab, STRANGER[family], HOST[family], 7003, 40) <= 20
    assert connected(lab, NAMED[family], HOST[family], 7003, 40) == 40


def test_the_log_names_the_port_that_was_asked_for_and_the_client(lab):
    lab.apply(policy("drop"))
    before = len(lab.attempts.read_text())
    assert seen(lab, "client", NAMED[6], HOST[6], 6380) == "notice"
    wait_for(lambda: f"from={NAMED[6]} port=6380 client=redis" in lab.attempts.read_text()[before:])


def test_rules_of_others_in_nat_stay(lab):
    others = [line for line in nat_rules(lab) if "REDIS" not in line]
    lab.apply(policy("notice"))
    assert [line for line in nat_rules(lab) if "REDIS" not in line] == others
    lab.apply(policy("drop", notice=False))
    assert nat_rules(lab) == others


TAMPERING = {
    "flushed chain": "iptables -F REDIS-PORTS",
    "flushed nat": "iptables -t nat -F REDIS-PORTS",
    "deleted jump in nat": "ip6tables -t nat -D PREROUTING -p tcp -j REDIS-PORTS",
    "rule in front in nat": "iptables -t nat -I PREROUTING -p tcp --dport 9 -j ACCEPT",
    "reserved port opened": "iptables -I REDIS-PORTS -p tcp --dport 6379 -j ACCEPT",
    "notice's port opened": "ip6tables -I REDIS-PORTS 2 -p tcp --dport 63790 -j ACCEPT",
    "source added": "iptables -I REDIS-PORTS-6379 -s 192.0.2.0/24 -j ACCEPT",
    "source removed": "iptables -F REDIS-PORTS-6379",
}
NO_LIMIT = "iptables -I REDIS-PORTS 2 -p tcp --dport 63790 -m conntrack --ctorigdstport 6379:6380 -j ACCEPT"


@pytest.mark.parametrize(
    ("stranger_action", "script"),
    [*(("drop", script) for script in TAMPERING.values()), ("notice", NO_LIMIT)],
    ids=[*TAMPERING, "limit removed"],
)
def test_tampering_is_seen_and_mended(lab, stranger_action, script):
    wanted = policy(stranger_action)
    lab.apply(wanted)
    before = own_rules(lab)
    lab.sh(script)
    assert lab.failing(wanted) != []
    assert lab.script("check") != 0
    assert lab.apply(wanted)["changed"]
    assert own_rules(lab) == before
    assert lab.failing(wanted) == []


def test_load_at_start(lab):
    """As after a start of the host: empty tables, then the unit; and a policy without a notice after one with it."""
    lab.apply(policy("notice"))
    before = own_rules(lab)
    assert any("REDIRECT" in line for line in before)
    lab.sh("for t in iptables ip6tables; do for n in filter mangle nat; do $t -t $n -F REDIS-PORTS || true; done; done")
    assert lab.script("check") != 0
    assert lab.script("apply") == 0
    assert own_rules(lab) == before
    lab.sh("ip6tables -t nat -I PREROUTING -j LOG")
    assert lab.script("guard") == 0
    lab.sh("ip6tables -t nat -D PREROUTING -j LOG")
    assert lab.script("check") == 0
