# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's command line, as systemd knows it, and what becomes of containers when it restarts. Pure functions."""

from __future__ import annotations

import re
import shlex

# Flags that have no value of their own behind a blank.
SWITCHES = frozenset(
    ["debug", "experimental", "icc", "init", "ip-forward", "ip-masq", "ip6tables", "iptables", "ipv6", "live-restore"]
    + ["no-new-privileges", "raw-logs", "rootless", "selinux-enabled", "tls", "tlsverify", "userland-proxy", "validate"]
)
SHORT = {"H": "host", "l": "log-level", "G": "group", "b": "bridge", "p": "pidfile", "s": "storage-driver"}


def argv(exec_start):
    """Return the words of ExecStart= as `systemctl show` prints it."""
    found = re.search(r"argv\[\]=(.*?) ; ignore_errors=", exec_start)
    return found[1].split() if found else []


def environment_files(value):
    """Return the paths in EnvironmentFiles= as `systemctl show` prints it."""
    return re.findall(r"(/\S+) \(ignore_errors=", value)


def environment(text):
    """Return name -> value of an environment file, or of Environment=."""
    found = {}
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            words = []
        found.update(word.split("=", 1) for word in words if "=" in word)
    return found


def expand(words, variables):
    """Return the words with variables in their places, as systemd does it: $NAME may become several words."""
    result = []
    for word in words:
        whole = re.fullmatch(r"\$(\w+)", word)
        if whole:
            result += variables.get(whole[1], "").split()
        else:
            result.append(re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], ""), word))
    return result


def flags(words):
    """Return name -> value of the flags behind the program's name; the value of a bare switch is empty."""
    found, rest = {}, list(words[1:])
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
        elif word.startswith("-") and len(word) > 1:
            key, equals, value = SHORT.get(word[1], word[1]), word[2:], word[2:].removeprefix("=")
        else:
            continue
        if not equals and key not in SWITCHES and rest and not (rest[0].startswith("-") and len(rest[0]) > 1):
            value = rest.pop(0)
        found[key] = value
    return found


def where_set(flag, sources):
    """Return the path of the first text that has the flag. sources: (path, text), the unit's files."""
    for path, text in sources:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", ";"))]
        if any(re.search(r"--%s(?![\w-])" % re.escape(flag), line) for line in lines):
            return path
    return "its unit"


def fate(containers):
    """Return what becomes of containers, as the engine's API describes each, when it stops and starts again."""
    result = dict(returning=[], staying_down=[], removed=[], started=[])
    for one in containers:
        policy = one["HostConfig"].get("RestartPolicy", {}).get("Name") or "no"
        title = one["Name"].lstrip("/")
        if not one["State"]["Running"]:
            if policy == "always":
                result["started"].append(title)
        elif one["HostConfig"].get("AutoRemove"):
            result["removed"].append(title)
        # The policy on-failure does not count: Redis ends without a failure when it is told to.
        else:
            result["returning" if policy in ("always", "unless-stopped") else "staying_down"].append(title)
    return {key: sorted(names) for key, names in result.items()}


FATES = (
    ("returning", "stop and are started again"),
    ("staying_down", "stop and stay down, their restart policy does not bring them back"),
    ("removed", "stop and are removed (--rm)"),
    ("started", "are started, though they were stopped (restart policy always)"),
)


def fate_text(result):
    """Return the fates in one line."""
    words = ["%s: %s" % (text, ", ".join(result[key])) for key, text in FATES if result[key]]
    return "; ".join(words) or "no container stops"


def refusal(result, allowed):
    """Return why this restart is not allowed, or None. allowed: harmless, returning or always."""
    lost = sorted(result["staying_down"] + result["removed"])
    if allowed == "harmless" and (lost or result["returning"] or result["started"]):
        return "containers would be disturbed"
    if allowed == "returning" and lost:
        return "these containers would not come back: %s" % ", ".join(lost)
    return None
