# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_firewall and redis_firewall_verify with real packets, in network namespaces. Needs root."""

from __future__ import annotations

import time

import firewall_lab
import pytest
from firewall_lab import BACKENDS, CONTAINER, HOST, LOOPBACK, NAMED, POLICY, SCRIPT, STRANGER, UNIT, host_file
from firewall_packets import carries

FAMILIES = (4, 6)
# Which doors of the host the client tries: (address, port). The last three lead to the container.
DOORS = [(HOST, 6379), (HOST, 7001), (HOST, 7002), (HOST, 6380), (HOST, 6390), (CONTAINER, 6379)]


@pytest.fixture(params=BACKENDS)
def lab(request, tmp_path):
    with firewall_lab.Lab(tmp_path, request.param) as one:
        yield one


@pytest.fixture
def iptables_lab(tmp_path):
    with firewall_lab.Lab(tmp_path) as one:
        yield one


def doors(source):
    """Return the attempts of a client to get through all doors."""
    return [("client", source[family], target[family], port) for family in FAMILIES for target, port in DOORS]


def test_closes_all_but_what_is_named(lab):
    assert lab.reached(*doors(STRANGER)) == doors(STRANGER)

    result = lab.apply()
    assert result["changed"]
    assert result["guarded_ports"] == [6379, 6380, 7000, 7001, 7002]
    assert lab.reached(*doors(STRANGER)) == []
    # Named for 6379, on the host or of a container, and for 6380, which is published; not for 6390, behind which is the
    # container's 6379.
    named = [(HOST, 6379), (HOST, 6380), (CONTAINER, 6379)]
    assert lab.reached(*doors(NAMED)) == [
        ("client", NAMED[family], target[family], port) for family in FAMILIES for target, port in named
    ]
    for family in FAMILIES:
        welcome = [
            ("client", STRANGER[family], HOST[family], 22),
            ("client", STRANGER[family], CONTAINER[family], 8080),
            ("host", None, LOOPBACK[family], 7001),
            # The host's own address, through lo.
            ("host", None, HOST[family], 7001),
            # A Redis elsewhere.
            ("container", None, NAMED[family], 6379),
        ]
        # 7000 is open to an IPv4 network only.
        welcome += [("client", STRANGER[4], HOST[4], 7000)] if family == 4 else []
        # Containers are no named source.
        others = [("client", STRANGER[6], HOST[6], 7000), ("container", None, HOST[family], 6379)]
        assert lab.reached(*welcome, *others) == welcome
    assert lab.failing() == []
    assert lab.script("check") == 0


def test_either_of_the_chains_for_containers_is_enough(iptables_lab):
    lab = iptables_lab
    lab.apply()
    published = [("client", STRANGER[4], *door) for door in ((HOST[4], 6380), (HOST[4], 6390), (CONTAINER[4], 6379))]
    for script in ("iptables -t mangle -F FORWARD", "iptables -D FORWARD -j DOCKER-USER"):
        lab.sh(script)
        named = ("client", NAMED[4], HOST[4], 6380)
        assert lab.reached(*published, named) == [named]
        lab.apply()
    lab.sh("iptables -t mangle -F FORWARD")
    assert lab.reached(*published) == published


def test_files_and_unit(lab):
    lab.apply()
    modes = {path: oct(host_file(lab, path).stat().st_mode & 0o777) for path in [*lab.files, UNIT]}
    assert list(modes.values()) == ["0o600"] * (len(modes) - 2) + ["0o755", "0o644"]
    assert host_file(lab, "/etc/redis-ports-block").stat().st_mode & 0o777 == 0o700
    assert host_file(lab, "/run/systemctl.log").read_text().split("\n")[:3] == [
        "daemon-reload",
        "enable redis-ports-block.service",
        "start redis-ports-block.service",
    ]
    # As after a start of the host: empty tables, then the unit.
    before = lab.own_rules()
    lab.lose_all_rules()
    assert lab.script("check") != 0
    lab.sh(f"{SCRIPT} apply")
    assert lab.own_rules() == before
    assert "The rules are in place." in lab.sh(f"{SCRIPT} status").stdout


def test_second_run_changes_nothing(lab):
    lab.apply()
    before = lab.rules()
    log = host_file(lab, "/run/systemctl.log").read_text()
    for check_mode in (True, False):
        result = lab.apply(check=check_mode, diff=True)
        assert not result["changed"]
        assert result["differences"] == []
        assert "diff" not in result
    assert lab.rules() == before
    assert host_file(lab, "/run/systemctl.log").read_text() == log


def test_check_mode_predicts_and_changes_nothing(lab):
    before = lab.rules()
    predicted = lab.apply(check=True, diff=True)
    assert predicted["changed"]
    named = {"iptables": "-A REDIS-PORTS-6379 -s 10.66.1.10/32 -j ACCEPT\n", "nftables": "elements = { 10.66.1.10 }\n"}
    assert named[lab.backend] in predicted["diff"][0]["after"]
    assert predicted["diff"][0]["before"] == ""
    assert lab.rules() == before
    assert not any(host_file(lab, path).exists() for path in [*lab.files, UNIT])

    done = lab.apply(diff=True)
    assert done["differences"] == predicted["differences"]
    assert done["diff"] == predicted["diff"]
    if lab.backend == "nftables":
        assert done["diff"][0]["after"].splitlines() == lab.table()
        return
    kernel = "".join(line + "\n" for line in lab.rules() if "REDIS-PORTS" in line and line.startswith("-A REDIS"))
    for family in (0, 1):
        wanted = [line for line in done["diff"][family]["after"].splitlines() if line.startswith("-A REDIS")]
        assert "\n".join(wanted) in kernel


def test_bare_host(lab):
    lab.sh("rm /usr/sbin/iptables* /usr/sbin/ip6tables* /usr/sbin/nft")
    predicted = lab.apply(check=True, diff=True)
    assert predicted["changed"]
    assert predicted["missing_packages"] == [lab.backend]
    assert "6379" in predicted["diff"][0]["after"]
    result = lab.module("redis_firewall", POLICY)
    assert result["failed"]
    assert not result["changed"]
    assert f"install the package {lab.backend}" in result["msg"]
    assert result["missing_packages"] == [lab.backend]
    assert not host_file(lab, lab.files[0]).exists()
    findings = lab.module("redis_firewall_verify", POLICY)["findings"]
    assert {one["status"] for one in findings} == {"fail"}


def test_removed_source_loses_its_connections(lab):
    lab.apply()
    kept = [lab.connect("client", NAMED[4], HOST[4], port) for port in (6379, 6380)]
    kept += [lab.connect("client", NAMED[6], HOST[6], port) for port in (6379, 6380)]
    assert all(carries(one) for one in kept)
    lab.apply({"ports": [{"port": 6379, "sources": ["10.66.1.99"]}]})
    for one in kept:
        assert not carries(one)
        one.close()


def test_sources_pass_in_front_of_a_default_deny(iptables_lab):
    lab = iptables_lab
    lab.sh("iptables -P INPUT DROP; ip6tables -P INPUT DROP; ip6tables -A INPUT -p icmpv6 -j ACCEPT")
    lab.apply()
    for family in FAMILIES:
        assert lab.reaches("client", NAMED[family], HOST[family], 6379)
    assert lab.failing() == []


def test_foreign_rules_stay(lab):
    lab.sh(
        "iptables -A INPUT -p tcp --dport 80 -j ACCEPT; iptables -P FORWARD DROP;"
        "iptables -I DOCKER-USER -s 192.0.2.1 -j DROP; iptables -N MINE; iptables -I FORWARD -o eth9 -j MINE"
    )
    before = [line for line in lab.rules() if line.startswith("-A") or "MINE" in line]
    lab.apply()
    after = [line for line in lab.rules() if "REDIS-PORTS" not in line and (line.startswith("-A") or "MINE" in line)]
    assert after == before
    assert ":FORWARD DROP [0:0]" in lab.rules()


def test_large_policy_is_fast(lab):
    sources = [f"10.{number // 250}.{number % 250}.0/24" for number in range(250)]
    sources += [f"fd00:{number:x}::/64" for number in range(250)]
    ports = [6379, 6380, 7000, 7001, 7002, 16379, 16380, 17000, 17001, 17002, 26379, 26380]
    policy = {"ports": [{"port": port, "sources": sources} for port in ports]}
    assert lab.apply(policy)["changed"]
    assert lab.failing(policy) == []
    assert seconds(lab, policy) < 4 * seconds(lab, {"ports": [{"port": 6379, "sources": sources[:1]}]})


def seconds(lab, policy):
    """Return the shortest of some runs that change nothing: the machine may be busy with other tests."""
    lab.apply(policy)
    times = []
    for _again in range(4):
        start = time.monotonic()
        assert not lab.apply(policy)["changed"]
        times.append(time.monotonic() - start)
    return min(times)


def test_one_waits_for_the_other(iptables_lab):
    iptables_lab.apply()
    start = time.monotonic()
    iptables_lab.sh(f"flock /run/redis-ports-block.lock sleep 2 > /dev/null 2>&1 & sleep 0.3; {SCRIPT} check")
    assert time.monotonic() - start > 1.5


def test_what_others_drop_is_told(tmp_path):
    """In nftables our accept is not the last word."""
    with firewall_lab.Lab(tmp_path, "nftables") as lab:
        lab.sh("iptables -P INPUT DROP")
        result = lab.apply()
        assert "to the host: 6379 is closed to 10.66.1.10/32 by filter INPUT of iptables" in str(result["warnings"])
        assert not lab.reaches("client", NAMED[4], HOST[4], 6379)
        assert lab.failing() == ["IPv4 named sources"]
        lab.sh("iptables -A INPUT -s 10.66.1.0/24 -j ACCEPT")
        assert lab.reaches("client", NAMED[4], HOST[4], 6379)
        assert not lab.reaches("client", STRANGER[4], HOST[4], 6379)
        assert lab.failing() == []


OTHERS = {
    "a table of nftables": (
        "nft add table inet theirs; nft 'add chain inet theirs c { type filter hook input priority 10; policy drop; }'",
        "nft delete table inet theirs",
        "the chain c of inet theirs",
        ["IPv4 named sources", "IPv6 named sources"],
    ),
    "in front of conntrack": (
        "iptables -t raw -A PREROUTING -s 10.66.1.10 -p tcp --dport 6379 -j DROP",
        "iptables -t raw -F PREROUTING",
        "raw PREROUTING of iptables",
        ["IPv4 named sources"],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_others_drop_is_told_with_iptables_too(iptables_lab, name):
    """Nor is it in iptables, where it is not all that a packet passes."""
    lab = iptables_lab
    shut, undo, where, failing = OTHERS[name]
    lab.sh(shut)
    assert f"to the host: 6379 is closed to 10.66.1.10/32 by {where}" in str(lab.apply()["warnings"])
    assert not lab.reaches("client", NAMED[4], HOST[4], 6379)
    assert lab.failing() == failing
    lab.sh(undo)
    assert lab.reaches("client", NAMED[4], HOST[4], 6379)
    assert lab.failing() == []
