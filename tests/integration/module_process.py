# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module in a process of its own, forked from one that has loaded Ansible: most of a module's time goes into that."""

from __future__ import annotations

import atexit
import ctypes
import json
import multiprocessing
import os
import runpy
import sys
import tempfile

from ansible.module_utils.common.parameters import PASS_VARS

COLLECTION = "ansible_collections.celebrum.redis_hardening.plugins."
MODULES = COLLECTION + "modules."
SECONDS = 60
# From ansible-core 2.21 on a module tells it only when it is asked to.
_INVOCATION = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["ansible.module_utils.basic", "redis", COLLECTION + "module_utils._redis.connection"])


def run(name, args, check=False, diff=False, env=None, host=None):
    """Return a module's result. host: the id of a process in whose namespaces, mount and net, it runs.

    With WITHOUT_REDIS_PY in env it finds no redis-py.
    """
    parameters = {**args, "_ansible_check_mode": check, "_ansible_diff": diff, **_INVOCATION}
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, one) for one in ("in", "out", "errors")]
        with open(files[0], "w", encoding="utf-8") as given:
            json.dump({"ANSIBLE_MODULE_ARGS": parameters}, given)
        process = _context.Process(target=_main, args=(name, files, {**os.environ, **(env or {})}, host))
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"{name} has not ended within {SECONDS} s")
        out, errors = (_read(one) for one in files[1:])
    try:
        return json.loads(out)
    except ValueError:
        raise AssertionError(f"{name} printed no result:\n{out}\n{errors}") from None


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _main(name, files, env, host):
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(files):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    # multiprocessing has closed the one that was there.
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if host:
        _enter(host)
    if os.environ.get("WITHOUT_REDIS_PY"):
        for loaded in [one for one in sys.modules if one.startswith(COLLECTION) or one.partition(".")[0] == "redis"]:
            del sys.modules[loaded]
        sys.modules["redis"] = None
    sys.argv = [name]
    try:
        runpy.run_module(MODULES + name, run_name="__main__", alter_sys=True)
    finally:
        # A process of multiprocessing ends without.
        atexit._run_exitfuncs()


def _enter(host):
    """As nsenter -m -n does; os.setns() came with Python 3.12."""
    libc, folder = ctypes.CDLL(None, use_errno=True), os.getcwd()
    namespaces = [os.open(f"/proc/{host}/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
    for namespace in namespaces:
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), "setns")
    os.chdir(folder)
