# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the values of an instance to the directives of its configuration file: pure functions."""

from __future__ import annotations

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.declared import DIRECT
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.rewritten import as_read

from .instances import has_tls

_FIXED = {
    "dbfilename": "dump.rdb",
    "enable-protected-configs": "no",
    "enable-debug-command": "no",
    "enable-module-command": "no",
}
_LIMITS = "client-output-buffer-limit"
_OTHER_BUFFERS = "normal 0 0 0 pubsub 32mb 8mb 60"


def settings(value, tls_folder):
    """Return the directives, without secrets. value: an instance with its layout(). tls_folder: of the certificate."""
    found = {**value.get("settings", {}), **{directive: value[name] for directive, name in DIRECT.items()}}
    found.update(_FIXED)
    found["port"] = 0 if value["tls"] == "required" else value["port"]
    found.update(_tls(value, tls_folder))
    if value["topology"] != "standalone":
        found.update(_group(value, found.get(_LIMITS, "")))
    if value["topology"] == "cluster":
        found.update(
            {
                # There is but one, and Redis 8 and Valkey say so whatever is declared: no restart would bring more.
                "databases": 1,
                "cluster-enabled": "yes",
                "cluster-config-file": "nodes.conf",
                "cluster-node-timeout": value["cluster_node_timeout"],
            }
        )
    return found


def secret_settings(value):
    """Return the directives that are secrets."""
    return {} if value["topology"] == "standalone" else {"masterauth": value["replica_password"]}


def _tls(value, folder):
    if not has_tls(value):
        return {"tls-port": 0, "tls-replication": "no", "tls-cluster": "no"}
    return {
        "tls-port": value["tls_port"],
        "tls-ca-cert-file": folder + "/ca.crt",
        "tls-cert-file": folder + "/redis.crt",
        "tls-key-file": folder + "/redis.key",
        "tls-protocols": "TLSv1.2 TLSv1.3",
        "tls-auth-clients": value["tls_auth_clients"],
        "tls-replication": "yes",
        "tls-cluster": "yes",
    }


def _group(value, other_buffers):
    # Of a class that is given twice, the server takes the latter.
    own = other_buffers if isinstance(other_buffers, str) else " ".join(map(str, other_buffers))
    limits = as_read([(_LIMITS, text.split()) for text in (_OTHER_BUFFERS, own)])[_LIMITS]
    found = {
        "masteruser": value["replica_user"],
        "replica-read-only": "yes",
        "repl-backlog-size": value["repl_backlog_size"],
        _LIMITS: "%s replica %s" % (" ".join(limits), value["replica_output_buffer_limit"]),
        "min-replicas-to-write": value["min_replicas_to_write"],
        "min-replicas-max-lag": value["min_replicas_max_lag"],
    }
    if value["announce_address"]:
        which = "cluster-announce-ip" if value["topology"] == "cluster" else "replica-announce-ip"
        found[which] = value["announce_address"]
    return found
