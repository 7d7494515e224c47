# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What two real engines and their kernels said (docker_samples: 20.10 on bookworm, 26.1 on trixie), and changes to it.

In the state of the samples, and in those that the tests make of it, a neighbour really connected to each port; the
expected answers are what it met.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.exposure import (
    endpoints as exposure_endpoints,
    engine as exposure_engine,
    survey as exposure_survey,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import rules as iptables_rules

SAMPLES = Path(__file__).parent / "docker_samples"
VERSIONS = {"bookworm": "20.10.24+dfsg1", "trixie": "26.1.5+dfsg1"}
POLICY = firewall_policy.build_policy(
    [{"port": 6379, "sources": ["10.77.4.100", "fd77:4::100"], "purpose": "data"}],
    [6379, 6380],
    ["docker0", "br-+", "docker_gwbridge"],
)
# Redis listens on all addresses of these containers.
LISTENS = {"hostnet": 6395, "sharing": 7777}
QUIET = ("web", "later")


def sample(name="bookworm", **changes):
    """Return the Facts of a host, with changes to them."""
    engine = json.loads((SAMPLES / f"{name}.json").read_text())
    sockets = exposure_engine.parse_sockets((SAMPLES / f"{name}.tcp").read_text())
    activities = {}
    for container in engine["containers"]:
        port = LISTENS.get(container["Name"][1:], 6379)
        if container["Name"][1:] not in QUIET:
            sides = [("0.0.0.0", port), ("::", port)]
            activities[container["Id"]] = {"redis": ["redis-server"], "redis_ports": [port], "listeners": sides}
    facts = exposure_endpoints.Facts(
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
    listed = exposure_survey.survey(facts, policy)
    found = {one["name"]: [door["text"] for door in one["published"] if not door["reachable"]] for one in listed}
    return {name: texts for name, texts in found.items() if texts}


def only(facts, name, policy=POLICY):
    """Return what is said of one container, and the finding on it."""
    listed = exposure_survey.survey(facts, policy)
    one = next(one for one in listed if one["name"] == name)
    return one, next(found for found in exposure_survey.findings(listed) if found["subject"].endswith(" " + name))


def only_doors(facts, name, policy=POLICY):
    return next(one for one in exposure_survey.survey(facts, policy) if one["name"] == name)["published"]


def container(facts, name):
    return next(one for one in facts.containers if one["Name"] == "/" + name)


def with_saves(facts, change4, change6=lambda text: text):
    return dataclasses.replace(facts, saves={4: change4(facts.saves[4]), 6: change6(facts.saves[6])})


def guarded(policy, family):
    """Return a function that adds our chains to a save."""
    own = iptables_rules.rules_file(iptables_rules.render(policy, family))
    jumps = (
        "*filter\n-A INPUT -p tcp -j REDIS-PORTS\nCOMMIT\n*mangle\n-A FORWARD -p tcp -j REDIS-PORTS-DOCKER\nCOMMIT\n"
    )
    return lambda text: text + own + jumps


def stopped(facts, name, **settings):
    one = container(facts, name)
    one["State"] = {"Status": "exited", "Running": False, "Pid": 0}
    one["NetworkSettings"]["Ports"] = {}
    one["HostConfig"]["RestartPolicy"] = {"Name": "unless-stopped"}
    one["HostConfig"].update(settings)
    return facts
