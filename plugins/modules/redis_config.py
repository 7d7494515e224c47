#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_config
short_description: Configuration of a Redis or Valkey server, in its file and while it runs
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Makes a running server and its configuration file say what is declared. Drift in either is a change.
  - Values are compared by what they mean, so V(1gb) and V(1073741824) are the same.
  - What can be changed while the server runs is changed so, all at once or not at all. For everything else
    RV(restart_required) is set; this module restarts nothing.
  - Refuses, before anything is changed, what would make a later restart fail or come up without the server's keys.
  - A directive that is no longer declared leaves the file, and keeps its value in the running server until a restart.
options:
  path:
    description:
      - The configuration file. It belongs to this module as a whole; what is not declared is removed from it.
      - Without it only the running server is changed.
      - Below a directory that others than root can write to, as the server can to that of its data, no symbolic link
        is followed, and what is not a plain file with a single name is refused; they could have root write elsewhere.
        Links of root's in directories of root's are followed.
    type: path
  owner:
    description:
      - Owner of the file, by name or number. Without it, a file that exists keeps its owner.
    type: str
  group:
    description:
      - Group of the file, by name or number. Without it, a file that exists keeps its group.
    type: str
  settings:
    description:
      - Directives and their values. A value is text, a number, a boolean (V(true) is V(yes)) or a list.
      - Lists are for directives with several values, such as V(save) (V(["3600 1", "300 100"]), or V([]) for none),
        V(bind) (V(["127.0.0.1", "-::1"])) and V(client-output-buffer-limit) (V(["replica 256mb 64mb 60"])).
      - Put octal modes in quotes, as in C(unixsocketperm), V("770"). What YAML takes for a number, or for true, where
        text is meant is refused.
      - Values have no quotes of their own, which the file gets where it needs them. V('""') means an empty text.
      - C(replicaof) is taken from here only for a server without keys whose file is not managed yet. Afterwards the
        file keeps the master that the server follows, because after a failover the declared one is wrong.
    type: dict
    default: {}
  secret_settings:
    description:
      - The same for secrets, such as C(masterauth), C(requirepass) and C(tls-key-file-pass). They are never shown.
    type: dict
    default: {}
  renamed_commands:
    description:
      - Commands and their new names; an empty text disables the command. They take a restart.
      - Also used to talk to the server, whether the new names are in force already or not.
    type: dict
    default: {}
  server_binary:
    description:
      - Program of the server. With it the whole configuration is tried in a throw-away server, which listens on no port
        and touches neither data nor log, before anything is changed.
    type: path
  rewritten:
    description:
      - The server may rewrite the file itself by C(CONFIG REWRITE), as it must when Sentinel or
        M(celebrum.redis_hardening.redis_replication) makes it follow another server.
      - The file then counts as unchanged as long as it says to a server what is declared, in whatever words and order,
        and nothing else but what the server adds by itself. Anything else in it is undone.
      - A directive that somebody set by C(CONFIG SET) and wrote with C(CONFIG REWRITE) and that is not declared leaves
        the file, with a warning. The running server keeps it until a restart, and its next rewrite writes it again.
      - What the command line of the server's unit says must be in O(settings), too, except C(--supervised systemd) and
        C(--daemonize no).
      - O(settings) must have C(aclfile), or the server would write its users into this file.
      - A server that rewrites its file gives it the mode 0644 less its own umask, so the unit needs C(UMask=0077) for a
        mode of 0600.
    type: bool
    default: false
  standalone:
    description:
      - The server is to follow nobody. One that is a replica becomes a master with the data that it has, by
        C(REPLICAOF NO ONE), and its file names no master. Refused while its master is sending it all data.
      - Without it, whom a server follows is left as it is.
    type: bool
    default: false
  live:
    description:
      - V(required) fails when the server can't be reached.
      - V(auto) handles only the file when nothing listens at the given address.
      - V(never) handles only the file. Whether a restart is needed is then told from the file's changes alone.
    type: str
    choices: [required, auto, never]
    default: required
  take_over:
    description:
      - When the login is refused, use O(current_password), and then a connection without a login, if the server lets
        such clients in. This is how a server that is not hardened yet is taken over.
    type: bool
    default: false
  aof_timeout:
    description:
      - Seconds to wait for the append-only file to be written, after it is turned on and before renames that it could
        not be loaded with.
    type: int
    default: 300
  accept_memory_bound:
    description:
      - Set a C(maxmemory) below what the server uses, although it then evicts keys or refuses writes at once. Otherwise
        that is refused.
    type: bool
    default: false
  mode:
    description:
      - Mode of the file, as an octal number in quotes.
    type: raw
    default: "0640"
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.connection
notes:
  - The file is always replaced in one step, and no backup copy is made.
attributes:
  check_mode:
    description: Can run in check mode and return the same result without changing anything.
    support: full
    details: To learn what can be changed without a restart, the server is sent commands that it refuses. They count as
      failed commands in its statistics.
  diff_mode:
    description: Returns details on what has changed, when in diff mode.
    support: full
    details: Secrets are shown as the beginning of their SHA-256.
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
  platform:
    description: Target OS/families that can be operated against.
    platforms: posix
    support: full
seealso:
  - module: celebrum.redis_hardening.redis_config_verify
  - module: celebrum.redis_hardening.redis_acl
"""

EXAMPLES = r"""
- name: Bound the memory and listen on one address
  celebrum.redis_hardening.redis_config:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    path: /etc/redis/redis.conf
    owner: root
    group: redis
    server_binary: /usr/bin/redis-server
    settings:
      dir: /var/lib/redis
      bind: ["10.0.0.5", "127.0.0.1", "-::1"]
      maxmemory: 512mb
      maxmemory-policy: noeviction
      appendonly: true
      save: ["3600 1", "300 100"]
      aclfile: /etc/redis/users.acl
    secret_settings:
      masterauth: "{{ redis_replication_password }}"
    renamed_commands:
      FLUSHALL: ""
      CONFIG: CONFIG_7f3a
  register: __redis_config

- name: A server in a group, which rewrites its file after a failover
  celebrum.redis_hardening.redis_config:
    path: /var/lib/redis/conf/redis.conf
    rewritten: true
    owner: redis
    group: redis
    mode: "0600"
    settings:
      dir: /var/lib/redis
      aclfile: /etc/redis/users.acl
      masteruser: replica
    secret_settings:
      masterauth: "{{ redis_replica_password }}"

- name: Change one setting of a running server only
  celebrum.redis_hardening.redis_config:
    settings:
      timeout: 300
"""

RETURN = r"""
live_changed:
  description: What was changed in the running server. Secrets are shown as the beginning of their SHA-256.
  returned: always
  type: dict
  sample:
    maxmemory: {before: "0", after: 512mb}
file_changed:
  description: Whether the content of the file was changed.
  returned: always
  type: bool
  sample: true
restart_required:
  description: Whether the running server needs a restart to do what is declared.
  returned: always
  type: bool
  sample: true
restart_directives:
  description: The settings and renames that need it.
  returned: always
  type: list
  elements: str
  sample: [databases, rename-command FLUSHALL]
aof_rewritten:
  description:
    - Whether the append-only file was rewritten, because it may hold command names that a restart takes away.
    - This is done in every run until the restart, and is no change of the configuration.
  returned: always
  type: bool
  sample: false
took_over:
  description: Whether the server was reached by O(current_password) or without a login.
  returned: always
  type: bool
  sample: false
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.desired import hide_misplaced_secrets
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.run import Refused, Run
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.login import open_if_it_runs


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            path=dict(type="path"),
            settings=dict(type="dict", default={}),
            secret_settings=dict(type="dict", default={}, no_log=True),
            renamed_commands=dict(type="dict", default={}),
            server_binary=dict(type="path"),
            rewritten=dict(type="bool", default=False),
            standalone=dict(type="bool", default=False),
            live=dict(type="str", default="required", choices=["required", "auto", "never"]),
            take_over=dict(type="bool", default=False),
            aof_timeout=dict(type="int", default=300),
            accept_memory_bound=dict(type="bool", default=False),
            owner=dict(type="str"),
            group=dict(type="str"),
            mode=dict(type="raw", default="0640"),
        ),
        required_if=[("live", "never", ["path"]), ("rewritten", True, ["path"])],
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    hide_misplaced_secrets(module)
    entry = None
    if module.params["live"] != "never":
        redis_connection.require_library(module)
        try:
            entry = open_if_it_runs(module.params)
        except redis_connection.ConnectionProblem as problem:
            module.fail_json(msg=str(problem), connection_problem=problem.kind)
    run = Run(module, entry.client if entry else None)
    try:
        run.plan()
        if module.check_mode:
            run.settle_attributes()
        else:
            run.carry_out()
    except (Refused, redis_connection.ConnectionProblem) as problem:
        module.fail_json(msg=str(problem), **what_was_done(run))
    except (redis_connection.redis.RedisError, OSError) as error:
        module.fail_json(msg=str(redis_connection.explain(error, module.params)), **what_was_done(run))

    result = dict(
        changed=bool(run.file_changed or run.live_changes or run.leaves or run.attributes),
        live_changed=run.shown_changes(),
        file_changed=run.file_changed,
        restart_required=bool(run.restart),
        restart_directives=run.restart,
        aof_rewritten=run.rewrite,
        took_over=bool(entry and entry.took_over),
    )
    if module._diff:
        result["diff"] = run.diff()
    for warning in run.warnings:
        module.warn(warning)
    module.exit_json(**result)


def what_was_done(run):
    """Return what a failed run has changed already."""
    return dict(changed=run.applied, live_changed=run.shown_changes() if run.applied else {})


if __name__ == "__main__":
    main()
