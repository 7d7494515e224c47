# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What strangers reach of running containers, by what two real engines and their kernels said."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.exposure import survey as exposure_survey
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    evaluate as evaluator,
    policy as firewall_policy,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import parse as iptables_parse
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import (
    evaluate as nftables_evaluate,
)
from docker_facts import POLICY, VERSIONS, closed, container, guarded, only, only_doors, sample, with_saves

NFT = json.dumps(
    {
        "nftables": [
            {"chain": {"family": "inet", "table": "own", "name": "c", "type": "filter", "hook": "forward", "prio": 0}},
            {"rule": {"family": "inet", "table": "own", "chain": "c", "expr": [{"drop": None}]}},
        ]
    }
)


def lan(name):
    return f"on the LAN as 10.77.4.1{'11' if name == 'bookworm' else '12'}:6379/tcp"


@pytest.mark.parametrize("name", VERSIONS)
def test_an_open_host(name):
    facts = sample(name)
    assert closed(facts) == {"inside": ["by a route to 172.30.0.2:6379/tcp"]}
    doors = {one["name"]: [door["text"] for door in one["published"]] for one in exposure_survey.survey(facts, POLICY)}
    host, short = ("10.77.4.11", "11") if name == "bookworm" else ("10.77.4.12", "12")
    published, route, on_host = "published %s->6379/tcp", "by a route to %s/tcp", "on the host's network %s/tcp"
    both = "published 0.0.0.0:%d->6379/tcp", "published [::]:%d->6379/tcp"
    assert doors == {
        "all": [*(one % 32768 for one in both), route % "172.17.0.5:6379"],
        "guarded": [*(one % 6379 for one in both), route % "172.17.0.2:6379"],
        "hostnet": [on_host % "0.0.0.0:6395", on_host % "[::]:6395"],
        "inside": [route % "172.30.0.2:6379"],
        "later": [one % 6398 for one in both],
        "loop": [published % "127.0.0.1:6391", route % "172.17.0.4:6379"],
        "nopub": [route % "172.17.0.6:6379"],
        "onapp": [published % f"{host}:6397", route % "172.29.0.2:6379"],
        "onlan": [lan(name)],
        "published": [*(one % 6390 for one in both), route % "172.17.0.3:6379"],
        "sharing": [route % "172.17.0.3:7777"],
        "six": [*(one % 6396 for one in both), route % "172.28.0.2:6379", route % f"[fd99:4:{short}::2]:6379"],
        "web": ["published 0.0.0.0:8080->80/tcp", "published [::]:8080->80/tcp", route % "172.17.0.7:80"],
    }


@pytest.mark.parametrize("name", VERSIONS)
def test_a_forward_policy_of_drop_stops_what_is_not_published(name):
    facts = with_saves(sample(name), lambda text: text.replace(":FORWARD ACCEPT", ":FORWARD DROP"))
    assert closed(facts) == {
        "inside": ["by a route to 172.30.0.2:6379/tcp"],
        "nopub": ["by a route to 172.17.0.6:6379/tcp"],
        "sharing": ["by a route to 172.17.0.3:7777/tcp"],
    }


@pytest.mark.parametrize("name", VERSIONS)
def test_our_chains_close_6379_but_not_what_docker_proxy_takes_for_it(name):
    facts = with_saves(sample(name), guarded(POLICY, 4), guarded(POLICY, 6))
    still_open = {
        one["name"]: [door["text"] for door in one["published"] if door["reachable"]]
        for one in exposure_survey.survey(facts, POLICY)
    }
    assert {key: texts for key, texts in still_open.items() if texts and key != "web"} == {
        # IPv6 comes through docker-proxy, to which the host's port counts and not the container's.
        "all": ["published [::]:32768->6379/tcp"],
        "later": ["published [::]:6398->6379/tcp"],
        "published": ["published [::]:6390->6379/tcp"],
        "six": ["published [::]:6396->6379/tcp"],
        "hostnet": ["on the host's network 0.0.0.0:6395/tcp", "on the host's network [::]:6395/tcp"],
        "onlan": [lan(name)],
        "sharing": ["by a route to 172.17.0.3:7777/tcp"],
    }
    entry, found = only(facts, "guarded")
    assert [door["why"] for door in entry["published"]] == [
        "dropped by mangle FORWARD (REDIS-PORTS-DOCKER)",
        "dropped by filter INPUT (REDIS-PORTS)",
        "dropped by mangle FORWARD (REDIS-PORTS-DOCKER)",
    ]
    assert found["status"] == "pass" and "(REDIS-PORTS-DOCKER)" in found["actual"]


def test_a_policy_that_names_all_host_ports_leaves_the_lan_only():
    ports = [6379, 6390, 6391, 6395, 6396, 6397, 6398, 7777, 32768]
    policy = firewall_policy.build_policy(
        [{"port": port, "sources": [], "purpose": "data"} for port in ports], [], ["br-+"]
    )
    facts = with_saves(sample(), guarded(policy, 4), guarded(policy, 6))
    listed = exposure_survey.survey(facts, policy)
    failed = [found["subject"] for found in exposure_survey.findings(listed) if found["status"] == "fail"]
    assert failed == ["container onlan"]


def test_named_sources_are_no_strangers():
    """Rules that let only them in pass; the same rules fail for a policy that does not name them."""
    drop = "*mangle\n-A FORWARD ! -s 10.77.4.100/32 -p tcp -j DROP\nCOMMIT\n"
    facts = with_saves(sample(), lambda text: text + drop)
    assert only(facts, "loop")[1]["status"] == "pass"
    nobody = dataclasses.replace(POLICY, sources={port: () for port in POLICY.sources})
    assert only(facts, "loop", nobody)[1]["status"] == "fail"


@pytest.mark.parametrize(("interface", "status"), [("eth0", "pass"), ("eth1", "fail")])
def test_a_rule_for_an_interface_counts_where_it_is_the_only_one(interface, status):
    rule = f"-I DOCKER-USER\n-A DOCKER-USER -i {interface} -m conntrack --ctstate NEW -j DROP\n"
    facts = with_saves(sample(), lambda text: text.replace("-A DOCKER-USER", rule + "-A DOCKER-USER", 1))
    assert only(facts, "loop")[1]["status"] == status
    two = dataclasses.replace(facts, interfaces=["eth0", "eth2", "lo"])
    assert only(two, "loop")[1]["status"] == "fail"


@pytest.mark.parametrize(("interface", "count"), [("docker0", 3), ("br-9", 3), ("shop", 3), ("eth0", 0)])
def test_bridges_are_no_way_for_other_hosts(interface, count):
    """Those that the policy names, and those that the engine names."""
    facts = sample(interfaces=["lo", interface])
    next(one for one in facts.networks if one["Name"] == "app")["Options"] = {"com.docker.network.bridge.name": "shop"}
    assert len(closed(facts).get("published", [])) == count


@pytest.mark.parametrize("name", VERSIONS)
def test_without_dockers_rules_docker_proxy_takes_it(name):
    facts = sample(name, saves={4: "", 6: ""})
    entry, _found = only(facts, "published")
    assert [door["why"].rpartition(" to ")[2] for door in entry["published"]] == ["docker-proxy"] * 2 + ["172.17.0.3"]
    # docker-proxy listens on 127.0.0.1, where no packet from elsewhere is taken.
    assert closed(facts)["loop"] == ["published 127.0.0.1:6391->6379/tcp"]
    # Since Docker 26 containers on internal networks have no route by which to answer.
    assert ("inside" in closed(facts)) == (name == "trixie")


def test_without_dockers_rules_and_without_docker_proxy_nothing_listens():
    facts = sample(saves={4: "", 6: ""}, listeners=[("::1", 6390), ("127.0.0.1", 6390)])
    assert [door["reachable"] for door in only(facts, "published")[0]["published"]] == [False, False, True]


def test_a_kernel_that_does_not_forward():
    facts = sample(forwarding={4: False, 6: False})
    entry, _found = only(facts, "six")
    assert [door["reachable"] for door in entry["published"]] == [False, True, False, False]
    assert entry["published"][0]["why"] == "the kernel forwards no IPv4"


def test_a_kernel_without_ipv6_has_no_doors_of_it():
    facts = dataclasses.replace(sample(), saves={4: sample().saves[4]})
    listed = exposure_survey.survey(facts, POLICY)
    assert {door["family"] for one in listed for door in one["published"]} == {4}


def test_rules_of_docker_28_are_followed():
    """They stand in the table raw, before the addresses are translated."""
    rules = "*raw\n-A PREROUTING -d 172.17.0.4/32 ! -i docker0 -j DROP\n"
    rules += "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 6391 -j DROP\nCOMMIT\n"
    facts = with_saves(sample(version="28.2.2"), lambda text: text + rules)
    assert len(closed(facts)["loop"]) == 2
    assert only(facts, "loop")[0]["published"][0]["why"] == "dropped by raw PREROUTING"
    assert "published" not in closed(facts)


def test_tables_of_nftables_count():
    facts = sample(nft=nftables_evaluate.parse(NFT))
    entry, _found = only(facts, "published")
    assert [door["reachable"] for door in entry["published"]] == [False, True, False]
    assert entry["published"][0]["why"] == "dropped by nft inet own c, FORWARD"


def test_tables_of_iptables_are_not_taken_from_nft():
    facts = sample(nft=nftables_evaluate.parse(NFT.replace('"inet"', '"ip"').replace('"own"', '"filter"')))
    assert "published" not in closed(facts)


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_an_internal_network_of_the_lan_kind_leads_nowhere(driver):
    facts = sample()
    network = next(one for one in facts.networks if one["Name"] == "lan")
    network["Driver"] = driver
    entry, found = only(facts, "onlan")
    assert (entry["published"][0]["why"].partition(",")[2], found["status"]) == (" past this host's firewall", "fail")
    network["Internal"] = True
    assert only(facts, "onlan")[1]["status"] == "pass"


def test_other_protocols_are_listed_and_not_judged():
    facts = sample()
    container(facts, "web")["NetworkSettings"]["Ports"] = {"6379/udp": [{"HostIp": "::", "HostPort": "6379"}]}
    door = only_doors(facts, "web")[0]
    assert (door["reachable"], door["redis"], door["text"]) == (None, False, "published [::]:6379->6379/udp")


def test_publishing_on_the_loopback_of_ipv6():
    """Whatever Docker's rules say: the kernel drops such packets before it asks them."""
    rule = "*nat\n-A PREROUTING -d ::1/128 -p tcp -m tcp --dport 6391 -j DNAT --to-destination [fd99::2]:6379\nCOMMIT\n"
    facts = with_saves(sample(), lambda text: text, lambda text: rule)
    container(facts, "loop")["NetworkSettings"]["Ports"] = {"6379/tcp": [{"HostIp": "::1", "HostPort": "6391"}]}
    assert only_doors(facts, "loop")[0]["reachable"] is False


def test_rules_for_ipv6_lead_to_the_address_of_ipv6():
    rule = "*nat\n-A PREROUTING -p tcp -m tcp --dport 6396 -j DNAT --to-destination [fd99:4:11::2]:6379\nCOMMIT\n"
    facts = with_saves(sample(), lambda text: text, lambda text: rule)
    assert [door["why"].rpartition(" to ")[2] for door in only_doors(facts, "six")][:2] == [
        "172.28.0.2",
        "fd99:4:11::2",
    ]


def test_a_socket_on_all_of_ipv6_takes_ipv4():
    facts = sample()
    facts.activities[container(facts, "nopub")["Id"]]["listeners"] = [("::", 6379)]
    assert [door["text"] for door in only_doors(facts, "nopub")] == ["by a route to 172.17.0.6:6379/tcp"]


def test_a_published_port_is_routed_to_also_while_nothing_listens():
    facts = sample()
    facts.activities[container(facts, "published")["Id"]]["listeners"] = []
    assert only_doors(facts, "published")[2]["text"] == "by a route to 172.17.0.3:6379/tcp"


@pytest.mark.parametrize(
    ("rule", "output", "destination", "matches"),
    [
        ("-o docker0", "docker0", None, True),
        ("-o docker0", "eth0", None, False),
        ("! -o docker0", "eth0", None, True),
        ("-o br-+", "br-1", None, True),
        ("-o docker0", None, None, None),
        ("-d 172.17.0.0/16", None, "172.17.0.2", True),
        ("! -d 172.17.0.0/16", None, "172.17.0.2", False),
        ("-d 172.17.0.0/16", None, None, None),
    ],
)
def test_rules_that_look_at_where_a_packet_goes(rule, output, destination, matches):
    ruleset = iptables_parse.parse("*filter\n-A FORWARD %s -j DROP\nCOMMIT\n" % rule, "filter")
    destination = destination and ipaddress.ip_address(destination)
    packet = evaluator.Packet("eth0", 6379, 6379, output=output, destination=destination)
    chains = evaluator.specialise(ruleset, packet, "FORWARD")
    found = evaluator.verdicts(ruleset, chains, "FORWARD", ipaddress.ip_address("198.51.100.1"))
    assert found == {True: {"DROP"}, False: {"ACCEPT"}, None: {"ACCEPT", "DROP"}}[matches]


@pytest.mark.parametrize("form", ["published", "/published", "SHORT", "ID"])
def test_the_network_of_another_container_by_its_name_and_its_id(form):
    facts = sample()
    owner = container(facts, "published")
    name = {"ID": owner["Id"], "SHORT": owner["Id"][:12]}.get(form, form).lstrip("/")
    container(facts, "sharing")["HostConfig"]["NetworkMode"] = "container:" + name
    assert [door["text"] for door in only_doors(facts, "sharing")] == ["by a route to 172.17.0.3:7777/tcp"]


def test_the_network_of_a_container_that_is_gone_and_a_circle():
    facts = sample()
    one = container(facts, "sharing")
    for other in ("", "gone", "sharing"):
        one["HostConfig"]["NetworkMode"] = "container:" + other
        assert only_doors(facts, "sharing") == []


def test_bans_cost_no_more_than_their_number():
    def seconds(count):
        bans = "".join("-A bans -s 10.%d.%d.1 -j DROP\n" % divmod(number, 250) for number in range(count))
        bans = "*mangle\n-A FORWARD -j bans\n%sCOMMIT\n" % bans
        facts = with_saves(sample(), lambda save: guarded(POLICY, 4)(save + bans))
        begun = time.process_time()
        closed(facts)
        return time.process_time() - begun

    few = min(seconds(400) for _again in range(3))
    # Eight times as long, or sixty-four times where each is held against each.
    assert seconds(3200) < 24 * few
