# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the firewall modules ask the host: the kernel's rules, the files, the unit, the SSH ports."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import tempfile

from . import files, policy
from .iptables import rules as iptables_rules

COMMANDS = {4: "iptables", 6: "ip6tables"}
IPV6_IN_USE = "/proc/net/if_inet6"
SYSTEMD_RUNS = "/run/systemd/system"
SSH_SOCKETS = ("ssh.socket", "sshd.socket")
SBIN = ["/usr/sbin", "/sbin"]


class HostProblem(Exception):
    """The host can't do what is asked of it; the text says why."""


def families():
    """Return the IP versions of this host. Without IPv6 in the kernel there is nothing to close."""
    return [family for family in policy.FAMILIES if family == 4 or os.path.exists(IPV6_IN_USE)]


def read_save(module, family):
    """Return what iptables-save says of the kernel's rules, or None when iptables is not installed."""
    save = module.get_bin_path(COMMANDS[family] + "-save", opt_dirs=SBIN)
    if not save:
        return None
    status, output, errors = module.run_command([save])
    if status != 0:
        raise HostProblem("%s-save fails, so the kernel can't be given rules: %s" % (COMMANDS[family], errors.strip()))
    foreign = re.search(r"Table `(%s)' is incompatible" % "|".join(iptables_rules.TABLES), output + errors)
    if foreign:
        raise HostProblem(
            "the kernel's IPv%d table %s holds rules of nftables that iptables can't read; move them to a table of "
            "their own" % (family, foreign[1])
        )
    return output


def wanted_files(rules):
    """Return path -> (text, mode) of all that redis_firewall keeps on the host. rules: name -> text."""
    wanted = {"%s/%s" % (files.FOLDER, name): (text, 0o600) for name, text in rules.items()}
    wanted[files.SCRIPT_PATH] = (files.SCRIPT, 0o755)
    wanted[files.UNIT_PATH] = (files.UNIT, 0o644)
    return wanted


def rules_files(names):
    """Return those files of the folder of rules that are there."""
    paths = ["%s/%s" % (files.FOLDER, name) for name in names]
    return [path for path in paths if os.path.lexists(path)]


def read_file(path):
    """Return a file's text, or None when there is no plain file of that name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as source:
        return source.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def file_difference(path, text, mode):
    """Return in words how a file differs from what it should be, or None."""
    if read_file(path) is None:
        return "%s is missing" % path if not os.path.lexists(path) else "%s is not a plain file" % path
    if read_file(path) != text:
        return "%s has another content" % path
    status = os.stat(path)
    if stat.S_IMODE(status.st_mode) != mode or status.st_uid != 0 or status.st_gid != 0:
        return "%s has another owner or mode than root, %04o" % (path, mode)
    return None


def write_file(path, text, mode):
    """Put a file in its place in one step, never readable by more than its mode says."""
    os.makedirs(os.path.dirname(path), mode=0o700 if os.path.dirname(path) == files.FOLDER else 0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix="." + os.path.basename(path) + ".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fchmod(descriptor, mode)
            os.fchown(descriptor, 0, 0)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def unit_links():
    """Return the links by which systemd starts the unit."""
    return ["/etc/systemd/system/%s.wants/%s" % (target, files.UNIT_NAME) for target in files.WANTED_BY]


def unit_is_enabled():
    return all(os.path.islink(link) and os.path.realpath(link) == files.UNIT_PATH for link in unit_links())


def operators_connection():
    """Return (client, server, port) of the SSH connection behind this process, or None.

    sudo drops SSH_CONNECTION, so the processes above this one are looked at too.
    """
    process = "self"
    while process != "0":
        try:
            with open("/proc/%s/environ" % process, "rb") as file:
                words = dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0"))
            with open("/proc/%s/status" % process, encoding="utf-8", errors="replace") as file:
                process = next(line.split()[1] for line in file if line.startswith("PPid:"))
        except OSError:
            return None
        found = words.get(b"SSH_CONNECTION", b"").decode("ascii", "replace").split()
        if len(found) == 4 and found[3].isdigit():
            client, server = (ipaddress.ip_address(found[i].partition("%")[0]) for i in (0, 2))
            return client, server, int(found[3])
    return None


def ssh_ports(module, declared):
    """Return port -> how we know that SSH comes in there."""
    ports = {port: "ssh_ports" for port in declared}
    connection = operators_connection()
    if connection:
        ports[connection[2]] = "this connection"
    sshd = module.get_bin_path("sshd", opt_dirs=SBIN)
    if sshd:
        status, output, errors = module.run_command([sshd, "-T"])
        if status != 0:
            module.warn("sshd -T fails, so the SSH ports are known from ssh_ports only: %s" % errors.strip())
        for line in output.splitlines():
            name, _space, value = line.partition(" ")
            if name == "port" or name == "listenaddress":
                # A listening address may be followed by its routing domain.
                port = value.partition(" ")[0].rpartition(":")[2]
                if port.isdigit():
                    ports[int(port)] = "sshd"
    systemctl = module.get_bin_path("systemctl")
    if systemctl:
        # Where systemd listens for sshd, the ports are not in sshd's configuration.
        _status, output, _errors = module.run_command([systemctl, "show", *SSH_SOCKETS, "-p", "ActiveState,Listen"])
        ports.update(dict.fromkeys(socket_ports(output), "ssh.socket"))
    return ports


def socket_ports(text):
    """Return the TCP ports of the active ones of the sockets that `systemctl show` describes."""
    blocks = [block for block in text.split("\n\n") if "ActiveState=active" in block.splitlines()]
    return [int(port) for block in blocks for port in re.findall(r"(?m)^Listen=\S*:(\d+) \(Stream\)$", block)]


def has_firewalld(module):
    """Return whether firewalld runs, or will with the next start of the host."""
    systemctl = module.get_bin_path("systemctl")
    if not systemctl or not module.get_bin_path("firewalld", opt_dirs=SBIN):
        return False
    output = module.run_command([systemctl, "show", "firewalld.service", "-p", "ActiveState,UnitFileState"])[1]
    return bool({"ActiveState=active", "UnitFileState=enabled"} & set(output.splitlines()))


def default_interfaces():
    """Return the interfaces through which the host reaches the rest of the world."""
    found = set()
    for path, is_default, column in (
        ("/proc/net/route", lambda words: words[1] == words[7] == "00000000", 0),
        ("/proc/net/ipv6_route", lambda words: words[0] == "0" * 32 and words[1] == "00" and words[9] != "lo", 9),
    ):
        try:
            with open(path, encoding="ascii", errors="replace") as routes:
                rows = [line.split() for line in routes]
        except OSError:
            continue
        found.update(words[column] for words in rows if len(words) > 9 and is_default(words))
    return sorted(found)
