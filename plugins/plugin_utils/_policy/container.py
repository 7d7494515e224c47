# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about Redis in a container."""

from __future__ import annotations

import posixpath
import re

from .forms import path_problems
from .general import memory_bytes, policy_problems

PREFIX = "redis_container_"
HEALTH_USER = "healthcheck"
# What the server needs beside its data: code, connections, buffers.
SPARE = 64 * 1024 * 1024
_COMPOSE_UNITS = {"b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3}
# Names of the container role that mean another thing than those of the role redis.
_OWN = {"dir", "user", "name"}


def container_problems(settings):
    """Return everything that is wrong with the variables of the role redis_container.

    settings: the values of all variables that have the right type. What the role redis has as well is checked as there.
    """
    mine = {name[len(PREFIX) :]: value for name, value in settings.items() if name.startswith(PREFIX)}
    shared = {name: value for name, value in mine.items() if name not in _OWN}
    problems = [
        re.sub(r"\bredis_(?=(%s)\b)" % "|".join(map(re.escape, shared)), PREFIX, problem)
        for problem in policy_problems({"redis_" + name: value for name, value in shared.items()})
    ]
    for names, check in _CHECKS:
        if all(name in mine for name in names):
            problems += check(*[mine[name] for name in names])
    return problems


def _folder(path):
    parts = posixpath.normpath(path).split("/")
    # /opt/redis, but not /opt, and nothing below what is the system's or the engine's.
    if not posixpath.isabs(path) or len(parts) < 3 or parts[1] not in ("opt", "srv", "home", "root", "var", "data"):
        return ["redis_container_dir is %r: set an absolute path below /opt or /srv, as in /opt/redis." % path]
    if ":" in path:
        return ["redis_container_dir is %r: Compose can't have colons in it." % path]
    return path_problems("redis_container_dir", path)


def _names(name, network, volume):
    values = {"name": name, "network": network, "volume": volume}
    pattern = {"name": r"[a-z0-9][a-z0-9_-]+"}
    return [
        "redis_container_%s is %r: set letters, digits, - and _, as in redis-cache%s."
        % (which, value, "; no capitals" if which == "name" else "")
        for which, value in values.items()
        if not re.fullmatch(pattern.get(which, r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"), value)
    ]


def _network(network):
    if network in ("host", "bridge", "none", "default"):
        return ["redis_container_network is %s, one of Docker's own: set a name for a network of its own." % network]
    return []


def _image(image):
    if not re.fullmatch(r"[a-z0-9][\w.:/@-]+", image, re.ASCII):
        return ["redis_container_image is %r: set a name with a tag, as in redis:8.2." % image]
    _name, at, _digest = image.partition("@")
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    if at or (tag and tag != "latest"):
        return []
    return ["redis_container_image is %s, which changes unasked: set a tag, as in redis:8.2, or a digest." % image]


def _user(user):
    found = re.fullmatch(r"(\d+):(\d+)", user, re.ASCII)
    if not found:
        return ['redis_container_user is %r: set numbers, as in "999:999".' % user]
    if 0 in (int(found[1]), int(found[2])):
        return ["redis_container_user is %s, which is root: set another user and group." % user]
    return []


def compose_bytes(text):
    """Return what Compose understands by '512m', None if it understands nothing. All its units are powers of 1024."""
    found = re.fullmatch(r"([0-9]+)([a-zA-Z]*)", text)
    if not found or found[2].lower() not in {"", *_COMPOSE_UNITS}:
        return None
    return int(found[1]) * 1024 ** _COMPOSE_UNITS.get(found[2].lower(), 0)


def _memory(limit, maxmemory):
    size, data = compose_bytes(limit), memory_bytes(maxmemory)
    if size is None:
        return ["redis_container_memory is %r: set a number with m or g, as in 512m." % limit]
    if data is not None and size < data + SPARE:
        return [
            "redis_container_memory is %s, and redis_container_maxmemory is %s: the kernel would kill the server "
            "before it is full. Set at least 64 MB more; twice as much lets snapshots through." % (limit, maxmemory)
        ]
    return []


def _stop_timeout(seconds):
    if seconds >= 10:
        return []
    return ["redis_container_stop_timeout is %d: set at least 10, or the last snapshot is lost." % seconds]


def _start_timeout(seconds):
    if seconds >= 1:
        return []
    return ["redis_container_start_timeout is %d: set at least 1; the server has to load its data." % seconds]


def _health_user(admin, users):
    named = [("redis_container_admin_user", admin)]
    named += [("redis_container_users[%d].name" % at, user["name"]) for at, user in enumerate(users)]
    return [
        "%s is %s, the user of the health check: set another name." % (where, name)
        for where, name in named
        if name == HEALTH_USER
    ]


def _health_password(password):
    # The password is checked as an administrator's is; the shell reads it as one line.
    problems = policy_problems({"redis_admin_password": password})
    if password != password.strip() or "\\" in password:
        problems.append("redis_admin_password has a blank at an end, or a backslash: set one without.")
    return [problem.replace("redis_admin_password", "redis_container_health_password") for problem in problems]


# The variables that a check needs, in the order of its parameters.
_CHECKS = (
    (("dir",), _folder),
    (("name", "network", "volume"), _names),
    (("network",), _network),
    (("image",), _image),
    (("user",), _user),
    (("memory", "maxmemory"), _memory),
    (("stop_timeout",), _stop_timeout),
    (("start_timeout",), _start_timeout),
    (("admin_user", "users"), _health_user),
    (("health_password",), _health_password),
)
