# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that is to be taken over has, and what the policy makes of it: values without decisions."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from .._config import values


@dataclass(frozen=True)
class Client:
    """A connection other than our own. addr, laddr: as the server prints them. idle: seconds."""

    user: str = "default"
    addr: str = ""
    laddr: str = ""
    name: str = ""
    flags: str = "N"
    idle: int = 0

    @property
    def address(self):
        return self.addr.rpartition(":")[0].strip("[]")

    @property
    def own_address(self):
        return self.laddr.rpartition(":")[0].strip("[]")

    @property
    def port(self):
        """The port at which it connected, None where the server does not say."""
        port = self.laddr.rpartition(":")[2]
        return int(port) if port.isdigit() and int(port) else None

    @property
    def timed(self):
        """Whether the server ends it when it is idle: not replicas, masters, subscribers and who waits."""
        return not set(self.flags) & set("SMObP")

    @property
    def far(self):
        """Whether it comes from another host, or may."""
        try:
            return not ipaddress.ip_address(self.address).is_loopback and self.address != self.own_address
        except ValueError:
            return False

    def described(self):
        return "%s as %s%s" % (self.addr, self.user, " (%s)" % self.name if self.name else "")


@dataclass
class Present:
    """What there is. values, defaults: {canonical directive: text}, the latter of a server without configuration.

    keys: {database: number}. users: {name: User}, None where they could not be read. renames: those of the old file.
    """

    values: dict = field(default_factory=dict)
    defaults: dict = field(default_factory=dict)
    called: dict = field(default_factory=dict)
    running: bool = True
    keys: dict = field(default_factory=dict)
    used: int = 0
    clients: list = field(default_factory=list)
    replicas: list = field(default_factory=list)
    master: str = ""
    cluster: bool = False
    users: dict | None = None
    modules: list = field(default_factory=list)
    renames: dict = field(default_factory=dict)
    calls: dict = field(default_factory=dict)

    def value(self, directive):
        return self.values.get(values.canonical(directive), self.defaults.get(values.canonical(directive), ""))

    @property
    def evicts(self):
        return self.value("maxmemory") not in ("", "0") and self.value("maxmemory-policy") not in ("", "noeviction")


@dataclass
class Wanted:
    """What the policy makes of it. settings: {directive: arguments}. users: {name: User}.

    nodes: addresses of the group. sources: {port: networks}, None where another firewall decides.
    """

    settings: dict = field(default_factory=dict)
    renamed: dict = field(default_factory=dict)
    users: dict = field(default_factory=dict)
    topology: str = "standalone"
    nodes: tuple = ()
    sources: dict | None = None

    def __post_init__(self):
        self.settings = {values.canonical(name): words for name, words in self.settings.items()}
        self.renamed = {name.upper(): new for name, new in self.renamed.items()}

    def text(self, directive):
        return values.set_value(self.settings.get(values.canonical(directive), []))

    @property
    def ports(self):
        return {int(self.text(name) or 0) for name in ("port", "tls-port")} - {0}
