# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which running server has a configuration file, wherever it listens: by its unit, its directory and its sockets.

Most servers replace their command line, and none keeps its configuration open. What is found here only keeps something
from being done, so it may be too much; where a unit says by which file it starts its server, nothing else counts.
"""

from __future__ import annotations

import os

from . import included, processes, sockets


def find(path, old, show, proc="/proc"):
    """Return the Server that runs with the configuration at path, None where none is found.

    old: its Old. show: returns `systemctl show` of a unit, with ExecStart, MainPID and WorkingDirectory.
    """
    return next(
        (server for server, conf, files in _with_units(show, proc) if _has(server, conf, files, path, old)), None
    )


def users_of(aclfile, show, proc="/proc"):
    """Return the Server whose unit starts it with this ACL file, None where none is found."""
    for server, conf, _files in _with_units(show, proc):
        if conf is not None and _same(os.path.join(conf.cwd, conf.values.get("aclfile", "")), aclfile):
            return server
    return None


def problem(server, what, where):
    """Return why nothing may be done as if the server were stopped. where: the place at which nothing listens."""
    ends = [sockets.spelled(server.ends)] * bool(server.ends) + sorted(server.paths)
    return (
        "Nothing listens at %s, but %s has %s and runs: it listens %s. A restart with another file could lose what it "
        "holds. Log in where it listens (login_host and login_port, or login_unix_socket), or stop it and run again."
        % (
            where,
            server.described(),
            what,
            "at " + ", ".join(ends) if ends else "nowhere, it may be starting or ending",
        )
    )


def _with_units(show, proc):
    """Yield (Server, the Old that its unit starts it with, that one's files); None and () where no unit says it."""
    for server in processes.everywhere(proc):
        if any("[sentinel]" in word or word == "--sentinel" for word in server.words):
            continue
        shown = show(server.unit) if server.unit else ""
        path, arguments = processes.configured_by(shown)
        if path:
            conf = included.read(path, processes.as_lines(arguments), processes.working_directory(shown))
            yield server, conf, (path, *conf.files)
        else:
            yield server, None, ()


def _has(server, conf, files, path, old):
    if conf is not None:
        return any(_same(file, path) for file in files)
    return _named(server, path) or _is_in(server, old) or _listens(server, old)


def _named(server, path):
    return any(word.startswith("/") and _same(word, path) for word in server.words)


def _is_in(server, old):
    """Return whether the server is in the directory where it would have its data, told by what it is, not its name."""
    if "dir" not in old.values or os.path.realpath(old.cwd) == "/":
        return False
    try:
        return os.path.samestat(os.stat(server.directory), os.stat(old.cwd))
    except OSError:
        return False


def _listens(server, old):
    """Return whether the server listens where the configuration says. In a container these ends are others."""
    said = old.values
    if not server.here:
        return False
    path = said.get("unixsocket")
    if path and any(_same(os.path.join(server.cwd, own), os.path.join(old.cwd, path)) for own in server.paths):
        return True
    numbers = (said.get("port", "6379"), said.get("tls-port", "0"))
    ports = {int(one) for one in numbers if one.isascii() and one.isdigit()} - {0}
    if said.get("bind"):
        return not server.ends.isdisjoint(sockets.expected(said["bind"].split(), ports)[0])
    return not server.ports.isdisjoint(ports)


def _same(one, other):
    return os.path.realpath(one) == os.path.realpath(other)
