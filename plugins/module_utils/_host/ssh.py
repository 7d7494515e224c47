# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way in of whoever runs the playbook: the connection and the ports of SSH."""

from __future__ import annotations

import ipaddress
import re
from typing import Union

from .files import SBIN

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]  # noqa: UP007 - a host may have an older Python
SSH_SOCKETS = ("ssh.socket", "sshd.socket")
# As systemd shows an address and a port, an interface behind them. Not vsock::22, nor a path that ends in :22.
TCP_SOCKET = re.compile(r"(?m)^Listen=(?:\[[0-9A-Fa-f:.]+\]|[0-9.]+):([0-9]+)(?:%\S+)? \(Stream\)$")


def operators_connection() -> tuple[Address, Address, int] | None:
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
        found = parse_connection(words.get(b"SSH_CONNECTION", b"").decode("ascii", "replace"))
        if found:
            return found
    return None


def parse_connection(text: str) -> tuple[Address, Address, int] | None:
    """Return (client, server, port) of an SSH_CONNECTION, or None where it names no TCP connection.

    Where the client comes by something else, sshd writes 'UNKNOWN 65535 UNKNOWN 65535'.
    """
    words = text.split()
    if len(words) != 4 or not re.fullmatch("[0-9]{1,5}", words[3]) or not 0 < int(words[3]) < 65536:
        return None
    try:
        client, server = (ipaddress.ip_address(words[i].partition("%")[0]) for i in (0, 2))
    except ValueError:
        return None
    return _plain(client), _plain(server), int(words[3])


def _plain(address: Address) -> Address:
    """An IPv4 client of a socket for both is an IPv4 client to the firewall."""
    return getattr(address, "ipv4_mapped", None) or address


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


def socket_ports(text: str) -> list[int]:
    """Return the TCP ports of the active ones of the sockets that `systemctl show` describes."""
    blocks = [block for block in text.split("\n\n") if "ActiveState=active" in block.splitlines()]
    return [int(port) for block in blocks for port in TCP_SOCKET.findall(block)]
