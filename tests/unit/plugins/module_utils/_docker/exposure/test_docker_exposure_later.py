# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What strangers reach of containers that are stopped, and of the services of a swarm."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.exposure import survey as exposure_survey
from docker_facts import POLICY, container, guarded, only, only_doors, sample, stopped, with_saves


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
    assert "on port 16379" not in [one["name"] for one in exposure_survey.survey(swarm([service()]), policy)]


def test_a_task_of_a_swarm_is_on_its_bridge():
    facts = swarm([])
    facts.networks[-1]["Containers"]["y"] = {"Name": "gateway_abcdefabcdef", "IPv4Address": "172.18.0.3/16"}
    container(facts, "nopub")["NetworkSettings"]["SandboxID"] = "abcdefabcdef0123"
    assert "by a route to 172.18.0.3:6379/tcp" in [door["text"] for door in only(facts, "nopub")[0]["published"]]


def test_a_stopped_container_in_the_network_of_another():
    """It opens what that one publishes, as far as its image declares it."""
    facts = sample()
    one, owner = container(facts, "later"), container(facts, "published")
    one["HostConfig"]["PortBindings"] = {}
    one["HostConfig"]["NetworkMode"] = "container:published"
    entry, found = only(facts, "later")
    assert entry["pending"] and found["status"] == "fail"
    assert {door["text"] for door in entry["published"]} == {
        "published 0.0.0.0:6390->6379/tcp",
        "published [::]:6390->6379/tcp",
    }
    one["Config"]["ExposedPorts"] = {"7000/tcp": {}}
    assert only_doors(facts, "later") == []
    # Where neither runs, what is configured counts.
    one["Config"]["ExposedPorts"] = {"6379/tcp": {}}
    stopped(facts, "published")
    assert {door["host_port"] for door in only_doors(facts, "later")} == {6390}
    owner["HostConfig"]["NetworkMode"] = "host"
    assert {door["way"] for door in only_doors(facts, "later")} == {"host"}
