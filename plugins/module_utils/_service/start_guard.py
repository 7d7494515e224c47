# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis-start-guard: whom a member of a group asks before it starts, the files of that on the host, and their proof."""

from __future__ import annotations

import json
import os
import re

from .._audit.findings import verdict
from .._host import files as host_files

PROGRAM = "/usr/local/lib/redis-start-guard"
COMMAND = "/usr/local/sbin/redis-start-guard"
SETTINGS = "/etc/redis-start-guard"
STATE = "/var/lib/redis-start-guard"
# Isolated, and without writing compiled files.
_WRAPPER = (
    '#!/bin/sh\n# Managed by celebrum.redis_hardening.\nMALLOC_ARENA_MAX=2 exec /usr/bin/python3 -IB %s "$@"\n'
    % PROGRAM
)
_EXPECTED = "it asks the others before it serves again after a crash"


def settings(value, engine, place):
    """Return what the guard is told of an instance, None for a server that stands alone. It holds no secret.

    value: an instance of the lookup redis_instances. place: own (the address at which the others know the host),
    pki_host_dir, sentinel_master_name.
    """
    if value["topology"] == "standalone":
        return None
    own, port = place["own"], value["login_port"]
    files = dict(ssl_ca_certs="ca.crt", ssl_certfile="redis.crt", ssl_keyfile="redis.key")
    tls = {name: "%s/%s" % (place["pki_host_dir"], file) for name, file in files.items()}
    names = {str(name).upper(): new for name, new in value["renamed_commands"].items()}
    return {
        "user": engine,
        "config": value["config"],
        "cluster": value["topology"] == "cluster",
        "port": port,
        "own": [own],
        "members": [
            [node["host"], node["port"]] for node in value["nodes"] if (node["host"], node["port"]) != (own, port)
        ],
        "master_name": place["sentinel_master_name"],
        "sentinels": [[one["host"], one["port"]] for one in value["sentinels"]],
        "names": {name: names.get(name) or name for name in ("INFO", "CLUSTER")},
        "tls": tls if value["has_tls"] else None,
    }


def install(unit, guard, check=False):
    """Put program and settings of a unit in place, or remove its settings when guard is None.

    guard: {program: {file: text}, settings: {...}}. Returns (whether anything differed, before, after) with the texts
    of the settings.
    """
    path = "%s/%s.json" % (SETTINGS, unit)
    before = host_files.read(path) or ""
    if guard is None:
        if before and not check:
            os.unlink(path)
            # What it was as a member of a group says nothing of what it is in the next one.
            with_state = "%s/%s" % (STATE, unit)
            if os.path.exists(with_state):
                os.unlink(with_state)
        return bool(before), before, ""
    after = json.dumps(guard["settings"], indent=1, sort_keys=True) + "\n"
    wanted = {"%s/%s" % (PROGRAM, name): (text, 0o644) for name, text in guard["program"].items()}
    wanted[COMMAND] = (_WRAPPER, 0o755)
    wanted[path] = (after, 0o644)
    differing = {place: entry for place, entry in wanted.items() if host_files.read(place) != entry[0]}
    if not check:
        for place, (text, mode) in differing.items():
            host_files.write_file(place, text, mode)
    return bool(differing), before, after


def judge(shown, answers, unit, instance):
    """Return the findings of RH-REP-07 for a unit.

    shown: what systemctl show says of the unit's ExecStartPre, ExecStopPost and TimeoutStartUSec. answers: {place:
    problem or ''} of those it asks, or a text when the guard does not run.
    """
    wrong = [
        "%s of the unit does not run it" % name
        for name, verb in (("ExecStartPre", "before"), ("ExecStopPost", "after"))
        if not re.search(
            r"^%s=.*argv\[\]=%s %s %s ; ignore_errors=no" % (name, COMMAND, verb, re.escape(unit)), shown, re.MULTILINE
        )
    ]
    if "TimeoutStartUSec=infinity" not in shown.splitlines():
        wrong.append("systemd puts an end to a start that waits")
    if isinstance(answers, str):
        wrong.append(answers)
    else:
        wrong += ["%s can't be asked: %s" % (place, problem) for place, problem in answers.items() if problem]
        wrong += [] if answers else ["it knows nobody whom it could ask"]
    actual = "; ".join(wrong) or "it asks %s" % ", ".join(answers)
    return [verdict("RH-REP-07", not wrong, _EXPECTED, actual, instance=instance, subject="start guard")]
