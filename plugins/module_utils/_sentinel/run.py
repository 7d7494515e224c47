# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of redis_sentinel: look until all agree, tell the Sentinel what differs, see that it took it."""

from __future__ import annotations

import dataclasses
import time

from .._errors import Refused
from .._redis import connection as redis_connection
from . import client, plan

PAUSE = 0.3
FILE_OPTIONS = ("auth_user", "auth_pass", "renamed_commands")


def look(module, sentinel):
    """Return (view, master to watch) once all agree; wait for what passes."""
    params = module.params
    end = time.monotonic() + params["timeout"]
    while True:
        try:
            view = sentinel.view(client.ask_peers(params) if params["state"] == "present" else ())
            plan.check(view)
            return view, target(params, view)
        except Refused as refused:
            if not refused.passing or time.monotonic() > end:
                raise
        time.sleep(PAUSE)


def target(params, view):
    """Return (host, port) of the master to watch."""
    if params["state"] == "absent":
        return None
    held, given = plan.held_by(view), None
    if params["master_host"]:
        given = (client.resolve(params["master_host"]), params["master_port"])
    roles = {}
    if held and given and held != given:
        roles = {address: client.role(params, address) for address in (held, given)}
    found = plan.settle(held, given, roles)
    return (params["master_host"], params["master_port"]) if found == given else found


def try_login(module, address):
    """End the module where the master refuses the login that the Sentinel is about to be given."""
    try:
        client.open_data(module.params, address).close()
    except redis_connection.ConnectionProblem as problem:
        if problem.kind == "auth":
            raise Refused("auth_user and auth_pass do not open the master: %s" % problem) from problem
        module.warn("auth_pass could not be tried on the master: %s" % problem)


def carry_out(module, sentinel, steps):
    """Send the commands, and end the module where one was refused. The errors may repeat a password."""
    refused = []
    for step, reply in zip(steps, sentinel.ask([step.words for step in steps]), strict=True):
        if isinstance(reply, Exception):
            said = "the Sentinel does not take it" if step.secret else str(reply)
            refused.append("%s: %s." % (step.setting, said))
    if refused:
        module.fail_json(msg="%s refused a part, the rest was set: %s" % (sentinel.where, " ".join(refused)))


def settle_down(module, sentinel, before):
    """After SENTINEL RESET: wait until the Sentinel has found its replicas and the other Sentinels again."""
    replicas = sum(not plan.is_down(row) for row in before.replicas)
    others = sum(not peer.problem and peer.myid != before.myid for peer in before.peers)
    end = time.monotonic() + module.params["timeout"]
    while True:
        view = sentinel.view()
        if len(view.replicas) >= replicas and len(view.others) >= others:
            return
        if time.monotonic() > end:
            module.fail_json(
                msg="%s forgot the stale Sentinels, and has found %d of %d replicas and %d of %d other Sentinels "
                "again: do not go on to the next Sentinel."
                % (sentinel.where, len(view.replicas), replicas, len(view.others), others)
            )
        time.sleep(PAUSE)


def run(module, sentinel):
    params = module.params
    view, master = look(module, sentinel)
    for peer in view.peers:
        if peer.problem:
            module.warn("Not asked who the master is: %s" % peer.problem)
    present = params["state"] == "present"
    if present and view.master:
        if not module.check_mode:
            sentinel.flush()
        if any(params[option] is not None for option in FILE_OPTIONS):
            view = dataclasses.replace(view, filed=sentinel.filed(params["config_file"]))
    stale = plan.stale(view)
    steps = plan.plan(params, view, master, params["forget_stale"])
    changes = [step.setting for step in steps]
    if present and params["auth_pass"] and {"monitor", "auth-user", "auth-pass"} & set(changes):
        try_login(module, master)
    if stale and not params["forget_stale"]:
        module.warn(
            "%s takes %s for members of its group, and sentinels does not name them: name them, or set forget_stale."
            % (sentinel.where, ", ".join(stale))
        )
    if steps and not module.check_mode:
        carry_out(module, sentinel, steps)
        if any(step.words[0] == "RESET" for step in steps):
            settle_down(module, sentinel, view)
    result = dict(changed=bool(steps), master="%s:%d" % master if master else "", changes=changes, stale=stale)
    if module._diff and steps:
        result["diff"] = plan.diff_of(steps)
    return result
