# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which servers run on the host: by process and unit, and not only by the port."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass

from . import sockets

_WORDS = 8
_SERVICE = re.compile(r"/system\.slice/(?:[^/]+\.slice/)*([A-Za-z0-9_][A-Za-z0-9:_.@\\-]*)\.service$")
_PROGRAMS = ("redis-server", "valkey-server", "keydb-server")


@dataclass(frozen=True)
class Server:
    """One process. unit: without .service, '' outside of one. ends: {(address, port)} on which it listens.

    parent: the id of the process that it is a child of. paths: Unix sockets on which it listens. words: its command
    line, which most servers replace. here: whether it is in our network namespace. directory: a path that leads where
    it is, also in a container.
    """

    pid: int
    unit: str = ""
    program: str = ""
    user: str = ""
    cwd: str = "/"
    ends: frozenset = frozenset()
    parent: int = 0
    paths: frozenset = frozenset()
    words: tuple = ()
    here: bool = True
    directory: str = ""

    @property
    def ports(self):
        return {port for _address, port in self.ends}

    def described(self):
        """Return the process for a message."""
        where = "%s.service" % self.unit if self.unit else "no unit of systemd"
        return "process %d (%s of user %s, %s)" % (self.pid, self.program, self.user or "unknown", where)


def servers(proc="/proc"):
    """Return the Servers in this network namespace, by process id. What ends meanwhile is left out."""
    return [server for server in everywhere(proc) if server.here]


def everywhere(proc="/proc"):
    """Return the Servers in all network namespaces, those of containers among them."""
    here = _link(proc, "self", "ns/net")
    names = sorted((entry for entry in os.listdir(proc) if entry.isdigit()), key=int)
    return [_server(proc, name, here) for name in names if _is_server(proc, name)]


def _is_server(proc, pid):
    # What merely has such a name among its words, such as a shell, listens nowhere, and does not count.
    words = re.split(r"[\0 ]", _text(proc, pid, "cmdline"))[:_WORDS]
    return not {_text(proc, pid, "comm").strip(), *map(os.path.basename, words)}.isdisjoint(_PROGRAMS)


def _server(proc, pid, here):
    return Server(
        int(pid),
        unit_of(_text(proc, pid, "cgroup")),
        _link(proc, pid, "exe").removesuffix(" (deleted)"),
        _owner("%s/%s" % (proc, pid)),
        _link(proc, pid, "cwd") or "/",
        frozenset(sockets.listening(pid, proc) or ()),
        # Behind the name in brackets, which may hold anything: state and parent.
        int((_text(proc, pid, "stat").rpartition(")")[2].split() + ["", "0"])[1]),
        frozenset(sockets.listening_paths(pid, proc)),
        tuple(_text(proc, pid, "cmdline").rstrip("\0").split("\0")),
        _link(proc, pid, "ns/net") == here,
        "%s/%s/cwd" % (proc, pid),
    )


def show_by(module):
    """Return the function that returns `systemctl show` of a unit, '' where there is no systemctl."""
    command = ["systemctl", "show", "--property", "ExecStart,MainPID,WorkingDirectory", "--"]

    def show(unit):
        try:
            return module.run_command([*command, unit + ".service"], handle_exceptions=False)[1]
        except OSError:
            return ""

    return show


def unit_of(cgroup):
    """Return the service, without .service, from the text of /proc/PID/cgroup, '' for none.

    Only root makes one in system.slice; a user's own services may have any name.
    """
    for line in cgroup.splitlines():
        found = _SERVICE.search(line)
        if found and "user.slice" not in line:
            return found[1]
    return ""


def runs(show, server):
    """Return whether the unit is there for this Server. Whoever came in by ssh.service leaves processes in that one.

    show: `systemctl show --property ExecStart --property MainPID` of the unit.
    """
    main = re.search(r"^MainPID=([1-9]\d*)$", show, re.M)
    words = " ".join(re.findall(r"\bargv\[\]=(.*?) ;", show)).split()
    return bool(main and int(main[1]) in (server.pid, server.parent)) or not {
        os.path.basename(word) for word in words
    }.isdisjoint(_PROGRAMS)


def started_with(show):
    """Return (path of the configuration, the arguments after it) from `systemctl show --property ExecStart`.

    The path is '' when the command line names none.
    """
    command = re.search(r"\bargv\[\]=(.*?) ;", show)
    words = command[1].split()[1:] if command else []
    path = words.pop(0) if words and not words[0].startswith("-") else ""
    return path, words


def working_directory(show):
    """Return where a unit's server starts, from `systemctl show --property WorkingDirectory`: / unless it says."""
    found = re.search(r"^WorkingDirectory=[!-]?(/.*)$", show, re.M)
    return found[1] if found else "/"


def configured_by(show):
    """Return (path, arguments) of the configuration by which a unit starts a server, ('', []) where it starts none."""
    program = re.search(r"\bargv\[\]=(\S+)", show)
    if not program or os.path.basename(program[1]) not in _PROGRAMS:
        return "", []
    path, arguments = started_with(show)
    return path and os.path.join(working_directory(show), path), arguments


def as_lines(arguments):
    """Return the command line's directives as lines of a configuration, which the server reads last."""
    text = " ".join(arguments)
    return [line.strip() for line in re.split(r"(?:^|\s)--", text) if line.strip()]


def of_unit(found, unit, ports):
    """Return the Server of a unit, None without one; a child that saves its data listens nowhere."""
    own = [server for server in found if server.unit == unit]
    return max(own, key=lambda one: (bool(one.ports & set(ports)), bool(one.ends), -one.pid), default=None)


def in_the_way(found, units, ports):
    """Return the Servers that hold one of the ports without belonging to one of the units."""
    return [server for server in found if server.unit not in units and server.ports & set(ports)]


def _text(proc, pid, name):
    try:
        with open("%s/%s/%s" % (proc, pid, name), encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def _link(proc, pid, name):
    try:
        return os.readlink("%s/%s/%s" % (proc, pid, name))
    except OSError:
        return ""


def _owner(path):
    try:
        return pwd.getpwuid(os.stat(path).st_uid).pw_name
    except (OSError, KeyError):
        return ""
