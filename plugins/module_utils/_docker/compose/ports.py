# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports of Compose files, in the short form and in numbers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Publication:
    """One entry of `ports`. published, target: (lowest, highest) port, or None where the file does not say."""

    host: str
    published: tuple | None
    target: tuple | None
    protocol: str = "tcp"

    @property
    def loopback(self):
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def touches(self, ports):
        """Return whether one of the ports is among those that are published, on the host or in the container."""
        return _within(ports, self.published, self.target)

    def leads_to(self, ports):
        """Return whether one of the ports is among the container's own. What the file does not say may be any."""
        return self.target is None or _within(ports, self.target)


def _within(ports, *spans):
    return any(low <= port <= high for low, high in filter(None, spans) for port in ports)


def parse_short(text):
    """Return the Publication that [[HOST:]PUBLISHED:]TARGET[/PROTOCOL] means; ranges are LOW-HIGH."""
    text, _slash, protocol = text.partition("/")
    # The host's address may be IPv6, with or without brackets.
    *before, target = text.rsplit(":", 2)
    host, published = before if len(before) == 2 else ["", *before] if before else ["", ""]
    return Publication(host.strip("[]"), parse_span(published), parse_span(target), (protocol or "tcp").lower())


def parse_span(text):
    """Return (low, high) of '6379' or '6379-6381', None for anything else."""
    found = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", text, re.ASCII)
    return (int(found[1]), int(found[2] or found[1])) if found else None


def span_text(span):
    return ("%d" if span[0] == span[1] else "%d-%d") % span[: 1 + (span[0] != span[1])] if span else ""
