# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms of text that goes into units, configuration, rules, Compose files, certificates and paths.

Each says what may be in it: a line end, a blank or a % would be a line, a word or a specifier of what it stands in.
What has a check of its own (sources, sizes, images) is not here.
"""

from __future__ import annotations

import posixpath
import re

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.directives import PATH

_HOST = (re.compile(r"[A-Za-z0-9_.:-]{1,253}"), "an address or the name of a host")
_REACHED = (re.compile(r"[A-Za-z0-9_.:-]{1,253}(?:%[A-Za-z0-9_.@-]{1,15})?"), _HOST[1])
_NO_HOST = (re.compile(r"[A-Za-z0-9_.:-]{0,253}"), "an address or the name of a host")
# What stands without quotes wherever a server writes it.
USER = re.compile(r"(?:[!#-&(-\[\]-~]|\w)+")
_USER = (USER, "a name without blanks, quotes and control characters")
_SIZE = r"[0-9]+(?:[kmg]?b|[kmg])?"
_LINE = (re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+"), "text on one line, without control characters")
_PATH = (PATH, "an absolute path without blanks, of letters, digits and . _ + @ : , = ~ - only")
_FILE = (re.compile(r"\w[\w.:@+-]*"), "letters, digits and . _ : @ + - only; it is the name of a file or directory")
_ADDRESS = (
    re.compile(r"-?[0-9A-Fa-f:.*]+(?:%[A-Za-z0-9_.@-]{1,15})?"),
    "an address, for a link-local one with its interface, as in fe80::1%eth0",
)

# Variable -> what it must look like, and how to call that. [] are the entries of a list.
FORMS = {
    "audit_addresses[]": _REACHED,
    "audit_inside_hosts[]": _LINE,
    "audit_outside_hosts[]": _LINE,
    "audit_report_dir": _LINE,
    "cluster_admin_user": _USER,
    "cluster_ca_file": _PATH,
    "cluster_cert_file": _PATH,
    "cluster_key_file": _PATH,
    "cluster_leaving[]": (re.compile(r"[A-Za-z0-9_.:\[\]-]+"), "HOST:PORT, as in 10.0.0.7:7000"),
    "cluster_nodes[].address": _HOST,
    "cluster_nodes[].host": _HOST,
    "cluster_nodes[].zone": _LINE,
    "documents_dir": _LINE,
    "documents_hosts[]": _LINE,
    "firewall_addresses[]": _REACHED,
    "firewall_docker_bridges[]": (
        re.compile(r"[A-Za-z0-9_.@:-]{1,15}|[A-Za-z0-9_.@:-]{1,14}\+"),
        "the name of an interface, or a prefix such as br-+",
    ),
    "pki_ca_name": (re.compile(r"[\w .,:@()+'/-]{1,64}"), "up to 64 letters, digits, blanks and . , : @ ( ) + ' / - _"),
    "pki_dir": _LINE,
    "pki_cert_file": _LINE,
    "pki_key_file": _LINE,
    "pki_ca_file": _LINE,
    "pki_group": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}"), "the name of a group"),
    "redis_announce_address": _NO_HOST,
    "redis_bind[]": _ADDRESS,
    "redis_container_compose_paths[]": _LINE,
    "redis_container_credentials_dir": _LINE,
    "redis_credentials_dir": _LINE,
    "redis_credentials_owner": _FILE,
    "redis_package_version": (re.compile(r"[A-Za-z0-9.+:~-]*"), "a version of Debian's, as in 5:7.0.15-1~deb12u10"),
    "redis_previous_credentials_owner": _FILE,
    "redis_purged_instances[]": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"), "the name of an instance"),
    "redis_repl_backlog_size": (re.compile(_SIZE, re.ASCII | re.IGNORECASE), "a size, as in 64mb"),
    "redis_replica_output_buffer_limit": (
        re.compile(r"%s +%s +[0-9]+" % (_SIZE, _SIZE), re.ASCII | re.IGNORECASE),
        "two sizes and seconds, as in 256mb 64mb 60",
    ),
    "redis_replica_user": _USER,
    "redis_sentinel_user": _USER,
    "sentinel_auth_user": _USER,
    "sentinel_bind[]": _ADDRESS,
    "sentinel_master_host": _NO_HOST,
    "sentinel_master_name": (re.compile(r"[A-Za-z0-9._-]+"), "letters, digits and . _ - only"),
    "sentinel_members[].host": _HOST,
}


def form_problems(settings):
    """Return what is wrong with the form of the settings. settings: those that have the right type."""
    return [
        "%s is %r: set %s." % (where, value, hint)
        for name, (form, hint) in FORMS.items()
        for where, value in _values(name, settings)
        if value is not None and not form.fullmatch(value)
    ]


def _values(name, settings):
    """Yield (how to call it, value) of a variable, or of each entry of a list."""
    variable, is_list, key = name.partition("[]")
    value = settings.get(variable)
    if not is_list:
        yield variable, value
        return
    for at, entry in enumerate(value or []):
        where = "%s[%d]%s" % (variable, at, key)
        yield where, entry.get(key[1:]) if key else entry


def path_problems(name, path):
    """Return why this can't be a path in a unit or in the configuration."""
    if posixpath.isabs(path) and PATH.fullmatch(path):
        return []
    return ["%s is %r: set %s." % (name, path, _PATH[1])]
