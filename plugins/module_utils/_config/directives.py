# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known about the directives of redis.conf: kinds of values, names, and which need a restart. Data only.

Covers Redis 6.2 to 8.0 and Valkey 7.2 to 8.1. A running server is asked first; this serves where there is none, and for
comparing. The integration tests compare it with what real servers say.
"""

from __future__ import annotations

import re

# Paths that stand as one word in units and files: no blanks, no %, nothing to quote, no way up.
PATH = re.compile(r"/+|(?:/+(?!\.\.?(?:/|\Z))[A-Za-z0-9._+@:,=~-]+)+/*")

YES_NO = frozenset(
    """
    activedefrag activerehashing always-show-logo aof-disable-auto-gc aof-load-truncated aof-rewrite-incremental-fsync
    aof-timestamp-enabled aof-use-rdb-preamble appendonly cluster-allow-pubsubshard-when-down
    cluster-allow-reads-when-down cluster-allow-replica-migration cluster-enabled cluster-replica-no-failover
    cluster-require-full-coverage cluster-slot-stats-enabled crash-log-enabled crash-memcheck-enabled daemonize
    disable-thp dual-channel-replication-enabled dynamic-hz extended-redis-compatibility gopher-enabled
    hide-user-data-from-log import-mode io-threads-do-reads jemalloc-bg-thread latency-tracking lazyfree-lazy-eviction
    lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush
    lua-enable-deprecated-api no-appendfsync-on-rewrite protected-mode rdb-del-sync-files rdb-save-incremental-fsync
    rdbchecksum rdbcompression repl-disable-tcp-nodelay repl-diskless-sync replica-announced
    replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush replica-read-only
    replica-serve-stale-data set-proc-title stop-writes-on-bgsave-error syslog-enabled tls-cluster
    tls-prefer-server-ciphers tls-replication tls-session-caching use-exit-on-panic
    """.split()  # noqa: SIM905
)

# Numbers without a unit; the range where it is narrower than "not negative".
INTEGERS = dict.fromkeys(
    """
    acllog-max-len active-defrag-cycle-us auto-aof-rewrite-percentage busy-reply-threshold cluster-blacklist-ttl
    cluster-manual-failover-timeout cluster-migration-barrier cluster-node-timeout cluster-replica-validity-factor
    commandlog-large-reply-max-len commandlog-large-request-max-len events-per-io-thread hash-max-listpack-entries
    latency-monitor-threshold lfu-decay-time lfu-log-factor list-compress-depth min-replicas-max-lag
    min-replicas-to-write repl-backlog-ttl repl-diskless-sync-delay repl-diskless-sync-max-replicas replica-priority
    set-max-intset-entries set-max-listpack-entries set-max-listpack-value shutdown-timeout slowlog-max-len
    socket-mark-id stream-node-max-entries tcp-backlog tcp-keepalive timeout tls-session-cache-size
    tls-session-cache-timeout tracking-table-max-keys zset-max-listpack-entries
    """.split(),  # noqa: SIM905
    (0, 2**63 - 1),
) | {
    "active-defrag-cycle-max": (1, 99),
    "active-defrag-cycle-min": (1, 99),
    "active-defrag-max-scan-fields": (1, 2**63 - 1),
    "active-defrag-threshold-lower": (0, 1000),
    "active-defrag-threshold-upper": (0, 1000),
    "active-expire-effort": (1, 10),
    "cluster-announce-bus-port": (0, 65535),
    "cluster-announce-port": (0, 65535),
    "cluster-announce-tls-port": (0, 65535),
    "cluster-compatibility-sample-ratio": (0, 100),
    "cluster-port": (0, 65535),
    "commandlog-reply-larger-than": (-1, 2**63 - 1),
    "commandlog-request-larger-than": (-1, 2**63 - 1),
    "databases": (1, 2**31 - 1),
    "hz": (1, 500),
    "io-threads": (1, 256),
    "list-max-listpack-size": (-(2**31), 2**31 - 1),
    "max-new-connections-per-cycle": (1, 1000),
    "max-new-tls-connections-per-cycle": (1, 1000),
    "maxclients": (1, 2**32 - 1),
    "maxmemory-eviction-tenacity": (0, 100),
    "maxmemory-samples": (1, 64),
    "port": (0, 65535),
    "prefetch-batch-max-size": (0, 128),
    "rdma-completion-vector": (-1, 1024),
    "rdma-port": (0, 65535),
    "repl-ping-replica-period": (1, 2**31 - 1),
    "repl-timeout": (1, 2**31 - 1),
    "replica-announce-port": (0, 65535),
    "slowlog-log-slower-than": (-1, 2**63 - 1),
    "tls-port": (0, 65535),
}

# Sizes, which may carry a unit (k is 1000, kb is 1024).
BYTES = frozenset(
    """
    active-defrag-ignore-bytes auto-aof-rewrite-min-size client-query-buffer-limit cluster-link-sendbuf-limit
    hash-max-listpack-value hll-sparse-max-bytes maxmemory proto-max-bulk-len rdma-rx-size repl-backlog-size
    replica-full-sync-buffer-limit stream-node-max-bytes zset-max-listpack-value
    """.split()  # noqa: SIM905
)

_LOCKED = ("no", "yes", "local")
ENUMS = {
    "acl-pubsub-default": ("allchannels", "resetchannels"),
    "appendfsync": ("everysec", "always", "no"),
    "cluster-preferred-endpoint-type": ("ip", "hostname", "unknown-endpoint"),
    "enable-debug-command": _LOCKED,
    "enable-module-command": _LOCKED,
    "enable-protected-configs": _LOCKED,
    "log-format": ("legacy", "logfmt"),
    "log-timestamp-format": ("legacy", "iso8601", "milliseconds"),
    "loglevel": ("debug", "verbose", "notice", "warning", "nothing"),
    "maxmemory-policy": (
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ),
    "oom-score-adj": ("no", "yes", "relative", "absolute"),
    "propagation-error-behavior": ("ignore", "panic", "panic-on-replicas"),
    "rdb-version-check": ("strict", "relaxed"),
    "repl-diskless-load": ("disabled", "on-empty-db", "swapdb", "flush-before-load"),
    "sanitize-dump-payload": ("no", "yes", "clients"),
    "supervised": ("upstart", "systemd", "auto", "no"),
    "syslog-facility": ("user", *("local%d" % number for number in range(8))),
    "tls-auth-clients": ("no", "yes", "optional"),
}
SHUTDOWN_FLAGS = ("default", "save", "nosave", "now", "force")

# Kinds of their own, see _config/values.py.
SPECIAL = {
    "bind": "words",
    "client-output-buffer-limit": "buffer limits",
    "dir": "folder",
    "latency-tracking-info-percentiles": "decimals",
    "maxmemory-clients": "bytes or percent",
    "notify-keyspace-events": "event flags",
    "oom-score-adj-values": "integers",
    "rdma-bind": "words",
    "replicaof": "words",
    "save": "save points",
    "shutdown-on-sigint": "shutdown flags",
    "shutdown-on-sigterm": "shutdown flags",
    "tls-protocols": "set of words",
    "unixsocketperm": "octal",
}

TEXTS = frozenset(
    """
    aclfile aof-rewrite-cpulist appenddirname appendfilename availability-zone bgsave-cpulist bind-source-addr
    bio-cpulist cluster-announce-client-ipv4 cluster-announce-client-ipv6 cluster-announce-hostname
    cluster-announce-human-nodename cluster-announce-ip cluster-config-file dbfilename ignore-warnings locale-collate
    logfile pidfile primaryauth primaryuser proc-title-template replica-announce-ip requirepass server-cpulist
    syslog-ident tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers tls-ciphersuites tls-client-cert-file
    tls-client-key-file tls-client-key-file-pass tls-dh-params-file tls-key-file tls-key-file-pass unixsocket
    unixsocketgroup
    """.split()  # noqa: SIM905
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CPUS = (re.compile(r"[0-9,:-]*"), "a list of processors, as in 0,2-3")
# Texts whose form is known -> what they must look like, and how to call that.
FORMS = {
    "aof-rewrite-cpulist": _CPUS,
    "appenddirname": (_NAME, "the name of a directory"),
    "appendfilename": (_NAME, "the name of a file"),
    "availability-zone": (re.compile(r"[A-Za-z0-9_.-]*"), "letters, digits and . _ -"),
    "bgsave-cpulist": _CPUS,
    "bind-source-addr": (re.compile(r"[0-9A-Fa-f:.]*"), "an address"),
    "bio-cpulist": _CPUS,
    "ignore-warnings": (re.compile(r"[A-Za-z0-9_-]*"), "the name of a warning"),
    "locale-collate": (re.compile(r"[A-Za-z0-9_.@-]*"), "the name of a locale"),
    "server-cpulist": _CPUS,
    "syslog-ident": (_NAME, "letters, digits and . _ -"),
    "unixsocket": (PATH, "an absolute path without blanks, of letters, digits and . _ + @ : , = ~ - only"),
    "unixsocketgroup": (_NAME, "the name of a group"),
}

KNOWN = YES_NO | INTEGERS.keys() | BYTES | ENUMS.keys() | SPECIAL.keys() | TEXTS

# Other names of the same setting -> the name used in this file.
ALIASES = {
    "aof_rewrite_cpulist": "aof-rewrite-cpulist",
    "bgsave_cpulist": "bgsave-cpulist",
    "bio_cpulist": "bio-cpulist",
    "server_cpulist": "server-cpulist",
    "commandlog-execution-slower-than": "slowlog-log-slower-than",
    "commandlog-slow-execution-max-len": "slowlog-max-len",
    "cluster-slave-no-failover": "cluster-replica-no-failover",
    "cluster-slave-validity-factor": "cluster-replica-validity-factor",
    "hash-max-ziplist-entries": "hash-max-listpack-entries",
    "hash-max-ziplist-value": "hash-max-listpack-value",
    "list-max-ziplist-size": "list-max-listpack-size",
    "lua-time-limit": "busy-reply-threshold",
    "masterauth": "primaryauth",
    "masteruser": "primaryuser",
    "min-slaves-max-lag": "min-replicas-max-lag",
    "min-slaves-to-write": "min-replicas-to-write",
    "primaryof": "replicaof",
    "repl-ping-slave-period": "repl-ping-replica-period",
    "slave-announce-ip": "replica-announce-ip",
    "slave-announce-port": "replica-announce-port",
    "slave-ignore-maxmemory": "replica-ignore-maxmemory",
    "slave-lazy-flush": "replica-lazy-flush",
    "slave-priority": "replica-priority",
    "slave-read-only": "replica-read-only",
    "slave-serve-stale-data": "replica-serve-stale-data",
    "slaveof": "replicaof",
    "zset-max-ziplist-entries": "zset-max-listpack-entries",
    "zset-max-ziplist-value": "zset-max-listpack-value",
}

# Never shown. `user` and `sentinel` lines are refused as settings, but may stand in a file that is replaced.
SECRETS = frozenset(
    ("requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass", "user", "sentinel")
)

# A restart is needed. Servers from 7.0 on are asked instead.
RESTART_ONLY = frozenset(
    """
    aclfile always-show-logo aof-rewrite-cpulist appenddirname appendfilename bgsave-cpulist bio-cpulist
    cluster-config-file cluster-enabled cluster-port daemonize databases disable-thp enable-debug-command
    enable-module-command enable-protected-configs io-threads io-threads-do-reads logfile lua-enable-deprecated-api
    pidfile rdbchecksum rdma-completion-vector rdma-rx-size replicaof server-cpulist set-proc-title socket-mark-id
    supervised syslog-enabled syslog-facility syslog-ident tcp-backlog unixsocket unixsocketgroup unixsocketperm
    """.split()  # noqa: SIM905
)
RESTART_ONLY_BEFORE_6_2 = frozenset(("bind", "port", "tls-port"))
# Settable only with enable-protected-configs, which a hardened server does not have.
PROTECTED = frozenset(("dbfilename", "dir"))

# Set first, so that a restart that follows keeps the data; and last, because the connection may end with them.
FIRST = ("appendonly", "save", "appendfsync", "aof-use-rdb-preamble")
LAST = ("bind", "port", "tls-port")

REFUSED = {
    "user": "users belong into the ACL file: declare them in redis_users",
    "rename-command": "use renamed_commands",
    "include": "the file is written as a whole; an included file would escape every comparison",
    "loadmodule": "loading a module runs its code with the server's rights; this collection does not do that",
    "sentinel": "Sentinel keeps its own file",
}
