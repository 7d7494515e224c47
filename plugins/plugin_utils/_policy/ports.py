# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about ports: SSH's, Redis' and the firewall's."""

from __future__ import annotations

import re

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import networks as host_networks
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.addresses import exposed, width_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.ssh import parse_connection

from .._inventory.ports import _served, served_ports


def exposure_problems(settings, ports):
    """Refuse servers that others can connect to while nobody is named who may, or while nothing guards the port.

    ports: firewall_ports with addresses.
    """
    problems = []
    for name, port, purpose, value in _served(settings):
        bound = exposed(value.get("bind", []))
        if not bound:
            continue
        bound = "redis_bind has %s, where others can connect, and " % ", ".join(bound)
        if value.get("allowed_sources") == [] and not any(entry["sources"] for entry in ports):
            return [bound + _NOBODY]
        if name.startswith("redis_instances") or name in settings:
            problems += _unguarded(settings, ports, bound, (name, port, purpose))
    return problems


def _unguarded(settings, ports, bound, served):
    name, port, purpose = served
    where = "%s (%s): " % (port, name)
    advice = "in firewall_ports, as in {port: %s, purpose: %s, sources: [10.0.3.0/24]}" % (port, purpose)
    entries = [entry for entry in ports if entry["port"] == port]
    if not entries and port not in settings.get("firewall_reserved_ports", []):
        return ["%snothing guards port %sname it %s." % (bound, where, advice)]
    if not any(entry["sources"] for entry in entries if entry["purpose"] != "reserved"):
        return ["%snobody is named who may use port %sname the clients %s." % (bound, where, advice)]
    return []


_NOBODY = (
    "redis_allowed_sources is empty: name the clients, as in redis_allowed_sources: [10.0.3.0/24], or set "
    "redis_bind: [127.0.0.1]."
)


def ssh_ports(variables, facts):
    """Return the ports the host is reached on by SSH, each with where it comes from.

    22 is always one of them: behind a port that is forwarded, sshd listens on 22 all the same.
    """
    ports = {22: "SSH's own port"}
    session = parse_connection(str((facts.get("env") or {}).get("SSH_CONNECTION", "")))
    for source, port in (
        ("SSH_CONNECTION", session[2] if session else None),
        ("ansible_ssh_port", variables.get("ansible_ssh_port")),
        ("ansible_port", variables.get("ansible_port")),
    ):
        if re.fullmatch("[0-9]+", str(port)):
            ports[int(port)] = source
    return ports


def port_problems(settings, ssh):
    """Refuse Redis ports that are SSH ports: closing them would lock the operator out. ssh: from ssh_ports()."""
    problems = []
    used = [(name, port) for name, port, _purpose in served_ports(settings) if name in settings]
    for name in ("firewall_ports", "firewall_reserved_ports"):
        used += [(name, port) for port in _ports(settings.get(name) or [])]
    for name, port in used:
        if port in ssh:
            problems.append(
                "%s has %d, the port of SSH (%s), and would lock you out: set another port." % (name, port, ssh[port])
            )
    return problems


def _ports(value):
    """Return the numbers in [6379, 6380] or [{port: 6379}]."""
    entries = [entry.get("port") if isinstance(entry, dict) else entry for entry in value]
    return [int(entry) for entry in entries if str(entry).isdigit()]


def firewall_problems(settings):
    """Refuse what the firewall can't make rules of, under the names of the role's variables."""
    if "firewall_ports" not in settings:
        return []
    seconds = settings.get("firewall_rollback_after", 0)
    if seconds < 0:
        return ["firewall_rollback_after is %d: set seconds, or 0 to keep new rules at once." % seconds]
    defaults = {"sources": [], "purpose": "data"}
    ports = [{**defaults, **entry} for entry in settings["firewall_ports"]]
    try:
        policy = firewall_policy.build_policy(
            ports,
            settings.get("firewall_reserved_ports", []),
            settings.get("firewall_docker_bridges", []),
            settings.get("firewall_reserved_action", "drop"),
            settings.get("firewall_reserved_notice", False),
        )
    except host_networks.PolicyProblem as refused:
        return ["firewall_%s." % problem for problem in refused.problems]
    # What redis_allowed_sources has is told under that name.
    allowed = settings.get("redis_allowed_sources")
    return [
        problem
        for port, networks in policy.sources.items()
        if not any(entry["port"] == port and entry["sources"] == allowed for entry in ports)
        for problem in width_problems("firewall_ports (port %d)" % port, networks)
    ]
