# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which units of servers there are on a host, and what becomes of those that nobody declares."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

UNITS = "/etc/systemd/system"
RESTING = ("inactive", "failed")


@dataclass(frozen=True)
class Unit:
    """One unit. name: without .service. drop_in: the text of this collection's drop-in, None without one."""

    name: str
    state: str = "inactive"
    enabled: bool = False
    drop_in: str | None = None

    @property
    def active(self):
        return self.state not in RESTING

    def line(self):
        """Return the unit for a diff, '' when there is nothing to tell."""
        words = [self.state] * self.active + ["enabled"] * self.enabled + ["hardened"] * (self.drop_in is not None)
        return "%s: %s\n" % (self.name, ", ".join(words)) if words else ""


@dataclass
class Plan:
    """What is to be done, units by name; and what keeps it from being done."""

    stop: list = field(default_factory=list)
    disable: list = field(default_factory=list)
    release: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    warnings: list = field(default_factory=list)


def patterns(engine):
    """Return what to ask systemctl for."""
    kinds = ("%s-server.service", "%s-server@*.service", "%s-sentinel.service")
    return [kind % name for name in (engine, other_engine(engine)) for kind in kinds]


def other_engine(engine):
    return "valkey" if engine == "redis" else "redis"


def instance_of(unit):
    """Return the name of the instance that a unit runs, None for a Sentinel."""
    return None if unit.endswith("-sentinel") else unit.partition("@")[2] or "default"


def unit_of(engine, instance):
    return "%s-server" % engine + ("" if instance == "default" else "@" + instance)


def find(engine, listing, drop_in_name, folder=UNITS):
    """Return {name: Unit}. listing: the output of systemctl list-units, without legend, in its plain form."""
    ours = re.compile(r"%s-(server(@.+)?|sentinel)\.service" % re.escape(engine))
    states, enabled, drop_ins = {}, set(), {}
    for line in listing.splitlines():
        words = line.lstrip(" *●").split()
        if len(words) >= 4 and ours.fullmatch(words[0]):
            states[words[0]] = words[2]
    # systemctl lists no units that are enabled and not loaded, so links and drop-ins are looked up.
    for entry in _entries(folder):
        if entry.name.endswith((".wants", ".requires")):
            enabled |= {link.name for link in _entries(entry.path) if ours.fullmatch(link.name)}
        elif entry.name.endswith(".d") and ours.fullmatch(entry.name[:-2]):
            path = Path(entry.path, drop_in_name)
            if path.is_file():
                drop_ins[entry.name[:-2]] = path.read_text(encoding="utf-8", errors="replace")
    return {
        name.removesuffix(".service"): Unit(
            name.removesuffix(".service"), states.get(name, "inactive"), name in enabled, drop_ins.get(name)
        )
        for name in sorted({*states, *enabled, *drop_ins})
    }


def other_problems(engine, found, listening):
    """Return why this engine can't be set up beside what the host has of the other one.

    found: {name: Unit} of the other one. listening: {unit: those of the declared ports at which it listens}.
    """
    other, problems = other_engine(engine), []
    ours = [unit for unit in found.values() if unit.drop_in is not None]
    if ours:
        problems.append(
            "engine (redis_engine) is %s, and this collection has set up %s here: %s. The data in /var/lib/%s would "
            "not go over. Set redis_engine: %s again. To change all the same, first let this host go: with "
            "redis_engine: %s, redis_instances: [], and no more in redis_sentinel_hosts, its servers are stopped and "
            "keep their data."
            % (
                *(engine, other, ", ".join("%s.service (%s)" % (unit.name, unit.state) for unit in ours)),
                *(other, other, other),
            )
        )
    return problems + [
        "%s.service, which this collection has not set up, listens at %s, which is declared for %s: set redis_engine: "
        "%s, or another port, or stop it: systemctl disable --now %s"
        % (name, " and ".join("port %d" % port for port in ports), engine, other, name)
        for name, ports in listening.items()
        if ports and found[name].drop_in is None
    ]


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def plan(engine, found, declared, purge):
    """Decide about every unit that is not declared. found: {name: Unit}. purge: names of instances."""
    made, package = Plan(), unit_of(engine, "default")
    made.problems += [
        "purge names %s, which is declared: take it out of one of the two." % name
        for name in purge
        if unit_of(engine, name) in declared
    ]
    for unit in found.values():
        if unit.name in declared:
            continue
        if unit.drop_in is not None:
            made.stop += [unit.name] * unit.active
            made.disable += [unit.name] * unit.enabled
            made.release.append(unit.name)
        elif unit.name == package and unit.active:
            made.problems.append(
                "%s.service runs and is not declared. Add {name: default} to redis_instances, and it is hardened and "
                "keeps its data; or stop it yourself: systemctl disable --now %s" % (package, package)
            )
        elif unit.name == package:
            # It would start at boot, with the settings that the package brings.
            made.disable += [unit.name] * unit.enabled
        elif unit.active and instance_of(unit.name) in purge:
            made.problems.append(
                "purge names %s, and %s.service runs without having been set up by this collection: stop it first, if "
                "its data are to be deleted." % (instance_of(unit.name), unit.name)
            )
        elif unit.active or unit.enabled:
            made.warnings.append(
                "%s.service is %s here and not declared; it was not set up by this collection and is left alone: its "
                "server is not hardened." % (unit.name, "running" if unit.active else "enabled")
            )
    return made


def after(found, made):
    """Return the units as the plan leaves them, for a diff."""
    return [
        Unit(
            unit.name,
            "inactive" if unit.name in made.stop else unit.state,
            unit.enabled and unit.name not in made.disable,
            None if unit.name in made.release else unit.drop_in,
        )
        for unit in found.values()
    ]
