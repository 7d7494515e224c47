#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_directories
short_description: Make directories and keep their owner and mode, through no link that a server may have planted
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Makes directories, and keeps their owner, group and mode. Those above them that are missing are made, for root.
  - A server that was taken over can put links into the directories that it can write to, to have root give away or
    write something else. So in and below such a directory no symbolic link is followed, and a directory of another
    owner is not given away. Links of root's in directories of root's, such as C(/var/lib) to C(/data/lib), are
    followed.
  - A directory that others could write to and that becomes root's must hold no symbolic link of theirs, and no file
    with a second name elsewhere. Afterwards these would look like root's own.
  - All directories are looked at before one is changed.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    description: When run twice in a row, nothing is changed the second time.
    support: full
  platform:
    platforms: posix
options:
  directories:
    description: The directories, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is, an absolute path.
        type: path
        required: true
      owner:
        description: Its owner, by name or number.
        type: str
        required: true
      group:
        description: Its group, by name or number.
        type: str
        required: true
      mode:
        description: Its mode, as an octal number in quotes.
        type: str
        required: true
seealso:
  - module: celebrum.redis_hardening.redis_config
"""

EXAMPLES = r"""
- name: Take the configuration away from the server, and give an instance its data
  celebrum.redis_hardening.redis_directories:
    directories:
      - {path: /etc/redis, owner: root, group: redis, mode: "0750"}
      - {path: /var/lib/redis/7000, owner: redis, group: redis, mode: "0700"}
"""

RETURN = r"""
changes:
  description: What was, or in check mode would be, changed, by path. A directory that is made is C(absent) before.
  returned: success
  type: dict
  sample:
    /etc/redis: {before: {owner: 105, mode: "02770"}, after: {owner: 0, mode: "0750"}}
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import (
    attributes as host_attributes,
    directories as host_directories,
)


def option_problems(wanted):
    """Return what is wrong with the options, whatever is on the host."""
    found = []
    for one in wanted:
        if not one["path"].startswith("/"):
            found.append("path: %s must be absolute." % one["path"])
        try:
            host_attributes.mode_of(one["mode"])
        except ValueError:
            found.append("mode of %s: it must be octal, such as '0750', in quotes." % one["path"])
    return found


def settle(wanted, check, check_mode=False):
    """Return {path: {before, after}} of what differs. Raises Refused."""
    found = {}
    for one in wanted:
        mode = host_attributes.mode_of(one["mode"])
        try:
            difference = host_directories.settle(one["path"], one["owner"], one["group"], mode, check)
        except host_attributes.Unknown:
            if not check_mode:
                raise
            # The package that brings the account is still to come.
            after = {name: one[name] for name in ("owner", "group", "mode")}
            difference = dict(before=dict(owner="unknown"), after=after)
        if difference:
            found[one["path"]] = difference
    return found


def lines(changes, side):
    """Return one side of the changes as text for a diff."""
    return "".join(
        "%s %s\n" % (path, " ".join("%s=%s" % pair for pair in sorted(change[side].items())))
        for path, change in changes.items()
    )


def main():
    one = {name: dict(type="path" if name == "path" else "str", required=True) for name in ("path", "owner", "group")}
    one["mode"] = dict(type="str", required=True)
    module = AnsibleModule(
        argument_spec=dict(directories=dict(type="list", elements="dict", required=True, options=one)),
        supports_check_mode=True,
    )
    wanted = module.params["directories"]
    problems = option_problems(wanted)
    if problems:
        module.fail_json(msg=" ".join(problems))
    try:
        changes = settle(wanted, check=True, check_mode=module.check_mode)
    except Refused as problem:
        module.fail_json(msg=str(problem), changed=False)
    if changes and not module.check_mode:
        try:
            changes = settle(wanted, check=False)
        except Refused as problem:
            module.fail_json(msg="%s Directories before it in the list may be changed already." % problem, changed=True)
    result = dict(changed=bool(changes), changes=changes)
    if module._diff:
        sides = {side: lines(changes, side) for side in ("before", "after")}
        result["diff"] = dict(sides, before_header="directories", after_header="directories")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
