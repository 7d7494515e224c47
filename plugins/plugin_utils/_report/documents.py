# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the policy of some hosts to what the documents for their users say. Nothing secret comes in here."""

from __future__ import annotations

import re

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.policy import build_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.addresses import bind_address, exposed

from .._inventory.ports import served_ports
from .._inventory.sources import expand_ports

# All of a host's variables that the documents are made of. Of redis_users only names, of redis_renamed_commands only
# which are disabled; a new name of a command is not for everybody.
VARIABLES = (
    "ansible_host",
    "firewall_ports",
    "firewall_reserved_ports",
    "port_notice_action",
    "port_notice_contact",
    "port_notice_documentation",
    "port_notice_enabled",
    "port_notice_ports",
    "port_notice_use_ports",
    "redis_bind",
    "redis_instances",
    "redis_port",
    "redis_tls",
    "redis_tls_auth_clients",
    "redis_tls_port",
    "redis_topology",
)
# A cluster node talks to the others on its port plus this.
BUS_OFFSET = 10000
# Addresses of a group or name that are listed.
LISTED = 8
_WHY = {
    6379: "Redis' port by default, which scanners try first and clients use that nobody has set up",
    6380: "by custom Redis' second port, which clients may still have from earlier",
}


class DocumentProblem(ValueError):
    """The policy can't be described; the text has a line for each reason."""


def build_documents(hosts, sources):
    """Return what the templates show, as a dict.

    hosts: name -> its VARIABLES, with users (names) and disabled (commands). sources: a Sources.
    """
    if not hosts:
        raise DocumentProblem("there are no hosts: name some in documents_hosts")
    open_ports, reserved, notices, endpoints, nodes, problems = [], {}, {}, [], [], []
    for host, settings in hosts.items():
        ports, refused = expand_ports(settings["firewall_ports"], sources)
        if refused:
            problems += ["%s: %s" % (host, problem) for problem in refused]
            continue
        policy = build_policy(
            [{"purpose": "data", **entry} for entry in ports], settings["firewall_reserved_ports"], []
        )
        for port in policy.reserved:
            entry = reserved.setdefault(
                port, {"port": port, "why": _WHY.get(port, "reserved by the policy"), "hosts": []}
            )
            entry["hosts"].append(host)
        for entry in settings["firewall_ports"]:
            to = [audience(source, sources) for source in entry.get("sources") or []]
            open_ports.append({"host": host, "port": entry["port"], "purpose": entry.get("purpose", "data"), "to": to})
        _add_notice(notices, host, settings, policy)
        found = _endpoints(host, settings, policy)
        endpoints += [entry for entry in found if not entry["node"]]
        nodes += [entry for entry in found if entry["node"]]
    if problems:
        raise DocumentProblem("\n".join(problems))
    everyone = list(hosts.values())
    return {
        "reserved": [reserved[port] for port in sorted(reserved)],
        "open": sorted(open_ports, key=lambda entry: (list(hosts).index(entry["host"]), entry["port"])),
        "notices": list(notices.values()),
        "actions": _each(settings["port_notice_action"] for settings in everyone),
        "endpoints": endpoints,
        "nodes": nodes,
        "example": _example(nodes, endpoints),
        "users": _each(user for settings in everyone for user in settings["users"]),
        "disabled": sorted({command.upper() for settings in everyone for command in settings["disabled"]}),
        "documentation": _each(_link(settings["port_notice_documentation"]) for settings in everyone),
        "contacts": _each(_link(settings["port_notice_contact"]) for settings in everyone),
    }


def audience(entry, sources):
    """Return who is meant by an entry of an allow-list: as it is written, and which addresses that is."""
    entry = str(entry)
    if entry in sources.groups:
        kind = "group "
    elif entry in sources.hosts:
        kind = "host "
    elif re.search(r"[:/]|^[\d.]+$", entry):
        return entry
    else:
        kind = ""
    addresses, _problems = sources.expand([entry])
    more = " and %d more" % (len(addresses) - LISTED) if len(addresses) > LISTED else ""
    return "%s%s (%s%s)" % (kind, entry, ", ".join(addresses[:LISTED]), more)


def notice_text(port, use_ports, documentation, contact):
    """Return what redis-port-notice.service says on a port."""
    parts = ["Port %d is reserved, there is no Redis here." % port]
    parts.append("Connect to port %s instead." % ", ".join(use_ports))
    if documentation:
        parts.append("Documentation: %s" % documentation)
    if contact:
        parts.append("Contact: %s" % contact)
    return " ".join(parts)


def _add_notice(notices, host, settings, policy):
    """Add the host to those that say the same on their reserved ports."""
    ports = sorted({int(port) for port in settings["port_notice_ports"]} & set(policy.reserved))
    use = [str(port) for port in settings["port_notice_use_ports"]]
    if not settings["port_notice_enabled"] or not ports or not use:
        return
    says = (use, settings["port_notice_documentation"], settings["port_notice_contact"])
    text = notice_text(ports[0], *says)
    notice = notices.setdefault(text, {"hosts": [], "address": host, "port": ports[0], "text": text})
    notice["hosts"].append(host)


def _endpoints(host, settings, policy):
    """Return where clients connect on a host: its servers, and what else is open for data."""
    served = {port: purpose for _name, port, purpose in served_ports(settings) if purpose != "bus"}
    purposes = {entry["port"]: entry.get("purpose", "data") for entry in settings["firewall_ports"]}
    others = {
        port: purpose for port, purpose in purposes.items() if purpose in ("data", "tls") and policy.sources[port]
    }
    address, remote = _address(host, settings)
    return [
        {
            "host": host,
            "address": address,
            "port": port,
            "tls": purpose == "tls",
            # YAML takes a bare no for false.
            "client_cert": purpose == "tls" and str(settings["redis_tls_auth_clients"]).lower() not in ("no", "false"),
            "remote": remote and bool(policy.sources.get(port)) and port not in policy.reserved,
            "node": purposes.get(port + BUS_OFFSET) == "bus",
        }
        for port, purpose in {**served, **others}.items()
    ]


def _address(host, settings):
    """Return (the address that clients use, whether others than the host itself can)."""
    reachable = exposed(settings["redis_bind"])
    if not reachable:
        return "127.0.0.1", False
    addresses = [bind_address(entry) for entry in reachable]
    # A wildcard names no address; the inventory knows one.
    if any(address.is_unspecified for address in addresses):
        return str(settings["ansible_host"] or host), True
    return str(min(addresses, key=lambda address: address.version)), True


def _example(nodes, endpoints):
    """Return the endpoint that the code in the guide connects to: a cluster before a server, TLS before plain text."""
    candidates = nodes or endpoints
    ordered = sorted(candidates, key=lambda entry: (not entry["remote"], not entry["tls"]))
    return ordered[0] if ordered else None


def _link(text):
    """Return an address of the web or of mail as Markdown links it, and other text as it is."""
    return "<%s>" % text if re.fullmatch(r"https?://[^\s<>]+|[^\s<>@]+@[^\s<>@]+", str(text)) else text


def _each(values):
    """Return the values that are not empty, each once, in their order."""
    return list(dict.fromkeys(str(value) for value in values if value))
