#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_exposure_verify
short_description: Prove which ports of Docker containers other hosts can reach
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Asks the host's Docker engine what its containers publish, the kernel on which sockets they listen, and C(iptables)
    and C(nft) what becomes of connections to them, for IPv4 and IPv6. Nothing is changed, and an engine that does not
    run is not started.
  - Sees ports that are published by C(-p) and C(-P), also on 127.0.0.1, which neighbours on the same network reach
    before Docker 28; the routing mesh of a swarm; containers on the host's network; containers' own addresses, to which
    other hosts may have a route; C(macvlan) and C(ipvlan) networks; and stopped containers that the engine may start
    again.
  - Packets that the kernel leads to containers are followed through C(FORWARD), those which C(docker-proxy) or the host
    itself takes through C(INPUT), in the tables of C(iptables) and of C(nft), for each interface of the host. The same
    addresses stand for all strangers as in M(celebrum.redis_hardening.redis_firewall_verify). Rules that can't be
    judged, by a rate or a set for example, are taken at their worst.
  - Other engines (rootless, Podman), and firewalls inside containers or outside of the host are not looked at.
  - Must run as root.
extends_documentation_fragment:
  - celebrum.redis_hardening.guarded_ports
  - celebrum.redis_hardening.read_only
attributes:
  platform:
    platforms: linux
requirements:
  - docker (Python library, Debian's package C(python3-docker)) on hosts with a Docker engine
options:
  socket:
    description: The socket of this host's engine.
    type: path
    default: /var/run/docker.sock
"""

EXAMPLES = r"""
- name: Prove that no container opens Redis to strangers
  celebrum.redis_hardening.docker_exposure_verify:
    ports:
      - port: 6379
        sources: [10.20.0.5]
  register: exposure

- name: Show all that other hosts can reach
  ansible.builtin.debug:
    msg: "{{ exposure.containers | map(attribute='published') | flatten | selectattr('reachable', 'equalto', true)
             | map(attribute='text') }}"
"""

RETURN = r"""
findings:
  description:
    - One finding (C(RH-NET-06)) for each container or swarm service that has to do with Redis. It does when one of its
      ports, on the host or in the container, is in O(ports) or O(reserved_ports), when it runs a Redis or Valkey
      program, or when its image declares port 6379. It fails when strangers can reach such a port.
    - One that passes where there is no such container, C(skipped) where no Docker engine runs, C(error) when the
      engine or the rules can't be read.
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-NET-06
      title: Redis in containers is closed to everyone but the named sources
      severity: critical
      status: fail
      subject: container cache
      expected: closed to all but the named sources
      actual: "published 0.0.0.0:6390->6379/tcp: 10.77.77.77 gets through by eth0 to 172.17.0.3"
      remediation: >-
        Start cache without -p 6390:6379 (Compose: "6390:6379" under ports); clients on its networks need no published
        port. Or close port 6390 by site.yml (firewall_ports).
      instance: ""
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 0, fail: 1, waived: 0, skipped: 0, error: 0}
containers:
  description: All containers, and the services of a swarm as far as this host knows them, whatever they run.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container's or the service's name.
      type: str
      returned: always
    id:
      description: The first twelve digits of its id. Empty for a service of which this host knows the port only.
      type: str
      returned: always
    image:
      description: Its image.
      type: str
      returned: always
    state:
      description: As the engine says, or V(service).
      type: str
      returned: always
    pending:
      description:
        - Whether it is stopped and has a restart policy. RV(containers[].published) is then what it would open.
      type: bool
      returned: always
    networks:
      description: The networks it is on.
      type: list
      elements: str
      returned: always
    recognised:
      description: How it was recognised as Redis, or empty.
      type: str
      returned: always
    compose:
      description: Its service and files of Docker Compose, or empty.
      type: str
      returned: always
    published:
      description: The ways by which other hosts may come to it.
      type: list
      elements: dict
      returned: always
      contains:
        way:
          description:
            - V(published) on the host; V(ingress) by a swarm; V(host) on the host's network; V(direct) at the
              container's own address, by a route through the host; V(lan) at an address of its own on the host's LAN.
          type: str
          returned: always
        host_address:
          description: The host's address, V(0.0.0.0) and V(::) for all, or empty.
          type: str
          returned: always
        host_port:
          description: The host's port. None when there is none, or when the engine has yet to choose it.
          type: int
          returned: always
        container_address:
          description: The container's address, or empty.
          type: str
          returned: always
        container_port:
          description: The container's port.
          type: int
          returned: always
        protocol:
          description: V(tcp), V(udp) or V(sctp).
          type: str
          returned: always
        family:
          description: V(4) or V(6), for IPv4 and IPv6.
          type: int
          returned: always
        option:
          description: The option of C(docker run) that opens it, or empty.
          type: str
          returned: always
        redis:
          description: Whether it has to do with Redis, so that it counts in the finding.
          type: bool
          returned: always
        reachable:
          description: Whether strangers can reach it. None for protocols other than TCP.
          type: bool
          returned: always
        why:
          description: Who gets through, or what stops them all.
          type: str
          returned: always
        text:
          description: All of this in short.
          type: str
          returned: always
  sample:
    - name: cache
      id: 3f1b8c0d5a7e
      image: redis:7
      state: running
      pending: false
      networks: [bridge]
      recognised: runs redis-server
      compose: ""
      published:
        - way: published
          host_address: 0.0.0.0
          host_port: 6390
          container_address: 172.17.0.3
          container_port: 6379
          protocol: tcp
          family: 4
          option: "-p 6390:6379"
          redis: true
          reachable: true
          why: 10.77.77.77 gets through by eth0 to 172.17.0.3
          text: published 0.0.0.0:6390->6379/tcp
"""

import os

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count, finding
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.exposure import (
    endpoints as exposure_endpoints,
    engine as exposure_engine,
    survey as exposure_survey,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import HostProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    policy as firewall_policy,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import host as iptables_host
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import (
    evaluate as nftables_evaluate,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import networks as host_networks


def prove(module, policy):
    """Return (containers, findings)."""
    path = module.params["socket"]
    seen = exposure_engine.processes()
    expected, details = "an engine that can be asked", dict(subject="Docker")
    if not exposure_engine.runs(seen, exposure_engine.ENGINE):
        if exposure_engine.runs(seen, exposure_engine.SHIM):
            actual = "containers run without their engine; start it: systemctl start docker"
            return [], [finding(exposure_survey.CONTROL, "error", expected, actual, remediation=actual, **details)]
        # Its socket may be there all the same; to connect there would start it.
        return [], [finding(exposure_survey.CONTROL, "skipped", expected, "no Docker engine runs here", **details)]
    try:
        engine = exposure_engine.ask(os.path.realpath(path))
        saves = {family: iptables_host.read_save(module, family) for family in iptables_host.families()}
        nft = nftables_evaluate.parse(exposure_engine.read_nft(module))
    except (exposure_engine.EngineProblem, HostProblem) as problem:
        return [], [finding(exposure_survey.CONTROL, "error", expected, problem, remediation=str(problem), **details)]
    facts = exposure_endpoints.Facts(
        **engine,
        activities=exposure_engine.activities(engine["containers"]),
        listeners=[(address, port) for _inode, address, port in exposure_engine.listening()],
        interfaces=exposure_engine.interfaces(),
        saves=saves,
        nft=nft,
        forwarding=exposure_engine.forwarding(),
    )
    containers = exposure_survey.survey(facts, policy)
    return containers, exposure_survey.findings(containers)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            **firewall_policy.policy_spec(notice=False),
            socket=dict(type="path", default="/var/run/docker.sock"),
        ),
        supports_check_mode=True,
    )
    try:
        policy = firewall_policy.build_policy(
            *(module.params[name] for name in ("ports", "reserved_ports", "docker_bridges")),
        )
    except host_networks.PolicyProblem as problem:
        module.fail_json(msg=str(problem))
    containers, findings = prove(module, policy)
    module.exit_json(changed=False, containers=containers, findings=findings, summary=count(findings))


if __name__ == "__main__":
    main()
