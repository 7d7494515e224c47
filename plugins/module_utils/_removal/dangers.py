# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes reachable when this collection's rules are gone, and what keeps them from going. Pure functions."""

from __future__ import annotations

import posixpath
import re

from .._cluster.nodes import BUS_OFFSET
from .._host.addresses import exposed

_DPORTS = re.compile(r"--(?:dports|dport|ctorigdstport) ([\d:,]+)")
_SET = re.compile(r"set (?:guarded|reserved) \{.*?elements = \{([^}]*)\}", re.DOTALL)
_DNAT = re.compile(r"^-A .*--dports? (\d+) .*-j DNAT --to-destination \S*:(\d+)", re.MULTILINE)
_LOOPBACK = re.compile(r"0100007F|.{6}7F|0{24}01000000|0{16}FFFF0000.{6}7F")
LISTENING = "0A"


def guarded_ports(texts):
    """Return the ports that files of rules close. texts: their contents, of iptables and of nftables."""
    found = set()
    for text in texts:
        for entry in ",".join([*_DPORTS.findall(text), *_SET.findall(text)]).split(","):
            first, _colon, last = entry.strip().replace("-", ":").partition(":")
            if first.isdigit():
                found.update(range(int(first), int(last or first) + 1))
    return found


def open_sockets(tables):
    """Return the ports at which somebody listens beyond loopback. tables: texts of /proc/net/tcp and tcp6."""
    found = set()
    for text in tables:
        for line in text.splitlines()[1:]:
            fields = line.split()
            address, _colon, port = fields[1].partition(":")
            if fields[3] == LISTENING and not _LOOPBACK.fullmatch(address):
                found.add(int(port, 16))
    return found


def configured_ports(settings):
    """Return the ports that a server with these settings opens beyond loopback. settings: {directive: arguments}."""
    if not exposed(settings.get("bind") or ["*"]):
        return set()
    ports = {int(settings.get(name, [otherwise])[0] or 0) for name, otherwise in (("port", "6379"), ("tls-port", "0"))}
    ports -= {0}
    if settings.get("cluster-enabled", ["no"])[0].lower() == "yes":
        ports |= {port + BUS_OFFSET for port in ports}
    return ports


def published_ports(saved):
    """Return {port of the host: port of the container} of what Docker leads to containers. saved: by iptables-save."""
    return {int(outer): int(inner) for outer, inner in _DNAT.findall(saved)}


def opened(guarded, sockets, servers, published):
    """Return {port: who opens it} of what strangers could reach without the rules.

    guarded: the ports that the rules close. sockets: those at which somebody listens. servers: {unit: ports}.
    published: {port of the host: port of a container}.
    """
    found = {port: "a process listens there" for port in guarded & sockets}
    for outer, inner in published.items():
        if guarded & {outer, inner}:
            found[outer] = "Docker publishes port %d of a container there" % inner
    for unit, ports in servers.items():
        found.update(dict.fromkeys(ports, "%s.service" % unit))
    return dict(sorted(found.items()))


def refusal(opening, allowed):
    """Return why the rules stay, or ''. opening: from opened(). allowed: ports named by the operator."""
    unnamed = {port: who for port, who in opening.items() if port not in allowed}
    if not unnamed:
        return ""
    return (
        "Without this collection's rules anyone who reaches this host could connect to %s. Bind the servers to "
        "loopback (redis_bind: [127.0.0.1]) and run site.yml first; or close the ports by a firewall of your own, or "
        "have them open, and name them in open_ports (redis_remove_open_ports: [%s])."
        % (
            ", ".join("port %d (%s)" % entry for entry in unnamed.items()),
            ", ".join(map(str, sorted({*unnamed, *allowed}))),
        )
    )


def folder_problem(unit, settings, engine, drop_ins):
    """Return why the unit that the package brings could not run the server, or ''.

    It may write to few directories, and ours lets it write to its own. drop_ins: texts of the unit's other drop-ins.
    """
    fine = ["/var/lib/" + engine, "/var/log/" + engine]
    places = [(settings.get("dir") or [""])[0], posixpath.dirname((settings.get("logfile") or [""])[0])]
    closed = [
        place
        for place in places
        if place.startswith("/")
        and not any((posixpath.normpath(place) + "/").startswith(folder + "/") for folder in fine)
        and not any(re.search(r"^ReadWritePaths=.*%s" % re.escape(place), text, re.MULTILINE) for text in drop_ins)
    ]
    if not closed:
        return ""
    return (
        "%s.service writes to %s, which the package's unit may not do. Add a drop-in of your own, such as "
        "/etc/systemd/system/%s.service.d/paths.conf, with [Service] and ReadWritePaths=%s, and run again."
        % (unit, " and ".join(closed), unit, " ".join(closed))
    )
