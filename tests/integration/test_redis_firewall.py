# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_firewall and redis_firewall_verify with real packets, in network namespaces. Needs root."""

from __future__ import annotations

import contextlib
import time

import firewall_lab
import pytest
from firewall_lab import (
    BACKENDS,
    CONTAINER,
    HOST,
    LOOPBACK,
    NAMED,
    POLICY,
    PORTS,
    SCRIPT,
    SOURCES,
    STRANGER,
    UNIT,
    Hammer,
    carries,
    host_file,
    wait_until,
)

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


def failing(lab, policy=POLICY):
    """Return the subjects of the findings that are no pass."""
    findings = lab.module("redis_firewall_verify", policy)["findings"]
    assert len(findings) == {"iptables": 11, "nftables": 9}[lab.backend]
    return [one["subject"] for one in findings if one["status"] != "pass"]


def open_doors(lab, source):
    return [
        (target[family], port)
        for family in FAMILIES
        for target, port in DOORS
        if lab.reaches("client", source[family], target[family], port)
    ]


def test_closes_all_but_what_is_named(lab):
    every_door = [(target[family], port) for family in FAMILIES for target, port in DOORS]
    assert open_doors(lab, STRANGER) == every_door

    result = lab.apply()
    assert result["changed"]
    assert result["guarded_ports"] == [6379, 6380, 7000, 7001, 7002]
    assert open_doors(lab, STRANGER) == []
    # Named for 6379, on the host or of a container, and for 6380, which is published; not for 6390, behind which is the
    # container's 6379.
    named = [(HOST, 6379), (HOST, 6380), (CONTAINER, 6379)]
    assert open_doors(lab, NAMED) == [(target[family], port) for family in FAMILIES for target, port in named]
    for family in FAMILIES:
        # 7000 is open to an IPv4 network only.
        assert lab.reaches("client", STRANGER[family], HOST[family], 7000) is (family == 4)
        assert lab.reaches("client", STRANGER[family], HOST[family], 22)
        assert lab.reaches("client", STRANGER[family], CONTAINER[family], 8080)
        assert lab.reaches("host", None, LOOPBACK[family], 7001)
        assert lab.reaches("host", None, HOST[family], 7001), "the host's own address, through lo"
        assert lab.reaches("container", None, NAMED[family], 6379), "a Redis elsewhere"
        assert not lab.reaches("container", None, HOST[family], 6379), "containers are no named source"
    assert failing(lab) == []
    assert lab.script("check") == 0


def test_either_of_the_chains_for_containers_is_enough(iptables_lab):
    lab = iptables_lab
    lab.apply()
    published = [(HOST[4], 6380), (HOST[4], 6390), (CONTAINER[4], 6379)]
    for script in ("iptables -t mangle -F FORWARD", "iptables -D FORWARD -j DOCKER-USER"):
        lab.sh(script)
        assert not any(lab.reaches("client", STRANGER[4], *door) for door in published)
        assert lab.reaches("client", NAMED[4], HOST[4], 6380)
        lab.apply()
    lab.sh("iptables -t mangle -F FORWARD")
    assert all(lab.reaches("client", STRANGER[4], *door) for door in published)


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


def test_no_leak_in_twenty_changes(lab):
    lab.apply()
    hammers = [
        Hammer(lab, STRANGER[family], target[family], port, timeout=0.02)
        for family in FAMILIES
        for target, port in ((HOST, 6379), (HOST, 6380), (HOST, 6390))
    ]
    friends = [Hammer(lab, NAMED[family], HOST[family], 6379, timeout=2, pause=0.01) for family in FAMILIES]
    for one in hammers + friends:
        one.start()
    for number in range(20):
        # Each time another policy, and sometimes drift of the jump that is not a hole by itself.
        lab.sh("iptables -I INPUT -j LOG" if number % 5 == 0 else ":")
        # As Docker does whenever it makes a network.
        lab.sh("iptables -D FORWARD -j DOCKER-USER; iptables -I FORWARD -j DOCKER-USER")
        more = [{"port": 6379, "sources": [f"10.77.{number}.0/24"]}, {"port": 7100 + number}]
        assert lab.apply({**POLICY, "ports": PORTS + more})["changed"]
    counts = [one.stop() for one in hammers]
    assert min(attempts for attempts, _open in counts) > 200
    assert [successes for _attempts, successes in counts] == [0] * len(hammers)
    for attempts, successes in (one.stop() for one in friends):
        assert attempts > 200
        assert successes == attempts, "a named source was cut"


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
    assert failing(lab) == []


TAMPERING = {
    "iptables": {
        "flushed chain": "iptables -F REDIS-PORTS",
        "flushed chain of sources": "iptables -F REDIS-PORTS-DOCKER-6379",
        "deleted jump": "iptables -D INPUT 1",
        "deleted Docker jump": "iptables -D DOCKER-USER 1",
        "deleted jump in mangle": "iptables -t mangle -D FORWARD 1",
        "flushed mangle": "iptables -t mangle -F",
        "accept in mangle": "ip6tables -t mangle -I FORWARD -j ACCEPT",
        "everything flushed": "iptables -F",
        "everything flushed and deleted, IPv6": "ip6tables -F; ip6tables -X",
        "rule above ours": "iptables -I INPUT -s 203.0.113.0/24 -p tcp --dport 6379 -j ACCEPT",
        "interface above ours, IPv6": "ip6tables -I INPUT -i eth1 -j ACCEPT",
        "established above ours": "iptables -I INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "accept above Docker's": "iptables -I DOCKER-USER -m limit --limit 1/s -j ACCEPT",
        "source added": "iptables -I REDIS-PORTS-6379 -s 192.0.2.0/24 -j ACCEPT",
        "source removed": "iptables -D REDIS-PORTS-6379 1",
        "port opened": "ip6tables -R REDIS-PORTS 2 -p tcp -m multiport --dports 6379:6380 -j ACCEPT",
    },
    "nftables": {
        "table deleted": "nft delete table inet redis_ports",
        "everything flushed": "nft flush ruleset",
        "table flushed": "nft flush table inet redis_ports",
        "flushed chain": "nft flush chain inet redis_ports host",
        "flushed chain of containers": "nft flush chain inet redis_ports containers",
        "dormant": "nft add table inet redis_ports '{ flags dormant; }'",
        "accept in front": "nft insert rule inet redis_ports host accept",
        "established in front": "nft insert rule inet redis_ports containers ct state established,related accept",
        "interface in front": "nft insert rule inet redis_ports host iifname eth1 accept",
        "sometimes in front": "nft insert rule inet redis_ports containers limit rate 1/second accept",
        "source added": "nft add element inet redis_ports sources4_6379 '{ 192.0.2.0/24 }'",
        "source removed": "nft delete element inet redis_ports sources6_6379 '{ fd66:1::10 }'",
        "sources flushed": "nft flush set inet redis_ports sources4_6379",
        "port opened": "nft add element inet redis_ports ports6_6379 '{ 7001 }'",
        "port forgotten": "nft delete element inet redis_ports guarded '{ 7001 }'",
        "all let in, and the rest of it moved on": "nft add chain inet redis_ports more;"
        "nft insert rule inet redis_ports host jump more; nft add rule inet redis_ports more tcp dport 7001 accept",
        "another priority": "nft -s list table inet redis_ports > /run/t; nft delete table inet redis_ports;"
        "sed -i 's/input priority .*;/input priority -450;/' /run/t; nft -f /run/t",
        "drop by somebody else": "nft add table inet theirs;"
        "nft add chain inet theirs c '{ type filter hook input priority 0; policy drop; }'",
    },
}
BOTH = {"unit disabled": "rm -r /etc/systemd/system/multi-user.target.wants"}
# What does not lie in our table, and is mended by whoever made it.
UNDO = {"drop by somebody else": "nft delete table inet theirs"}


def cases(scripts, more):
    return [
        pytest.param(backend, name, id=f"{backend}-{name}")
        for backend in BACKENDS
        for name in {**scripts[backend], **more}
    ]


@pytest.fixture(scope="module")
def settled_labs(tmp_path_factory):
    """Hosts that are as they should be; each test that spoils one also mends it."""
    with contextlib.ExitStack() as stack:
        labs = {}

        def get(backend):
            if backend not in labs:
                folder = tmp_path_factory.mktemp(backend)
                labs[backend] = stack.enter_context(firewall_lab.Lab(folder, backend))
                labs[backend].apply()
            return labs[backend]

        yield get


@pytest.mark.parametrize(("backend", "name"), cases(TAMPERING, BOTH))
def test_tampering_is_seen_and_mended(settled_labs, backend, name):
    settled = settled_labs(backend)
    before = settled.own_rules()
    settled.sh({**TAMPERING[backend], **BOTH}[name])
    assert failing(settled) != []
    if name in UNDO:
        assert settled.script("check") == 0
        settled.sh(UNDO[name])
    else:
        assert (settled.script("check") != 0) == (name not in BOTH)
        assert settled.apply()["changed"]
    assert settled.own_rules() == before
    assert failing(settled) == []
    assert settled.script("check") == 0


DRIFT = {
    "iptables": {
        "repeated jump": "iptables -A INPUT -p tcp -j REDIS-PORTS",
        "older jump": "iptables -I INPUT -j REDIS-PORTS",
        "left over chain": "iptables -N REDIS-PORTS-9999; iptables -A REDIS-PORTS-9999 -j ACCEPT",
        "rules of the other backend": "nft 'add table inet redis_ports { comment \"redis_hardening\"; }';"
        "nft add chain inet redis_ports host",
        "file of the other backend": "echo '}' > /etc/redis-ports-block/rules.nft",
    },
    "nftables": {
        "left over chain": "nft add chain inet redis_ports more",
        "left over set": "nft add set inet redis_ports more '{ type mark; }'",
        "harmless rule": "nft add rule inet redis_ports host counter",
        "no comment": "nft -s list table inet redis_ports | grep -v comment > /run/t;"
        "nft delete table inet redis_ports; nft -f /run/t",
        "rules of the other backend": "iptables -N REDIS-PORTS; iptables -I INPUT -p tcp -j REDIS-PORTS;"
        "iptables -A REDIS-PORTS -i lo -m comment --comment redis_hardening -j ACCEPT",
        "file of the other backend": "echo COMMIT > /etc/redis-ports-block/rules.v4",
    },
}
DRIFT_OF_BOTH = {
    "another content": "echo >> {0}",
    "readable by all": "chmod 644 {0}",
    "another owner": "chown 1 {0}",
    "missing": "rm {0}",
    "a link": "mv {0} /etc/kept; ln -s /etc/kept {0}",
    "script changed": "echo exit 0 >> {script}",
    "unit masked": "ln -sf /dev/null " + UNIT,
}


@pytest.mark.parametrize(("backend", "name"), cases(DRIFT, DRIFT_OF_BOTH))
def test_drift_is_mended(settled_labs, backend, name):
    settled = settled_labs(backend)
    before = settled.own_rules()
    script = (
        DRIFT_OF_BOTH[name].format(*settled.files, script=SCRIPT) if name in DRIFT_OF_BOTH else DRIFT[backend][name]
    )
    settled.sh(script)
    assert settled.apply(check=True)["changed"]
    assert settled.apply()["changed"]
    assert settled.own_rules() == before
    assert not settled.apply()["changed"]
    assert settled.script("check") == 0


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
    assert failing(lab, policy) == []
    times = []
    for _attempt in range(5):
        start = time.monotonic()
        assert not lab.apply(policy)["changed"]
        times.append(time.monotonic() - start)
    assert min(times) < 0.5, times


def test_one_waits_for_the_other(lab):
    lab.apply()
    start = time.monotonic()
    lab.sh(f"flock /run/redis-ports-block.lock sleep 3 > /dev/null 2>&1 & sleep 0.3; {SCRIPT} check")
    assert time.monotonic() - start > 2.5


def test_guard_mends_the_order_and_nothing_else(iptables_lab):
    lab = iptables_lab
    lab.apply()
    before = lab.rules()
    lab.sh("ip6tables -I INPUT -j LOG; iptables -I DOCKER-USER -j LOG; iptables -t mangle -I FORWARD -j LOG")
    assert lab.script("check") != 0
    assert lab.script("guard") == 0
    assert [line for line in lab.rules() if "LOG" not in line] == before
    assert lab.script("check") == 0
    for script in ("iptables -D INPUT 1", "ip6tables -F REDIS-PORTS", "iptables -t mangle -F FORWARD"):
        lab.sh(script)
        tampered = lab.rules()
        assert lab.script("guard") != 0
        assert lab.rules() == tampered
        assert lab.apply()["changed"]
    assert lab.script("guard") == 0


def test_guard_of_a_table_mends_nothing(tmp_path):
    with firewall_lab.Lab(tmp_path, "nftables") as lab:
        lab.apply()
        # Whatever others put in front, the table decides.
        lab.sh(
            "nft add table inet a; nft 'add chain inet a b { type filter hook input priority -300; policy accept; }'"
        )
        assert lab.script("guard") == 0
        for script in ("nft flush chain inet redis_ports host", "nft delete table inet redis_ports"):
            lab.sh(script)
            tampered = lab.rules()
            assert lab.script("guard") != 0
            assert lab.rules() == tampered
            assert lab.apply()["changed"]


@pytest.mark.parametrize(("before", "after"), [BACKENDS, BACKENDS[::-1]])
def test_another_backend_takes_over(tmp_path, before, after):
    with firewall_lab.Lab(tmp_path, before) as lab:
        lab.apply()
        hammers = [
            Hammer(lab, STRANGER[family], target[family], port, timeout=0.02)
            for family in FAMILIES
            for target, port in ((HOST, 6379), (HOST, 6380), (HOST, 6390))
        ]
        friends = [Hammer(lab, NAMED[family], HOST[family], 6379, timeout=2, pause=0.01) for family in FAMILIES]
        for one in hammers + friends:
            one.start()
        for _turn in range(5):
            for lab.backend in (after, before, after):
                predicted = lab.apply(check=True)
                assert lab.apply()["differences"] == predicted["differences"]
                assert not lab.apply()["changed"]
                assert failing(lab) == []
                assert lab.script("check") == 0
        counts = [one.stop() for one in hammers]
        assert min(attempts for attempts, _open in counts) > 100
        assert [successes for _attempts, successes in counts] == [0] * len(hammers)
        assert all(successes == attempts for attempts, successes in (one.stop() for one in friends))
        # Nothing of the backend before is left, in the kernel or on the disk.
        ours = {"iptables": "REDIS-PORTS" in "".join(lab.rules()), "nftables": lab.table() != []}
        assert ours == {before: False, after: True}
        names = [path.name for path in host_file(lab, "/etc/redis-ports-block").iterdir()]
        assert sorted(names) == sorted(path.rpartition("/")[2] for path in lab.files[:-1])


def test_taking_over_can_be_taken_back(tmp_path):
    """What is on trial is the whole change of the backend."""
    with firewall_lab.Lab(tmp_path) as lab:
        lab.apply()
        before = lab.own_rules()
        lab.backend = "nftables"
        assert lab.apply({**POLICY, "rollback_after": 2})["pending"]
        assert lab.table() != []
        assert lab.reaches("client", NAMED[4], HOST[4], 6379)
        wait_until(lambda: lab.own_rules() == before)
        assert lab.reaches("client", NAMED[4], HOST[4], 6379)
        assert lab.script("check") == 0
        lab.backend = "iptables"
        assert not lab.apply()["changed"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("audience", ["drop", "reject", "notice"])
def test_the_audience_of_reserved_ports(tmp_path, backend, audience):
    ports = [{"port": 6379, "sources": SOURCES}]
    policy = {"ports": ports, "reserved_ports": [7002], "reserved_audience": audience, "reserved_notice": True}
    with firewall_lab.Lab(tmp_path, backend) as lab:
        lab.listen("host", 63790)
        lab.apply(policy)
        kept = []
        for family in FAMILIES:
            tries = [lab.connect("client", STRANGER[family], HOST[family], 7002, timeout=0.4) for _attempt in range(14)]
            made = [one for one in tries if one]
            # A burst of 10, and one every three seconds.
            assert len(made) // 10 == (audience == "notice")
            start = time.monotonic()
            assert lab.connect("client", STRANGER[family], HOST[family], 7002, timeout=0.4) is None
            assert (time.monotonic() - start < 0.3) == (audience == "reject")
            assert all(carries(one) for one in made)
            kept += [*made[:1], lab.connect("client", NAMED[family], HOST[family], 7002)]
            for source in (STRANGER[family], NAMED[family]):
                assert not lab.reaches("client", source, HOST[family], 63790), "it is not led there"
            assert not lab.reaches("client", STRANGER[family], HOST[family], 6379)
            assert lab.reaches("client", NAMED[family], HOST[family], 6379)
            assert not lab.reaches("client", NAMED[family], CONTAINER[family], 7002)
        assert all(carries(one) for one in kept)
        # Those who knocked are counted, and are no drift.
        assert not lab.apply(policy)["changed"]
        assert lab.script("check") == 0
        assert failing(lab, policy) == []
        closed = {**policy, "reserved_audience": "drop", "reserved_notice": False}
        lab.apply(closed)
        if backend == "nftables":
            assert not any(carries(one) for one in kept)
        assert failing(lab, closed) == []


def test_what_others_drop_is_told(tmp_path):
    """In nftables our accept is not the last word."""
    with firewall_lab.Lab(tmp_path, "nftables") as lab:
        lab.sh("iptables -P INPUT DROP")
        result = lab.apply()
        assert "to the host: 6379 is closed to 10.66.1.10/32 by filter INPUT of iptables" in str(result["warnings"])
        assert not lab.reaches("client", NAMED[4], HOST[4], 6379)
        assert failing(lab) == ["IPv4 named sources"]
        lab.sh("iptables -A INPUT -s 10.66.1.0/24 -j ACCEPT")
        assert lab.reaches("client", NAMED[4], HOST[4], 6379)
        assert not lab.reaches("client", STRANGER[4], HOST[4], 6379)
        assert failing(lab) == []
