# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about a group's Sentinels, from what they and the data nodes say: pure functions, RH-SEN-01 to RH-SEN-07."""

from __future__ import annotations

from .._audit.findings import finding, verdict
from .plan import flags, is_down, stale


def judge_anonymous(problem, instance):
    """RH-SEN-01. problem: the ConnectionProblem of a client that did not log in, None when it was let in."""
    expected = "a client that does not log in is refused"
    if problem is None:
        return verdict("RH-SEN-01", False, expected, "it is let in", instance=instance)
    if problem.kind in ("auth", "permission"):
        return verdict("RH-SEN-01", True, expected, "refused", instance=instance)
    return finding("RH-SEN-01", "error", expected, str(problem), instance=instance)


def judge(view, quorum, ckquorum, replicas, instance):
    """Return the findings RH-SEN-02 to RH-SEN-04 and RH-SEN-06. ckquorum: the reply to SENTINEL CKQUORUM, as text."""
    if view.master is None:
        return [
            verdict(control, False, "the group is watched", "this Sentinel does not watch it", instance=instance)
            for control in ("RH-SEN-02", "RH-SEN-03", "RH-SEN-04", "RH-SEN-06")
        ]
    return [
        _members(view, instance),
        _agreement(view, instance),
        _quorum(view, quorum, ckquorum, instance),
        _replicas(view, replicas, instance),
    ]


def _members(view, instance):
    """RH-SEN-02: known are all that are declared, and nobody else."""
    known = {row.get("runid") for row in view.others}
    others = [peer for peer in view.peers if peer.problem or peer.myid != view.myid]
    wrong = ["%s can't be asked: %s" % (peer.where, peer.problem) for peer in others if peer.problem]
    wrong += ["%s is not known" % peer.where for peer in others if not peer.problem and peer.myid not in known]
    wrong += ["%s is known and not declared" % one for one in stale(view)]
    wrong += [
        "%s:%s is down (%s)" % (row["ip"], row["port"], row["flags"])
        for row in view.others
        if is_down(row) and row.get("runid") in {peer.myid for peer in view.peers}
    ]
    expected = "%d other Sentinels, all declared" % (len(view.peers) - 1)
    actual = "; ".join(wrong) or "%d other Sentinels" % len(view.others)
    return verdict("RH-SEN-02", not wrong, expected, actual, instance=instance)


def _agreement(view, instance):
    """RH-SEN-03: all Sentinels watch the same master, which says that it is one, and no other server does."""
    own = "%s:%d" % view.watches
    wrong = [
        "%s watches %s" % (peer.where, "%s:%d" % peer.watches if peer.watches else "no such group")
        for peer in view.peers
        if not peer.problem and peer.watches != view.watches
    ]
    if view.master.get("role-reported") != "master":
        wrong.append("%s says it is a %s" % (own, view.master.get("role-reported")))
    wrong += [
        "%s:%s says it is a master too" % (row["ip"], row["port"])
        for row in view.replicas
        if row.get("role-reported") == "master" and not is_down(row)
    ]
    return verdict(
        "RH-SEN-03", not wrong, "all hold %s for the master" % own, "; ".join(wrong) or own, instance=instance
    )


def _quorum(view, quorum, ckquorum, instance):
    """RH-SEN-04: the declared one, and it and a majority can be reached."""
    live = view.master.get("quorum")
    expected = "quorum %s, which can be reached" % (quorum if quorum is not None else live)
    ok = ckquorum.startswith("OK") and (quorum is None or live == str(quorum))
    return verdict("RH-SEN-04", ok, expected, "quorum %s: %s" % (live, ckquorum), instance=instance)


def _replicas(view, least, instance):
    """RH-SEN-06: enough replicas that are up, follow the master and may become master."""
    good, bad = [], []
    for row in view.replicas:
        why = ""
        if is_down(row):
            why = row["flags"]
        elif row.get("master-link-status") != "ok":
            why = "its link to the master is " + row.get("master-link-status", "unknown")
        elif row.get("slave-priority", row.get("replica-priority")) == "0":
            why = "its priority is 0"
        (bad if why else good).append("%s:%s%s" % (row["ip"], row["port"], " (%s)" % why if why else ""))
    actual = "up: %s" % (", ".join(good) or "none")
    if bad:
        actual += "; not: %s" % ", ".join(bad)
    return verdict("RH-SEN-06", len(good) >= least, "%d or more replicas up" % least, actual, instance=instance)


def judge_link(row, rights, instance):
    """RH-SEN-05 for a data node. row: of SENTINEL MASTER or REPLICAS. rights: the refused commands, or why they could
    not be tried (text), or None when no login was given.
    """
    details = dict(instance=instance, subject="%s:%s" % (row["ip"], row["port"]))
    expected = "the Sentinel is logged in, with the rights to fail over"
    if is_down(row):
        return verdict("RH-SEN-05", False, expected, "not logged in, or it is down (%s)" % row["flags"], **details)
    if rights is None:
        expected, actual = "the Sentinel is logged in", "logged in; its rights were not tried: give auth_pass"
        return verdict("RH-SEN-05", True, expected, actual, **details)
    if isinstance(rights, str):
        return verdict("RH-SEN-05", False, expected, "logged in; auth_pass is refused: %s" % rights, **details)
    return verdict("RH-SEN-05", not rights, expected, "; ".join(rights) or "logged in, all allowed", **details)


def judge_tls(subject, plain, row, instance):
    """RH-SEN-07 for a port. plain: the Outcome of plain text there. row: the Sentinel's link to it, None for its own.

    A port that does not answer plain text and to which the Sentinel has a link speaks TLS on that link.
    """
    expected, details = "no answer to plain text", dict(subject=subject, instance=instance)
    if plain.state == "closed":
        return finding("RH-SEN-07", "error", expected, "nobody could be asked: %s" % plain, **details)
    if row is not None and flags(row) & {"disconnected", "s_down"}:
        return finding("RH-SEN-07", "error", expected, "there is no link to look at (%s)" % row["flags"], **details)
    return verdict("RH-SEN-07", not plain.answered, expected, str(plain), **details)
