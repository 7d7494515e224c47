#!/usr/bin/python

# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_acl
short_description: Make the ACL users of a Redis or Valkey server exactly the declared ones
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Compares the whole set of users with the one declared, and fixes every difference in the running server, in its ACL
    file, or in both. Extra users and extra rights are differences too.
  - Each user is changed by one atomic command. Nothing is reloaded, and no client is disconnected except those of
    users that are deleted, and subscribers that lose their channel.
  - Refuses a set of users that would lock out the module's own login, and puts the former users back when, after the
    change, a new connection can't log in.
  - Works with Redis 7.0 and later and Valkey. Redis 6 is supported as far as its ACL goes.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.users
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written, not even a scratch user. Rights are compared with the server's own lists of commands, and
        the rules of users that would change are checked by C(ACL SETUSER) commands which end in a rule that no server
        knows, so that the server checks them and refuses. They count in C(errorstat_ERR) of C(INFO).
  diff_mode:
    support: full
    details:
      - One line for each user that changes. In place of a password there are the first eight digits of its hash.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    platforms: posix
options:
  purge:
    description:
      - Whether users that are not declared are deleted. With V(false) they are left alone, named in RV(unmanaged), and
        kept in O(aclfile).
    type: bool
    default: true
  live:
    description:
      - Whether the running server is changed.
      - V(required) fails when there is none. V(auto) writes only O(aclfile) when nothing listens. V(never) does not
        connect.
    type: str
    choices: [required, auto, never]
    default: required
  aclfile:
    description:
      - ACL file that gets the same users, so that a restart changes nothing. It is written at one stroke, without
        comments, which servers before Redis 8.8 refuse.
      - A file that does not consist of C(user) lines is not overwritten. The module fails and names the line.
      - Required with O(live=auto) and O(live=never).
    type: path
  aclfile_owner:
    description:
      - Owner of O(aclfile). Without it, a file that exists keeps its owner.
    type: str
  aclfile_group:
    description:
      - Group of O(aclfile). Without it, a file that exists keeps its group.
    type: str
  aclfile_mode:
    description:
      - Mode of O(aclfile), as an octal number in quotes.
    type: raw
    default: '0640'
  server_binary:
    description:
      - Program of the server. When nothing listens, or with O(live=never), a new O(aclfile) is first loaded by a
        private server that is started from it for a moment, and that has to let O(login_user) in.
    type: path
  take_over:
    description:
      - When the login is refused, use O(current_password), and then a connection without a login, if the server takes
        one. That is how a server that was set up in another way, or is open, gets its first users.
      - With V(true), the login after the change may also be one with another password of O(login_user) in O(users).
    type: bool
    default: false
seealso:
  - module: celebrum.redis_hardening.redis_acl_verify
"""

EXAMPLES = r"""
- name: Exactly these users, in the running server and in its ACL file
  celebrum.redis_hardening.redis_acl:
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    users:
      - name: admin
        passwords: ["{{ redis_admin_password }}"]
        commands: ["+@all"]
        keys: ["*"]
        channels: ["*"]
        allow_scripting: true
      - name: cache
        passwords: ["{{ cache_password }}"]
        commands: ["+@read", "+@write", "-@dangerous", "-@scripting"]
        keys: ["cache:*"]
    aclfile: /etc/redis/users.acl
    aclfile_owner: root
    aclfile_group: redis

- name: Close a server that is open so far
  celebrum.redis_hardening.redis_acl:
    login_unix_socket: /run/redis/redis.sock
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    take_over: true
    users: "{{ redis_users }}"

- name: Write the ACL file before the first start
  celebrum.redis_hardening.redis_acl:
    live: never
    server_binary: /usr/bin/redis-server
    users: "{{ redis_users }}"
    aclfile: /etc/redis/users.acl
"""

RETURN = r"""
live_changed:
  description: Users that were, or in check mode would be, set in the running server.
  type: list
  elements: str
  returned: success
  sample: [cache]
removed:
  description: Users that were, or would be, deleted from the running server.
  type: list
  elements: str
  returned: success
unmanaged:
  description: Users that are not declared and were left alone, with O(purge=false).
  type: list
  elements: str
  returned: success
aclfile_changed:
  description: Whether the content, the owner or the mode of O(aclfile) was, or would be, changed.
  type: bool
  returned: success
restored:
  description: Whether the change failed and the former users were put back.
  type: bool
  returned: always
took_over:
  description: Whether the server was entered by O(current_password) or without a login.
  type: bool
  returned: success
msg:
  description: What was done, or what is wrong and how to fix it.
  type: str
  returned: always
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.apply import ApplyFailed
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.argspec import acl_argument_spec
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.run import Run
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.users import AclError
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import (
    CONNECTION_RULES,
    ConnectionProblem,
    redis_argument_spec,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.replies import printable
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.scratch_server import StartFailed


def summary(run, file_changed, check_mode):
    parts = []
    if run.plan.change:
        parts.append("%d user(s) set" % len(run.plan.change))
    if run.plan.remove:
        parts.append("%d user(s) deleted" % len(run.plan.remove))
    if file_changed:
        parts.append("%s written" % run.params["aclfile"])
    if not parts:
        return "The users are as declared."
    return "%s%s." % ("Would be done: " if check_mode else "", ", ".join(parts))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_argument_spec(),
            **acl_argument_spec(),
            purge=dict(type="bool", default=True),
            live=dict(type="str", choices=["required", "auto", "never"], default="required"),
            aclfile=dict(type="path"),
            aclfile_owner=dict(type="str"),
            aclfile_group=dict(type="str"),
            aclfile_mode=dict(type="raw", default="0640"),
            server_binary=dict(type="path"),
            take_over=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
        required_if=[("live", "never", ["aclfile"]), ("live", "auto", ["aclfile"])],
        **CONNECTION_RULES,
    )
    try:
        run = Run(module)
        run.look()
        file_changed = run.change()
    except (AclError, Refused) as error:
        module.fail_json(msg=str(error), restored=False)
    except ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind, restored=False)
    except StartFailed as error:
        module.fail_json(msg="The server does not start with the new ACL file: %s" % error, restored=False)
    except ApplyFailed as error:
        module.fail_json(msg=str(error), restored=error.restored, changed=not error.restored)
    names = [printable(user.name) for user in run.plan.change]
    result = dict(
        changed=bool(names or run.plan.remove or file_changed),
        live_changed=names,
        removed=[printable(name) for name in run.plan.remove],
        unmanaged=[printable(name) for name in run.plan.unmanaged],
        aclfile_changed=file_changed,
        restored=False,
        took_over=run.took_over,
        msg=summary(run, file_changed, module.check_mode),
    )
    if module._diff:
        result["diff"] = run.diff
    module.exit_json(**result)


if __name__ == "__main__":
    main()
