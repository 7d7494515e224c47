# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a server that is to be taken over what it has. Changes nothing."""

from __future__ import annotations

import re

from .._acl import users as acl_users
from .._config import hazards, live as live_config, values
from .._redis import replies as redis_replies
from .._redis.connection import ConnectionProblem, open_client, pipeline
from .._redis.live_commands import live_names
from .._redis.login import open_somehow
from .._redis.replies import text
from .present import Client, Present

_COMMANDS = ["CONFIG", "INFO", "ACL", "CLIENT", "MODULE"]
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
# A server that is started on trial has these otherwise than one without configuration.
_DEFAULTS = {"save": "3600 1 300 100 60 10000", "unixsocket": "", "unixsocketperm": "0", "appendonly": "no"}


class NoLogin(Exception):
    """The server can't be asked; the text says what was tried."""


def places(server, old):
    """Return the connection options of where the process can be reached, plain text first. old: its configuration."""
    found, said = [], old.values
    tls_port = int(said.get("tls-port") or 0) if str(said.get("tls-port", "0")).isdigit() else 0
    ends = sorted(server.ends, key=lambda end: (end[1] == tls_port, end[0] not in ("127.0.0.1", *_ANYWHERE), end))
    for address, port in ends:
        place = dict(login_host=_ANYWHERE.get(address, address), login_port=port)
        if port == tls_port:
            # It is told by its process, which holds the socket; a certificate would say no more.
            place.update(tls=True, validate_certs=False)
            place.update(client_cert_file=said.get("tls-cert-file"), client_key_file=said.get("tls-key-file"))
        found.append(place)
    if said.get("unixsocket"):
        found.append(dict(login_unix_socket=said["unixsocket"], login_host="", login_port=0))
    return found


def log_in(where, login):
    """Return a client of the first place that lets us in. login: options. Raises NoLogin with what each place said."""
    said, kinds = [], set()
    for place in where:
        try:
            return open_somehow(dict(login, **place)).client
        except ConnectionProblem as problem:
            said.append(str(problem))
            kinds.add(problem.kind)
    if kinds == {"auth"}:
        # Of a login that nobody has made yet there is nothing to check.
        raise NoLogin(
            "it has a password, and takes neither %s with what is declared nor a client without a login: set "
            "redis_current_password to the one that it has now." % login["login_user"]
        )
    raise NoLogin(" ".join(dict.fromkeys(said)) or "it listens at no TCP port, and its configuration names no socket.")


def ask(client, renamed, old):
    """Return (Present, INFO as {field: text}). renamed: the declared renames. old: the server's Old."""
    names = _names(client, renamed, old.renames)
    if names["INFO"] is None:
        raise NoLogin("its INFO is disabled or has another name, which the policy could not say either")
    asked = [("INFO",), ("INFO", "commandstats"), ("CONFIG", "GET", "*"), ("CLIENT", "LIST"), ("CLIENT", "ID")]
    asked += [("ACL", "LIST"), ("MODULE", "LIST")]
    replies = pipeline(client, [(names[command] or command, *words) for command, *words in asked])
    info_text, calls, found, clients, own, users, modules = replies
    if not isinstance(info_text, bytes):
        raise NoLogin("INFO: %s" % text(info_text))
    # What it may not be asked is not nothing. A command that is disabled has no name.
    for (command, *words), reply in zip(asked, replies, strict=True):
        if isinstance(reply, Exception) and names[command] is not None:
            raise NoLogin("%s: %s: log in as a user that may ask this" % (" ".join([command, *words]), reply))
    info = fields(text(info_text))
    said = pairs(found) if isinstance(found, list) else dict(old.values)
    now = Present(
        values={values.canonical(name): value for name, value in said.items()},
        called=_called(said, old),
        keys=_keys(info),
        used=_number(info.get("used_memory")),
        clients=parse_clients(text(clients), own) if isinstance(clients, bytes) else [],
        replicas=[_ip(entry) for name, entry in info.items() if re.fullmatch(r"slave\d+", name)],
        master="%s:%s" % (info["master_host"], info.get("master_port")) if info.get("role") == "slave" else "",
        cluster=info.get("cluster_enabled") == "1",
        users=_parsed_users(users) if isinstance(users, list) else None,
        modules=_modules(modules),
        renames=old.renames,
        calls=_calls(calls),
    )
    return now, info


def _names(client, renamed, old):
    """Return {command: its name now, None for none}: by the policy, or else by the old configuration."""
    try:
        found = live_names(client, renamed, _COMMANDS)
        lost = [command for command, name in found.items() if name is None]
        if lost and old:
            found.update(live_names(client, old, lost))
    except ConnectionProblem as problem:
        raise NoLogin(str(problem)) from problem
    return found


def offline(old):
    """Return the Present of a server that does not run, from its configuration."""
    said = {values.canonical(name): value for name, value in old.values.items()}
    modules = [words[0] for words in old.all_of("loadmodule") if words]
    keys = {0: 1} if hazards.keeps_data(old.values) else {}
    return Present(said, called=_called(said, old), running=False, keys=keys, renames=old.renames, modules=modules)


def defaults_of(path):
    """Return ({canonical directive: text}, modules) of a server that was started on trial, without configuration."""
    client = open_client(dict(login_unix_socket=path, login_timeout=5.0), anonymous=True)
    try:
        found, modules = pipeline(client, [["CONFIG", "GET", "*"], ["MODULE", "LIST"]])
    finally:
        client.close()
    return {**{values.canonical(name): value for name, value in pairs(found).items()}, **_DEFAULTS}, _modules(modules)


def fields(info):
    return {name: value for name, colon, value in (line.partition(":") for line in info.splitlines()) if colon}


def pairs(reply):
    """Return {name: text} of a flat list of names and values."""
    return {text(name): text(value) for name, value in zip(reply[::2], reply[1::2], strict=False)}


def parse_clients(listing, own):
    """Return the Clients of CLIENT LIST but for our own connection, whose id is `own`."""
    found = []
    for line in listing.splitlines():
        said = dict(word.partition("=")[::2] for word in line.split(" "))
        if said.get("id") == str(own) or "addr" not in said:
            continue
        found.append(
            Client(
                user=redis_replies.printable(said.get("user") or "default"),
                addr=said["addr"],
                laddr=said.get("laddr", ""),
                name=redis_replies.printable(said.get("name", "")),
                flags=said.get("flags", "N"),
                idle=_number(said.get("idle")),
            )
        )
    return found


def _called(said, old):
    """Return {canonical directive: the name to use}: as in the file, or else as the server has it."""
    written, called = {name for name, _words in old.lines}, {}
    for name in said:
        canonical = values.canonical(name)
        now = called.get(canonical)
        if now is None or name in written or (name == canonical and now not in written):
            called[canonical] = name
    return called


def _keys(info):
    return live_config.Live(None, {}, info, {}, (set(), set())).keys


def _parsed_users(listing):
    users = {}
    for line in listing:
        try:
            user, _words = acl_users.parse_line(text(line))
        except ValueError:
            continue
        users[user.name] = user
    return users


def _modules(reply):
    return sorted(
        redis_replies.printable(pairs([word for word in entry if not isinstance(word, list)]).get("name", "unknown"))
        for entry in (reply if isinstance(reply, list) else [])
        if isinstance(entry, list)
    )


def _calls(reply):
    """Return {command: number of calls} of INFO commandstats."""
    found = re.findall(r"^cmdstat_([^:|]+)[^:]*:calls=(\d+)", text(reply), re.MULTILINE)
    calls = {}
    for name, number in found:
        calls[name.upper()] = calls.get(name.upper(), 0) + int(number)
    return calls


def _ip(entry):
    return dict(part.partition("=")[::2] for part in entry.split(",")).get("ip", "")


def _number(word):
    return int(word) if word and re.fullmatch("[0-9]{1,19}", word) else 0
