# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker's daemon.json: what is in it, what should be, and what the running engine must do about it. Pure functions."""

from __future__ import annotations

import copy
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# Options of the module -> places in daemon.json.
IPTABLES, IP6TABLES, ADDRESS, LIVE_RESTORE = ("iptables",), ("ip6tables",), ("ip",), ("live-restore",)
OPTIONS = {"iptables": IPTABLES, "ip6tables": IP6TABLES, "ip": ADDRESS, "live_restore": LIVE_RESTORE}
# "ip" speaks of the default network only; this is its like for networks made from now on, since Docker 24.
NETWORK_ADDRESS = ("default-network-opts", "bridge", "com.docker.network.bridge.host_binding_ipv4")
# The engine takes these from the file by a SIGHUP.
RELOADABLE = frozenset([LIVE_RESTORE])
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - Docker's default, to compare with


class DaemonProblem(ValueError):
    """daemon.json can't be read, or made into what is asked for; the text says where and why."""


class _Repeated(Exception):
    """A key stands twice in an object; the text is the key."""


@dataclass
class Plan:
    """document: daemon.json as it should be. changed: the places in it that are not so yet.

    restart, reload: why the engine needs one, in words. problems: why nothing of it must be done.
    """

    document: dict
    changed: list = field(default_factory=list)
    restart: list = field(default_factory=list)
    reload: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def parse(text, path):
    """Return the document; an empty file is an empty one, as for the engine. Never quotes the file."""
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats)
    except _Repeated as repeated:
        # The engine may join the two, and what we write has only one of them.
        raise DaemonProblem(
            '%s: "%s" stands twice in the same object: make one of it, then run again; it was left as it is'
            % (path, repeated)
        ) from None
    except json.JSONDecodeError as error:
        raise DaemonProblem(
            "%s: line %d, column %d: no valid JSON: %s. Fix it, then run again; it was left as it is"
            % (path, error.lineno, error.colno, error.msg)
        ) from None
    except RecursionError:
        raise DaemonProblem("%s is nested too deeply; it was left as it is" % path) from None
    if not isinstance(document, dict):
        raise DaemonProblem(
            "%s: line 1, column 1: there must be an object, { ... }, and nothing else; it was left as it is" % path
        )
    return document


def _without_repeats(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _value in pairs]
        raise _Repeated(next(key for key in keys if keys.count(key) > 1))
    return found


def render(document, before=""):
    """Return the document as text, indented as the text before was."""
    indent = re.search(r'^([ \t]+)"', before, re.MULTILINE)
    return json.dumps(document, indent=indent[1] if indent else 2, ensure_ascii=before.isascii()) + "\n"


def version_of(text):
    """Return (major, minor) from 'Docker version 20.10.24+dfsg1, build 5d6db84' or '26.1.5'."""
    found = re.search(r"(\d+)\.(\d+)", text)
    if not found:
        raise DaemonProblem("the engine's version can't be told from '%s'" % text.strip())
    return int(found[1]), int(found[2])


def wanted(settings, version):
    """Return place -> value of the module's settings, without those that are left alone."""
    places = {OPTIONS[name]: value for name, value in settings.items() if value is not None}
    address = places.get(ADDRESS)
    if address is not None:
        try:
            if ipaddress.ip_address(address).version != 4:
                raise ValueError
        except ValueError:
            raise DaemonProblem("settings.ip: '%s' is no IPv4 address; write it like 127.0.0.1" % address) from None
        if version >= (24, 0):
            places[NETWORK_ADDRESS] = address
    return places


def default(place, version):
    """Return what the engine does where neither file nor flag says it."""
    if place == IP6TABLES:
        return version >= (27, 0)
    return {IPTABLES: True, LIVE_RESTORE: False}.get(place, ALL_ADDRESSES)


def get(document, place):
    """Return what the document says at a place, or None."""
    for key in place:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def put(document, place, value):
    for key in place[:-1]:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise DaemonProblem("daemon.json: %s must be an object, { ... }" % key)
    document[place[-1]] = value


def name(place):
    return ".".join(place)


def plan(document, places, version, flags, where=None, stale=False, live=None):
    """Return the Plan that brings the document and the engine to the wanted values.

    places: from wanted(). flags: name -> value of the engine's command line; where: name -> where it is set. stale: the
    engine was started before the file was last written, so that the file does not tell what the engine does. live:
    place -> what it is known to do.
    """
    result = Plan(copy.deepcopy(document))
    live = live or {}
    for place, value in places.items():
        flag = flags.get(place[0]) if len(place) == 1 else None
        before = get(document, place)
        if flag is not None:
            result.problems += _flag_problems(place, value, flag, before, (where or {}).get(place[0], "its unit"))
            continue
        now = default(place, version) if before is None else before
        if not _same(now, value):
            put(result.document, place, value)
            result.changed.append(place)
        if place in RELOADABLE:
            known = live.get(place, now)
        elif stale:
            # Without an answer the worst is assumed, unless the file never spoke of it.
            known = live.get(place, None if before is not None else now)
        else:
            known = now
        if not _same(known, value):
            reasons = result.reload if place in RELOADABLE else result.restart
            reasons.append("%s is %s" % (name(place), _text(known)))
    result.problems += contradictions(result.document, flags)
    return result


def _same(one, other):
    return type(one) is type(other) and one == other


def _text(value):
    return "not known" if value is None else json.dumps(value)


def _flag_problems(place, value, flag, before, where):
    if before is not None:
        return [
            "--%s is on the engine's command line (%s) and %s in daemon.json; with both it does not start: remove one"
            % (name(place), where, name(place))
        ]
    if (as_bool(flag) if isinstance(value, bool) else flag) == value:
        return []
    return [
        "the engine is started with --%s=%s (%s), and with %s in daemon.json as well it would not start: remove the "
        "flag there, then run again" % (name(place), flag or "true", where, name(place))
    ]


def is_off(key, document, flags):
    """Say whether something that is on by default is off."""
    return not as_bool(flags[key]) if key in flags else document.get(key) is False


def contradictions(document, flags):
    """Return what the engine, or a container, could not live with."""
    found = []
    if is_off("iptables", document, flags) and is_off("icc", document, flags):
        found.append('"icc": false needs "iptables": true; the engine would not start: remove "icc"')
    if is_off("iptables", document, flags) and is_off("userland-proxy", document, flags):
        found.append(
            'with "iptables": false ports are published by docker-proxy, which "userland-proxy": false takes away: '
            'remove "userland-proxy"'
        )
    return found


def uses_nftables(document, flags):
    """Say whether the engine makes its rules by nftables, without DOCKER-USER."""
    return flags.get("firewall-backend", document.get("firewall-backend")) == "nftables"


def as_bool(text):
    """Return what the engine takes the value of a flag for."""
    return text in ("", "1", "t", "T", "true", "TRUE", "True")


def excerpt(document, places):
    """Return the document's part that the module sets, for a diff: the rest may hold secrets."""
    found = {name(place): get(document, place) for place in places if get(document, place) is not None}
    return json.dumps(found, indent=2) + "\n" if found else ""


def without_logins(text):
    """Return a message of the engine without the login that the URL of a proxy may have."""
    return re.sub(r"//[^/\s]+@", "//***@", text)
