# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings: what every verify module returns, one per thing that was proved."""

from __future__ import annotations

from .controls import CONTROLS

STATUSES = ("pass", "fail", "waived", "skipped", "error")


def finding(
    control: str,
    status: str,
    expected: str,
    actual: str,
    instance: str = "",
    subject: str = "",
    remediation: str | None = None,
) -> dict:
    """Return one finding as a dict.

    control: an id of the catalogue. status: one of STATUSES. expected, actual: text, never a secret.
    instance: which server ('127.0.0.1:6379'). subject: which user, command, port or file. remediation: only where the
    catalogue's fix can be said more exactly.
    """
    entry = CONTROLS[control]
    if status not in STATUSES:
        raise ValueError("status %r is not one of %s" % (status, ", ".join(STATUSES)))
    return dict(
        id=control,
        title=entry["title"],
        severity=entry["severity"],
        status=status,
        subject=str(subject),
        expected=str(expected),
        actual=str(actual),
        remediation="" if status == "pass" else (remediation or entry["fix"]),
        instance=str(instance),
    )


def verdict(control: str, ok: bool, expected: str, actual, **details) -> dict:
    """Return a finding that passes when ok is true and fails otherwise."""
    return finding(control, "pass" if ok else "fail", expected, actual, **details)


def count(findings: list[dict]) -> dict[str, int]:
    """Return how many findings have each status, all statuses present."""
    totals = dict.fromkeys(STATUSES, 0)
    for entry in findings:
        totals[entry["status"]] += 1
    return totals
