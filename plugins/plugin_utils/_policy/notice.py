# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about the port notice."""

from __future__ import annotations

import re

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.policy import NOTICE_PORT

from .._inventory.ports import served_ports

_RANGE = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")


def notice_problems(settings, ssh_ports):
    """Refuse a notice that would be wrong or in the way.

    settings: the variables of the host that have the right type. ssh_ports: port -> where it comes from.
    """
    if "port_notice_ports" not in settings or not settings.get("port_notice_enabled", True):
        return []
    ports = settings["port_notice_ports"]
    return [
        *_ports(ports, _in_use(settings), ssh_ports),
        *_use_ports(ports, settings.get("port_notice_use_ports")),
        *_lines(settings),
        *_limits(settings),
    ]


def _in_use(settings):
    """Return port -> whose it is."""
    used = {NOTICE_PORT: "the notice's own, for clients that the firewall leads there"}
    used.update(
        (entry["port"], "opened by firewall_ports")
        for entry in settings.get("firewall_ports", [])
        if entry.get("purpose", "data") != "reserved"
    )
    if "redis_port" in settings:
        used.update((port, name) for name, port, _purpose in served_ports(settings))
    return used


def _ports(ports, used, ssh_ports):
    problems = []
    for port in ports:
        if not 1024 <= port <= 65535:
            problems.append("port_notice_ports has %d: set ports from 1024 to 65535." % port)
        elif port in ssh_ports:
            problems.append("port_notice_ports has %d, the port of SSH (%s): remove it." % (port, ssh_ports[port]))
        elif port in used:
            problems.append("port_notice_ports has %d, which is %s: remove it." % (port, used[port]))
    return problems


def _use_ports(ports, use_ports):
    if use_ports is None:
        return []
    if ports and not use_ports:
        return ["port_notice_use_ports is empty: name the ports to use instead, such as 7000-7002."]
    problems = []
    for text in use_ports:
        found = _RANGE.fullmatch(str(text))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 0 < first <= last <= 65535:
            problems.append("port_notice_use_ports has %s: set ports, or ranges such as 7000-7002." % text)
        elif any(first <= port <= last for port in ports):
            problems.append(
                "port_notice_use_ports has %s, which the notice itself answers on: name a port of Redis." % text
            )
    return problems


def _lines(settings):
    return [
        "%s has control characters: set one line of text." % name
        for name in ("port_notice_documentation", "port_notice_contact")
        if not settings.get(name, "").isprintable()
    ]


def _limits(settings):
    return [
        "%s is %d: set at least 1." % (name, settings[name])
        for name in ("port_notice_connections", "port_notice_attempts")
        if settings.get(name, 1) < 1
    ]
