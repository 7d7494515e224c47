# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof of a server's files and process. Paths come from the policy, processes from the kernel.

What the server says of itself is only compared with them: it could name files and a process that are in order.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass

from .._audit.findings import finding, verdict
from .._host import systemd as host_systemd

# Where a server may write: its data, its log, its runtime directory, and the private /tmp that systemd gives it.
WRITABLE = ("/var/lib/", "/var/log/", "/run/", "/tmp", "/var/tmp")  # noqa: S108
# What CONFIG GET is asked for.
ASKED = ("dir", "aclfile", "logfile", "dbfilename", "appenddirname")
NOBODY = "no access for others"
_DATA = {"dbfilename": "dump.rdb", "appenddirname": "appendonlydir"}


@dataclass
class Declared:
    """Where the policy has the files of a server; '' for what it has not."""

    config: str
    dir: str
    aclfile: str = ""
    logfile: str = ""
    keys: tuple = ()


def file_findings(declared, said, instance):
    """Return one finding for each file: nobody outside of its owner and group may read or write it.

    said: {directive: text} of the running server, with config_file.
    """
    names = [declared.config, declared.aclfile, declared.logfile, *declared.keys, declared.dir]
    found = [_file_finding(path, instance) for path in [*filter(None, names), *_data(declared.dir, said)]]
    return [one for one in found if one] + _place_findings(declared, said, instance)


def _data(folder, said):
    """Return the paths of the files that hold the data. Their names are those that the directory itself has."""
    wanted = {said.get(name) or default for name, default in _DATA.items()}
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.name in wanted)
    except OSError:
        return []


def _file_finding(path, instance):
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            if status.st_uid != 0:
                actual = "a link that %s has made" % _account(status.st_uid)
                return verdict("RH-HST-01", False, NOBODY, actual, subject=path, instance=instance)
            status = os.stat(path)
    except OSError:
        return None
    mode = status.st_mode & 0o7777
    return verdict("RH-HST-01", not mode & 0o007, NOBODY, "mode %04o" % mode, subject=path, instance=instance)


def _place_findings(declared, said, instance):
    """Return a failed finding for each file that the server says it has elsewhere, or that it has lost."""
    found = []
    for name, wanted in (
        ("config_file", declared.config),
        ("aclfile", declared.aclfile),
        ("logfile", declared.logfile),
    ):
        actual = said.get(name, "")
        # It may use no ACL file or log yet, which other controls tell. It always has a configuration.
        if not wanted or (not actual and name != "config_file"):
            continue
        if not actual or not _same(os.path.join(declared.dir, actual), wanted):
            problem = "the server says that it has %s" % (actual or "none")
        elif not os.path.exists(wanted):
            problem = "it is not there"
        else:
            continue
        found.append(verdict("RH-HST-01", False, wanted, problem, subject=name, instance=instance))
    return found


def _same(said, wanted):
    """Tell whether what the server says is the policy's path. Nothing is looked up for what it says."""
    return os.path.normpath(said) in (os.path.normpath(wanted), os.path.realpath(wanted))


def owner_finding(declared, user, rewritten, instance):
    """The running server must not be able to replace its own configuration, unless a failover makes it do so."""
    path, details = declared.config, dict(instance=instance)
    if rewritten:
        ok, expected = not path.startswith("/etc/"), "not in /etc, since a failover rewrites it"
        return verdict("RH-HST-01", ok, expected, path, subject="configuration", **details)
    expected, subject = "owner is not %s" % user, path + " (owner)"
    try:
        owner = _account(os.stat(path).st_uid)
    except OSError as error:
        return finding("RH-HST-01", "error", expected, error.strerror, subject=subject, **details)
    return verdict("RH-HST-01", owner != user, expected, "owner %s" % owner, subject=subject, **details)


def process_findings(pid, ends, port, declared, said_pid, user, instance, proc="/proc"):
    """Return what the kernel lets the process do, as findings.

    pid: of the process that the kernel names at the other end of the connection, None where it names none. ends:
    {(address, port)} on which it listens. port: of the connection, 0 for a socket.
    """
    problem = ""
    if pid is None:
        problem = "no process of this host that serves the connection is process %s, which the server says it is" % (
            said_pid or "(none)"
        )
    elif port and port not in {number for _address, number in ends or ()}:
        problem = "process %d serves the connection, and does not listen at port %d" % (pid, port)
    if not problem:
        try:
            return _process(pid, declared, user, instance, proc)
        except (OSError, KeyError, ValueError) as error:
            problem = "process %d has ended, or can't be looked at: %s" % (pid, error)
    advice = "Run this on the host of the server, by its own port, as root."
    details = dict(subject="process", instance=instance, remediation=advice)
    return [finding("RH-HST-02", "error", "the server's own process", problem, **details)]


def _process(pid, declared, user, instance, proc):
    status = host_systemd.process_status(pid, proc)
    uid = int(status["Uid"].split()[1])
    account = _account(uid)
    writable = host_systemd.writable_mounts(pid, uid, [int(group) for group in status["Groups"].split()], proc)
    outside = [point for point in writable if not (point + "/").startswith(WRITABLE)]
    facts = [
        ("account", account == user, user, account),
        ("capabilities", int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0, "none", status["CapBnd"]),
        ("no new privileges", status["NoNewPrivs"] == "1", "1", status["NoNewPrivs"]),
        ("system call filter", status["Seccomp"] == "2", "2 (filter)", status["Seccomp"]),
        ("writable places", not outside, "data, log and /run only", ", ".join(outside) or "data, log and /run only"),
        ("umask", status["Umask"] == "0077", "0077", status["Umask"]),
    ]
    findings = [
        verdict("RH-HST-02", ok, expected, actual, subject=subject, instance=instance)
        for subject, ok, expected, actual in facts
    ]
    # A server goes into the directory of its data.
    working = "%s/%s/cwd" % (proc, pid)
    same = os.path.exists(declared.dir) and os.path.samefile(working, declared.dir)
    where = os.readlink(working)
    return [*findings, verdict("RH-HST-01", same, declared.dir, where, subject="dir", instance=instance)]


def _account(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
