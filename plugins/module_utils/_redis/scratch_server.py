# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that is started only to see whether it takes a configuration or an ACL file.

Redis has no option that checks a configuration. The throw-away server listens on a Unix socket in a private directory
and nowhere else, follows no master, saves nothing and writes no log of the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# Lines that act on the host while they are read, or need something that is only there in real life. They are left out.
_LEFT_OUT = frozenset(
    """
    dir logfile pidfile unixsocket unixsocketperm unixsocketgroup aclfile cluster-config-file
    replicaof slaveof primaryof syslog-ident syslog-facility rdma-bind rdma-port
    """.split()  # noqa: SIM905
)
# The server reads these lines last, so they win. The candidate's own values have been checked by then.
_OVERRIDES = (
    "port 0",
    "tls-port 0",
    "bind 127.0.0.1",
    "daemonize no",
    "supervised no",
    "appendonly no",
    'save ""',
    "cluster-enabled no",
    "syslog-enabled no",
    "oom-score-adj no",
    "always-show-logo no",
    "loglevel notice",
)
_SECRET_DIRECTIVES = frozenset(
    ("requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass", "sentinel", "user")
)
_LOG_PREFIX = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ ([.\-*#]) ")
_NOISE = re.compile(
    r"\s*$|WARNING|\*\*\* FATAL CONFIG|.*(?:is starting|Redis version=|Valkey version=|Configuration loaded|BUG REPORT|"
    r"Reading config from stdin|no config file|monotonic clock|Server initialized|maximum open files)"
)


class StartFailed(Exception):
    """The server did not start; `reason` holds its own lines that say why, without secrets."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def throwaway_server(binary, lines, acl_lines=None, timeout=5.0):
    """Start `binary` with these configuration lines and give the path of its Unix socket.

    acl_lines: the lines of an ACL file to load as well. timeout: seconds to wait for the first answer.
    Raises StartFailed. The server is gone and the directory removed afterwards, whatever happens.
    """
    # A socket's path has at most 107 characters.
    base = "/tmp" if len(tempfile.gettempdir()) > 60 else None  # noqa: S108
    folder = tempfile.mkdtemp(prefix="redis-candidate-", dir=base)
    process = None
    try:
        path = os.path.join(folder, "socket")
        with open(os.path.join(folder, "output"), "w+b") as output:
            process = _start(binary, _candidate(lines, folder, acl_lines), folder, output)
            _wait(process, path, timeout, lambda: _reason(output, folder, [*lines, *(acl_lines or [])]))
            yield path
    finally:
        if process is not None:
            # With its children; nothing in it is worth an orderly end.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _candidate(lines, folder, acl_lines):
    kept = []
    for line in lines:
        # A comment in the place of a line that is left out keeps the line numbers of the server's messages right.
        kept.append("#" if _directive(line) in _LEFT_OUT else line)
    kept += _OVERRIDES
    kept += ["dir " + folder, "unixsocket " + os.path.join(folder, "socket"), "unixsocketperm 700"]
    if acl_lines is not None:
        acl_path = os.path.join(folder, "users.acl")
        with open(os.open(acl_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write("".join(line + "\n" for line in acl_lines).encode("utf-8", "surrogateescape"))
        kept.append("aclfile " + acl_path)
    return "".join(line + "\n" for line in kept)


def _start(binary, text, folder, output):
    try:
        # The configuration goes in by standard input from a file without a name: no secret in argv, none left on disk.
        with tempfile.TemporaryFile(dir=folder) as config:
            config.write(text.encode("utf-8", "surrogateescape"))
            config.seek(0)
            # The module's run_command would wait for its end.
            return subprocess.Popen(  # pylint: disable=ansible-bad-function
                [binary, "-"],
                stdin=config,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
    except OSError as error:
        raise StartFailed("%s can't be run: %s" % (binary, error.strerror or error)) from error


def _die_with_parent():
    # prctl(PR_SET_PDEATHSIG, SIGKILL): a module that gets killed leaves no server behind.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _wait(process, path, timeout, reason):
    """Return once the server answers: it listens before it has loaded its ACL file, so listening is not enough."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartFailed(reason() or "It ended at once with exit code %s and said nothing." % process.returncode)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(max(0.1, deadline - time.monotonic()))
            probe.connect(path)
            probe.sendall(b"PING\r\n")
            if probe.recv(1):
                return
        time.sleep(0.01)
    raise StartFailed("It did not answer within %s s. %s" % (timeout, reason()))


def _reason(output, folder, lines):
    """Return the server's lines that say why it ended."""
    output.seek(0)
    said = []
    for line in output.read(200_000).decode("utf-8", "replace").splitlines():
        match = _LOG_PREFIX.match(line)
        text = line[match.end() :] if match else line
        if "STACK TRACE" in text:
            break
        # Of the log only warnings are reasons; errors in the configuration are printed without the log's prefix.
        if (match is None or match.group(1) == "#") and not _NOISE.match(text):
            said.append(_without_secrets(text.strip(), lines))
    return " ".join(said[:8]).replace(folder + "/", "")


def _without_secrets(text, lines):
    # The server echoes a line that it can't read ...
    echo = re.match(r">>> '\s*(\S+)", text)
    if echo and echo.group(1).lower() in _SECRET_DIRECTIVES:
        return ">>> '%s ***'" % echo.group(1)
    # ... and the ACL rule that it can't apply.
    text = re.sub(r"(?<=')([><#!])[^']*", r"\1***", text)
    passwords = {word[1:] for line in lines for word in line.split() if word[0] in "><#!" and len(word) > 4}
    for password in sorted(passwords, key=len, reverse=True):
        text = text.replace(password, "***")
    return text


def _directive(line):
    words = line.split(None, 1)
    return words[0].lower() if words else ""
