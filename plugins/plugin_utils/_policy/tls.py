# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the policy check that is about TLS and certificates."""

from __future__ import annotations

import ipaddress
import posixpath
import re

from .forms import path_problems
from .ranges import range_problems

SHORTEST_PASSPHRASE = 16
_FILES = ("pki_cert_file", "pki_key_file", "pki_ca_file")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# name -> smallest value, largest value, why.
_RANGES = {
    "redis_tls_port": (1, 65535, "it is a TCP port"),
    "pki_days": (1, 3650, "it is how long certificates are valid"),
    "pki_ca_days": (2, 36500, "it is how long the CA is valid"),
    "pki_renew_before": (1, 3649, "a certificate must be renewed before it has expired"),
    "pki_min_days": (0, 3649, "it is a number of days"),
    "pki_max_clock_skew": (1, 86400, "certificates are issued one hour into the past"),
}


def tls_problems(settings):
    """Return what is wrong with the settings of a host. settings: those that have the right type.

    A check whose variables are not all there is left out.
    """
    problems = range_problems(settings, _RANGES)
    if not problems:
        problems += _days(settings)
    if settings.get("redis_tls", "off") != "off":
        problems += _ports(settings)
    for check in (_source, _names, _clients, _folders, _passphrase):
        problems += check(settings)
    return problems


def _ports(settings):
    port = settings.get("redis_tls_port")
    if port is None or port != settings.get("redis_port"):
        return []
    return ["redis_tls_port is %d, which is redis_port: set another one, such as 6380." % port]


def _days(settings):
    names = ("pki_min_days", "pki_renew_before", "pki_days", "pki_ca_days")
    if settings.get("pki_source") != "private_ca":
        return []
    return [
        "%s is %d and %s is %d: the first must be %s the second."
        % (small, settings[small], large, settings[large], "below" if strict else "at most")
        for small, large, strict in zip(names, names[1:], (False, True, True), strict=False)
        if small in settings and large in settings and not settings[small] + strict <= settings[large]
    ]


def _source(settings):
    if "pki_source" not in settings:
        return []
    given = [name for name in _FILES if settings.get(name)]
    if settings["pki_source"] == "private_ca":
        return [
            "%s is set, but pki_source is private_ca: set pki_source: files, or remove it." % name for name in given
        ]
    return [
        "pki_source is files, and %s is missing: set it to a file on the controller." % name
        for name in _FILES
        if name not in given
    ] + [
        "%s is %r: set an absolute path, as in {{ inventory_dir }}/tls/%s.pem." % (name, settings[name], name)
        for name in given
        if not posixpath.isabs(settings[name])
    ]


def is_name(text):
    """Return whether the text can stand in a certificate: an address, or a DNS name, maybe with a wildcard."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        labels = text.removeprefix("*.").split(".")
        return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return "%" not in text


def _names(settings):
    if "pki_names" not in settings:
        return []
    names = settings["pki_names"]
    problems = [
        "pki_names[%d] is %r: set a name such as db1.example.com, or an address." % (at, name)
        for at, name in enumerate(names)
        if not is_name(name)
    ]
    return problems or ([] if names else ["pki_names is empty: name what clients connect to."])


def _clients(settings):
    found = settings.get("pki_clients", [])
    return [
        "pki_clients[%d] is %r, which becomes a file name: use letters, digits, dots, dashes and underscores."
        % (at, name)
        for at, name in enumerate(found)
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name)
    ]


def _folders(settings):
    problems = [
        "%s is %r: set an absolute path." % (name, settings[name])
        for name in ("pki_dir", "pki_ca_passphrase_file", "pki_host_dir")
        if name in settings and not posixpath.isabs(settings[name])
    ]
    path = settings.get("pki_host_dir")
    if path and not problems:
        problems = path_problems("pki_host_dir", path)
    if path and not problems and (posixpath.normpath(path) != path or path.count("/") < 3):
        problems.append(
            "pki_host_dir is %r, which becomes a symbolic link: set a path of its own below a directory of the server, "
            "such as /etc/redis/tls, without / at its end." % path
        )
    return problems


def _passphrase(settings):
    secret = settings.get("pki_ca_passphrase")
    if settings.get("pki_source") == "private_ca" and secret is not None and len(secret) < SHORTEST_PASSPHRASE:
        return [
            "pki_ca_passphrase is shorter than %d characters: make one with: openssl rand -base64 32."
            % SHORTEST_PASSPHRASE
        ]
    return []
