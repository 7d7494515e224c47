# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages a host has and gets: what dpkg and apt say, and what follows from it."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from .versions import DEBIAN, FIXES, compare

# What parse_installed() reads: dpkg-query's --showformat.
QUERY = "${Package}\t${Version}\t${db:Status-Want}\t${db:Status-Eflag}\t${db:Status-Status}\t${source:Package}\n"

PIN = "version (redis_package_version)"


class Package(NamedTuple):
    """A package that dpkg knows."""

    version: str
    held: bool
    state: str
    source: str
    # dpkg was interrupted in such a way that it refuses to do anything but install it anew.
    broken: bool = False

    @property
    def installed(self):
        """Whether it is there as a whole; what dpkg was interrupted at is not."""
        return self.state == "installed"

    @property
    def present(self):
        """Whether it is there in part at least."""
        return self.state not in ("not-installed", "config-files")

    @property
    def unfinished(self):
        """Whether dpkg was interrupted at it."""
        return self.present and not self.installed


class Step(NamedTuple):
    """What apt would do to a package: before is empty for a new one, after for one that is removed."""

    name: str
    before: str
    after: str


class Plan(NamedTuple):
    """What to ask apt for, as arguments of apt-get install, and what stands against it."""

    requests: list
    problems: list


def parse_installed(text):
    """Return name -> Package."""
    found = {}
    for line in text.splitlines():
        name, version, want, flag, state, source = line.split("\t")
        found[name] = Package(version, want == "hold", state, source, flag == "reinstreq")
    return found


def parse_known(text):
    """Return name -> the versions that apt can install, newest first, from the output of apt-cache madison."""
    known = {}
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 3 and fields[2].endswith(" Packages"):
            known.setdefault(fields[0], set()).add(fields[1])
    return {name: sorted(versions, key=functools.cmp_to_key(compare), reverse=True) for name, versions in known.items()}


def parse_steps(text):
    """Return the Steps of a simulation (apt-get --simulate)."""
    steps = []
    for line in text.splitlines():
        found = re.match(r"Inst (\S+)(?: \[([^]]+)])? \((\S+)", line)
        if found:
            steps.append(Step(found[1], found[2] or "", found[3]))
        found = re.match(r"(?:Remv|Purg) (\S+)(?: \[([^]]+)])?", line)
        if found:
            steps.append(Step(found[1], found[2] or "", ""))
    return steps


def family(installed, packages):
    """Return the packages that have one version: the wanted ones and all others that are there of the same source.

    Debian's redis-server and redis-sentinel both demand redis-tools of exactly their version.
    """
    source = packages[0].partition("-")[0]
    others = [name for name, package in installed.items() if package.source == source and package.present]
    return [*packages, *sorted(set(others) - set(packages))]


def unfinished(installed, packages, libraries):
    """Tell whether dpkg was interrupted at one of ours. What else is broken on the host is not ours to fix."""
    source = packages[0].partition("-")[0]
    return any(
        package.unfinished and (package.source == source or name in libraries) for name, package in installed.items()
    )


def to_reinstall(requests, installed):
    """Return the requests that must be done first, because dpkg does nothing else before; empty when there are none.

    Not what is unpacked and only waits for the others: apt can't install that anew. All others, because apt leaves what
    is on hold as it is, unless it is asked for by name.
    """
    packages = [installed.get(request.partition("=")[0]) for request in requests]
    if not any(package and package.broken for package in packages):
        return []
    return [
        request
        for request, package in zip(requests, packages, strict=True)
        if not package or package.broken or not package.unfinished
    ]


def plan(installed, packages, libraries, version="", latest=False):
    """Return the Plan for these packages. What it needs apt to know is checked by unknown_versions()."""
    names = family(installed, packages)
    have = {name: installed[name].version for name in names if name in installed and installed[name].installed}
    # The programs are in redis-tools, but only these run something that would have to be restarted.
    served = {number for name, number in have.items() if not name.endswith("-tools")}
    problems = []
    if version:
        requests = ["%s=%s" % (name, version) for name in names if have.get(name) != version]
        newer = ["%s %s" % entry for entry in have.items() if compare(entry[1], version) > 0]
        if newer:
            problems.append(
                "%s is %s, but there is %s: Redis may be unable to load data that a newer one has written. Set the "
                "version that is installed, or a later one." % (PIN, version, ", ".join(newer))
            )
    elif latest:
        requests = list(names)
    else:
        # What is missing comes in the version of what runs: nothing is upgraded here.
        same = "=" + max(served, key=functools.cmp_to_key(compare)) if served else ""
        requests = [name + same for name in names if name not in have]
    requests += [name for name in libraries if name not in installed or not installed[name].installed]
    return Plan(requests, problems)


def unknown_versions(requests, known, version):
    """Refuse what apt can't install, naming what it can."""
    problems = []
    for name, number in [request.split("=") for request in requests if "=" in request]:
        if number in known.get(name, ()):
            continue
        there = ", ".join(known.get(name, ())) or "none"
        if version:
            problems.append("%s: apt knows no %s %s. Set one of those that it knows: %s." % (PIN, name, number, there))
        else:
            problems.append(
                "%s is missing, and apt knows no version %s of it, which its siblings have, only: %s. Run upgrade.yml."
                % (name, number, there)
            )
    return problems


def step_problems(steps, installed, hold):
    """Refuse what nobody asked for. hold: the module's option; None when holds are somebody else's."""
    problems = ["apt would remove %s." % step.name for step in steps if not step.after]
    problems += [
        "apt would take %s back from %s to %s: its preferences want the older one." % step
        for step in steps
        if step.before and step.after and compare(step.before, step.after) > 0
    ]
    if hold is None:
        problems += [
            "%s would go from %s to %s, but somebody has put it on hold. Set hold (redis_hold_package) to true to "
            "keep it on hold afterwards, or to false to take that away." % step
            for step in steps
            if step.name in installed and installed[step.name].held
        ]
    return problems


def foresee(installed, names, steps):
    """Return what parse_installed() would find after these steps; apt takes away the hold of what it changes.

    names: the packages at which dpkg's work is finished.
    """
    after = dict(installed)
    for name in names:
        if name in after and after[name].unfinished:
            after[name] = after[name]._replace(state="installed", broken=False)
    for step in steps:
        source = installed[step.name].source if step.name in installed else ""
        after[step.name] = Package(step.after, False, "installed", source)
    return after


def wrong_holds(installed, names, hold):
    """Return the packages whose hold must be set (hold is true) or taken away (false)."""
    if hold is None:
        return []
    return [name for name in names if name in installed and installed[name].present and installed[name].held != hold]


def describe(installed, other):
    """Return a line for each package that is not the same in the other state."""
    lines = []
    for name, package in sorted(installed.items()):
        if package.present and package != other.get(name):
            hold = " (on hold)" if package.held else ""
            state = "" if package.installed else " (%s)" % package.state
            lines.append("%s %s%s%s\n" % (name, package.version, state, hold))
    return "".join(lines)


def lacking(source, version):
    """Return (CVEs that this version of Debian's package has no fix for, the first version that has all)."""
    for suite, (its_source, form) in DEBIAN.items():
        if source == its_source and form.fullmatch(version):
            lacks = [fix for fix in FIXES if fix["debian"][suite] and compare(version, fix["debian"][suite]) < 0]
            floors = [fix["debian"][suite] for fix in lacks]
            floor = max(floors, key=functools.cmp_to_key(compare)) if floors else ""
            return [cve for fix in lacks for cve in fix["cves"]], floor
    return [], ""
