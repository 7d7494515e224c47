#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_package
short_description: Install, pin, hold and upgrade the packages of Redis or Valkey, restarting nothing
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Brings Debian's packages of the server to one version, and puts them on hold or takes that away.
  - No service of Redis is started or restarted by its package, neither by maintainer scripts nor by C(needrestart).
    M(celebrum.redis_hardening.redis_service) does that, with the data saved and one server of a group after the other.
  - Everything that can be refused is refused before anything is changed. A version that is older than the installed one
    is refused, because Redis may be unable to load what a newer one has written.
  - What dpkg was interrupted at, by a reboot for example, is finished first.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: The repositories are asked when they have to be, but apt's own lists stay as they are.
  diff_mode:
    support: full
  idempotent:
    description: A second run with the same options changes nothing, until there is a newer version for O(state=latest).
    support: full
  platform:
    platforms: debian
options:
  packages:
    description:
      - The packages that must be there. They are of one source package, whose name they begin with.
      - Other packages of that source which are installed get the same version and the same hold.
    type: list
    elements: str
    required: true
  libraries:
    description: Further packages that must be there, in any version.
    type: list
    elements: str
    default: []
  version:
    description:
      - The exact version of O(packages), as C(apt-cache madison) shows it. Without it, any will do.
      - A version that lacks known security fixes gives a warning (control RH-VER-01).
    type: str
    default: ""
  hold:
    description:
      - Whether the packages are on hold, so that neither C(apt-get upgrade) nor unattended-upgrades changes them.
      - Without it holds stay as they are, and a package that is on hold is not changed.
    type: bool
  state:
    description:
      - V(present) installs what is missing, in the version of what is there already. V(latest) upgrades, too.
      - With O(version) both bring that version.
    type: str
    choices: [present, latest]
    default: present
"""

EXAMPLES = r"""
- name: Install a version that stays
  celebrum.redis_hardening.redis_package:
    packages: [redis-server, redis-tools]
    version: 5:7.0.15-1~deb12u10
    hold: true
"""

RETURN = r"""
steps:
  description: The packages that were installed or upgraded. C(before) is empty for a new one.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: redis-server, before: "5:7.0.15-1~deb12u7", after: "5:7.0.15-1~deb12u10"}
missing:
  description: The wanted packages that were not there.
  returned: success
  type: list
  elements: str
upgraded:
  description: Whether a program that may be running was replaced.
  returned: success
  type: bool
held:
  description: The packages of the server that are on hold now.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import packages as host_packages
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.apt import Apt
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.apt_without_start import Busy

# Seconds for which apt's lists are good enough to install something that is missing.
FRESH = 86400


def main():
    module = AnsibleModule(
        argument_spec=dict(
            packages=dict(type="list", elements="str", required=True),
            libraries=dict(type="list", elements="str", default=[]),
            version=dict(type="str", default=""),
            hold=dict(type="bool"),
            state=dict(type="str", choices=["present", "latest"], default="present"),
        ),
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module, Apt(module)))
    except Busy as problem:
        module.fail_json(msg=str(problem))


def run(module, apt):
    params, check = module.params, module.check_mode
    installed = before = apt.installed()
    ours = params["packages"], params["libraries"]
    unfinished = apt.interrupted() or host_packages.unfinished(before, *ours)
    warn_of_faults(module)
    requests, steps = decide(module, apt, before)
    if unfinished and not check:
        apt.configure()
        installed = apt.installed()
        requests, steps = decide(module, apt, installed)
    # What is half-installed in the right version is no step of a simulation.
    if (steps or host_packages.unfinished(installed, *ours)) and not check:
        apt.install(requests, host_packages.to_reinstall(requests, installed))
        installed = apt.installed()
    if not check:
        undone = [step for step in steps if step.name in installed and installed[step.name].version != step.after]
        if undone or host_packages.unfinished(installed, *ours):
            module.fail_json(msg="apt-get is done without an error, but see dpkg --audit. Undone: %s" % summary(undone))

    names = host_packages.family(installed, params["packages"])
    after = host_packages.foresee(before, names, steps) if check else installed
    wrong = host_packages.wrong_holds(after, names, params["hold"])
    if wrong and not check:
        apt.set_hold(wrong, params["hold"])
    after = dict(after, **{name: after[name]._replace(held=params["hold"]) for name in wrong})
    # apt takes a hold away from what it changes; set again, that is no difference.
    text_before, text_after = host_packages.describe(before, after), host_packages.describe(after, before)
    return dict(
        changed=unfinished or text_before != text_after,
        msg=summary(steps) or "nothing to install",
        steps=[step._asdict() for step in steps],
        missing=[name for name in [*ours[0], *ours[1]] if name not in before or not before[name].installed],
        upgraded=any(step.before and step.name in names for step in steps),
        held=[name for name in names if after[name].held],
        diff=dict(before_header="packages", after_header="packages", before=text_before, after=text_after),
    )


def summary(steps):
    return ", ".join("%s %s" % (step.name, " -> ".join(filter(None, step[1:]))) for step in steps)


def warn_of_faults(module):
    version, packages = module.params["version"], module.params["packages"]
    cves, floor = host_packages.lacking(packages[0].partition("-")[0], version)
    if cves:
        module.warn(
            "%s is %s, which has no fix for %s: %s has (RH-VER-01)."
            % (host_packages.PIN, version, ", ".join(cves), floor)
        )


def decide(module, apt, installed):
    """Return (what to ask apt for, the steps that it would take), or fail before anything is changed."""
    params = module.params
    ours = params["packages"], params["libraries"]
    latest = params["state"] == "latest"
    plan = host_packages.plan(installed, *ours, params["version"], latest)
    problems, steps = list(plan.problems), []
    if plan.requests:
        names = [request.partition("=")[0] for request in plan.requests]
        known = apt.known(names)
        unknown = host_packages.unknown_versions(plan.requests, known, params["version"])
        if latest or unknown or set(names) - set(known) or apt.lists_age() > FRESH:
            apt.refresh()
            unknown = host_packages.unknown_versions(plan.requests, apt.known(names), params["version"])
        problems += unknown
    if plan.requests and not problems:
        steps = apt.simulate(plan.requests)
        problems = host_packages.step_problems(steps, installed, params["hold"])
    if problems:
        module.fail_json(msg="\n".join(["Refused, no package was changed:", *problems]))
    return plan.requests, steps


if __name__ == "__main__":
    main()
