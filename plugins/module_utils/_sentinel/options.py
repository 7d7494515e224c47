# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the options of redis_sentinel, before any server is asked: pure functions."""

from __future__ import annotations

import ipaddress
import re

from .._redis.commands import normalise, rename_problems

# Sentinel pastes the name into its file and takes it for a pattern in SENTINEL RESET.
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# It also writes words into its file without quoting them, and could not read that file again.
WORD = re.compile(r"[!#-&(-~]*")
# What a Sentinel sends to data nodes. Without the first group it can't watch them or can't fail over: it sends SLAVEOF,
# CONFIG REWRITE and CLIENT KILL in one transaction, which a server refuses as a whole.
NEEDED = ("AUTH", "PING", "INFO", "PUBLISH", "SUBSCRIBE", "MULTI", "EXEC", "SLAVEOF", "CONFIG", "CLIENT")
SENT = (*NEEDED, "ROLE", "SCRIPT", "FAILOVER")
FEWEST = 3


def option_problems(params):
    """Return what is wrong with the options, one sentence each."""
    problems = []
    if not _NAME.fullmatch(params["master_name"]):
        problems.append("master_name may have letters, digits, '.', '_' and '-'.")
    for option in ("auth_user", "auth_pass", "sentinel_user", "sentinel_pass", "announce_ip"):
        if not WORD.fullmatch(params[option] or ""):
            problems.append(
                "%s must be printable ASCII without blanks and quotes: Sentinel writes it to its file without quoting "
                "it, and would not start again." % option
            )
    if params["state"] == "absent":
        return problems
    problems += _number_problems(params)
    problems += _group_problems(params)
    renamed = params["renamed_commands"] or {}
    wrong = rename_problems(renamed)
    problems += ["renamed_commands: " + one for one in wrong]
    if not wrong:
        problems += [
            "renamed_commands: Sentinel needs %s on the data nodes: give it another name there instead of disabling it."
            % command
            for command, new in normalise(renamed).items()
            if not new and command in NEEDED
        ]
    return problems


def _number_problems(params):
    lowest = dict(quorum=1, down_after_milliseconds=1, failover_timeout=1, parallel_syncs=1, announce_port=0, timeout=0)
    return [
        "%s must be %d or more." % (option, least)
        for option, least in lowest.items()
        if params[option] is not None and params[option] < least
    ]


def _group_problems(params):
    problems, sentinels = [], params["sentinels"]
    names = ["%s:%d" % (one["host"], one["port"]) for one in sentinels]
    problems += ["sentinels names %s twice." % name for name in sorted(set(names)) if names.count(name) > 1]
    if len(sentinels) < FEWEST:
        problems.append(
            "sentinels names %d: a group needs %d or more, or the loss of one ends all failovers."
            % (len(sentinels), FEWEST)
        )
    if params["quorum"] > len(sentinels):
        problems.append(
            "quorum is %d, and sentinels names %d: it would never be reached. Take %d."
            % (params["quorum"], len(sentinels), len(sentinels) // 2 + 1)
        )
    if is_loopback(params["master_host"]) and not all(is_loopback(one["host"]) for one in sentinels):
        problems.append("master_host is %s, which means another host to each Sentinel." % params["master_host"])
    return problems


def is_address(host):
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host):
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def passed_on(renamed):
    """Return those renames that a Sentinel has to know, original upper-case name -> new name; None for None."""
    if renamed is None:
        return None
    return {command: new for command, new in normalise(renamed).items() if new and command in SENT}
