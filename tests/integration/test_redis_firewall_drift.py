# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others do to the rules is seen and fixed. In network namespaces; needs root."""

from __future__ import annotations

import contextlib

import firewall_lab
import pytest
from firewall_lab import BACKENDS, SCRIPT, UNIT


@pytest.fixture
def iptables_lab(tmp_path):
    with firewall_lab.Lab(tmp_path) as one:
        yield one


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
# What does not lie in our table, and is fixed by whoever made it.
UNDO = {"drop by somebody else": "nft delete table inet theirs"}


def cases(scripts, more):
    return [
        pytest.param(backend, name, id=f"{backend}-{name}")
        for backend in BACKENDS
        for name in {**scripts[backend], **more}
    ]


@pytest.fixture(scope="module")
def settled_labs(tmp_path_factory):
    """Hosts that are as they should be; each test that spoils one also fixes it."""
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
    assert settled.failing() != []
    if name in UNDO:
        assert settled.script("check") == 0
        settled.sh(UNDO[name])
    else:
        assert (settled.script("check") != 0) == (name not in BOTH)
        assert settled.apply()["changed"]
    assert settled.own_rules() == before
    assert settled.failing() == []
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


BANS = {
    "fail2ban": "iptables -N f2b; iptables -A f2b -s 192.0.2.1 -j REJECT; iptables -A f2b -j RETURN;"
    "iptables -I INPUT -p tcp -j f2b",
    "containers": "iptables -N f2b; iptables -A f2b -s 192.0.2.1 -j DROP; iptables -I DOCKER-USER -j f2b;"
    "iptables -t mangle -I FORWARD -s 192.0.2.1 -j DROP",
    "IPv6": "ip6tables -N f2b; ip6tables -A f2b -s 2001:db8::1 -j DROP; ip6tables -I INPUT -j f2b",
}


@pytest.mark.parametrize("name", BANS)
def test_what_only_drops_may_come_first(iptables_lab, name):
    lab = iptables_lab
    lab.apply()
    lab.sh(BANS[name])
    before = lab.rules()
    assert lab.failing() == []
    assert not lab.apply()["changed"]
    for verb in ("check", "guard", "apply"):
        assert lab.script(verb) == 0
    assert lab.rules() == before
    # Once it lets somebody in, it has to go behind.
    tables = "ip6tables" if name == "IPv6" else "iptables"
    lab.sh(f"{tables} -A f2b -j ACCEPT")
    assert lab.failing() != []
    assert lab.script("check") != 0
    assert lab.script("guard") == 0
    assert lab.failing() == []


def cut(path, start, end="^COMMIT$"):
    return f"sed -i '/{start}/,/{end}/d' {path}"


V4, V6, NFT = "/etc/redis-ports-block/rules.v4", "/etc/redis-ports-block/rules.v6", "/etc/redis-ports-block/rules.nft"
INCOMPLETE = {
    "no mangle": ("iptables", cut(V4, "^.mangle$")),
    "no mangle, IPv6": ("iptables", cut(V6, "^.mangle$")),
    "no filter": ("iptables", cut(V4, "^.filter$")),
    "an empty section": ("iptables", f"sed -i '/^.mangle/,/^COMMIT/{{/^[:-]/d}}' {V6}"),
    "no drop at the end": ("iptables", f"sed -i '/^-A REDIS-PORTS .*DROP$/d' {V4}"),
    "no drop of a container's port": ("iptables", f"sed -i '/--comment redis_hardening -j DROP$/d' {V6}"),
    "no chain for containers": ("iptables", f"sed -i '/REDIS-PORTS-DOCKER/d' {V4}"),
    "nothing but its end": ("iptables", f"echo COMMIT > {V6}"),
    "cut off": ("iptables", f"sed -i '$d' {V4}"),
    "nothing": ("iptables", f": > {V4}"),
    "no chain": ("nftables", cut(NFT, "chain containers", "^.}$")),
    "no drop": ("nftables", f"sed -i '/tcp dport @guarded counter drop/d' {NFT}"),
    "an empty table": ("nftables", f"printf 'table inet redis_ports {{\\n}}\\n' > {NFT}"),
    "nothing, nft": ("nftables", f": > {NFT}"),
}


@pytest.mark.parametrize(("backend", "script"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_rules_that_are_not_whole_take_nothing_away(settled_labs, backend, script):
    lab = settled_labs(backend)
    before = lab.own_rules()
    lab.sh("rm -rf /run/spoilt; cp -r /etc/redis-ports-block /run/good")
    lab.sh(script)
    lab.sh("cp -r /etc/redis-ports-block /run/spoilt")
    for verb in ("apply", "check", "guard", "rehearse /run/spoilt", "try /run/spoilt 0"):
        # The rehearsal is in a network of its own.
        command = f"unshare --net {SCRIPT} {verb}" if verb.startswith("rehearse") else f"{SCRIPT} {verb}"
        assert lab.sh(command, check=False).returncode != 0, verb
        assert lab.own_rules() == before
    lab.sh("rm -rf /etc/redis-ports-block /run/spoilt; mv /run/good /etc/redis-ports-block")
    assert lab.script("apply") == 0
    assert lab.own_rules() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_notice_to_which_nobody_is_led(tmp_path, backend):
    with firewall_lab.Lab(tmp_path, backend) as lab:
        lab.apply({**firewall_lab.POLICY, "reserved_action": "notice"})
        assert lab.script("check") == 0
        lab.sh(cut(V4, "^.nat$") if backend == "iptables" else f"sed -i '/redirect to/d' {NFT}")
        for verb in ("apply", "check"):
            assert lab.script(verb) != 0
        nat = "iptables-save -t nat" if backend == "iptables" else "nft list table inet redis_ports"
        assert "63790" in lab.sh(nat).stdout


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
