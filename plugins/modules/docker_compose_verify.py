#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_compose_verify
short_description: Find Compose files that publish a Redis port or hold a Redis password
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Reads the Compose files of a host, those of its containers and those in given places, and names each line that
    publishes a Redis port or holds a password, with the line to write instead.
  - A service counts as a Redis server by its image, or by the program in its command. Where the image is a variable
    without a value, its names and ports count. It may publish no port at all; any other service may not publish
    O(ports), nor the port of a server that is in its network (C(network_mode)).
  - Passwords are known by their shape, in arguments, variables, labels, arguments of a build and C(configs). An option
    of the server, a variable of that name and a C(redis://) URL count even where the value is V(${VARIABLE}), since
    C(ps) and C(docker inspect) show what it was. What only looks like a password of Redis (connection strings, URLs
    of schemes that belong to no other kind of server, options of clients) counts where the file itself has it, also as
    the default of a variable. Files that hold a password (V(/run/secrets/x\)) are what to use instead.
  - Anchors, merged mappings, C(extends) within a file, variables with defaults and the C(.env) file beside a Compose
    file are followed. Files are read one by one, so that what C(include) and override files add is found in these.
    Files of C(env_file) are not read.
  - Nothing is changed, and no password is shown.
extends_documentation_fragment:
  - celebrum.redis_hardening.read_only
requirements:
  - PyYAML (Debian package python3-yaml)
options:
  paths:
    description:
      - Compose files, and directories that are searched for them, six levels deep. Directories that do not exist are
        left out.
      - Found are files such as C(compose.yaml), C(docker-compose.yml) and C(docker-compose.prod.yml), and those that
        they take in by C(include) or C(extends), whatever they are called.
    type: list
    elements: path
    default: [/opt, /srv, /home, /root, /var/www]
  ports:
    description: Ports that no service may publish.
    type: list
    elements: int
    default: [6379, 6380]
  containers:
    description: Whether the Compose files of the host's containers, running or not, are read as well.
    type: bool
    default: true
  allow_loopback:
    description:
      - Whether a port may be published on the host's loopback address, as in V(127.0.0.1:6379:6379).
      - Neighbours of the host reach such a port all the same with Docker before 28.
    type: bool
    default: false
seealso:
  - module: celebrum.redis_hardening.port_exposure_verify
"""

EXAMPLES = r"""
- name: Find Compose files that open Redis
  celebrum.redis_hardening.docker_compose_verify:
    paths: [/opt, /srv/shop/docker-compose.yml]
  register: compose

- name: Say what to change
  ansible.builtin.debug:
    msg: "{{ compose.findings | selectattr('status', 'equalto', 'fail') | map(attribute='remediation') }}"
"""

RETURN = r"""
findings:
  description:
    - One finding for each line to change, of the controls RH-NET-07 (published ports) and RH-HST-04 (passwords). Its
      subject is V(FILE:LINE), its remediation has the line to write.
    - One that passes for each of the two controls when there is no such line.
  returned: always
  type: list
  elements: dict
files:
  description: The Compose files that were read.
  returned: always
  type: list
  elements: str
"""

import os
import re
import stat

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._audit.findings import finding
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import (
    exposure as compose_exposure,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.encoding import decode

NAME = re.compile(r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml$")
DEPTH = 6
LARGEST = 256 * 1024
CONTROLS = {"published": "RH-NET-07", "secret": "RH-HST-04"}
EXPECTED = {"RH-NET-07": "no Redis port published", "RH-HST-04": "no Redis password"}
LABEL = '{{.Label "com.docker.compose.project.config_files"}}'


def files_below(path):
    """Return the Compose files in a directory and those below it. Links are not followed."""
    found = []
    for folder, folders, names in os.walk(path):
        depth = os.path.relpath(folder, path).count(os.sep) + (folder != path)
        folders[:] = [
            name for name in folders if depth < DEPTH - 1 and name not in (".git", "node_modules", "overlay2")
        ]
        found += [os.path.join(folder, name) for name in names if NAME.match(name)]
    return found


def files_of_containers(module):
    """Return the Compose files that the host's containers were made from, as far as they still exist."""
    docker = module.get_bin_path("docker")
    code, out, _err = module.run_command([docker, "ps", "--all", "--format", LABEL]) if docker else (1, "", "")
    names = {name for line in out.splitlines() for name in line.split(",")} if code == 0 else set()
    return [name for name in names if os.path.isabs(name) and os.path.isfile(name)]


def read(path):
    # Whoever has a directory here may put a pipe in the place of a file, which would never end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise compose_exposure.Unreadable("line 1: it is no plain file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise compose_exposure.Unreadable("line 1: it has more than %d bytes" % LARGEST)
    return decode(content, "replace")


def environment_of(path):
    try:
        return compose_exposure.parse_env(read(os.path.join(os.path.dirname(path), ".env")))
    except (OSError, compose_exposure.Unreadable):
        return {}


def with_references(files):
    """Return the files, and those that they take in by include or extends."""
    known, waiting = set(), list(files)
    while waiting:
        path = os.path.realpath(waiting.pop())
        if path in known:
            continue
        known.add(path)
        try:
            others = compose_exposure.references(read(path), environment_of(path))
        except (OSError, compose_exposure.Unreadable):
            # findings_of() says so.
            continue
        paths = [os.path.join(os.path.dirname(path), other) for other in others]
        waiting += [other for other in paths if os.path.isfile(other)]
    return sorted(known)


def findings_of(path, options):
    """Return the findings of one file: a failed one for each line to change."""
    try:
        faults = compose_exposure.faults(read(path), options["ports"], environment_of(path), options["allow_loopback"])
    except (OSError, compose_exposure.Unreadable) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        actual, mend = "can't be read: %s" % told, "Fix %s, or take it out of the searched directories." % path
        return [
            finding(control, "error", expected, actual, subject=path, remediation=mend)
            for control, expected in EXPECTED.items()
        ]
    found = []
    for fault in faults:
        where = "%s:%d" % (path, fault.line)
        control = CONTROLS[fault.kind]
        found.append(
            finding(
                control,
                "fail",
                EXPECTED[control],
                "%s %s: %s" % (fault.part, fault.service, fault.found),
                subject=where,
                remediation="%s: write %s" % (where, fault.instead),
            )
        )
    return found


def main():
    module = AnsibleModule(
        argument_spec=dict(
            paths=dict(type="list", elements="path", default=["/opt", "/srv", "/home", "/root", "/var/www"]),
            ports=dict(type="list", elements="int", default=[6379, 6380]),
            containers=dict(type="bool", default=True),
            allow_loopback=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    if compose_exposure.yaml is None:
        module.fail_json(msg=missing_required_lib("PyYAML (Debian: python3-yaml)"))
    options = module.params
    files = set(files_of_containers(module) if options["containers"] else [])
    for path in options["paths"]:
        # A path that is no directory is one that the caller knows of: when it is gone, that is an error.
        files |= set(files_below(path)) if os.path.isdir(path) else {path} if _names_a_file(path) else set()
    files = with_references(files)
    findings = [one for path in files for one in findings_of(path, options)]
    for control, expected in EXPECTED.items():
        if not any(one["id"] == control for one in findings):
            findings.append(finding(control, "pass", expected, "%d Compose file(s) read, nothing found" % len(files)))
    module.exit_json(changed=False, findings=findings, files=files)


def _names_a_file(path):
    return os.path.lexists(path) or path.endswith((".yml", ".yaml"))


if __name__ == "__main__":
    main()
