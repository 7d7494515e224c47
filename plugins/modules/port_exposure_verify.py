#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_exposure_verify
short_description: Prove from outside which Redis ports can be reached, and what answers there
version_added: 0.1.0
description:
  - Connects to ports of other hosts (or of the same host) from the host on which it runs, and tells what each looks
    like from there. Run it on hosts that must not reach Redis as well as on those that must.
  - Sends nothing but C(PING), first in clear and, where that gets no answer, over TLS without a certificate.
  - Needs no Redis library, so any host with Python can be the one that looks.
extends_documentation_fragment:
  - celebrum.redis_hardening.read_only
options:
  targets:
    description:
      - The ports to look at. All host names are resolved before any port is probed; one that can't be is an error.
      - A name with several addresses is probed at all of them, and the most exposed one counts.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description:
          - Name or address. IPv6 addresses may be in brackets and may carry a zone, as in V(fe80::1%eth0).
        type: str
        required: true
      port:
        description:
          - TCP port.
        type: int
        required: true
      expect:
        description:
          - V(closed) wants a port that is closed or filtered as seen from here.
          - V(notice) wants the notice of the role P(celebrum.redis_hardening.port_notice#role), and nothing else.
          - V(reachable) wants a Redis that takes connections and demands a login or a client certificate.
          - V(any) gives no finding, the state only.
        type: str
        choices: [closed, notice, reachable, any]
        default: closed
      label:
        description:
          - What the finding calls the target, such as V(cluster bus of db2). Without one it is the port.
        type: str
  addresses:
    description:
      - Addresses or names of hosts, each of which is tried at each of O(ports), as O(expect) says.
    type: list
    elements: str
    default: []
  ports:
    description:
      - TCP ports that are tried at O(addresses).
    type: list
    elements: int
    default: []
  expect:
    description:
      - What is expected at O(addresses), as in O(targets[].expect).
    type: str
    choices: [closed, notice, reachable, any]
    default: closed
  notice_ports:
    description:
      - Those of O(ports) for which O(expect=closed) becomes O(expect=notice), where the notice is for everyone.
    type: list
    elements: int
    default: []
  allowed:
    description:
      - Whom the policy lets in. Where a port is open to this host, and this host is one of them, or the probed one
        itself, that proves nothing; the finding is then an error that says so.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The TCP port.
        type: int
        required: true
      sources:
        description: Addresses and networks.
        type: list
        elements: str
        default: []
      purpose:
        description: What the port is for. Not used.
        type: str
  timeout:
    description:
      - Seconds for a connection and the answer to C(PING). A filtered port takes this long.
      - A port that accepts connections and then says nothing takes twice as long, as TLS is tried as well.
    type: float
    default: 2.0
  parallel:
    description:
      - How many connections may be open at once.
    type: int
    default: 64
  attempts:
    description:
      - How often to look at a port that seems closed, with 0.2 seconds in between. One look that finds it reachable is
        enough.
      - More than one is for times at which a port might open for moments, such as the reload of a firewall.
    type: int
    default: 1
author:
  - Celebrum Redis Hardening contributors (@celebrum)
"""

EXAMPLES = r"""
- name: Prove that this host, which the policy does not name, reaches no Redis port
  celebrum.redis_hardening.port_exposure_verify:
    targets:
      - host: db1.example.com
        port: 6379
      - host: 2001:db8::10
        port: 16379
        label: cluster bus of db1

- name: Prove that the application's host reaches Redis, and has to log in there
  celebrum.redis_hardening.port_exposure_verify:
    targets:
      - host: db1.example.com
        port: 6379
        expect: reachable
  delegate_to: app1.example.com
"""

RETURN = r"""
findings:
  description:
    - One finding for each target with O(targets[].expect=closed) or O(targets[].expect=notice) (C(RH-NET-01)) and
      O(targets[].expect=reachable) (C(RH-NET-02)). A reachable Redis gives a second one, whether it demands a login
      (C(RH-ACL-01)).
    - The status V(error) means that the port could not be probed from here.
    - An empty list of targets gives one finding with the status V(skipped).
  returned: success
  type: list
  elements: dict
  sample:
    - id: RH-NET-01
      title: Redis ports are closed to everyone but the named sources
      severity: critical
      status: fail
      subject: port 6379
      expected: closed or filtered
      actual: is a Redis that takes commands without a login (+PONG)
      remediation: Run site.yml; its firewall role closes the port. Name clients in redis_allowed_sources.
      instance: db1.example.com:6379
summary:
  description: How many findings have each status.
  returned: success
  type: dict
  sample: {pass: 1, fail: 1, waived: 0, skipped: 0, error: 0}
open_doors:
  description:
    - How many targets with O(targets[].expect=closed) are neither closed nor filtered, and how many with
      O(targets[].expect=notice) are something else than that or the notice.
  returned: success
  type: int
  sample: 1
ports:
  description: What each target looks like from here, in the order of O(targets).
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: As given.
      type: str
      returned: always
    port:
      description: As given.
      type: int
      returned: always
    expect:
      description: As given.
      type: str
      returned: always
    label:
      description: As given, or empty.
      type: str
      returned: always
    address:
      description: The address that O(targets[].host) stands for, the most exposed one of several.
      type: str
      returned: always
    state:
      description:
        - V(filtered) does not answer. V(closed) refuses connections or can't be reached.
        - V(open) accepts connections, but does not answer like Redis. V(text) answers with an error text.
        - V(notice) is the notice of the role P(celebrum.redis_hardening.port_notice#role) for this port.
        - V(protected) is a Redis in protected mode, which turns every client away.
        - V(tls) speaks TLS and turns away a client without a certificate.
        - V(auth) is a Redis that demands a login, V(tls-auth) the same over TLS.
        - V(ping) is a Redis that takes commands without a login, V(tls-ping) the same over TLS, V(user) the same with a
          default user that may not run C(PING).
        - V(error) could not be probed.
      type: str
      returned: always
    detail:
      description: The answer, cut to one line of printable characters, or the reason of the system.
      type: str
      returned: always
    seconds:
      description: How long it took, all attempts together.
      type: float
      returned: always
  sample:
    - host: db1.example.com
      port: 6379
      expect: closed
      label: ""
      address: 192.0.2.10
      state: ping
      detail: +PONG
      seconds: 0.002
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit import port_probe as audit_port_probe
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import count, finding


def main():
    target = dict(
        host=dict(type="str", required=True),
        port=dict(type="int", required=True),
        expect=dict(type="str", choices=["closed", "notice", "reachable", "any"], default="closed"),
        label=dict(type="str"),
    )
    module = AnsibleModule(
        argument_spec=dict(
            targets=dict(type="list", elements="dict", default=[], options=target),
            addresses=dict(type="list", elements="str", default=[]),
            ports=dict(type="list", elements="int", default=[]),
            expect=dict(type="str", choices=["closed", "notice", "reachable", "any"], default="closed"),
            notice_ports=dict(type="list", elements="int", default=[]),
            allowed=dict(
                type="list",
                elements="dict",
                default=[],
                options=dict(
                    port=dict(type="int", required=True),
                    sources=dict(type="list", elements="str", default=[]),
                    purpose=dict(type="str"),
                ),
            ),
            timeout=dict(type="float", default=2.0),
            parallel=dict(type="int", default=64),
            attempts=dict(type="int", default=1),
        ),
        supports_check_mode=True,
    )
    expect, notice_ports = module.params["expect"], module.params["notice_ports"]
    timeout, parallel, attempts = (module.params[name] for name in ("timeout", "parallel", "attempts"))
    if not 0 < timeout <= 60 or not 1 <= parallel <= 1000 or not 1 <= attempts <= 1000:
        module.fail_json(msg="timeout must be above 0 and at most 60, parallel and attempts between 1 and 1000.")
    try:
        targets = audit_port_probe.check_targets(
            module.params["targets"]
            + [
                dict(
                    host=host,
                    port=port,
                    expect="notice" if expect == "closed" and port in notice_ports else expect,
                    label=None,
                )
                for host in module.params["addresses"]
                for port in module.params["ports"]
            ]
        )
    except ValueError as error:
        module.fail_json(msg=str(error))
    looks = audit_port_probe.probe_all(targets, timeout, parallel, attempts)
    try:
        findings = audit_port_probe.judge(targets, looks, module.params["allowed"])
    except ValueError as error:
        module.fail_json(msg="allowed: %s" % error)
    if not targets:
        findings = [finding("RH-NET-01", "skipped", "ports to look at", "no target is declared")]
    ports = [
        dict(host=one["host"], port=one["port"], expect=one["expect"], label=one["label"] or "", **look)
        for one, look in zip(targets, looks, strict=True)
    ]
    module.exit_json(
        changed=False,
        findings=findings,
        summary=count(findings),
        open_doors=audit_port_probe.open_doors(targets, looks),
        ports=ports,
    )


if __name__ == "__main__":
    main()
