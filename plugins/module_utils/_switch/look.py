# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the servers of a host are now, from their units, processes, files, and what they say. Changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._cluster.nodes import BUS_OFFSET
from .._config.values import canonical
from .._host import systemd as host_systemd
from .._redis import connection as redis_connection
from .._redis.login import open_somehow
from .._service.instance_files import Files, Refused
from .._service.units import instance_of
from .._tls import certificates as tls_certificates
from .._tls.handshake import talk
from . import rules

HOST = "127.0.0.1"
_WATCHER = re.compile(r"\bname=sentinel-\w+-cmd\b")


@dataclass(frozen=True)
class Look:
    """now: see _switch. login: {port, tls} where the server is not found as declared. keys: None: not known."""

    now: rules.Now
    login: dict | None = None
    keys: int | None = None
    follows: bool = False


def servers_argument_spec():
    return dict(
        type="list",
        elements="dict",
        default=[],
        options=dict(
            unit=dict(type="str", required=True),
            topology=dict(type="str", choices=["standalone", "replication", "cluster"], default="standalone"),
            port=dict(type="int", default=0),
            tls_port=dict(type="int", default=0),
            address=dict(type="str"),
            current_password=dict(type="str", no_log=True),
        ),
    )


def place_of(server):
    """Return the declared Place of an entry of `servers`."""
    return rules.Place(server["topology"], server["port"], server["tls_port"])


def look(params, server, unit, pid):
    """Return the Look at one declared server. unit: its Unit; pid: of its process, '0' without one."""
    wanted = place_of(server)
    place = _place(params["engine"], unit)
    listening = _listening(pid) if unit.active else {}
    found = rules.login_place(listening, wanted)
    now = dict(unit=unit.name, place=place, ours=unit.drop_in is not None)
    if found is None:
        return Look(rules.Now(**now), _login(found, wanted))
    try:
        client = _client(params, server, found)
    except redis_connection.ConnectionProblem as problem:
        return Look(rules.Now(**now, refused=problem.kind == "auth"), _login(found, wanted))
    try:
        said = _say(client)
    except (redis_connection.redis.RedisError, OSError):
        return Look(rules.Now(**now), _login(found, wanted))
    finally:
        client.close()
    follows = said.get("role") == "slave"
    if said.get("cluster_enabled") == "1":
        now["place"] = rules.Place(rules.CLUSTER, *(_of_kind(listening, kind) for kind in ("plain", "tls")))
    now.update(watchers=said["watchers"], syncing=follows and said.get("master_sync_in_progress") == "1")
    return Look(rules.Now(**now), _login(found, wanted), said["keys"], follows)


def _login(found, wanted):
    return None if rules.as_declared(found, wanted) else dict(port=found[0], tls=found[1])


def _place(engine, unit):
    """Return the Place that the unit's configuration says, None where this collection has not written it."""
    if unit.drop_in is None:
        return None
    try:
        settings = Files(engine, instance_of(unit.name)).settings(unit.drop_in)
    except Refused:
        return None
    if settings is None:
        return None
    topology = rules.STANDALONE
    if settings.get("cluster-enabled", ["no"])[0].lower() == "yes":
        topology = rules.CLUSTER
    elif canonical("masteruser") in settings:
        topology = rules.REPLICATION
    return rules.Place(topology, _port(settings, "port", 6379), _port(settings, "tls-port", 0))


def _port(settings, name, otherwise):
    words = settings.get(name) or [str(otherwise)]
    return int(words[0]) if words[0].isdigit() else otherwise


def _listening(pid):
    """Return {port: 'tls' or 'plain'} of the ports at which the process talks to clients."""
    found, ports = {}, host_systemd.listening_ports(pid)
    for port in ports:
        if port - BUS_OFFSET in ports:
            continue
        # In this order: a port for plain text would wait for the end of what is no command to it.
        if talk(HOST, port).answered:
            found[port] = "plain"
        elif talk(HOST, port, tls_certificates.client_context()).der is not None:
            found[port] = "tls"
    return found


def _of_kind(listening, kind):
    return next((port for port, one in sorted(listening.items()) if one == kind), 0)


def _client(params, server, place):
    """Return a client, by whichever login the server takes. Raises ConnectionProblem."""
    # The certificate may be about to be replaced, and the server is the one on this host.
    base = dict(params, login_host=HOST, login_port=place[0], tls=place[1])
    base.update(login_unix_socket=None, validate_certs=False)
    return open_somehow(dict(base, current_password=server["current_password"])).client


def _say(client):
    info = {}
    for section in ("replication", "cluster", "keyspace"):
        text = client.execute_command("INFO", section).decode("utf-8", "replace")
        info.update(line.partition(":")[::2] for line in text.splitlines() if ":" in line)
    info["keys"] = sum(int(found[1]) for found in (re.match(r"keys=(\d+)", text) for text in info.values()) if found)
    try:
        clients = client.execute_command("CLIENT", "LIST").decode("utf-8", "replace")
    except redis_connection.redis.ResponseError:
        clients = ""
    info["watchers"] = len(_WATCHER.findall(clients))
    return info
