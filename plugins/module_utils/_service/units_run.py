# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stops units that are no longer declared, and deletes what is purged."""

from __future__ import annotations

import os
import time

from .._errors import Refused
from .._host import systemd as host_systemd
from . import units as service_units
from .instance_files import Files


def systemctl(module, *arguments):
    code, out, error = module.run_command(["systemctl", *arguments])
    if code:
        module.fail_json(msg="systemctl %s: %s" % (" ".join(arguments), error.strip()))
    return out


def stop(module, units, stuck):
    """Stop the units and wait until each has ended well. stuck: those that were told to before, and did not end."""
    systemctl(module, "stop", "--no-block", *(unit + ".service" for unit in units))
    if stuck:
        # systemd tells it only once, and a server that could not save then may be able to now.
        systemctl(module, "kill", "--signal=SIGTERM", *(unit + ".service" for unit in stuck))
    deadline = time.monotonic() + module.params["stop_timeout"]
    problems = [problem for problem in (wait(module, unit, deadline) for unit in units) if problem]
    if problems:
        module.fail_json(msg="%s Nothing was deleted, and running again goes on." % " ".join(problems))


def wait(module, unit, deadline):
    """Wait until a unit has ended; return what went wrong, or ''."""
    while True:
        shown = host_systemd.parse_show(
            systemctl(module, "show", unit + ".service", "--property", "ActiveState,Result,Job")
        )
        if shown["ActiveState"] in service_units.RESTING and not int(shown.get("Job") or 0):
            break
        if time.monotonic() > deadline:
            return (
                "%s.service has not ended after %d s. A server that can't save its data does not end: its log says why "
                "(disk, rights of its directory)." % (unit, module.params["stop_timeout"])
            )
        time.sleep(0.1)
    if shown["ActiveState"] == "failed" or shown["Result"] != "success":
        return "%s.service did not end well (%s), and its last data may not be saved: look at its log." % (
            unit,
            shown["Result"],
        )
    return ""


def release(module, unit):
    """Remove the drop-in, and its directory when nothing else is in it."""
    path = "%s/%s.service.d/%s" % (service_units.UNITS, unit, module.params["drop_in_name"])
    if os.path.lexists(path):
        os.unlink(path)
    if not os.listdir(os.path.dirname(path)):
        os.rmdir(os.path.dirname(path))


def look_at_files(module, found, plan):
    """Return {instance: paths to delete}; add to the plan's problems what speaks against a stop or a deletion."""
    engine, purge = module.params["engine"], module.params["purge"]
    for name in plan.stop:
        instance = service_units.instance_of(name)
        if instance and instance not in purge:
            problem = Files(engine, instance).stop_problem(name, found[name].drop_in)
            plan.problems += [problem] if problem else []
    paths = {}
    for instance in dict.fromkeys(purge):
        try:
            paths[instance] = Files(engine, instance).present()
        except Refused as problem:
            plan.problems.append(str(problem))
    return {instance: present for instance, present in paths.items() if present}


def look_at_other(module, listing):
    """Return what stands against this engine on the host: the other one."""
    params = module.params
    found, listening = (
        service_units.find(service_units.other_engine(params["engine"]), listing, params["drop_in_name"]),
        {},
    )
    for unit in found.values():
        if unit.active and params["ports"]:
            shown = host_systemd.parse_show(systemctl(module, "show", unit.name + ".service", "--property", "MainPID"))
            ports = host_systemd.listening_ports(shown.get("MainPID", "0"))
            listening[unit.name] = [port for port in ports if port in params["ports"]]
    return service_units.other_problems(params["engine"], found, listening)


def carry_out(module, found, plan, paths):
    if plan.stop:
        stop(module, plan.stop, [unit for unit in plan.stop if found[unit].state == "deactivating"])
    if plan.disable:
        systemctl(module, "disable", *(unit + ".service" for unit in plan.disable))
    # The drop-in goes last: a run that was interrupted before tells by it what is still to be done.
    for unit in plan.release:
        release(module, unit)
    if plan.release:
        systemctl(module, "daemon-reload")
    failed = [unit for unit in plan.release if found[unit].state == "failed"]
    if failed:
        systemctl(module, "reset-failed", *(unit + ".service" for unit in failed))
    for instance in paths:
        # Asked again, since its server has written until it ended.
        files = Files(module.params["engine"], instance)
        files.delete(files.present())


def diff(found, plan, paths):
    before, after = (
        "".join(unit.line() for unit in units) for units in (found.values(), service_units.after(found, plan))
    )
    listed = "".join(path + "\n" for present in paths.values() for path in present)
    return dict(before=before + listed, after=after, before_header="units", after_header="units")
