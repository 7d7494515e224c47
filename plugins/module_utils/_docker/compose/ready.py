# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a host can run a Compose project, what it lacks, and whose project it would be."""

from __future__ import annotations

import re

# The names that `docker compose` looks for in a directory.
FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
DEBIAN_PACKAGES = ("docker.io", "docker-cli", "docker-compose")
# Debian's package docker-compose is the plugin from this release on.
FIRST_DEBIAN = 13


def numbers(version):
    """Return (2, 26, 1) for 'v2.26.1-4'; () for text that is no version."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def os_release(text):
    """Return (id, major version) of /etc/os-release, the latter 0 when there is none."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    system, version = (values.get(key, "").strip("\"' ") for key in ("ID", "VERSION_ID"))
    return system, (numbers(version) or (0,))[0]


def missing_packages(version, minimum, from_docker, system, major):
    """Return (packages to install, problem): one of the two is empty.

    version: of the plugin, '' without one. from_docker: whether the engine is Docker's own package, docker-ce, whose
    repository has the plugin; Debian's packages would replace it.
    """
    have = numbers(version)
    if have >= numbers(minimum):
        return [], ""
    if from_docker:
        return ["docker-compose-plugin"], ""
    if not have and system == "debian" and major >= FIRST_DEBIAN:
        return list(DEBIAN_PACKAGES), ""
    told = "the plugin is %s, and %s is needed" % (version.strip(), minimum) if have else "it is not there"
    here = ""
    if system == "debian" and 0 < major < FIRST_DEBIAN:
        here = (
            " Debian %d has no such plugin: its package docker-compose is the old docker-compose 1.x, which can't be "
            "used." % major
        )
    return [], (
        "This host can't run `docker compose`: %s.%s Install docker-ce, docker-ce-cli, containerd.io and "
        "docker-compose-plugin from Docker's own repository (https://docs.docker.com/engine/install/debian/), or use "
        "Debian %d or later. Nothing was changed." % (told, here, FIRST_DEBIAN)
    )


def ownership_problem(folder, files, owner_label, container):
    """Return why the project would take over something of others', or ''.

    files: name -> whether it carries our mark, of the Compose files in the directory. owner_label: the directory of the
    project that has the container of this name; '' for a container without a project, None for no container.
    """
    foreign = sorted(name for name, ours in files.items() if not ours)
    if foreign:
        return (
            "%s/%s is somebody else's Compose file: set redis_container_dir to a directory of its own, or move the "
            "file away." % (folder, foreign[0])
        )
    if owner_label is not None and owner_label != folder:
        return (
            "There is a container named %s already, %s: set redis_container_name to another name, or remove that "
            "container when its data is safe." % (container, "of %s" % owner_label if owner_label else "of no project")
        )
    return ""


def network_problem(network, internal):
    """Return why the network can't be the project's, or ''. internal: 'true' or 'false'; None when there is none yet.

    Compose leaves a network that exists as it is, whatever the project says.
    """
    if internal in (None, "true"):
        return ""
    return (
        "There is a network named %s already, and it is not internal: containers in it reach the internet, and their "
        "ports can be published. Set redis_container_network to another name, or stop its containers and run: "
        "docker network rm %s" % (network, network)
    )
