# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken of a host's findings. A host could send anything, and one host must not spoil the report of all."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.controls import CONTROLS
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding

# The control that fails when a host or a check gave no result.
AUDITED = "RH-AUD-01"
# Whether something is waived is decided here.
STATUSES = ("pass", "fail", "skipped", "error")
# Of a host with some thousands of users there are that many.
LARGEST = 30_000
LENGTH = 2000
_TEXTS = ("subject", "expected", "actual", "remediation", "instance")
# Which controls a check always has a finding of: the numbers, by the family that it proves. None: of any.
ALWAYS = {
    "RH-ACL": range(1, 8),
    "RH-CFG": range(1, 6),
    "RH-CLU": (1,),
    "RH-CMD": None,
    "RH-HST": (1, 2),
    "RH-REP": (1,),
    "RH-SEN": (1, 2, 3, 4, 6, 7),
    "RH-TLS": (1, 2, 3, 4, 5, 7),
    "RH-VER": (1,),
}


def not_audited(why, instance="", proves=""):
    """Return the finding for a host or a check that gave no result. proves: the controls that it would have proved."""
    return finding(AUDITED, "error", "the check gives a result", why, instance=instance, subject=proves)


def believed(findings):
    """Return the findings as they are reported: what is none becomes one error for each reason."""
    result, refused = [], {}
    for entry in findings[:LARGEST]:
        problem = _problem(entry)
        if problem:
            refused.setdefault(problem, not_audited(problem))
        else:
            result.append(_own(entry))
    if len(findings) > LARGEST:
        why = "the host has %d findings, of which the first %d are here" % (len(findings), LARGEST)
        refused[why] = not_audited(why)
    return result + [_own(one) for one in refused.values()]


def _problem(entry):
    """Return why this is no finding of the collection, '' when it is one."""
    control = entry.get("id")
    if not isinstance(control, str) or control not in CONTROLS:
        return "the host has a finding of no control of this collection: %s" % _shown(repr(control))[:100]
    if entry.get("status") not in STATUSES:
        return "the host has a finding of %s with the status %s" % (control, _shown(repr(entry.get("status")))[:100])
    wrong = [name for name in _TEXTS if not isinstance(entry.get(name), str)]
    return "the host has a finding of %s without a text for %s" % (control, ", ".join(wrong)) if wrong else ""


def _own(entry):
    # How grave it is, is not the host's to say.
    known = {name: CONTROLS[entry["id"]][name] for name in ("title", "severity")}
    return dict(id=str(entry["id"]), **known, status=entry["status"], **{name: _shown(entry[name]) for name in _TEXTS})


def _shown(text):
    """Return text without what a terminal obeys, of a length that can be read."""
    text = text if len(text) <= LENGTH else text[: LENGTH - 3] + "..."
    return "".join(letter if letter.isprintable() else " " for letter in text)


def by_name(results):
    """Return {name: results} of a check that was made for several names in a loop, '' for one that was made once.

    The controller itself says in each result of a loop what it was for.
    """
    found = {}
    for one in results if isinstance(results, (list, tuple)) else [results]:
        variable = one.get("ansible_loop_var") if isinstance(one, Mapping) else None
        found.setdefault(str(one.get(variable, "")) if variable else "", []).append(one)
    return found


def lacking(proves, more, ids):
    """Return the controls, as text, that are missing in what a check gave.

    proves: families and controls, as text. more: controls beside these. ids: of the check's findings.
    """
    wanted = list(more)
    for name in proves.split():
        numbers = ALWAYS.get(name, ())
        wanted += [name] if not numbers else ["%s-%02d" % (name, number) for number in numbers]
    return " ".join(name for name in wanted if not any(one == name or one.startswith(name + "-") for one in ids))
