# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which containers have to do with Redis, and what the findings say of them."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.exposure import survey as exposure_survey
from docker_facts import POLICY, container, only, only_doors, sample


def test_the_option_that_opens_a_port_is_told():
    options = {one["name"]: one["published"][0]["option"] for one in exposure_survey.survey(sample(), POLICY)}
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
    listed = exposure_survey.survey(sample(), POLICY)
    found = {one["subject"] for one in exposure_survey.findings(listed)}
    assert found == {"container " + one["name"] for one in listed} - {"container web"}
    recognised = {one["name"]: one["recognised"] for one in listed}
    assert recognised["all"] == "runs redis-server, exposes port 6379"
    assert (recognised["nopub"], recognised["later"]) == ("runs redis-server", "exposes port 6379")


@pytest.mark.parametrize(("ports", "is_redis"), [([8080], True), ([80], True), ([81], False)])
def test_a_guarded_port_makes_a_container_one_of_interest(ports, is_redis):
    policy = dataclasses.replace(POLICY, sources={port: () for port in ports})
    subjects = [one["subject"] for one in exposure_survey.findings(exposure_survey.survey(sample(), policy))]
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
    listed = [one for one in exposure_survey.survey(sample(), POLICY) if one["name"] == "web"]
    (found,) = exposure_survey.findings(listed)
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
