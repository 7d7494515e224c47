"""The containers' rules: what gets through them, and that nobody else's rule is taken away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon import (
    rules as daemon_rules,
    rules_files as daemon_rules_files,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    kernel as iptables_kernel,
)

SAVE = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
:ufw-before-forward - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A FORWARD -i docker0 -p tcp -j LOG
-A FORWARD -i wg0 -o wg0 -j ACCEPT
-A FORWARD -j ufw-before-forward
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 6379 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -s 203.0.113.0/24 -j DROP
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER_OUTPUT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.8.0.0/24 ! -o wg0 -j MASQUERADE
-A POSTROUTING -s 10.8.0.0/24 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 6379 -j MASQUERADE
-A POSTROUTING -s 10.8.0.2/32 -d 10.8.0.2/32 -p tcp -m tcp --dport 6379 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379
COMMIT
"""


def network(title, subnets, internal=False, driver="bridge", **options):
    named = {"com.docker.network.bridge." + key: value for key, value in options.items()}
    config = [{"Subnet": subnet} for subnet in subnets]
    return dict(Name=title, Id=title * 20, Driver=driver, Options=named, IPAM={"Config": config}, Internal=internal)


FOUND = [
    # As the engine tells of it where it makes no rules.
    network("bridge", ["172.17.0.0/16"], name="docker0", default_bridge="true", enable_ip_masquerade="false"),
    network("web", ["172.18.0.0/16", "fd00:18::/64"]),
    network("vault", ["172.19.0.0/16"], internal=True),
    network("lone", ["172.20.0.0/16"], enable_icc="false"),
    network("flat", ["172.21.0.0/16"], enable_ip_masquerade="false"),
    network("host", [], driver="host"),
    network("lan", ["10.1.0.0/16"], driver="macvlan"),
]
NETWORKS = daemon_rules.networks(FOUND, (4, 6))
WEB, VAULT, LONE, FLAT = ("br-" + (name * 20)[:12] for name in ("web", "vault", "lone", "flat"))


def forward(family, incoming, outgoing, state="NEW"):
    """Judge a packet by the rules as the kernel would; an interface of None is the world's."""
    rules = daemon_rules.render(NETWORKS, family)["filter"][daemon_rules.FORWARD_CHAIN]
    for rule in rules:
        words = rule.split()
        options = dict(zip(words[::2], words[1::2], strict=True))
        if options.get("-i", incoming) != incoming or options.get("-o", outgoing) != outgoing:
            continue
        if "--ctstate" in options and state not in options["--ctstate"].split(","):
            continue
        if options["-j"] in ("ACCEPT", "DROP"):
            return options["-j"]
    return None


@pytest.mark.parametrize(
    ("incoming", "outgoing", "verdict"),
    [
        ("docker0", "docker0", "ACCEPT"),
        ("docker0", "eth0", "ACCEPT"),
        (WEB, WEB, "ACCEPT"),
        (WEB, "docker0", "DROP"),
        ("docker0", WEB, "DROP"),
        ("eth0", "docker0", "DROP"),
        ("eth0", WEB, "DROP"),
        (VAULT, VAULT, "ACCEPT"),
        (VAULT, "eth0", "DROP"),
        (LONE, LONE, "DROP"),
        (LONE, "eth0", "ACCEPT"),
        ("eth0", "wg0", None),
    ],
)
def test_who_gets_where(incoming, outgoing, verdict):
    assert forward(4, incoming, outgoing) == verdict


def test_answers_come_back():
    assert forward(4, "eth0", "docker0", "ESTABLISHED") == "ACCEPT"
    assert forward(6, "eth0", WEB, "RELATED") == "ACCEPT"


def test_ipv6_has_rules_for_its_networks_only():
    assert forward(6, "eth0", WEB) == "DROP"
    assert forward(6, "eth0", "docker0") is None
    docker0 = [one for one in NETWORKS if one.bridge == "docker0"]
    assert daemon_rules.render(docker0, 6) == {}


def test_ipv6_is_left_alone_where_the_engine_never_had_it():
    assert daemon_rules.render(daemon_rules.networks(FOUND), 6) == {}
    assert daemon_rules.render(daemon_rules.networks(FOUND), 4) == daemon_rules.render(NETWORKS, 4)


def test_what_is_translated():
    nat = daemon_rules.render(NETWORKS, 4)["nat"][daemon_rules.NAT_CHAIN]
    assert "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE" in nat
    assert not any(bridge in rule for rule in nat for bridge in (VAULT, FLAT))
    assert daemon_rules.render(NETWORKS, 6)["nat"][daemon_rules.NAT_CHAIN] == [
        "-s fd00:18::/64 ! -o %s -j MASQUERADE" % WEB
    ]


def test_the_default_network_is_not_translated_where_the_file_says_so():
    rendered = daemon_rules.render(daemon_rules.networks(FOUND, masquerade=False), 4)
    assert not any("docker0" in rule for rule in rendered["nat"][daemon_rules.NAT_CHAIN])


def test_global_ipv6_addresses_are_left_alone():
    found = daemon_rules.networks([network("six", ["2600:1f18::/64"])], (4, 6))
    assert "nat" not in daemon_rules.render(found, 6)


def test_the_operator_s_chain_is_asked_first():
    assert daemon_rules.render(NETWORKS, 4)["filter"][daemon_rules.FORWARD_CHAIN][0] == "-j DOCKER-USER"


def test_the_engine_s_rules_go_and_nobody_else_s():
    kernel = iptables_kernel.parse_save(SAVE)
    removals = daemon_rules.engine_rules(kernel, NETWORKS)
    gone = {line[3:] for lines in removals.values() for line in lines if line.startswith("-D ")}
    left = [line[3:] for line in SAVE.splitlines() if line.startswith("-A ") and line[3:] not in gone]
    left = [line for line in left if line.split()[0] in ("FORWARD", "PREROUTING", "OUTPUT", "POSTROUTING")]
    assert left == [
        "FORWARD -i docker0 -p tcp -j LOG",
        "FORWARD -i wg0 -o wg0 -j ACCEPT",
        "FORWARD -j ufw-before-forward",
        "OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT",
        "POSTROUTING -s 10.8.0.0/24 ! -o wg0 -j MASQUERADE",
        "POSTROUTING -s 10.8.0.0/24 ! -o docker0 -j MASQUERADE",
        "POSTROUTING -s 10.8.0.2/32 -d 10.8.0.2/32 -p tcp -m tcp --dport 6379 -j MASQUERADE",
    ]
    chains = {line for lines in removals.values() for line in lines if line.startswith("-X ")}
    assert chains == {"-X DOCKER", "-X DOCKER-ISOLATION-STAGE-1", "-X DOCKER-ISOLATION-STAGE-2"}


def test_after_that_there_is_nothing_left_to_do():
    text = "\n".join(line for line in SAVE.splitlines() if "ufw" in line or line.startswith(("*", "COMMIT")))
    assert daemon_rules.engine_rules(iptables_kernel.parse_save(text), NETWORKS) == {}


def test_whether_the_engine_makes_rules():
    assert daemon_rules.has_engine_rules(iptables_kernel.parse_save(SAVE))
    assert not daemon_rules.has_engine_rules(iptables_kernel.parse_save(SAVE.replace("--dst-type LOCAL -j DOCKER", "")))
    assert not daemon_rules.has_engine_rules({})


def in_kernel():
    rendered = daemon_rules.render(NETWORKS, 4)
    kernel = {table: dict(chains) for table, chains in rendered.items()}
    for table, (hook, chain) in daemon_rules.HOOKS.items():
        kernel[table][hook] = ["-j " + chain, "-j other"]
    return kernel, rendered


def test_equal_rules_do_not_differ():
    assert daemon_rules.differences(*in_kernel()) == []


def test_each_difference_is_seen():
    for table, (hook, chain) in daemon_rules.HOOKS.items():
        for spoil in (
            lambda chains, chain=chain: chains.pop(chain),
            lambda chains, chain=chain: chains.update({chain: chains[chain][1:]}),
            lambda chains, hook=hook: chains[hook].reverse(),
            lambda chains, hook=hook: chains.pop(hook),
            lambda chains, hook=hook, chain=chain: chains[hook].append("-j " + chain),
        ):
            kernel, rendered = in_kernel()
            spoil(kernel[table])
            assert len(daemon_rules.differences(kernel, rendered)) == 1
        kernel, rendered = in_kernel()
        del rendered[table]
        assert daemon_rules.differences(kernel, rendered) == ["the chain %s of %s is left over" % (chain, table)]


def test_where_ports_are_published():
    found = [
        network("bridge", [], host_binding_ipv4="127.0.0.1"),
        network("old", []),
        network("new", [], host_binding_ipv4="127.0.0.1"),
        network("lan", [], driver="macvlan"),
    ]
    assert daemon_rules.published_everywhere(found, "127.0.0.1") == ["old"]
    assert daemon_rules.default_address(found) == "127.0.0.1"
    assert daemon_rules.default_address([]) is None
    assert daemon_rules.published_everywhere([network("bridge", [])], "127.0.0.1") == []


def test_the_file_is_read_as_the_rules():
    text = daemon_rules.rules_file(daemon_rules.render(NETWORKS, 4))
    assert text.endswith("COMMIT\n")
    for table, chains in daemon_rules.render(NETWORKS, 4).items():
        assert iptables_kernel.parse_save(text)[table] == chains
    assert daemon_rules.rules_file({}).count("\n") == 1


def test_shellcheck(tmp_path):
    script = tmp_path / "script"
    script.write_text(daemon_rules_files.SCRIPT)
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--shell=sh", script], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_script_has_the_same_names():
    for table, (hook, chain) in daemon_rules.HOOKS.items():
        assert "%s %s %s ||" % (table, hook, chain) in daemon_rules_files.SCRIPT
    assert "folder=%s\n" % daemon_rules_files.FOLDER in daemon_rules_files.SCRIPT


def test_the_unit_runs_the_script_and_is_wanted():
    assert "ExecStart=%s apply\n" % daemon_rules_files.SCRIPT_PATH in daemon_rules_files.UNIT
    assert "WantedBy=%s\n" % " ".join(daemon_rules_files.WANTED_BY) in daemon_rules_files.UNIT
    for key in ("After", "PartOf", "WantedBy"):
        assert "nftables.service netfilter-persistent.service" in daemon_rules_files.UNIT.split("\n%s=" % key)[1]
    assert "ExecStop" not in daemon_rules_files.UNIT
