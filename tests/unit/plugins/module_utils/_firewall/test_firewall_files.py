# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script and the unit say the same as the Python beside them."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    backends as firewall_backends,
    files as firewall_files,
    policy as firewall_policy,
    script as firewall_script,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    kernel as iptables_kernel,
)


def test_shellcheck(tmp_path):
    script = tmp_path / "script"
    script.write_text(firewall_script.SCRIPT)
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--shell=sh", script], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_jumps_are_the_same():
    in_script = re.findall(r'jump\["(\S+)"\] = "(.*)"', firewall_script.SCRIPT)
    assert in_script == [(chain, rule) for _table, chain, rule in iptables_kernel.JUMPS]


def test_what_may_come_before_is_the_same():
    names = re.search(r'split\("(.*?)", names\)', firewall_script.SCRIPT)[1]
    assert tuple(names.split()) == iptables_kernel.TURNING_AWAY


FRONT = {
    "fail2ban": (True, ["INPUT -p tcp -j f2b", "f2b -s 192.0.2.1/32 -j REJECT --reject-with x", "f2b -j RETURN"]),
    "fail2ban twice": (True, ["INPUT -p tcp -j f2b", "INPUT -j f2c", "f2b -j RETURN", "f2c -j RETURN"]),
    "CrowdSec": (True, ["INPUT -j CROWD", "CROWD -m set --match-set crowdsec-blacklists src -j DROP"]),
    "with a log": (True, ["INPUT -j a", 'a -j LOG --log-prefix "x -j ACCEPT "', "a -j b", "b -j DROP"]),
    "counted": (True, ["INPUT -j a", "a", "a -s 192.0.2.1/32"]),
    "a goto inside": (True, ["INPUT -j a", "a -g b", "b -s 192.0.2.1/32 -j DROP"]),
    "a drop itself": (True, ["INPUT -s 192.0.2.1/32 -j DROP", "INPUT -j REJECT"]),
    "an empty chain": (True, [":a - [0:0]", "INPUT -j a"]),
    "with a comment": (True, ["INPUT -j a", 'a -m comment --comment "a \\"b\\" -j ACCEPT" -j DROP']),
    "nothing": (True, []),
    "an accept": (False, ["INPUT -j a", "a -s 192.0.2.1/32 -j ACCEPT", "a -j DROP"]),
    "an accept deep down": (False, ["INPUT -j a", "a -j b", "b -j c", "c -j DROP", "c -j ACCEPT"]),
    "an accept, commented as a drop": (False, ["INPUT -j a", 'a -m comment --comment "x -j DROP" -j ACCEPT']),
    "an accept, commented in one word": (False, ["INPUT -j a", "a -m comment --comment -j -j ACCEPT"]),
    "an accept itself": (False, ["INPUT -s 192.0.2.1/32 -j ACCEPT"]),
    "a return itself": (False, ["INPUT -s 192.0.2.1/32 -j RETURN"]),
    "a goto itself": (False, ["INPUT -g a", "a -s 192.0.2.1/32 -j DROP"]),
    "a log itself": (False, ["INPUT -j LOG"]),
    "what nobody knows": (False, ["INPUT -j a", "a -j NFQUEUE --queue-num 1"]),
    "what nobody knows itself": (False, ["INPUT -j NFQUEUE"]),
    "a chain that ours is in": (False, ["INPUT -j a", "a -j REDIS-PORTS", "REDIS-PORTS -j ACCEPT"]),
    "one that drops, one that does not": (False, ["INPUT -j a", "INPUT -j b", "a -j DROP", "b -j ACCEPT"]),
}


@pytest.mark.parametrize(("fine", "rules"), FRONT.values(), ids=FRONT)
def test_what_may_come_before_ours(tmp_path, fine, rules):
    """The module and the script say the same."""
    jump = "INPUT -p tcp -j REDIS-PORTS"
    chains = sorted({rule.split()[0] for rule in rules if not rule.startswith(":")} | {"INPUT", "REDIS-PORTS"})
    lines = ["*filter", *(":%s - [0:0]" % chain for chain in chains)]
    lines += [rule for rule in rules if rule.startswith(":")]
    lines += ["-A " + rule for rule in rules if rule.startswith("INPUT")] + ["-A " + jump]
    lines += ["-A " + rule for rule in rules if not rule.startswith(("INPUT", ":"))]
    lines += ["-A DOCKER-USER -p tcp -j REDIS-PORTS-DOCKER"]
    text = "\n".join([*lines, "COMMIT"])
    assert (iptables_kernel.jump_differences(iptables_kernel.parse_save(text), ["filter"]) == []) is fine
    function = firewall_script.SCRIPT.split("\njumps() {")[1].split("\n}\n")[0]
    for verb, awk in itertools.product(("", "move"), ("mawk", "gawk", "busybox awk")):
        if not shutil.which(awk.split()[0]):
            continue
        script = 'awk() { command %s "$@"; }; jumps() {%s\n}; table=filter wanted=x actual=$(cat); jumps %s'
        done = subprocess.run(
            ["sh", "-euc", script % (awk, function, verb)], input=text, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        assert done.stdout == ("" if fine else "-D %s\n-I INPUT 1 %s\n" % (jump, jump.partition(" ")[2]))


def functions(*names):
    """Return shell functions of the script."""
    return "".join(re.search(r"(?ms)^%s\(\) \{.*?\}$" % name, firewall_script.SCRIPT)[0] + "\n" for name in names)


WHOLE = "file=$1; for table in filter mangle nat; do wanted=$(section $table) || true; whole || echo $table; done"
NFT_WHOLE = "file=$1; closes host || echo host; closes containers || echo containers; leads_to_notice || echo notice"


@pytest.mark.parametrize("stranger_action", firewall_policy.STRANGER_ACTIONS)
@pytest.mark.parametrize("notice", [False, True])
@pytest.mark.parametrize("sources", [[], ["10.0.0.5"], ["fd00::5"], ["10.0.0.5", "fd00::5"]])
@pytest.mark.parametrize("ports", [[6390], list(range(7000, 7080, 2))])
def test_what_is_rendered_is_whole(tmp_path, stranger_action, notice, sources, ports):
    entries = [{"port": port, "sources": sources, "purpose": "data"} for port in ports]
    policy = firewall_policy.build_policy(entries, [6379, 6380], ["docker0", "br-+"], stranger_action, notice)
    for backend in firewall_backends.BACKENDS.values():
        for name, text in backend.rules(policy).items():
            (tmp_path / name).write_text(text)
            script = functions("section", "whole", "ends") + WHOLE
            if name.endswith(".nft"):
                script = functions("nft_chain", "closes", "leads_to_notice") + NFT_WHOLE
            done = subprocess.run(
                ["sh", "-c", script, "sh", tmp_path / name], capture_output=True, text=True, check=True
            )
            assert (done.stdout, done.stderr) == ("", ""), name


def test_names_of_chains_are_the_same():
    pattern = re.search(r"^own='(.*)'$", firewall_script.SCRIPT, re.MULTILINE)[1]
    assert pattern.replace("[0-9]", r"\d") == iptables_kernel.OWN_CHAIN.pattern


def test_the_unit_runs_the_script_and_is_wanted():
    assert "WantedBy=%s\n" % " ".join(firewall_files.WANTED_BY) in firewall_files.UNIT
    assert "ExecStart=%s apply\n" % firewall_files.SCRIPT_PATH in firewall_files.UNIT
    # Whoever may take the rules away has them loaded again after its start.
    for name in ("nftables", "netfilter-persistent"):
        for key in ("After", "PartOf", "WantedBy"):
            assert re.search(r"(?m)^%s=.*\b%s\.service" % (key, name), firewall_files.UNIT), (key, name)
    assert "ExecStop" not in firewall_files.UNIT
    folders = "kept=%s trial=%s " % (firewall_files.FOLDER, firewall_files.TRIAL_FOLDER)
    assert folders in firewall_script.SCRIPT
