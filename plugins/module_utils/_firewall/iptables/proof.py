# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about the kernel's iptables rules."""

from __future__ import annotations

from ..._audit.findings import verdict
from .. import policy as firewall_policy
from ..proof import SHOWN, TURNED_AWAY, WAYS, closed_doors, closed_notice, open_doors
from . import kernel as iptables_kernel, parse as iptables_parse, rules as iptables_rules


def prove(policy, family, text, shut_elsewhere=()):
    """Return the findings on one family.

    text: the output of iptables-save. shut_elsewhere: in words, which named sources other tables drop.
    """
    rulesets = {
        table: iptables_parse.parse(text, table) for table in (*iptables_rules.TABLES, firewall_policy.NOTICE_TABLE)
    }
    ports = ", ".join(firewall_policy.port_words(policy.ports))
    closed = (
        "connections to %s from sources that are not named are dropped" % ports + TURNED_AWAY[policy.stranger_action]
    )
    name = "IPv%d " % family
    findings = [
        _finding("RH-NET-03", name + way, closed, open_doors(policy, family, rulesets[table], chain))
        for way, table, chain in WAYS
    ]
    kernel = iptables_kernel.parse_save(text)
    order = iptables_kernel.jump_differences(kernel, iptables_rules.render(policy, family))
    if not policy.notice and iptables_rules.INPUT_CHAIN in kernel[firewall_policy.NOTICE_TABLE]:
        order.append("clients are led to a notice, which the policy does not have")
    shut_out = [
        "%s: %s" % (way, problem)
        for way, table, chain in WAYS
        for problem in closed_doors(policy, family, rulesets[table], chain)
    ]
    shut_out += closed_notice(policy, family, rulesets)
    return [
        *findings,
        _finding("RH-NET-03", name + "order of the rules", "before the Redis chains are drops at most", order),
        _finding(
            *("RH-NET-02", name + "named sources", "the rules let them in", [*shut_out, *shut_elsewhere]),
            remediation="Run site.yml; its firewall role puts the rules back."
            + (" Let the named sources in by the other tables as well." if shut_elsewhere else ""),
        ),
    ]


def _finding(control, subject, expected, problems, remediation=None):
    actual = "; ".join(problems[:SHOWN]) or "so it is"
    if len(problems) > SHOWN:
        actual += "; and %d more" % (len(problems) - SHOWN)
    return verdict(control, not problems, expected, actual, subject=subject, remediation=remediation)
