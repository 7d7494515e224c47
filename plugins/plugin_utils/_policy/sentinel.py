# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about Sentinels."""

from __future__ import annotations

import re

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.addresses import exposed
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import normalise, rename_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.options import FEWEST, NEEDED, WORD

from .._inventory import instances as inventory_instances
from .forms import USER
from .general import NEW_PASSWORD, SHORTEST_PASSWORD
from .ranges import range_problems

# name -> smallest value, largest value, why.
_RANGES = {
    "sentinel_port": (1, 65535, "it is a TCP port"),
    "sentinel_quorum": (1, 1000, "it is a number of Sentinels"),
    "sentinel_down_after_milliseconds": (1500, 3600000, "Sentinels ask once a second"),
    "sentinel_failover_timeout": (1000, 86400000, "it is in milliseconds"),
    "sentinel_parallel_syncs": (1, 1000, "it is a number of replicas"),
    "sentinel_master_port": (1, 65535, "it is a TCP port"),
}
# A Sentinel sends these itself, and writes them to its file without quotes.
_SENT = ("sentinel_peer_password", "sentinel_auth_password")


def sentinel_problems(settings):
    """Return what is wrong with the settings of a host; nothing where no Sentinel is declared.

    settings: those that have the right type. A check whose variables are not all there is left out.
    """
    hosts = settings.get("redis_sentinel_hosts") or [
        "%s:%s" % (one["host"], one.get("port", 26379)) for one in settings.get("sentinel_members") or []
    ]
    if not hosts:
        return []
    problems = range_problems(settings, _RANGES)
    problems += _group(hosts, settings.get("sentinel_quorum"))
    problems += _port(settings)
    problems += _bind(settings.get("sentinel_bind"))
    problems += _passwords(settings)
    problems += _users(settings)
    return problems + _renames(settings.get("sentinel_renamed_commands"))


def _group(hosts, quorum):
    problems = ["redis_sentinel_hosts names %s twice." % name for name in sorted(set(hosts)) if hosts.count(name) > 1]
    if len(hosts) < FEWEST:
        problems.append(
            "redis_sentinel_hosts names %d: name %d or more, or the loss of one ends all failovers. A host without a "
            "server will do (redis_instances: [])." % (len(hosts), FEWEST)
        )
    if quorum is not None and quorum > len(hosts):
        problems.append(
            "sentinel_quorum is %d, and redis_sentinel_hosts names %d: it would never be reached. Set %d, or leave it "
            "out." % (quorum, len(hosts), len(hosts) // 2 + 1)
        )
    return problems


def _port(settings):
    port = settings.get("sentinel_port")
    if port is None or "redis_instances" not in settings:
        return []
    return [
        "sentinel_port is %d, which is %s of instance %s: set another one, such as 26379."
        % (port, purpose, value["name"])
        for value in inventory_instances.values(settings)
        for _name, used, purpose in inventory_instances.served(value)
        if used == port
    ]


def _bind(bind):
    if bind is None:
        return []
    problems = []
    if "127.0.0.1" not in [address.removeprefix("-") for address in bind] and not {"*", "0.0.0.0"} & set(bind):  # noqa: S104
        problems.append("sentinel_bind lacks 127.0.0.1, where this collection talks to the Sentinel: add it.")
    if not exposed(bind):
        problems.append(
            "sentinel_bind has loopback only, where the other Sentinels can't connect: add the host's address."
        )
    return problems


def _passwords(settings):
    problems = []
    for name in ("sentinel_admin_password", *_SENT):
        password = settings.get(name)
        if password is None:
            continue
        if len(password) < SHORTEST_PASSWORD:
            problems.append("%s is shorter than %d characters: %s." % (name, SHORTEST_PASSWORD, NEW_PASSWORD))
        elif name in _SENT and not WORD.fullmatch(password):
            problems.append(
                "%s has a blank, a quote or what is no ASCII: Sentinel writes it to its file without quoting it, and "
                "would not start again: %s." % (name, NEW_PASSWORD)
            )
    return problems


def _users(settings):
    problems, taken = [], {}
    for where in ("sentinel_admin_user", "sentinel_peer_user", "redis_replica_user"):
        if settings.get(where):
            problems += _name(where, settings[where], taken)
    for at, user in enumerate(settings.get("sentinel_clients") or []):
        where = "sentinel_clients[%d]" % at
        problems += _name(where + ".name", user["name"], taken)
        passwords, hashes = user.get("passwords") or [], user.get("password_hashes") or []
        if not 1 <= len(passwords) + len(hashes) <= 2:
            problems.append(
                "%s (%s) has %d passwords: set one or two." % (where, user["name"], len(passwords) + len(hashes))
            )
        problems += [
            "%s.passwords[%d] (%s) is shorter than %d characters: %s."
            % (where, which, user["name"], SHORTEST_PASSWORD, NEW_PASSWORD)
            for which, password in enumerate(passwords)
            if len(password) < SHORTEST_PASSWORD
        ]
        problems += [
            "%s.password_hashes[%d] (%s) is no SHA-256: write 64 lower-case hexadecimal digits."
            % (where, which, user["name"])
            for which, value in enumerate(hashes)
            if not re.fullmatch(r"[0-9a-f]{64}", value)
        ]
    return problems


def _name(where, name, taken):
    problems = []
    if not USER.fullmatch(name):
        problems.append("%s is %r: set a name without blanks and quotes." % (where, name))
    if name == "default":
        problems.append("%s is default, which is off on a Sentinel: set another name." % where)
    if name in taken:
        problems.append("%s is %s, as %s is: set another name." % (where, name, taken[name]))
    taken[name] = where
    return problems


def _renames(renamed):
    if rename_problems(renamed or {}):
        return []  # The role redis says so.
    return [
        "sentinel_renamed_commands disables %s, which the Sentinels need on the servers: give it a new name instead in "
        "redis_renamed_commands." % command
        for command, new in normalise(renamed or {}).items()
        if not new and command in NEEDED
    ]
