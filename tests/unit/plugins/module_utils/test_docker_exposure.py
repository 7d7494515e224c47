# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What two real engines and their kernels said (docker_samples: 20.10 on bookworm, 26.1 on trixie), judged.

In the state of the samples, and in those that the tests make of it, a neighbour really connected to each port; the
expected answers are what it met.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import types
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import (
    _docker_doors,
    _docker_engine,
    _docker_exposure,
    _firewall,
    _nft_eval,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall_eval as evaluator

SAMPLES = Path(__file__).parent / "docker_samples"
VERSIONS = {"bookworm": "20.10.24+dfsg1", "trixie": "26.1.5+dfsg1"}
POLICY = _firewall.build_policy(
    [{"port": 6379, "sources": ["10.77.4.100", "fd77:4::100"], "purpose": "data"}],
    [6379, 6380],
    ["docker0", "br-+", "docker_gwbridge"],
)
# Redis listens on all addresses of these containers.
LISTENS = {"hostnet": 6395, "sharing": 7777}
QUIET = ("web", "later")
NFT = json.dumps(
    {
        "nftables": [
            {"chain": {"family": "inet", "table": "own", "name": "c", "type": "filter", "hook": "forward", "prio": 0}},
            {"rule": {"family": "inet", "table": "own", "chain": "c", "expr": [{"drop": None}]}},
        ]
    }
)


def sample(name="bookworm", **changes):
    """Return the Facts of a host, with changes to them."""
    engine = json.loads((SAMPLES / f"{name}.json").read_text())
    sockets = _docker_engine.parse_sockets((SAMPLES / f"{name}.tcp").read_text())
    activities = {}
    for container in engine["containers"]:
        port = LISTENS.get(container["Name"][1:], 6379)
        if container["Name"][1:] not in QUIET:
            sides = [("0.0.0.0", port), ("::", port)]
            activities[container["Id"]] = {"redis": ["redis-server"], "redis_ports": [port], "listeners": sides}
    facts = _docker_doors.Facts(
        version=VERSIONS[name],
        containers=engine["containers"],
        networks=engine["networks"],
        services=[],
        activities=activities,
        listeners=[(address, port) for _inode, address, port in sockets],
        interfaces=["docker0", "eth0", "lo"],
        saves={4: (SAMPLES / f"{name}.v4").read_text(), 6: ""},
        nft=[],
        forwarding={4: True, 6: True},
    )
    return dataclasses.replace(facts, **changes)


def closed(facts, policy=POLICY):
    """Return container -> text of the doors that strangers can't use."""
    listed = _docker_exposure.survey(facts, policy)
    found = {one["name"]: [door["text"] for door in one["published"] if not door["reachable"]] for one in listed}
    return {name: texts for name, texts in found.items() if texts}


def only(facts, name, policy=POLICY):
    """Return what is said of one container, and the finding on it."""
    listed = _docker_exposure.survey(facts, policy)
    one = next(one for one in listed if one["name"] == name)
    return one, next(found for found in _docker_exposure.findings(listed) if found["subject"].endswith(" " + name))


def container(facts, name):
    return next(one for one in facts.containers if one["Name"] == "/" + name)


def with_saves(facts, change4, change6=lambda text: text):
    return dataclasses.replace(facts, saves={4: change4(facts.saves[4]), 6: change6(facts.saves[6])})


def guarded(policy, family):
    """Return a function that adds our chains to a save."""
    own = _firewall.rules_file(_firewall.render(policy, family))
    jumps = (
        "*filter\n-A INPUT -p tcp -j REDIS-PORTS\nCOMMIT\n*mangle\n-A FORWARD -p tcp -j REDIS-PORTS-DOCKER\nCOMMIT\n"
    )
    return lambda text: text + own + jumps


def lan(name):
    return f"on the LAN as 10.77.4.1{'11' if name == 'bookworm' else '12'}:6379/tcp"


@pytest.mark.parametrize("name", VERSIONS)
def test_an_open_host(name):
    facts = sample(name)
    assert closed(facts) == {"inside": ["by a route to 172.30.0.2:6379/tcp"]}
    doors = {one["name"]: [door["text"] for door in one["published"]] for one in _docker_exposure.survey(facts, POLICY)}
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
        for one in _docker_exposure.survey(facts, POLICY)
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
    policy = _firewall.build_policy([{"port": port, "sources": [], "purpose": "data"} for port in ports], [], ["br-+"])
    facts = with_saves(sample(), guarded(policy, 4), guarded(policy, 6))
    listed = _docker_exposure.survey(facts, policy)
    failed = [found["subject"] for found in _docker_exposure.findings(listed) if found["status"] == "fail"]
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
    listed = _docker_exposure.survey(facts, POLICY)
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
    facts = sample(nft=_nft_eval.parse(NFT))
    entry, _found = only(facts, "published")
    assert [door["reachable"] for door in entry["published"]] == [False, True, False]
    assert entry["published"][0]["why"] == "dropped by nft inet own c, FORWARD"


def test_tables_of_iptables_are_not_taken_from_nft():
    facts = sample(nft=_nft_eval.parse(NFT.replace('"inet"', '"ip"').replace('"own"', '"filter"')))
    assert "published" not in closed(facts)


def stopped(facts, name, **settings):
    one = container(facts, name)
    one["State"] = {"Status": "exited", "Running": False, "Pid": 0}
    one["NetworkSettings"]["Ports"] = {}
    one["HostConfig"]["RestartPolicy"] = {"Name": "unless-stopped"}
    one["HostConfig"].update(settings)
    return facts


def test_a_stopped_container_is_judged_by_what_it_would_publish():
    entry, found = only(sample(), "later")
    assert entry["pending"] and found["status"] == "fail"
    assert found["actual"].startswith("stopped; when it starts again, published 0.0.0.0:6398->6379/tcp: ")
    # Rules behind Docker's own, such as the chain's policy, do not stop it.
    dropping = with_saves(
        sample(), lambda text: text.replace(":FORWARD ACCEPT", ":FORWARD DROP").replace("-A DOCKER -d", "-A UNUSED -d")
    )
    assert only(dropping, "later")[0]["published"][0]["reachable"]


@pytest.mark.parametrize(
    ("name", "save", "takers"),
    [
        ("later", None, ["the container, once it runs", "docker-proxy"]),
        # An engine that makes no rules leaves all to docker-proxy.
        ("later", "", ["docker-proxy", "docker-proxy"]),
        # One with rules for IPv6 makes them for networks with IPv6.
        ("later", "*nat\n:DOCKER - [0:0]\nCOMMIT\n", ["the container, once it runs", "docker-proxy"]),
        ("six", "*nat\n:DOCKER - [0:0]\nCOMMIT\n", ["the container, once it runs"] * 2),
        ("six", "", ["docker-proxy", "docker-proxy"]),
    ],
)
def test_who_will_take_what_a_stopped_container_publishes(name, save, takers):
    facts = stopped(sample(), name)
    if save is not None:
        facts = with_saves(facts, lambda text: save, lambda text: save)
    assert [door["why"].rpartition(" to ")[2] for door in only(facts, name)[0]["published"]] == takers


def test_a_stopped_container_that_nobody_starts_is_listed_only():
    facts = stopped(sample(), "published")
    container(facts, "published")["HostConfig"]["RestartPolicy"]["Name"] = "no"
    entry, found = only(facts, "published")
    assert (entry["pending"], entry["published"], found["status"]) == (False, [], "pass")


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("all", ["published 0.0.0.0:a free port->6379/tcp", "published [::]:a free port->6379/tcp"]),
        ("hostnet", ["on the host's network 0.0.0.0:6379/tcp", "on the host's network [::]:6379/tcp"]),
        ("onlan", ["on the LAN as an address:6379/tcp"]),
    ],
)
def test_stopped_containers_of_other_kinds(name, texts):
    facts = stopped(sample(), name)
    container(facts, name)["Config"]["ExposedPorts"] = {"6379/tcp": {}}
    assert [door["text"] for door in only(facts, name)[0]["published"] if door["reachable"]] == texts


@pytest.mark.parametrize(("version", "reachable"), [("27.5.1", True), ("28.0.0", False)])
def test_a_stopped_container_on_loopback(version, reachable):
    facts = stopped(sample(version=version), "loop")
    assert [door["reachable"] for door in only(facts, "loop")[0]["published"]] == [reachable]


def service(target=6379):
    port = {"Protocol": "tcp", "TargetPort": target, "PublishedPort": 16379, "PublishMode": "ingress"}
    return {"ID": "5ruhdib7uo4c10ko", "Spec": {"Name": "cache"}, "Endpoint": {"Ports": [port]}}


def swarm(services):
    """The bridge of a swarm, and the rule by which its routing mesh takes a port."""
    bridge = {"Name": "docker_gwbridge", "Id": "f" * 64, "Driver": "bridge", "Internal": False}
    bridge["Options"] = {"com.docker.network.bridge.name": "docker_gwbridge"}
    bridge["Containers"] = {"x": {"Name": "gateway_ingress-sbox", "IPv4Address": "172.18.0.2/16"}}
    nat = "*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS\n"
    nat += "-A DOCKER-INGRESS -p tcp -m tcp --dport 16379 -j DNAT --to-destination 172.18.0.2:16379\nCOMMIT\n"
    facts = sample(services=services)
    return with_saves(dataclasses.replace(facts, networks=[*facts.networks, bridge]), lambda text: text + nat)


def test_the_routing_mesh_of_a_swarm():
    entry, found = only(swarm([service()]), "cache")
    assert (found["subject"], found["status"]) == ("service cache", "fail")
    assert entry["published"][0]["text"] == "swarm ingress 0.0.0.0:16379->6379/tcp"
    assert "docker service update --publish-rm 16379:6379 cache" in found["remediation"]
    # Inside of the mesh the packet has the published port, so that a guard of 6379 alone does not see it.
    assert only(with_saves(swarm([service()]), guarded(POLICY, 4)), "cache")[1]["status"] == "fail"
    policy = dataclasses.replace(POLICY, sources={**POLICY.sources, 16379: ()})
    assert only(with_saves(swarm([service()]), guarded(policy, 4)), "cache", policy)[1]["status"] == "pass"


def test_a_service_of_which_no_manager_tells():
    policy = dataclasses.replace(POLICY, sources={**POLICY.sources, 16379: ()})
    entry, found = only(swarm([]), "on port 16379", policy)
    assert entry["published"][0]["reachable"] and found["remediation"].startswith("Find the service by")
    # Told once is enough.
    assert "on port 16379" not in [one["name"] for one in _docker_exposure.survey(swarm([service()]), policy)]


def test_a_task_of_a_swarm_is_on_its_bridge():
    facts = swarm([])
    facts.networks[-1]["Containers"]["y"] = {"Name": "gateway_abcdefabcdef", "IPv4Address": "172.18.0.3/16"}
    container(facts, "nopub")["NetworkSettings"]["SandboxID"] = "abcdefabcdef0123"
    assert "by a route to 172.18.0.3:6379/tcp" in [door["text"] for door in only(facts, "nopub")[0]["published"]]


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


def only_doors(facts, name, policy=POLICY):
    return next(one for one in _docker_exposure.survey(facts, policy) if one["name"] == name)["published"]


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


def test_the_option_that_opens_a_port_is_told():
    options = {one["name"]: one["published"][0]["option"] for one in _docker_exposure.survey(sample(), POLICY)}
    assert options == {
        "all": "-P",
        "guarded": "-p 6379:6379",
        "hostnet": "--network host",
        "inside": "",
        "later": "-p 6398:6379",
        "loop": "-p 127.0.0.1:6391:6379",
        "nopub": "",
        "onapp": "-p 10.77.4.11:6397:6379",
        "onlan": "--network lan",
        "published": "-p 6390:6379",
        "sharing": "",
        "six": "-p 6396:6379",
        "web": "-p 8080:80",
    }


@pytest.mark.parametrize(
    ("binding", "option"),
    [
        ({"HostIp": "", "HostPort": ""}, "-p 6379"),
        ({"HostIp": "127.0.0.1", "HostPort": ""}, "-p 127.0.0.1::6379"),
        ({"HostIp": "::1", "HostPort": "6391"}, "-p [::1]:6391:6379"),
    ],
)
def test_options_of_other_forms(binding, option):
    facts = sample()
    container(facts, "loop")["HostConfig"]["PortBindings"] = {"6379/tcp": [binding]}
    container(facts, "loop")["NetworkSettings"]["Ports"] = {
        "6379/tcp": [{"HostIp": binding["HostIp"] or "0.0.0.0", "HostPort": "6391"}]
    }
    assert only_doors(facts, "loop")[0]["option"] == option


def test_what_has_to_do_with_redis():
    listed = _docker_exposure.survey(sample(), POLICY)
    found = {one["subject"] for one in _docker_exposure.findings(listed)}
    assert found == {"container " + one["name"] for one in listed} - {"container web"}
    recognised = {one["name"]: one["recognised"] for one in listed}
    assert recognised["all"] == "runs redis-server, exposes port 6379"
    assert (recognised["nopub"], recognised["later"]) == ("runs redis-server", "exposes port 6379")


@pytest.mark.parametrize(("ports", "is_redis"), [([8080], True), ([80], True), ([81], False)])
def test_a_guarded_port_makes_a_container_one_of_interest(ports, is_redis):
    policy = dataclasses.replace(POLICY, sources={port: () for port in ports})
    subjects = [one["subject"] for one in _docker_exposure.findings(_docker_exposure.survey(sample(), policy))]
    assert ("container web" in subjects) == is_redis
    (published,) = [door for door in only_doors(sample(), "web", policy) if door["host_address"] == "0.0.0.0"]
    assert published["redis"] == is_redis


def test_a_declared_port_of_redis_counts_before_it_runs():
    other = dataclasses.replace(POLICY, sources={7000: ()})
    assert only(sample(), "later", other)[1]["status"] == "fail"


def test_only_ports_of_redis_fail_its_container():
    """A port of a helper in the same container is listed, and fails nothing."""
    facts = sample(saves={4: "*filter\n-A FORWARD -p tcp --dport 6379 -j DROP\nCOMMIT\n", 6: ""})
    facts.activities[container(facts, "nopub")["Id"]]["listeners"].append(("0.0.0.0", 9121))
    entry, found = only(facts, "nopub")
    assert [(door["container_port"], door["reachable"]) for door in entry["published"]] == [(6379, False), (9121, True)]
    assert found["status"] == "pass"


def test_no_container_of_redis():
    listed = [one for one in _docker_exposure.survey(sample(), POLICY) if one["name"] == "web"]
    (found,) = _docker_exposure.findings(listed)
    assert (found["status"], found["actual"]) == ("pass", "none of 1 containers and services has to do with Redis")


def test_a_finding_names_container_port_way_and_fix():
    _entry, found = only(sample(), "published")
    assert (found["id"], found["status"], found["subject"]) == ("RH-NET-06", "fail", "container published")
    assert found["actual"] == (
        "published 0.0.0.0:6390->6379/tcp: 10.77.77.77 gets through by eth0 to 172.17.0.3; "
        "published [::]:6390->6379/tcp: 2001:db8:77::77 gets through by eth0 to docker-proxy; "
        "by a route to 172.17.0.3:6379/tcp: 10.77.77.77 gets through by eth0 to 172.17.0.3"
    )
    assert found["remediation"] == (
        'Start published without -p 6390:6379 (Compose: "6390:6379" under ports); clients on its networks need no '
        "published port. Or close port 6390 by site.yml (firewall_ports). Let the host's rules stop what is routed to "
        "containers: close port 6379 by site.yml (firewall_ports)."
    )
    assert only(sample(), "six")[1]["actual"].endswith("; and 1 more")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("all", "Start all without -P (Compose: ports)"),
        ("hostnet", "Start hostnet without --network host (Compose: network_mode: host), or close port 6395"),
        ("onlan", "Put onlan on a bridge network in place of lan (Compose: networks)"),
    ],
)
def test_fixes(name, fix):
    assert fix in only(sample(), name)[1]["remediation"]


def test_the_compose_file_is_named():
    facts = sample()
    container(facts, "published")["Config"]["Labels"] = {
        "com.docker.compose.service": "cache",
        "com.docker.compose.project.config_files": "/srv/shop/compose.yml",
    }
    entry, found = only(facts, "published")
    assert entry["compose"] == "service cache in /srv/shop/compose.yml"
    assert '(service cache in /srv/shop/compose.yml: "6390:6379" under ports)' in found["remediation"]


def test_sockets_of_the_kernel():
    assert _docker_engine.parse_sockets(
        "head\n"
        "0: 0100007F:18EB 00000000:0000 0A 0:0 00:0 0 0 0 111 1\n"
        "1: 0B044D0A:0016 01044D0A:CBC6 01 0:0 02:0 0 0 0 222 2\n"
        "2: 00000000000000000000000001000000:18EC 0:0 0A 0:0 00:0 0 0 0 333 1\n"
    ) == [("111", "127.0.0.1", 6379), ("333", "::1", 6380)]


def test_without_docker_py_the_package_is_named(monkeypatch):
    monkeypatch.setattr(_docker_engine, "docker", None)
    with pytest.raises(_docker_engine.EngineProblem, match="apt-get install python3-docker"):
        _docker_engine.ask("/run/docker.sock")


def test_an_engine_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(_docker_engine.EngineProblem, match=r"engine at .*/none.sock does not answer"):
        _docker_engine.ask(f"{tmp_path}/none.sock")


def test_a_container_that_vanishes_is_left_out():
    docker = pytest.importorskip("docker")

    def inspect(which):
        if which == "gone":
            raise docker.errors.NotFound("gone")
        return {"Id": which}

    client = types.SimpleNamespace(
        containers=lambda all: [{"Id": "gone"}, {"Id": "here"}],
        inspect_container=inspect,
        networks=lambda: [{"Name": "docker_gwbridge", "Id": "n"}],
        inspect_network=lambda which: {"Name": "docker_gwbridge", "Containers": {}},
        info=lambda: {"Swarm": {"ControlAvailable": False}},
        version=lambda: {"Version": "20.10.24"},
    )
    answer = _docker_engine._ask(client)
    assert answer["containers"] == [{"Id": "here"}] and answer["services"] == []
    assert answer["networks"] == [{"Name": "docker_gwbridge", "Containers": {}}]


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
    ruleset = evaluator.parse("*filter\n-A FORWARD %s -j DROP\nCOMMIT\n" % rule, "filter")
    destination = destination and ipaddress.ip_address(destination)
    packet = evaluator.Packet("eth0", 6379, 6379, output=output, destination=destination)
    chains = evaluator.specialise(ruleset, packet, "FORWARD")
    found = evaluator.verdicts(ruleset, chains, "FORWARD", ipaddress.ip_address("198.51.100.1"))
    assert found == {True: {"DROP"}, False: {"ACCEPT"}, None: {"ACCEPT", "DROP"}}[matches]
