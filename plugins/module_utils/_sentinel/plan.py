# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a Sentinel says and what is wanted: the commands that lead there, or why nothing may be done. Pure.

The master's address is the Sentinels' own business: it is given to one that does not watch the group yet, and never
changed afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .._errors import Refused
from .options import is_address, passed_on

# option -> Sentinel's name for it. The first are shown by SENTINEL MASTER, the second only by the Sentinel's own file,
# the third, which hold for all groups that it watches, by SENTINEL CONFIG GET.
SHOWN = {
    "quorum": "quorum",
    "down_after_milliseconds": "down-after-milliseconds",
    "failover_timeout": "failover-timeout",
    "parallel_syncs": "parallel-syncs",
}
FILED = {"auth_user": "auth-user", "auth_pass": "auth-pass"}
GLOBAL = {
    "resolve_hostnames": "resolve-hostnames",
    "announce_hostnames": "announce-hostnames",
    "announce_ip": "announce-ip",
    "announce_port": "announce-port",
    "sentinel_user": "sentinel-user",
    "sentinel_pass": "sentinel-pass",
}
SECRETS = ("auth-pass", "sentinel-pass")
_DOWN = {"s_down", "o_down", "disconnected"}


@dataclass(frozen=True)
class Peer:
    """A declared Sentinel. where: 'host:port'. addresses: {(address, port)}. problem: why it could not be asked, or ''.

    watches: the (address, port) of the master, or None when it does not watch the group.
    """

    where: str
    addresses: frozenset = frozenset()
    myid: str = ""
    watches: tuple | None = None
    problem: str = ""


@dataclass(frozen=True)
class View:
    """What the Sentinel says. master: SENTINEL MASTER, or None when it does not watch the group. others: SENTINEL
    SENTINELS. settings: SENTINEL CONFIG GET. filed: what its file says of the group, see parse_file().
    """

    myid: str
    master: dict | None = None
    watches: tuple | None = None
    replicas: tuple = ()
    others: tuple = ()
    settings: dict = field(default_factory=dict)
    peers: tuple = ()
    filed: dict = field(default_factory=dict)

    @property
    def flags(self):
        return flags(self.master)


@dataclass(frozen=True)
class Step:
    """A command, and the setting that it changes, for messages."""

    words: tuple
    setting: str
    before: str = ""
    after: str = ""

    @property
    def secret(self):
        return self.setting in SECRETS


def flags(entry):
    """Return the flags of a row of SENTINEL MASTER, REPLICAS or SENTINELS."""
    return set((entry or {}).get("flags", "").split(",")) - {""}


def is_down(entry):
    return bool(flags(entry) & _DOWN)


def parse_file(text, name):
    """Return what a Sentinel's own file says of a group: auth-user, auth-pass, and rename-command as a dict."""
    found = {"auth-user": "", "auth-pass": "", "rename-command": {}}
    for line in text.splitlines():
        words = line.strip().split(" ", 3)
        if len(words) < 4 or words[0].lower() != "sentinel" or words[2].strip('"') != name:
            continue
        setting, rest = words[1].lower(), words[3].strip()
        if setting == "rename-command":
            original, _blank, new = rest.partition(" ")
            found[setting][original.strip('"').upper()] = new.strip('"')
        elif setting in found:
            found[setting] = rest[1:-1] if len(rest) > 1 and rest[0] == rest[-1] == '"' else rest
    return found


def check(view):
    """Raise Refused where this Sentinel, its peers and the servers do not agree, whatever is wanted."""
    if "failover_in_progress" in view.flags:
        raise Refused("a failover is under way: wait until it is done.", passing=True)
    if not view.peers:
        return  # The group is to be forgotten.
    ids = {}
    for peer in view.peers:
        if peer.myid in ids and peer.myid:
            raise Refused(
                "%s and %s have the same id %s: one's file is a copy of the other's. Remove the line 'sentinel myid' "
                "there and restart it." % (ids[peer.myid], peer.where, peer.myid)
            )
        ids[peer.myid] = peer.where
    if view.myid not in ids and not any(peer.problem for peer in view.peers):
        raise Refused("this Sentinel is none of those in sentinels: name it there too.")
    held = {}
    for where, address in [("this one", view.watches)] + [(peer.where, peer.watches) for peer in view.peers]:
        if address is not None:
            held.setdefault(address, where)
    if len(held) > 1:
        told = ", ".join("%s says %s:%d" % (where, *address) for address, where in held.items())
        raise Refused(
            "the Sentinels disagree about the master: %s. Ask the servers (ROLE); on the Sentinel that is wrong run "
            "SENTINEL REMOVE, and this again." % told,
            passing=True,
        )
    second = [row for row in view.replicas if row.get("role-reported") == "master" and not is_down(row)]
    if second:
        raise Refused(
            "there are two masters: the Sentinel watches %s:%d, and %s says it is one too: find out who has the data "
            "that counts, and make the other a replica of it."
            % (*view.watches, " and ".join("%s:%s" % (row["ip"], row["port"]) for row in second)),
            passing=True,
        )


def held_by(view):
    """Return the master's (address, port) that the group's Sentinels hold; None when none watches it yet."""
    return view.watches or next((peer.watches for peer in view.peers if peer.watches), None)


def settle(held, given, roles):
    """Return the (address, port) to watch. held: the Sentinels'. given: the caller's. Either may be None.

    roles: (address, port) -> what that server said of its role, only needed where the two differ. A given master that
    is a replica by now, or down, is an old one. Raises Refused where the servers do not say so.
    """
    if held is None and given is None:
        raise Refused("no Sentinel watches this group yet: give master_host, as redis_replication returns it.")
    if held is None or given is None or held == given:
        return held or given
    if roles.get(held) == "master" and roles.get(given) != "master":
        return held
    raise Refused(
        "the Sentinels watch %s:%d, master_host is %s:%d. The first says: %s; the second: %s. The Sentinels' master is "
        "kept where it alone says that it is one; else fix the group first."
        % (*held, *given, roles.get(held, "nothing"), roles.get(given, "nothing")),
        passing=True,
    )


def stale(view):
    """Return those that the Sentinel takes for members of its group and that are not declared, as 'address:port'."""
    if not view.peers:
        return []
    ids = {peer.myid for peer in view.peers if peer.myid}
    unasked = frozenset().union(*(peer.addresses for peer in view.peers if peer.problem))
    return [
        "%s:%s" % (row["ip"], row["port"])
        for row in view.others
        if row.get("runid") not in ids and (row["ip"], int(row["port"])) not in unasked
    ]


def plan(params, view, target, forget_stale=False):
    """Return the Steps. target: the (host, port) to watch where nothing is watched yet."""
    name = params["master_name"]
    if params["state"] == "absent":
        return [Step(("REMOVE", name), "monitor", "%s:%d" % view.watches)] if view.master else []
    steps = _global_steps(params, view)
    if view.master is None:
        resolves = params["resolve_hostnames"]
        if resolves is None:
            resolves = view.settings.get("resolve-hostnames") == "yes"
        if not resolves and not is_address(target[0]):
            raise Refused("master_host is the name %s: give an address, or set resolve_hostnames." % target[0])
        words = ("MONITOR", name, target[0], str(target[1]), str(params["quorum"]))
        steps.append(Step(words, "monitor", after="%s:%d" % target))
    wanted = {SHOWN[option]: params[option] for option in SHOWN} | {FILED[option]: params[option] for option in FILED}
    now = {setting: (view.master or {}).get(setting, "") for setting in SHOWN.values()}
    now.update((setting, view.filed.get(setting, "") if view.master else "") for setting in FILED.values())
    if view.master is None:
        now["quorum"] = str(params["quorum"])
    for setting, value in wanted.items():
        if value is not None and str(value) != now[setting]:
            steps.append(Step(("SET", name, setting, str(value)), setting, now[setting], str(value)))
    steps += _rename_steps(name, passed_on(params["renamed_commands"]), view)
    gone = stale(view)
    if forget_stale and gone:
        if is_down(view.master):
            raise Refused(
                "the master is down for this Sentinel (%s): SENTINEL RESET now would make it forget the replicas, and "
                "no failover could be. Fix that first." % ",".join(sorted(view.flags)),
                passing=True,
            )
        steps.append(Step(("RESET", name), "other sentinels", " ".join(gone)))
    return steps


def _global_steps(params, view):
    steps = []
    for option, setting in GLOBAL.items():
        value = params[option]
        if value is None:
            continue
        value = {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        if setting not in view.settings:
            raise Refused("this Sentinel has no setting %s, or the login may not ask for it (+sentinel)." % setting)
        if view.settings[setting] != value:
            words = ("CONFIG", "SET", setting, value)
            steps.append(Step(words, setting, view.settings[setting], value))
    return steps


def _rename_steps(name, wanted, view):
    if wanted is None:
        return []
    now = view.filed.get("rename-command", {}) if view.master else {}
    steps = []
    for command in sorted({*wanted, *now}):
        # A command that is renamed to itself is one that is not renamed.
        new = wanted.get(command, command)
        if now.get(command, command) != new:
            words = ("SET", name, "rename-command", command, new)
            steps.append(Step(words, "rename-command " + command, now.get(command, command), new))
    return steps


def diff_of(steps):
    """Return before and after as text; of secrets only whether there is one."""
    sides = []
    for place, word in (("before", "(a password)"), ("after", "(another password)")):
        lines = []
        for step in steps:
            value = getattr(step, place)
            if step.secret and value:
                value = word if step.before else "(a password)"
            lines.append("%s %s" % (step.setting, value))
        sides.append("".join(line.rstrip() + "\n" for line in lines))
    return dict(before=sides[0], after=sides[1])
