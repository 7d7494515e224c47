#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: Set how Docker's engine publishes ports, and restart it only when it must be
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Merges settings into C(daemon.json), which keeps all else that is in it, and brings the running engine to them. The
    engine is reloaded where that is enough, and otherwise restarted once, unless it does already what is asked for.
  - The engine itself checks the new file, together with its command line, before it is written. An engine that does not
    come back with it gets the previous file again, and the module fails.
  - With O(settings.iptables=false) the engine makes no rules, so the module keeps those that containers need, to reach
    each other and the outside, in chains of their own, C(REDIS-DOCKER-FORWARD) and C(REDIS-DOCKER-NAT), loaded by
    C(redis-docker-forward.service) at start. All that is new from outside to a container's own address is dropped. The
    rules that the engine leaves behind are taken away.
  - Without a C(docker.service) that starts C(dockerd) nothing is done.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the module's own settings out of C(daemon.json), because the others may hold secrets.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    details: Needs systemd; tested with Docker 20.10 and 26.1.
    platforms: linux
options:
  settings:
    description: What C(daemon.json) is to say. Settings that are not named are left as they are.
    type: dict
    required: true
    suboptions:
      iptables:
        description:
          - Whether the engine makes iptables rules. Without them ports are published by C(docker-proxy) only, so that
            servers see the bridge's address instead of the client's.
          - The containers' rules are made for the networks there are. Run the module again when there is a new one.
        type: bool
      ip6tables:
        description: The same for IPv6.
        type: bool
      ip:
        description:
          - IPv4 address on which ports are published that name none. It holds for Docker's default network, and for
            networks made from now on by Docker 24 or newer. Networks that were there before, and all that an older
            engine makes, publish on all addresses; a warning names them.
        type: str
      live_restore:
        description:
          - Whether containers go on while the engine is restarted. The restart that another of these settings needs
            stops them all the same, since the engine does not change its networks while containers go on.
        type: bool
  path:
    description:
      - Path of C(daemon.json). By default the one on the engine's command line, or else C(/etc/docker/daemon.json).
    type: path
  socket:
    description: The socket on which the engine answers.
    type: path
    default: /run/docker.sock
  allow_restart:
    description:
      - Which restart of the engine is allowed. One that isn't is refused before anything is changed.
      - V(harmless) stops and starts no container, because none runs.
      - V(returning) stops only containers whose restart policy (V(always), V(unless-stopped\)) starts them again.
      - V(always) allows all. Containers that do not come back are named.
    type: str
    choices: [harmless, returning, always]
    default: returning
  firewall_backend:
    description:
      - By what the rules of this collection are made. An engine that makes its own by nftables (C(firewall-backend),
        since Docker 29) has no C(DOCKER-USER), and is refused unless ours are made by V(nftables) too.
    type: str
    choices: [iptables, nftables]
    default: iptables
  timeout:
    description: Seconds in which the engine must answer after a restart.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Publish on loopback where no address is named
  celebrum.redis_hardening.docker_daemon:
    settings:
      iptables: true
      ip: 127.0.0.1

- name: Keep the engine's hands off iptables, whatever becomes of containers that have no restart policy
  celebrum.redis_hardening.docker_daemon:
    settings:
      iptables: false
      ip6tables: false
    allow_restart: always
"""

RETURN = r"""
announcement:
  description: What there is to say about the engine. For a restart, which containers stop and which come back.
  returned: when there is something
  type: str
  sample: "The engine restarts (iptables is true): stop and are started again: cache"
differences:
  description: What was (or in check mode is) not as it should be.
  returned: always
  type: list
  elements: str
  sample: ["daemon.json: iptables is not false", "the engine must restart: iptables is true"]
engine:
  description: Whether there is an engine.
  returned: always
  type: str
  choices: [absent, stopped, running]
fate:
  description: What becomes of containers by the restart.
  returned: when the engine must restart
  type: dict
  sample: {"removed": [], "returning": ["cache"], "started": [], "staying_down": ["batch"]}
reloaded:
  description: Whether the engine took settings from its file without a restart.
  returned: always
  type: bool
restarted:
  description: Whether the engine was restarted.
  returned: always
  type: bool
restart_refused:
  description: Whether the module failed because O(allow_restart) does not allow the restart.
  returned: on failure
  type: bool
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon import settings as daemon_settings
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon.engine import Engine
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon.run import Run
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import HostProblem

ABSENT = "Docker is not installed (there is no docker.service that starts dockerd): there is nothing to set."


def main():
    module = AnsibleModule(
        argument_spec=dict(
            settings=dict(
                type="dict",
                required=True,
                options=dict(
                    iptables=dict(type="bool"),
                    ip6tables=dict(type="bool"),
                    ip=dict(type="str"),
                    live_restore=dict(type="bool"),
                ),
            ),
            path=dict(type="path"),
            socket=dict(type="path", default="/run/docker.sock"),
            allow_restart=dict(type="str", choices=["harmless", "returning", "always"], default="returning"),
            firewall_backend=dict(type="str", choices=["iptables", "nftables"], default="iptables"),
            timeout=dict(type="int", default=60),
        ),
        supports_check_mode=True,
    )
    try:
        engine = Engine(module)
        if not engine.is_installed:
            module.exit_json(
                changed=False,
                engine="absent",
                differences=[],
                restarted=False,
                reloaded=False,
                announcement=ABSENT,
            )
        run = Run(module, engine)
        run.refuse()
        run.look()
        run.announce()
        if run.result["changed"] and not module.check_mode:
            run.apply()
        elif run.result["changed"]:
            reloads = bool(run.plan.reload) and engine.is_running and not run.restarts
            run.result.update(restarted=run.restarts, reloaded=reloads)
        run.warn()
    except (daemon_settings.DaemonProblem, HostProblem) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**run.result)


if __name__ == "__main__":
    main()
