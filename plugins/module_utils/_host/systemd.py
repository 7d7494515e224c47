# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd and the kernel say of a server's unit and process."""

from __future__ import annotations

import os
import time
from pathlib import Path

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "MainPID",
    "NeedDaemonReload",
    "ActiveEnterTimestampMonotonic",
    "Result",
)


def parse_show(text: str) -> dict[str, str]:
    """Turn the output of `systemctl show` into a dict of strings."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def started_at(properties, now_wall=None, now_monotonic=None):
    """Return the wall-clock time (seconds) at which the unit became active; 0.0 when it never did."""
    entered = int(properties.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    if not entered:
        return 0.0
    wall = time.time() if now_wall is None else now_wall
    monotonic = time.clock_gettime(time.CLOCK_MONOTONIC) if now_monotonic is None else now_monotonic
    return wall - (monotonic - entered)


def binary_was_replaced(pid, proc="/proc"):
    """Tell whether the process runs a binary that a package upgrade has replaced since."""
    try:
        return os.readlink("%s/%s/exe" % (proc, pid)).endswith(" (deleted)")
    except OSError:
        return False


def listening_ports(pid, proc="/proc"):
    """Return the TCP ports (sorted, IPv4 and IPv6) on which the process listens."""
    inodes = set()
    folder = Path(proc, str(pid), "fd")
    for entry in folder.iterdir() if folder.is_dir() else []:
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(proc, str(pid), "net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return sorted(ports)


def process_status(pid, proc="/proc"):
    """Return the fields of /proc/PID/status as a dict of strings."""
    lines = Path(proc, str(pid), "status").read_text().splitlines()
    return {key: value.strip() for key, _colon, value in (line.partition(":") for line in lines)}


def writable_mounts(pid, uid, groups, proc="/proc"):
    """Return the mount points, outside /proc, /sys and /dev, that are mounted writable for the process and whose owner
    and mode let this user or these groups write."""
    found = set()
    for line in Path(proc, str(pid), "mounts").read_text().splitlines():
        _device, point, _kind, options = line.split(" ")[:4]
        if "rw" not in options.split(",") or point.startswith(("/proc", "/sys", "/dev")):
            continue
        try:
            status = Path(proc, str(pid), "root", point.lstrip("/")).stat()
        except OSError:
            continue
        if uid == 0 or status.st_mode & _write_bit(status, uid, groups):
            found.add(point)
    return sorted(found)


def _write_bit(status, uid, groups):
    if status.st_uid == uid:
        return 0o200
    return 0o020 if status.st_gid in groups else 0o002
