# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about a running cluster, from what its nodes say and from handshakes with its bus."""

from __future__ import annotations

import collections

from .._audit.findings import finding, verdict
from .._tls import certificates as tls_certificates
from .._tls.handshake import talk
from .client import ALIKE
from .nodes import SLOTS, show
from .state import disagreement, failures, label

BUS_SECONDS = 2.0


def cluster_findings(asked, replicas, probes):
    """Return the findings. asked: a NodeReply for each declared server. probes: name -> (plain, bare) Outcomes."""
    there = [one for one in asked if one.stays and not one.problem]
    silent = [one for one in asked if one.stays and one.problem]
    found = [
        finding("RH-CLU-01", "error", "an answer", one.problem.text, instance=one.name, remediation="Fix what it says.")
        for one in silent
    ]
    if not there:
        return found
    found += [_serves(one) for one in there]
    found.append(_agree(there))
    found += _members(asked, there)
    found += _replicas(there, replicas)
    found += [_bus(one, *probes[one.name]) for one in there]
    found.append(_settings(there))
    return found + [_on_disk(one) for one in there]


def probe_bus(server, asked):
    """Return what the bus answers to plain text, and to a TLS client without a certificate."""
    host, port = server.node["host"], asked.me.bus_port
    return tuple(
        talk(host, port, context, timeout=BUS_SECONDS) for context in (None, tls_certificates.client_context())
    )


def _serves(one):
    state, assigned = one.info.get("cluster_state", ""), int(one.info.get("cluster_slots_assigned", 0))
    trouble = [
        "%s %s slots" % (one.info[name], name.rpartition("_")[2])
        for name in ("cluster_slots_pfail", "cluster_slots_fail")
        if one.info.get(name, "0") != "0"
    ]
    actual = ", ".join(["cluster_state %s" % state, "%d of %d slots have an owner" % (assigned, SLOTS), *trouble])
    ok = state == "ok" and assigned == SLOTS and not trouble
    return verdict("RH-CLU-01", ok, "cluster_state ok, all slots have an owner that answers", actual, instance=one.name)


def _agree(there):
    trouble = [problem.text for problem in disagreement(there) + failures(there)]
    for one in there:
        unknown = [other.name for other in there if other.id not in {entry.id for entry in one.entries if entry.known}]
        if unknown:
            trouble.append("%s does not know %s." % (one.name, ", ".join(unknown)))
        if one.me.migrating or one.me.importing:
            trouble.append("%s moves the slots %s." % (one.name, show({*one.me.migrating, *one.me.importing})))
    expected = "the same members, masters and owners of slots from all, and no slot on the move"
    return verdict("RH-CLU-02", not trouble, expected, " ".join(trouble) or "as expected, from %d nodes" % len(there))


def _members(asked, there):
    """Whoever is in, and in no entry of the inventory, may have let itself in."""
    lines = {entry.id: entry for one in there for entry in one.entries}
    declared = {one.id for one in there}
    for one in asked:
        if one.stays and one.problem:
            declared |= {node for node, line in lines.items() if line.port == one.port and line.host in one.addresses}
    strangers = [entry for node, entry in sorted(lines.items()) if node not in declared]
    found = [
        finding(
            "RH-CLU-03",
            "fail",
            "no member that is not declared",
            "id %s, %s, %d slots" % (entry.id, ",".join(sorted(entry.flags)), len(entry.slots)),
            subject=label(entry),
        )
        for entry in strangers
    ]
    return found or [
        verdict("RH-CLU-03", True, "the %d declared nodes" % len(declared), "%d members, all declared" % len(declared))
    ]


def _replicas(there, wanted):
    """One finding for each master. Its replicas are those that say so themselves and have its data."""
    by_id, following = {one.id: one for one in there}, collections.defaultdict(list)
    for one in there:
        if one.me.master:
            following[one.me.master].append(one)
    found = []
    zones = {one.zone for one in there}
    for one in there:
        if one.me.master or not one.me.slots:
            continue
        mine = following[one.id]
        up = [replica for replica in mine if replica.link == "up"]
        near = [replica.name for replica in up if replica.zone == one.zone]
        actual = ", ".join(
            ["%d connected" % len(up)]
            + ["%s is not connected" % replica.name for replica in mine if replica not in up]
            + ["%s stands in the same zone" % name for name in near]
        )
        ok = len(up) >= wanted and (not near or len(zones) == 1)
        expected = "%d or more connected replicas, none in its zone %s" % (wanted, by_id[one.id].zone)
        found.append(verdict("RH-CLU-04", ok, expected, actual, instance=one.name))
    return found


def _bus(one, plain, bare):
    expected = "plain text and clients without a certificate are refused"
    if "closed" in (plain.state, bare.state):
        # With tls-cluster the bus demands a certificate, whatever tls-auth-clients says.
        said = one.settings.get("tls-cluster")
        if said is None:
            actual = "can't be reached or asked from here: %s" % plain
            return finding("RH-CLU-05", "skipped", expected, actual, instance=one.name)
        actual = "can't be reached from here; CONFIG GET says tls-cluster %s" % said
        return verdict("RH-CLU-05", said == "yes", expected, actual, instance=one.name)
    actual = "plain text: %s; without a certificate: %s" % (plain, bare)
    return verdict("RH-CLU-05", plain.state == bare.state == "refused", expected, actual, instance=one.name)


def _on_disk(one):
    said = one.settings.get("appendonly")
    if said is None:
        return finding("RH-CLU-07", "skipped", "appendonly yes", "CONFIG is disabled", instance=one.name)
    return verdict("RH-CLU-07", said == "yes", "appendonly yes", "appendonly %s" % said, instance=one.name)


def _settings(there):
    differing = []
    for name in ALIKE:
        values = collections.defaultdict(list)
        for one in there:
            if name in one.settings:
                values[one.settings[name]].append(one.name)
        if len(values) > 1:
            differing.append("%s: %s" % (name, "; ".join("%s on %s" % (v, " ".join(n)) for v, n in values.items())))
    if not any(one.settings for one in there):
        return finding("RH-CLU-06", "skipped", "the same on all nodes", "CONFIG is disabled")
    return verdict("RH-CLU-06", not differing, "the same on all nodes", ". ".join(differing) or "the same on all nodes")
