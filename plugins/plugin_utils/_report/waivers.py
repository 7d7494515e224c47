# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waivers: failed findings that somebody has accepted, for a reason and until a day."""

from __future__ import annotations

import datetime
from difflib import get_close_matches

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS


def waiver_problems(waivers, name="waivers"):
    """Return what is wrong with the waivers. name: how their list is called. Each: id, reason, until, host, subject."""
    problems = []
    for at, waiver in enumerate(waivers):
        where = "%s[%d]" % (name, at)
        if waiver["id"] not in CONTROLS:
            problems.append("%s.id is %r: set the id of a control, as the report shows it." % (where, waiver["id"]))
        if not (waiver.get("reason") or "").strip():
            problems.append("%s (%s) has no reason: set reason to why it is accepted." % (where, waiver["id"]))
        if last_day(waiver) is None:
            problems.append(
                "%s (%s): until is %r: set it to the last day on which it is accepted, as in 2027-01-31."
                % (where, waiver["id"], waiver.get("until") or "")
            )
    return problems


def host_problems(waivers, hosts, name="waivers"):
    """Return a problem for each waiver whose host is none of the inventory's. hosts: the names of those."""
    problems = []
    for at, waiver in enumerate(waivers):
        host = waiver.get("host")
        if host is not None and host not in hosts:
            close = get_close_matches(str(host), list(hosts), n=1)
            advice = "did you mean %s?" % close[0] if close else "name one, or leave it out."
            problems.append(
                "%s[%d].host (%s) is %r, which is no host of the inventory: %s" % (name, at, waiver["id"], host, advice)
            )
    return problems


def last_day(waiver):
    """Return the waiver's last day as a date, or None when it has none."""
    try:
        return datetime.datetime.strptime(str(waiver.get("until")), "%Y-%m-%d").date()
    except ValueError:
        return None


def apply_waivers(findings, waivers, today):
    """Return (findings, notes): failed findings that a waiver names are waived; notes tell of waivers that did nothing.

    A waiver names a control and, if it wants, a host and a subject. What could not be checked can't be waived.
    """
    notes, waived = [], {}
    for waiver in waivers:
        named = [number for number, entry in enumerate(findings) if entry["status"] == "fail" and _names(waiver, entry)]
        what = " ".join(filter(None, (waiver["id"], waiver.get("host"), waiver.get("subject"))))
        if last_day(waiver) < today:
            notes.append("The waiver for %s ended on %s and does not apply." % (what, waiver["until"]))
        elif not named:
            notes.append("The waiver for %s names nothing that fails: remove it." % what)
        else:
            waived.update(dict.fromkeys(named, waiver))
    result = []
    for number, entry in enumerate(findings):
        if number in waived:
            entry = dict(entry, status="waived", waiver={key: str(waived[number][key]) for key in ("reason", "until")})
        result.append(entry)
    return result, notes


def _names(waiver, entry):
    return (
        waiver["id"] == entry["id"]
        and waiver.get("host") in (None, entry["host"])
        and waiver.get("subject") in (None, entry["subject"])
    )
