# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a policy must not say, though every single value of it has the right type.

Each check gets values and returns problems: one line each that names the variable, the value and what to set.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from difflib import get_close_matches
from pathlib import PurePosixPath

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.entries import rule_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.values import UNITS
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.addresses import (
    bind_problems,
    source_problems,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.sysctl import LARGER_IS_FINE
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.commands import COMMANDS, rename_problems

from .._report.waivers import waiver_problems
from .forms import USER, path_problems
from .ranges import range_problems

TESTED_SYSTEMS = {"Debian": ("12", "13")}
SHORTEST_PASSWORD = 16
NEW_PASSWORD = "make one with: openssl rand -base64 32"  # noqa: S105 - advice, not a password
SMALLEST_MAXMEMORY = 1024 * 1024

# Directories that Redis must not get: these with all below them, and these themselves.
_SYSTEM_TREES = ("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr")
_SHARED_FOLDERS = {("home",), ("media",), ("mnt",), ("opt",), ("srv",), ("var",)} | {
    ("var", name) for name in ("backups", "cache", "lib", "local", "lock", "log", "mail", "opt", "run", "spool", "tmp")
}

_MANY = 2**31 - 1
# name -> smallest value, largest value, why not less.
_RANGES = {
    "redis_port": (1, 65535, "it is a TCP port"),
    "redis_maxclients": (1, _MANY, "Redis must accept someone"),
    "redis_timeout": (1, _MANY, "0 keeps idle connections forever"),
    "redis_tcp_keepalive": (1, _MANY, "0 keeps connections to clients that are gone"),
    "redis_tcp_backlog": (1, _MANY, "new connections need a queue"),
    "redis_databases": (1, _MANY, "there is at least one database"),
    "redis_acllog_max_len": (1, _MANY, "refused logins must leave a trace"),
    "redis_slowlog_max_len": (0, _MANY, "it is a number of entries"),
    "redis_slowlog_log_slower_than": (-1, _MANY, "-1 switches it off already"),
}


def policy_problems(settings):
    """Return everything that is wrong with the settings of a host.

    settings: the values of all variables that have the right type; a check whose variables are not all there is left
    out, because its result would mislead.
    """
    problems = range_problems(settings, _RANGES)
    for names, check in _CHECKS:
        if all(name in settings for name in names):
            problems += check(*[settings[name] for name in names])
    return problems


def system_problems(facts, allow_untested):
    """Refuse systems that the collection was not tested on. facts: ansible_facts, empty when none were gathered."""
    if allow_untested:
        return []
    system, version = str(facts.get("distribution", "")), str(facts.get("distribution_major_version", ""))
    if not system:
        return ["The facts of the host are missing: set gather_facts: true, or run ansible.builtin.setup before."]
    if version in TESTED_SYSTEMS.get(system, ()):
        return []
    tested = ", ".join("%s %s" % (name, " and ".join(versions)) for name, versions in TESTED_SYSTEMS.items())
    return [
        "The host runs %s %s, which is not supported; tested are %s. To go on at your own risk set "
        "redis_allow_untested_system: true." % (system, version, tested)
    ]


def _sources(sources):
    return source_problems("redis_allowed_sources", sources)


def _users(users):
    problems, names = [], set()
    for at, user in enumerate(users):
        name = user["name"]
        where = "redis_users[%d] (%s)" % (at, name)
        problems += _name_problems("redis_users[%d].name" % at, name)
        if name in names:
            problems.append("%s: the name is listed twice: merge the two." % where)
        names.add(name)
        if user["enabled"] and not user["passwords"] and not user["password_hashes"]:
            problems.append(
                "%s is enabled without a password: set passwords (%s), or enabled: false." % (where, NEW_PASSWORD)
            )
        for which, password in enumerate(user["passwords"]):
            problems += _password_problems("redis_users[%d].passwords[%d] (%s)" % (at, which, name), password)
        for which, value in enumerate(user["password_hashes"]):
            if not re.fullmatch(r"[0-9a-f]{64}", value):
                problems.append(
                    "redis_users[%d].password_hashes[%d] (%s) is no SHA-256: write 64 lower-case hexadecimal digits."
                    % (at, which, name)
                )
        problems += ["%s: %s" % (where, problem) for problem in rule_problems(user)]
        hashes = {hashlib.sha256(password.encode()).hexdigest() for password in user["passwords"]}
        if len(hashes | set(user["password_hashes"])) > 2:
            problems.append("%s has more than two passwords: a rotation needs two, remove the others." % where)
    return problems


def _admin(admin, users):
    problems = _name_problems("redis_admin_user", admin)
    if admin == "default":
        problems.append("redis_admin_user is default, which everyone knows: set another name, such as admin.")
    if "/" in admin or admin.startswith("."):
        problems.append("redis_admin_user is %r, which is no file name: set one without / and leading dot." % admin)
    problems += [
        "redis_users[%d] is %s, the administrator of this collection: remove it, or set another redis_admin_user."
        % (at, admin)
        for at, user in enumerate(users)
        if user["name"] == admin
    ]
    return problems


def _admin_password(password):
    return _password_problems("redis_admin_password", password)


def _name_problems(where, name):
    if USER.fullmatch(name):
        return []
    return ["%s is %r: set a name without blanks, quotes and control characters." % (where, name)]


def _password_problems(where, password):
    if len(password) < SHORTEST_PASSWORD:
        return ["%s is shorter than %d characters: %s." % (where, SHORTEST_PASSWORD, NEW_PASSWORD)]
    if re.search(r"[\x00-\x1f\x7f]", password):
        return ["%s has a line end or a control character: %s." % (where, NEW_PASSWORD)]
    return []


def _renames(renamed):
    problems = ["redis_renamed_commands: %s" % problem for problem in rename_problems(renamed)]
    for original, new in renamed.items():
        command = str(original).upper()
        if command in ("AUTH", "HELLO", "INFO", "PING"):
            problems.append("redis_renamed_commands: every client needs %s: remove it." % command)
        elif command in ("ACL", "CONFIG") and not new:
            problems.append(
                "redis_renamed_commands: this collection needs %s: give it a secret new name instead of disabling it; "
                "the users' ACL rules deny it to everyone else." % command
            )
        elif command not in COMMANDS and "." not in command:
            close = get_close_matches(command, COMMANDS, n=1)
            problems.append(
                "redis_renamed_commands: %s is no command, and Redis would not start: %s"
                % (original, "did you mean %s?" % close[0] if close else "remove it.")
            )
    return problems


def memory_bytes(text):
    """Return what Redis understands by '256mb' (2**20) or '256m' (10**6), or None if it understands nothing."""
    found = re.fullmatch(r"([0-9]+)([a-zA-Z]*)", text)
    return int(found[1]) * UNITS[found[2].lower()] if found and found[2].lower() in UNITS else None


def _maxmemory(text):
    size = memory_bytes(text)
    if size is None:
        return ["redis_maxmemory is %r: set a number with kb, mb or gb, as in 256mb." % text]
    if size == 0:
        return ["redis_maxmemory is %s, which is unbounded: set what the host can spare, as in 256mb." % text]
    if size < SMALLEST_MAXMEMORY:
        return ["redis_maxmemory is %s, which is %d bytes: set at least 1mb; a bare number is bytes." % (text, size)]
    return []


def _folder(name, path, folder):
    problems = path_problems(name, path)
    if problems:
        return problems
    parts = PurePosixPath(posixpath.normpath(folder)).parts[1:]
    if not parts or parts[0] in _SYSTEM_TREES or parts in _SHARED_FOLDERS:
        return ["%s is %s, but the directory %s is the system's: set a directory of its own." % (name, path, folder)]
    return []


def _data_folder(path):
    return _folder("redis_dir", path, path)


def _log_folder(path):
    if path.endswith("/"):
        return ["redis_logfile is %s, a directory: set the path of the file." % path]
    return _folder("redis_logfile", path, posixpath.dirname(path))


def _save(entries):
    return [
        'redis_save[%d] is %r: write seconds and changes, as in "300 100".' % (at, entry)
        for at, entry in enumerate(entries)
        if not re.fullmatch(r"[1-9][0-9]* [1-9][0-9]*", entry)
    ]


def _events(letters):
    unknown = sorted(set(letters) - set("KEg$lshzxetdmnA"))
    if unknown:
        return ["redis_notify_keyspace_events is %r: unknown are %s." % (letters, " ".join(unknown))]
    if letters and not set(letters) & set("KE"):
        return ["redis_notify_keyspace_events is %r: without K or E nothing is published: add one." % letters]
    return []


def _sysctl(values):
    problems = []
    for name, value in values.items():
        if name not in LARGER_IS_FINE:
            problems.append("redis_sysctl.%s is unknown: known are %s." % (name, ", ".join(sorted(LARGER_IS_FINE))))
        elif not _is_count(value):
            problems.append("redis_sysctl.%s is %r: set a whole number." % (name, value))
    return problems


def _backlog(backlog, values, managed):
    limit = values.get("net.core.somaxconn")
    if not managed or not _is_count(limit) or int(limit) >= backlog:
        return []
    return [
        "redis_tcp_backlog is %d, but the kernel cuts it to redis_sysctl.net.core.somaxconn, %s: raise that."
        % (backlog, limit)
    ]


def _is_count(value):
    return not isinstance(value, bool) and re.fullmatch(r"[0-9]+", str(value)) is not None


def _waivers(waivers):
    return waiver_problems(waivers, "audit_waivers")


# The variables that a check needs, in the order of its parameters.
_CHECKS = (
    (("redis_bind",), bind_problems),
    (("redis_allowed_sources",), _sources),
    (("redis_users",), _users),
    (("redis_admin_user", "redis_users"), _admin),
    (("redis_admin_password",), _admin_password),
    (("redis_renamed_commands",), _renames),
    (("redis_maxmemory",), _maxmemory),
    (("redis_dir",), _data_folder),
    (("redis_logfile",), _log_folder),
    (("redis_save",), _save),
    (("redis_notify_keyspace_events",), _events),
    (("redis_sysctl",), _sysctl),
    (("redis_tcp_backlog", "redis_sysctl", "redis_manage_sysctl"), _backlog),
    (("audit_waivers",), _waivers),
)
