# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that root does on a host goes by path to where a service can write: it could have planted a link there.

A task or a call that this finds has to use _host/files.py, _host/directories.py or the module redis_directories; where
only root can write, it is named here, with the reason.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]

# Places of tasks to which only root can write, or that are on the controller.
PLACES = (
    r"/usr/local/sbin/",
    # Below /usr/local/lib.
    r"\{\{ __port_notice_program \}\}/$",
    r"/etc/systemd/system/",
    r"/etc/logrotate\.d/",
    # Its directory is 0700 and root's, and is not given to the container as a whole.
    r"\{\{ redis_container_dir \}\}/(compose\.yaml|secrets/healthcheck)$",
    # On the controller.
    r"\{\{ (documents_dir|pki_dir) \}\}",
    # In the directory of the configuration, which directories.yml has made root's.
    r"\{\{ __pki_staged_key \| dirname \}\}$",
)
MODULES = """
    assemble blockinfile copy fetch file find get_url ini_file lineinfile replace slurp stat template tempfile unarchive
""".split()  # noqa: SIM905

PROC, ETC = "in /proc and /sys", "in directories of root's, to which no service can write"
# Calls by path in plugins/modules and plugins/module_utils, and why nothing can be planted there.
CALLS = {
    "modules/redis_host_verify.py:verify_sysctl": PROC,
    "modules/sysctl_settings.py:main": PROC,
    "module_utils/_config/sockets.py:_rows": PROC,
    "module_utils/_config/sockets.py:listening_paths": PROC,
    "module_utils/_docker/daemon/engine.py:_running_words": PROC,
    "module_utils/_docker/exposure/engine.py:forwarding": PROC,
    "module_utils/_docker/exposure/engine.py:listening": PROC,
    "module_utils/_docker/exposure/engine.py:processes": PROC,
    "module_utils/_firewall/clients.py:read_tables": PROC,
    "module_utils/_firewall/host.py:default_interfaces": PROC,
    "module_utils/_host/ssh.py:operators_connection": PROC,
    "module_utils/_host/systemd.py:listening_ports": PROC,
    "module_utils/_host/systemd.py:process_status": PROC,
    "module_utils/_host/systemd.py:writable_mounts": PROC,
    "module_utils/_config/processes.py:_text": PROC,
    "modules/docker_compose_ready.py:main": ETC,
    "module_utils/_docker/daemon/engine.py:write": ETC,
    "module_utils/_docker/daemon/rules_host.py:remove": ETC,
    "module_utils/_host/apt_without_start.py:_is_ours": ETC,
    "module_utils/_host/apt_without_start.py:left_alone": ETC,
    "module_utils/_removal/run.py:_delete": ETC,
    "module_utils/_removal/run.py:_release": ETC,
    "module_utils/_service/start_guard.py:install": ETC,
    "module_utils/_service/units.py:find": ETC,
    "module_utils/_service/units_run.py:release": ETC,
    # In a directory that it has made itself just now, for root alone, in one of root's.
    "module_utils/_docker/daemon/engine.py:refuses": "in /run",
    "module_utils/_firewall/trial.py:_try": "in /run",
    "module_utils/_host/apt.py:refresh": "in a temporary directory",
    "module_utils/_redis/scratch_server.py:_candidate": "in a temporary directory",
    "module_utils/_redis/scratch_server.py:_start": "in a temporary directory",
    "module_utils/_redis/scratch_server.py:throwaway_server": "in a temporary directory",
    "module_utils/_takeover/copies.py:keep": "in /var/backups, and refuses what is not root's alone",
    "module_utils/_host/paths.py:_from_the_root": "/ itself",
    # What the operator names, and no service can write to.
    "module_utils/_redis/connection.py:password_of": "login_password_file",
    "modules/docker_compose_ready.py:compose_files": "a Compose project's files",
    "modules/docker_compose_verify.py:read": "Compose files; of what is in them only names and places are shown",
}
# The certificate: in the directory of the configuration, which directories.yml has made root's before.
CERTIFICATE = ("module_utils/_tls/", "modules/redis_tls_verify.py")


def tasks_of(entry):
    """All tasks in what a YAML file holds, those in blocks and plays included."""
    if isinstance(entry, list):
        for one in entry:
            yield from tasks_of(one)
    elif isinstance(entry, dict):
        yield entry
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks_of(entry.get(key))


def places_of(task):
    """The paths that a task writes or reads as root, with what its loop goes over put in."""
    for name, options in task.items():
        if name.rpartition(".")[2] not in MODULES or not isinstance(options, (dict, str)):
            continue
        options = dict(re.findall(r"(\w+)=(\S+)", options)) if isinstance(options, str) else options
        found = [str(options[key]) for key in ("path", "dest", "src", "paths") if key in options]
        # The source of what is copied is on the controller.
        place = options.get("dest") or options.get("path") or (found or [""])[0]
        loop = task.get("loop", task.get("with_items", [])) if isinstance(place, str) else []
        if "item" in str(place) and isinstance(loop, list):
            for item in loop:
                yield re.sub(r"\{\{ item \}\}", str(item), str(place))
        else:
            yield str(place)


def found_in_tasks(text):
    for task in tasks_of(yaml.safe_load(text)):
        for place in places_of(task):
            if ".." in place or not any(re.match(pattern, place) for pattern in PLACES):
                yield place


FILES = sorted([*CHECKOUT.glob("roles/*/tasks/*.yml"), *CHECKOUT.glob("playbooks/*.yml")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_tasks(path):
    assert list(found_in_tasks(path.read_text())) == []


@pytest.mark.parametrize(
    ("task", "place"),
    [
        ("ansible.builtin.file: {path: /var/lib/redis/conf, state: directory}", "/var/lib/redis/conf"),
        ("file: path=/etc/redis state=directory", "/etc/redis"),
        ('ansible.builtin.file: {path: "{{ item }}"}\n  loop: "{{ directories }}"', "{{ item }}"),
        ('ansible.builtin.copy: {content: x, dest: "{{ redis_dir }}/x"}', "{{ redis_dir }}/x"),
        ("ansible.builtin.template: {src: x, dest: /var/log/redis/x}", "/var/log/redis/x"),
        ("ansible.builtin.lineinfile: {path: /etc/redis/redis.conf, line: x}", "/etc/redis/redis.conf"),
        ("ansible.builtin.slurp: {src: /run/redis/x}", "/run/redis/x"),
        ("ansible.builtin.copy: {src: x, dest: /usr/local/sbin/../x}", "/usr/local/sbin/../x"),
        ("block:\n    - ansible.builtin.file: {path: /etc/redis}", "/etc/redis"),
        ('file: {path: "/etc/systemd/system/{{ item }}"}\n  loop: [a, ../b]', "/etc/systemd/system/../b"),
    ],
)
def test_tasks_that_are_found(task, place):
    assert list(found_in_tasks("- name: x\n  %s\n" % task)) == [place]


# By name, and with what they can be told to go by handles.
_OS = """
    open mkdir makedirs chown lchown chmod replace rename unlink remove rmdir removedirs symlink link mkfifo truncate
""".split()  # noqa: SIM905
_SHUTIL = "rmtree chown copy copy2 copyfile copymode copystat copytree move".split()  # noqa: SIM905
_METHODS = """
    read_text read_bytes write_text write_bytes touch symlink_to hardlink_to unlink rmdir atomic_move backup_local
    set_fs_attributes_if_different set_owner_if_different set_group_if_different set_mode_if_different
    preserved_copy set_file_attributes_if_different
""".split()  # noqa: SIM905
_HANDLES = {"dir_fd", "src_dir_fd", "dst_dir_fd"}


def is_by_path(call):
    """Tell whether a call opens, makes, changes or removes something by its path."""
    function, keywords = call.func, {keyword.arg for keyword in call.keywords}
    if isinstance(function, ast.Name):
        return function.id == "open"
    if not isinstance(function, ast.Attribute):
        return False
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if owner == "os":
        return function.attr in _OS and not keywords & _HANDLES
    if owner == "shutil":
        return function.attr in _SHUTIL and not keywords & _HANDLES
    if owner in ("files", "host_files"):
        # The way to do it.
        return False
    if owner == "tempfile":
        return "dir" in keywords
    return function.attr in _METHODS


def calls_by_path(text, where):
    """Yield 'file:function' of each such call."""

    def walk(node, name):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.FunctionDef):
                yield from walk(inner, inner.name)
                continue
            if isinstance(inner, ast.Call) and is_by_path(inner):
                yield "%s:%s" % (where, name)
            yield from walk(inner, name)

    yield from walk(ast.parse(text), "")


def all_calls():
    plugins = CHECKOUT / "plugins"
    return {
        found
        for kind in ("modules", "module_utils")
        for path in (plugins / kind).rglob("*.py")
        for found in calls_by_path(path.read_text(), str(path.relative_to(plugins)))
        if not found.startswith(CERTIFICATE)
    }


def test_calls():
    # Both ways: what is not needed any more leaves the list.
    assert sorted(all_calls()) == sorted(CALLS)


@pytest.mark.parametrize(
    "call",
    [
        "open(path)",
        "os.open(path, 0)",
        "os.replace(a, b)",
        "os.chown(path, 0, 0)",
        "os.makedirs(path)",
        "shutil.chown(path, 'redis')",
        "shutil.rmtree(path)",
        "Path(path).read_text()",
        "path.write_text('')",
        "tempfile.mkstemp(dir=path)",
        "module.atomic_move(a, b)",
        "module.set_fs_attributes_if_different(a, False)",
    ],
)
def test_calls_that_are_found(call):
    text = "def outer():\n    def inner():\n        with x:\n            return [%s]\n" % call
    assert list(calls_by_path(text, "f.py")) == ["f.py:inner"]


@pytest.mark.parametrize(
    "call", ["os.open(name, 0, dir_fd=handle)", "os.replace(a, b, src_dir_fd=h, dst_dir_fd=h)", "os.fchown(h, 0, 0)"]
)
def test_calls_by_handles_are_fine(call):
    assert list(calls_by_path(call, "f.py")) == []
