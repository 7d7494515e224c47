# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a configuration file: its place, its owner and its mode."""

from __future__ import annotations

from .._errors import Refused
from .._host import attributes, files


def option_problems(params):
    """Return what is wrong with the options, whatever is on the host."""
    found = []
    try:
        attributes.mode_of(params["mode"])
    except ValueError:
        found.append("mode: it must be octal, such as '0640', in quotes.")
    settings = params["settings"] or {}
    if params["rewritten"] and not any(value for name, value in settings.items() if str(name).lower() == "aclfile"):
        found.append("rewritten: set aclfile. Without one, the server writes its users into the configuration file.")
    return found


def problems(params):
    """Return what would keep the file from being written, found before the running server is changed."""
    found = []
    try:
        problem = files.problem(params["path"])
        found += ["path: %s." % problem] if problem else []
    except Refused as refused:
        found.append(str(refused))
    now = dict(owner=0, group=0, mode=0)
    for owner, group in ((params["owner"], None), (None, params["group"])):
        try:
            attributes.numbers(owner, group, None, now)
        except attributes.Unknown as unknown:
            found.append(str(unknown))
    return found


def wanted(params):
    """Return (owner, group, mode) of the options, for the functions of _host/files.py."""
    return params["owner"], params["group"], attributes.mode_of(params["mode"])
