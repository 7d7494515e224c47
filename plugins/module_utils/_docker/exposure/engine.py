# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks Docker's engine about its containers, and the kernel about their processes and sockets. Nothing is changed."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys

try:
    import docker
except ImportError:
    docker = None

PACKAGE = "python3-docker"
REDIS_PROGRAMS = ("redis-server", "redis-sentinel", "valkey-server", "valkey-sentinel")
# Processes of an engine; containers outlive it (live-restore) with a shim of their own.
ENGINE, SHIM = "dockerd", "containerd-shim"
SECONDS = 30
_LISTEN = "0A"
FORWARDING = {4: "/proc/sys/net/ipv4/ip_forward", 6: "/proc/sys/net/ipv6/conf/all/forwarding"}


class EngineProblem(Exception):
    """The engine can't be asked; the text says why and what to do."""


def processes():
    """Return [(pid, name, its network's namespace, its processes' namespace)] of all that can be seen from here."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        # Processes end while one looks.
        with contextlib.suppress(OSError), open("/proc/%s/comm" % entry, encoding="utf-8", errors="replace") as comm:
            spaces = [os.readlink("/proc/%s/ns/%s" % (entry, kind)) for kind in ("net", "pid")]
            found.append((int(entry), comm.read().strip(), *spaces))
    return found


def runs(seen, name):
    """Say whether a program of this host, not of a container in it, has a name that begins so."""
    own = os.readlink("/proc/self/ns/pid")
    return any(comm.startswith(name) and space == own for _pid, comm, _net, space in seen)


def ask(socket):
    """Return dict(version, containers, networks, services) as the engine tells them."""
    if docker is None:
        raise EngineProblem(
            "the library docker-py is missing for %s: run apt-get install %s" % (sys.executable, PACKAGE)
        )
    from requests.exceptions import RequestException

    try:
        client = docker.APIClient(base_url="unix://" + socket, version="auto", timeout=SECONDS)
        with contextlib.closing(client):
            return _ask(client)
    except (docker.errors.DockerException, RequestException, OSError) as error:
        raise EngineProblem("the engine at %s does not answer: %s" % (socket, error)) from error


def _ask(client):
    containers = []
    for one in client.containers(all=True):
        with contextlib.suppress(docker.errors.NotFound):  # removed meanwhile
            containers.append(client.inspect_container(one["Id"]))
    networks = client.networks()
    swarm = client.info().get("Swarm") or {}
    services = client.services() if swarm.get("ControlAvailable") else []
    # The list of networks does not say who is on them.
    for number, network in enumerate(networks):
        if network["Name"] == "docker_gwbridge":
            networks[number] = client.inspect_network(network["Id"])
    version = client.version()["Version"]
    return dict(version=version, containers=containers, networks=networks, services=services)


def activities(containers):
    """Return container id -> dict(redis, redis_ports, listeners) of those that run."""
    found, seen = {}, processes()
    for container in containers:
        pid = container["State"].get("Pid")
        if not container["State"]["Running"] or not pid:
            continue
        own = _processes_of(pid, seen)
        sockets = listening("/proc/%d/net" % pid)
        redis = [one for one in own if one[1] in REDIS_PROGRAMS]
        found[container["Id"]] = dict(
            redis=[one[1] for one in redis],
            redis_ports=sorted({port for _address, port in _held(sockets, redis)}),
            listeners=_held(sockets, own),
        )
    return found


def _processes_of(pid, seen):
    """Return the processes that share the namespace of a container's first one; of one without it, that one alone."""
    first = [one for one in seen if one[0] == pid]
    spaces = {space for _pid, _name, _net, space in first} - {os.readlink("/proc/self/ns/pid")}
    return [one for one in seen if one[3] in spaces] or first


def _held(sockets, owners):
    inodes = {inode for pid, _name, _net, _space in owners for inode in _inodes(pid)}
    return sorted({(address, port) for inode, address, port in sockets if inode in inodes})


def _inodes(pid):
    folder = "/proc/%d/fd" % pid
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            with contextlib.suppress(OSError):
                target = os.readlink("%s/%s" % (folder, entry))
                if target.startswith("socket:["):
                    yield target[8:-1]


def listening(folder="/proc/net"):
    """Return [(inode, address, port)] of the TCP sockets that wait for connections in a network."""
    found = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open("%s/%s" % (folder, name), encoding="ascii") as rows:
            found += parse_sockets(rows.read())
    return found


def parse_sockets(text):
    """Return [(inode, address, port)] of the waiting ones in what the kernel shows of TCP sockets."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if words[3] == _LISTEN:
            address, _colon, port = words[1].partition(":")
            found.append((words[9], _address(address), int(port, 16)))
    return found


def _address(digits):
    """Return an address that the kernel shows as hexadecimal words in the byte order of the machine."""
    words = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return str(ipaddress.ip_address(packed))


def interfaces(folder="/sys/class/net"):
    """Return the names of the host's interfaces by which packets come in. What belongs to a bridge comes in by that."""
    return sorted(name for name in os.listdir(folder) if not os.path.exists("%s/%s/master" % (folder, name)))


def read_nft(module):
    """Return what nft shows of all rules, as JSON text; without nft installed there is nothing to show."""
    nft = module.get_bin_path("nft", opt_dirs=["/usr/sbin", "/sbin"])
    if not nft:
        return '{"nftables": []}'
    status, output, errors = module.run_command([nft, "-j", "list", "ruleset"])
    if status != 0:
        raise EngineProblem("nft can't list its rules: %s" % errors.strip())
    return output


def forwarding():
    """Return family -> whether the kernel forwards packets."""
    found = {}
    for family, path in FORWARDING.items():
        try:
            with open(path, encoding="ascii") as value:
                found[family] = value.read().strip() != "0"
        except OSError:
            found[family] = False
    return found
