# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the notice on the reserved ports is, where the operator says nothing of it. A pure function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ports import PORT_VARIABLES, default_ports

# What notice() looks at.
NOTICE_VARIABLES = (*PORT_VARIABLES, "firewall_ports", "firewall_reserved_ports")
# As the role firewall has them, for a playbook without that role.
RESERVED_PORTS = (6379, 6380)


def notice(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return {enabled, ports, use_ports}: the defaults of the role port_notice.

    settings: those variables of NOTICE_VARIABLES that there are. What has no port is left out, as the check of the
    variable itself reports it.
    """
    served = default_ports(settings)
    reserved = _numbers(settings.get("firewall_reserved_ports", RESERVED_PORTS))
    guarded = [entry for entry in settings.get("firewall_ports") or [] if isinstance(entry, Mapping)]
    opened = _numbers(entry.get("port") for entry in guarded if entry.get("purpose", "data") != "reserved")
    clients = [entry["port"] for entry in served if entry["purpose"] in ("data", "tls")]
    sentinels = [entry["port"] for entry in served if entry["purpose"] == "sentinel"]
    return {
        # Clients may still come to a reserved port, unless Redis has one.
        "enabled": not set(reserved) & set(_numbers(entry["port"] for entry in served)),
        "ports": [port for port in reserved if port not in opened],
        "use_ports": clients or sentinels,
    }


def _numbers(ports):
    """Return the ports as numbers, each once."""
    return list(dict.fromkeys(int(port) for port in ports or () if str(port).isdecimal()))
