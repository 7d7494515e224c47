# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a TCP port looks like from here: nothing is sent but PING, in clear and, where that gets no answer, over TLS.

Python's own sockets only, so that any host can be the one that looks.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from . import port_probe_source
from .findings import finding, verdict

PING = b"*1\r\n$4\r\nPING\r\n"
ANSWER_BYTES = 512
# Between two attempts on the same port; otherwise the attempts on a closed port are over within a millisecond.
PAUSE = 0.2

# State -> what it means, for people; from the least exposed to the most.
STATES = {
    "filtered": "does not answer: a firewall drops the packets, or the host is down",
    "closed": "refuses connections or can't be reached",
    "error": "could not be probed",
    "open": "accepts connections, but does not answer like Redis",
    "notice": "is the port notice, which names the ports to use instead",
    "text": "answers with an error text",
    "protected": "is a Redis in protected mode, which turns every client away",
    "tls": "speaks TLS and turns away a client without a certificate",
    "tls-auth": "is a Redis that demands a login, over TLS",
    "auth": "is a Redis that demands a login",
    "user": "is a Redis that lets clients in without a login, as a user without PING",
    "tls-ping": "is a Redis that takes commands without a login, over TLS",
    "ping": "is a Redis that takes commands without a login",
}
_RANKS = {state: rank for rank, state in enumerate(STATES)}
SHUT = ("filtered", "closed")
DEMANDS_LOGIN = ("auth", "tls-auth")
WITHOUT_LOGIN = ("user", "ping", "tls-ping")
# Protected mode is not among these: it turns every client away, also the named ones.
REACHED = ("tls", *DEMANDS_LOGIN, *WITHOUT_LOGIN)

# What the kernel says of a connection that nobody takes.
_CLOSED_ERRORS = (
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.EACCES,  # a firewall that rejects IPv6 as "administratively prohibited"
)
_NO_IPV6_ERRORS = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
# Errors that a server sends only to clients which it does not ask for a login.
_PAST_LOGIN = (b"-LOADING", b"-BUSY", b"-MISCONF", b"-MASTERDOWN", b"-OOM", b"-CLUSTERDOWN")


# As the role port_notice has it; nothing that a Redis says begins like this.
_NOTICE = re.compile(rb"-ERR Port (\d+) is reserved, there is no Redis here\. Connect to port \d")


def classify(answer, port=None):
    """Return the state that an answer to PING shows; bytes, perhaps cut off, perhaps not Redis at all.

    port: the port that was asked; a notice that speaks of another one is none.
    """
    if answer.startswith((b"+PONG", *_PAST_LOGIN)):
        return "ping"
    if answer.startswith(b"-NOAUTH"):
        return "auth"
    if answer.startswith(b"-NOPERM"):
        return "user"
    if answer.startswith(b"-DENIED"):
        return "protected"
    if answer.startswith(b"-ERR max number of clients"):
        return "open"
    notice = _NOTICE.match(answer)
    if notice and port in (None, int(notice[1])):
        return "notice"
    return "text" if answer.startswith(b"-ERR") else "open"


def printable(answer, limit=80):
    """Return the first line of an answer, fit for a report: printable ASCII, cut to limit characters."""
    line = answer.strip().split(b"\n", 1)[0].strip()
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in line[:limit])


def most_exposed(looks):
    """Return the look with the most exposed state; of equals the first."""
    return max(looks, key=lambda look: _RANKS[look["state"]])


def resolve(host, port):
    """Return the socket addresses of a host, [(family, address), ...]; raise ValueError for one that has none.

    IPv6 addresses may be in brackets and may carry a zone (fe80::1%eth0).
    """
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise ValueError("%s can't be resolved: %s" % (host, error)) from error
    return list(dict.fromkeys((family, address) for family, _type, _proto, _name, address in found))


def check_targets(targets):
    """Return each target with its socket addresses; raise ValueError that names every wrong one.

    targets: dicts with host and port. Resolving comes first, so that a misspelt host is never taken for a closed one.
    """
    checked, problems = [], []
    for number, target in enumerate(targets, start=1):
        host, port = target["host"].strip(), target["port"]
        if not host:
            problems.append("target %d has an empty host" % number)
        elif not 1 <= port <= 65535:
            problems.append("target %d (%s): port %d is not between 1 and 65535" % (number, host, port))
        else:
            try:
                checked.append(dict(target, host=host, addresses=resolve(host, port)))
            except ValueError as error:
                problems.append("target %d: %s" % (number, error))
    if problems:
        raise ValueError("targets: %s." % "; ".join(problems))
    return checked


def probe_all(targets, timeout, parallel, attempts):
    """Probe checked targets at once; return one look for each, in their order."""
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        jobs = [
            [pool.submit(probe, family, address, timeout, attempts) for family, address in target["addresses"]]
            for target in targets
        ]
        return [most_exposed([job.result() for job in looks]) for looks in jobs]


def probe(family, address, timeout, attempts=1):
    """Look at one address until a look finds it reachable, at most `attempts` times; return the most exposed look.

    A look is a dict: state, detail, address, seconds.
    """
    started, looks = time.monotonic(), []
    for attempt in range(attempts):
        if attempt:
            time.sleep(PAUSE)
        state, detail = _look(family, address, timeout)
        looks.append(dict(state=state, detail=detail, address=address[0]))
        if _RANKS[state] > _RANKS["error"]:
            break
    return dict(most_exposed(looks), seconds=round(time.monotonic() - started, 3))


def _look(family, address, timeout):
    try:
        answer = _ask(family, address, timeout)
    except TimeoutError:
        return "filtered", "no answer to the connection within %s s" % timeout
    except OSError as error:
        nobody = error.errno in _CLOSED_ERRORS or (family == socket.AF_INET6 and error.errno in _NO_IPV6_ERRORS)
        return "closed" if nobody else "error", error.strerror or str(error)
    # A server that expects TLS ends the connection, says nothing, or sends a TLS alert.
    if answer and not answer.startswith(b"\x15\x03"):
        return classify(answer, address[1]), printable(answer)
    return _look_over_tls(family, address, timeout) or ("open", "says nothing that can be read")


def _ask(family, address, timeout):
    """Connect, send PING, return what comes back. OSError: there is no connection."""
    deadline = time.monotonic() + timeout
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        return _exchange(connection, deadline)


def _look_over_tls(family, address, timeout):
    """Return (state, detail), or None when the port does not speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose certificate it is does not matter: nothing is sent but PING, and nothing that comes back is trusted.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(address)
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            with context.wrap_socket(connection) as session:
                answer = _exchange(session, deadline)
    except ssl.SSLError as error:
        # An alert is TLS; "wrong version number" and the like is some other protocol.
        reason = error.reason or ""
        return ("tls", reason.replace("_", " ").lower()) if "ALERT" in reason else None
    except OSError:
        return None
    if not answer:
        return "open", "speaks TLS, but says nothing"
    state = classify(answer)
    return {"ping": "tls-ping", "auth": "tls-auth"}.get(state, state), "over TLS: " + printable(answer)


def _exchange(connection, deadline):
    """Send PING and return the first line of the answer, or what there is of it at the deadline or at the end.

    ssl.SSLError: the other side ended a TLS connection with an alert, as it does without a client certificate.
    """
    answer = b""
    # Refused while sending, yet a farewell such as -DENIED may be there to be read.
    with contextlib.suppress(OSError):
        connection.sendall(PING)
    while len(answer) < ANSWER_BYTES and b"\n" not in answer:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        connection.settimeout(left)
        try:
            part = connection.recv(ANSWER_BYTES)
        except ssl.SSLError:
            if answer:
                break
            raise
        except OSError:
            break
        if not part:
            break
        answer += part
    return answer


_EXPECTED = {
    "closed": "closed or filtered",
    "notice": "the port notice and nothing else",
    "reachable": "reachable, and demands a login",
}


def judge(targets, looks, allowed=()):
    """Return the findings for checked targets and the looks at them. allowed: whom the policy lets in, see named."""
    findings = []
    for target, look in zip(targets, looks, strict=True):
        state, expect = look["state"], target["expect"]
        if expect == "any":
            continue
        details = dict(instance=instance_of(target), subject=target["label"] or "port %d" % target["port"])
        actual = "%s (%s)" % (STATES[state], look["detail"]) if look["detail"] else STATES[state]
        control = "RH-NET-02" if expect == "reachable" else "RH-NET-01"
        expected = _EXPECTED[expect]
        if state == "error":
            findings.append(finding(control, "error", expected, actual, **details))
        # Without a login it is a hole, whoever found it.
        elif state not in SHUT + WITHOUT_LOGIN and (why := port_probe_source.named(target, look, allowed)):
            details["remediation"] = port_probe_source.ADVICE
            findings.append(finding(control, "error", expected, "%s; %s" % (actual, why), **details))
        elif expect == "closed":
            findings.append(verdict(control, state in SHUT, expected, actual, **details))
        elif expect == "notice":
            details["remediation"] = "Run site.yml; its roles firewall and port_notice lead everyone to the notice."
            findings.append(verdict(control, state == "notice", expected, actual, **details))
        else:
            if state == "protected":
                details["remediation"] = "Declare users with passwords in redis_users and run site.yml."
            findings.append(verdict(control, state in REACHED, expected, actual, **details))
            details.pop("remediation", None)
            if state in DEMANDS_LOGIN + WITHOUT_LOGIN:
                demands = state in DEMANDS_LOGIN
                findings.append(verdict("RH-ACL-01", demands, "PING is refused without a login", actual, **details))
    return findings


def open_doors(targets, looks):
    """Count the targets that should be closed, or have nothing but the notice, and are not so."""
    harmless = {"closed": (*SHUT, "error"), "notice": (*SHUT, "error", "notice")}
    pairs = zip(targets, looks, strict=True)
    return sum(look["state"] not in harmless.get(target["expect"], STATES) for target, look in pairs)


def instance_of(target):
    """Return host:port, an IPv6 address in brackets."""
    host = target["host"].strip("[]")
    return "%s:%d" % ("[%s]" % host if ":" in host else host, target["port"])
