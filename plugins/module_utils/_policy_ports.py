# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about ports: SSH's, Redis' and the firewall's."""

from __future__ import annotations

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _firewall


def ssh_ports(variables, facts):
    """Return the ports the host is reached on by SSH, each with where it comes from.

    22 is always one of them: behind a port that is forwarded, sshd listens on 22 all the same.
    """
    ports = {22: "SSH's own port"}
    session = str((facts.get("env") or {}).get("SSH_CONNECTION", "")).split()
    for source, port in (
        ("SSH_CONNECTION", session[-1] if len(session) == 4 else None),
        ("ansible_ssh_port", variables.get("ansible_ssh_port")),
        ("ansible_port", variables.get("ansible_port")),
    ):
        if str(port).isdigit():
            ports[int(port)] = source
    return ports


def port_problems(settings, ssh):
    """Refuse Redis ports that are SSH ports: closing them would lock the operator out. ssh: from ssh_ports()."""
    problems = []
    used = [("redis_port", settings["redis_port"])] if "redis_port" in settings else []
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
    defaults = {"sources": [], "purpose": "data"}
    ports = [{**defaults, **entry} for entry in settings["firewall_ports"]]
    try:
        _firewall.build_policy(
            ports, settings.get("firewall_reserved_ports", []), settings.get("firewall_docker_bridges", [])
        )
    except _firewall.PolicyProblem as refused:
        return ["firewall_%s." % problem for problem in refused.problems]
    return []
