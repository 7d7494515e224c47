"""redis_firewall and redis_firewall_verify with real packets, in network namespaces. Needs root."""

from __future__ import annotations

import time

import firewall_lab
import pytest
from firewall_lab import CONTAINER, HOST, LOOPBACK, NAMED, STRANGER, Hammer, carries, host_file, wait_until

FAMILIES = (4, 6)
SOURCES = [NAMED[4], NAMED[6] + "/128"]
PORTS = [
    {"port": 6379, "sources": SOURCES},
    {"port": 6380, "sources": SOURCES, "purpose": "tls"},
    {"port": 7000, "sources": ["10.66.1.0/24"]},
    {"port": 7001},
]
POLICY = {"ports": PORTS, "reserved_ports": [6379, 6380, 7002]}
# Which doors of the host the client tries: (address, port). The last three lead to the container.
DOORS = [(HOST, 6379), (HOST, 7001), (HOST, 7002), (HOST, 6380), (HOST, 6390), (CONTAINER, 6379)]
SCRIPT = "/usr/local/sbin/redis-ports-block"
FILES = ["/etc/redis-ports-block/rules.v4", "/etc/redis-ports-block/rules.v6", SCRIPT]
UNIT = "/etc/systemd/system/redis-ports-block.service"


@pytest.fixture
def lab(tmp_path):
    with firewall_lab.Lab(tmp_path) as one:
        yield one


def apply(lab, policy=POLICY, **options):
    result = lab.module("redis_firewall", policy, **options)
    assert not result.get("failed"), result
    return result


def failing(lab, policy=POLICY):
    """Return the subjects of the findings that are no pass."""
    findings = lab.module("redis_firewall_verify", policy)["findings"]
    assert len(findings) == 9
    return [one["subject"] for one in findings if one["status"] != "pass"]


def check(lab):
    return lab.sh(f"{SCRIPT} check", check=False)


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

    result = apply(lab)
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
    assert check(lab).returncode == 0


def test_files_and_unit(lab):
    apply(lab)
    modes = {path: oct(host_file(lab, path).stat().st_mode & 0o777) for path in [*FILES, UNIT]}
    assert list(modes.values()) == ["0o600", "0o600", "0o755", "0o644"]
    assert host_file(lab, "/etc/redis-ports-block").stat().st_mode & 0o777 == 0o700
    assert host_file(lab, "/run/systemctl.log").read_text().split("\n")[:3] == [
        "daemon-reload",
        "enable redis-ports-block.service",
        "start redis-ports-block.service",
    ]
    # As after a start of the host: empty tables, then the unit.
    before = lab.rules()
    lab.sh("for t in iptables ip6tables; do $t -F; $t -X; done")
    assert check(lab).returncode != 0
    lab.sh(f"{SCRIPT} apply")
    assert lab.rules() == before
    assert "The rules are in place." in lab.sh(f"{SCRIPT} status").stdout


def test_second_run_changes_nothing(lab):
    apply(lab)
    before = lab.rules()
    log = host_file(lab, "/run/systemctl.log").read_text()
    for check_mode in (True, False):
        result = apply(lab, check=check_mode, diff=True)
        assert not result["changed"]
        assert result["differences"] == []
        assert "diff" not in result
    assert lab.rules() == before
    assert host_file(lab, "/run/systemctl.log").read_text() == log


def test_check_mode_predicts_and_changes_nothing(lab):
    before = lab.rules()
    predicted = apply(lab, check=True, diff=True)
    assert predicted["changed"]
    assert "-A REDIS-PORTS-6379 -s 10.66.1.10/32 -j ACCEPT\n" in predicted["diff"][0]["after"]
    assert predicted["diff"][0]["before"] == ""
    assert lab.rules() == before
    assert not any(host_file(lab, path).exists() for path in [*FILES, UNIT])

    done = apply(lab, diff=True)
    assert done["differences"] == predicted["differences"]
    assert done["diff"] == predicted["diff"]
    kernel = "".join(line + "\n" for line in lab.rules() if "REDIS-PORTS" in line and line.startswith("-A REDIS"))
    for family in (0, 1):
        wanted = [line for line in done["diff"][family]["after"].splitlines() if line.startswith("-A REDIS")]
        assert "\n".join(wanted) in kernel


def test_bare_host(lab):
    lab.sh("rm /usr/sbin/iptables* /usr/sbin/ip6tables*")
    predicted = apply(lab, check=True, diff=True)
    assert predicted["changed"]
    assert predicted["missing_packages"] == ["iptables"]
    assert predicted["diff"]
    result = lab.module("redis_firewall", POLICY)
    assert result["failed"]
    assert not result["changed"]
    assert "install the package iptables" in result["msg"]
    assert result["missing_packages"] == ["iptables"]
    assert not host_file(lab, FILES[0]).exists()
    findings = lab.module("redis_firewall_verify", POLICY)["findings"]
    assert {one["status"] for one in findings} == {"fail"}


def test_no_leak_in_fifty_changes(lab):
    apply(lab)
    hammers = [
        Hammer(lab, STRANGER[family], target[family], port, timeout=0.02)
        for family in FAMILIES
        for target, port in ((HOST, 6379), (HOST, 6380), (HOST, 6390))
    ]
    friends = [Hammer(lab, NAMED[family], HOST[family], 6379, timeout=2) for family in FAMILIES]
    for one in hammers + friends:
        one.start()
    for number in range(50):
        # Each time another policy, and sometimes drift of the jump that is not a hole by itself.
        lab.sh("iptables -I INPUT -j LOG" if number % 5 == 0 else ":")
        more = [{"port": 6379, "sources": [f"10.77.{number}.0/24"]}, {"port": 7100 + number}]
        assert apply(lab, {**POLICY, "ports": PORTS + more})["changed"]
    counts = [one.stop() for one in hammers]
    assert min(attempts for attempts, _open in counts) > 200
    assert [successes for _attempts, successes in counts] == [0] * len(hammers)
    for attempts, successes in (one.stop() for one in friends):
        assert attempts > 200
        assert successes == attempts, "a named source was cut"


def test_removed_source_loses_its_connections(lab):
    apply(lab)
    kept = [lab.connect("client", NAMED[4], HOST[4], port) for port in (6379, 6380)]
    kept += [lab.connect("client", NAMED[6], HOST[6], port) for port in (6379, 6380)]
    assert all(carries(one) for one in kept)
    apply(lab, {"ports": [{"port": 6379, "sources": ["10.66.1.99"]}]})
    for one in kept:
        assert not carries(one)
        one.close()


def test_sources_pass_in_front_of_a_default_deny(lab):
    lab.sh("iptables -P INPUT DROP; ip6tables -P INPUT DROP; ip6tables -A INPUT -p icmpv6 -j ACCEPT")
    apply(lab)
    for family in FAMILIES:
        assert lab.reaches("client", NAMED[family], HOST[family], 6379)
    assert failing(lab) == []


TAMPERING = {
    "flushed chain": "iptables -F REDIS-PORTS",
    "flushed chain of sources": "iptables -F REDIS-PORTS-DOCKER-6379",
    "deleted jump": "iptables -D INPUT 1",
    "deleted Docker jump": "iptables -D DOCKER-USER 1",
    "deleted way to DOCKER-USER": "iptables -D FORWARD -j DOCKER-USER",
    "everything flushed": "iptables -F",
    "everything flushed and deleted, IPv6": "ip6tables -F; ip6tables -X",
    "rule above ours": "iptables -I INPUT -s 203.0.113.0/24 -p tcp --dport 6379 -j ACCEPT",
    "interface above ours, IPv6": "ip6tables -I INPUT -i eth1 -j ACCEPT",
    "established above ours": "iptables -I INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "accept above Docker's": "iptables -I DOCKER-USER -m limit --limit 1/s -j ACCEPT",
    "source added": "iptables -I REDIS-PORTS-6379 -s 192.0.2.0/24 -j ACCEPT",
    "source removed": "iptables -D REDIS-PORTS-6379 1",
    "port opened": "ip6tables -R REDIS-PORTS 2 -p tcp -m multiport --dports 6379:6380 -j ACCEPT",
    "unit disabled": "rm -r /etc/systemd/system/multi-user.target.wants",
}


@pytest.mark.parametrize("script", TAMPERING.values(), ids=TAMPERING.keys())
def test_tampering_is_seen_and_mended(lab, script):
    apply(lab)
    before = lab.rules()
    lab.sh(script)
    assert failing(lab) != []
    if "systemd" not in script:
        assert check(lab).returncode != 0
    assert apply(lab, check=True)["changed"]
    assert apply(lab)["changed"]
    # Rules that somebody put beside ours are theirs, and stay; they no longer matter.
    assert [line for line in lab.rules() if line in before] == before
    assert failing(lab) == []
    assert check(lab).returncode == 0
    assert not apply(lab)["changed"]


DRIFT = {
    "another content": "echo >> {0}",
    "readable by all": "chmod 644 {0}",
    "another owner": "chown 1 {1}",
    "missing": "rm {1}",
    "a link": "mv {0} /etc/kept; ln -s /etc/kept {0}",
    "script changed": "echo exit 0 >> {2}",
    "unit masked": "ln -sf /dev/null " + UNIT,
    "repeated jump": "iptables -A INPUT -p tcp -j REDIS-PORTS",
    "older jump": "iptables -I INPUT -j REDIS-PORTS",
    "left over chain": "iptables -N REDIS-PORTS-9999; iptables -A REDIS-PORTS-9999 -j ACCEPT",
}


@pytest.mark.parametrize("script", DRIFT.values(), ids=DRIFT.keys())
def test_drift_is_mended(lab, script):
    apply(lab)
    before = lab.rules()
    lab.sh(script.format(*FILES))
    assert apply(lab, check=True)["changed"]
    assert apply(lab)["changed"]
    assert lab.rules() == before
    assert not apply(lab)["changed"]
    assert check(lab).returncode == 0


def test_foreign_rules_stay(lab):
    lab.sh(
        "iptables -A INPUT -p tcp --dport 80 -j ACCEPT; iptables -P FORWARD DROP; iptables -N DOCKER-USER;"
        "iptables -A DOCKER-USER -s 192.0.2.1 -j DROP; iptables -A DOCKER-USER -j RETURN; iptables -N MINE;"
        "iptables -A FORWARD -j DOCKER-USER; iptables -I FORWARD -o eth9 -j MINE"
    )
    before = [line for line in lab.rules() if line.startswith("-A") or "MINE" in line]
    apply(lab)
    after = [line for line in lab.rules() if "REDIS-PORTS" not in line and (line.startswith("-A") or "MINE" in line)]
    assert after == [*before, "-A FORWARD -j DOCKER-USER"]  # the last one is IPv6's
    assert ":FORWARD DROP [0:0]" in lab.rules()


REFUSED = [
    ({"ports": [{"port": 6379, "sources": ["10.0.0.5/24"]}]}, "write 10.0.0.0/24 for the network, or 10.0.0.5"),
    ({"ports": [{"port": 6379, "sources": ["app.example.com"]}]}, "names are not supported"),
    ({"ports": [{"port": 6379, "sources": ["0.0.0.0/0"]}]}, "0.0.0.0/0 is everyone"),
    ({"ports": [{"port": 70000}]}, "a port is a number from 1 to 65535"),
    ({"ports": [], "reserved_ports": []}, "nothing to guard"),
    ({"ports": [{"port": 6379, "sources": SOURCES, "purpose": "reserved"}]}, "a reserved port is closed to all"),
    ({"ports": [{"port": 2222}], "ssh_ports": [2222]}, "port 2222 is an SSH port (ssh_ports)"),
    ({"ports": [{"port": 6379}], "docker_bridges": ["br+"]}, "'br+' means br-test too"),
    ({"ports": [{"port": 6379}], "docker_bridges": ["+"]}, "'+' is not the name of an interface"),
]


@pytest.mark.parametrize(("policy", "message"), REFUSED, ids=[message for _policy, message in REFUSED])
def test_refuses_before_any_change(lab, policy, message):
    lab.sh("ip route add default via 10.66.2.2")
    before = lab.rules()
    for check_mode in (True, False):
        result = lab.module("redis_firewall", policy, check=check_mode)
        assert result["failed"]
        assert message in result["msg"]
    assert lab.rules() == before
    assert not any(host_file(lab, path).exists() for path in [*FILES, UNIT])


@pytest.mark.parametrize("line", ["port 7001", "listenaddress 0.0.0.0:7001", "listenaddress [::]:7001"])
def test_refuses_a_port_of_sshd(lab, line):
    lab.sh(f"printf '#!/bin/sh\\necho {line}\\n' > /usr/sbin/sshd; chmod 755 /usr/sbin/sshd")
    result = lab.module("redis_firewall", POLICY)
    assert "port 7001 is an SSH port (sshd)" in result["msg"]
    assert not host_file(lab, FILES[0]).exists()


def test_refuses_the_port_of_this_connection(lab, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 40000 192.0.2.2 7001")
    assert "port 7001 is an SSH port (this connection)" in lab.module("redis_firewall", POLICY)["msg"]


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
    apply(lab)
    before = lab.rules()
    files = [host_file(lab, path).read_text() for path in FILES]
    lab.sh("rm /usr/sbin/ip6tables-restore; ln -s /bin/false /usr/sbin/ip6tables-restore")
    result = lab.module("redis_firewall", {"ports": [{"port": 6379}]})
    assert "nothing was changed" in result["msg"]
    assert lab.rules() == before
    assert [host_file(lab, path).read_text() for path in FILES] == files


def test_a_load_that_fails_half_way_returns_to_the_previous_rules(lab):
    apply(lab)
    before = lab.rules()
    files = [host_file(lab, path).read_text() for path in FILES]
    lab.sh(BROKEN.format(namespace=lab.sh("readlink /proc/self/ns/net").stdout.strip()))
    result = lab.module("redis_firewall", {"ports": [{"port": 6379}]})
    assert "the rules could not be loaded" in result["msg"]
    assert lab.rules() == before
    assert [host_file(lab, path).read_text() for path in FILES] == files
    assert check(lab).returncode == 0


def test_large_policy_is_fast(lab):
    sources = [f"10.{number // 250}.{number % 250}.0/24" for number in range(250)]
    sources += [f"fd00:{number:x}::/64" for number in range(250)]
    ports = [6379, 6380, 7000, 7001, 7002, 16379, 16380, 17000, 17001, 17002, 26379, 26380]
    policy = {"ports": [{"port": port, "sources": sources} for port in ports]}
    assert apply(lab, policy)["changed"]
    assert failing(lab, policy) == []
    times = []
    for _attempt in range(3):
        start = time.monotonic()
        assert not apply(lab, policy)["changed"]
        times.append(time.monotonic() - start)
    assert min(times) < 0.5, times


def test_applies_at_once_wait_for_each_other(lab):
    apply(lab)
    before = lab.rules()
    lab.sh(f"for one in 1 2 3 4 5 6; do {SCRIPT} apply & done; wait")
    assert lab.rules() == before
    wait_until(lambda: check(lab).returncode == 0)
