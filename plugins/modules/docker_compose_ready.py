#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_compose_ready
short_description: Find out whether a host can run a Compose project, and what it lacks
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Looks for the Docker command line with the Compose plugin, C(docker compose), and says which packages give it.
  - Fails on a host that can't have it from its own packages, and says what to install. The old C(docker-compose) 1.x,
    written in Python, does not count.
  - Fails where the project would take over a Compose file or a container of somebody else, or get a network that is
    not internal, which Compose would leave so.
  - Nothing is changed.
extends_documentation_fragment:
  - celebrum.redis_hardening.read_only
attributes:
  platform:
    platforms: linux
options:
  minimum_version:
    description: The oldest Compose that will do.
    type: str
    default: 2.18.0
  project_src:
    description: Directory of the project that is going to be written.
    type: path
  mark:
    description: Text in the first line of a Compose file in O(project_src) that makes it the caller's own.
    type: str
    default: celebrum.redis_hardening
  container:
    description: Name of the container that the project is going to have.
    type: str
  network:
    description: Name of the internal network that the project is going to have. One that exists must be internal.
    type: str
"""

EXAMPLES = r"""
- name: See whether Compose is there
  celebrum.redis_hardening.docker_compose_ready:
    project_src: /opt/redis
    container: redis
    network: redis
  register: compose

- name: Install what is missing
  ansible.builtin.apt:
    name: "{{ compose.packages }}"
"""

RETURN = r"""
version:
  description: Version of the Compose plugin; empty when it is missing.
  returned: success
  type: str
  sample: 2.26.1
packages:
  description: Packages to install; empty when nothing is missing.
  returned: success
  type: list
  elements: str
  sample: [docker.io, docker-cli, docker-compose]
"""

import os
from pathlib import Path

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import ready

PROJECT = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'


def plugin_version(module, docker):
    if not docker:
        return ""
    code, out, _err = module.run_command([docker, "compose", "version", "--short"])
    return out.strip() if code == 0 else ""


def has_package(module, name):
    dpkg = module.get_bin_path("dpkg-query")
    if not dpkg:
        return False
    code, out, _err = module.run_command([dpkg, "--show", "--showformat", "${db:Status-Status}", name])
    return code == 0 and out == "installed"


def compose_files(folder, mark):
    """Return name -> whether it is ours, of the Compose files in the directory."""
    found = {}
    for name in ready.FILE_NAMES:
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    found[name] = mark in file.readline()
            except OSError:
                found[name] = False
    return found


def project_of(module, docker, container):
    """Return the directory of the container's project, '' when it has none, None without such a container."""
    if not docker:
        return None
    code, out, _err = module.run_command([docker, "container", "inspect", "--format", PROJECT, container])
    return out.strip().replace("<no value>", "") if code == 0 else None


def internal(module, docker, network):
    """Return 'true' or 'false', None without such a network."""
    if not docker:
        return None
    code, out, _err = module.run_command([docker, "network", "inspect", "--format", "{{.Internal}}", network])
    return out.strip() if code == 0 else None


def main():
    module = AnsibleModule(
        argument_spec=dict(
            minimum_version=dict(type="str", default="2.18.0"),
            project_src=dict(type="path"),
            mark=dict(type="str", default="celebrum.redis_hardening"),
            container=dict(type="str"),
            network=dict(type="str"),
        ),
        supports_check_mode=True,
        required_by=dict(container=["project_src"]),
    )
    options = module.params
    docker = module.get_bin_path("docker")
    version = plugin_version(module, docker)
    release = Path("/etc/os-release")
    system = ready.os_release(release.read_text(encoding="utf-8") if release.exists() else "")
    packages, problem = ready.missing_packages(
        version, options["minimum_version"], has_package(module, "docker-ce"), *system
    )
    if not problem and options["project_src"]:
        folder = os.path.normpath(options["project_src"])
        owner = project_of(module, docker, options["container"]) if options["container"] else None
        problem = ready.ownership_problem(folder, compose_files(folder, options["mark"]), owner, options["container"])
    if not problem and options["network"]:
        problem = ready.network_problem(options["network"], internal(module, docker, options["network"]))
    if problem:
        module.fail_json(msg=problem)
    module.exit_json(changed=False, version=version, packages=packages)


if __name__ == "__main__":
    main()
