"""Maintainer scripts ask policy-rc.d whether they may start a service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host.apt_without_start import Busy, left_alone


@pytest.fixture
def files(tmp_path):
    return {"path": str(tmp_path / "policy-rc.d"), "lock": str(tmp_path / "lock")}


def answer(files, *arguments):
    """Return what a maintainer script is told: 101 is no; without a policy-rc.d everything may start."""
    if not os.path.exists(files["path"]):
        return 0
    return subprocess.run([files["path"], *arguments]).returncode


def somebody_elses(files, code):
    with open(files["path"], "w") as script:
        script.write(f"#!/bin/sh\nexit {code}\n")
    os.chmod(files["path"], 0o755)


def test_redis_is_left_alone_inside_and_nothing_stays_behind(files, tmp_path):
    with left_alone(**files):
        assert answer(files, "redis-server.service", "restart") == 101
        assert answer(files, "--quiet", "redis-sentinel", "start", "2") == 101
        assert answer(files, "redis-server@7000.service", "restart") == 101
        assert answer(files, "valkey-server.service", "restart") == 101
        assert answer(files, "ssh.service", "restart") == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


def test_it_ends_with_an_error(files):
    with pytest.raises(ValueError), left_alone(**files):
        raise ValueError
    assert not os.path.exists(files["path"])


def test_somebody_elses_keeps_its_say_and_comes_back(files):
    somebody_elses(files, 104)
    with left_alone(**files):
        assert answer(files, "redis-server.service", "restart") == 101
        assert answer(files, "ssh.service", "restart") == 104
    assert answer(files, "redis-server.service", "restart") == 104


def killed_inside(files, then=""):
    """Start a process that is killed inside the block; then: what it has started before."""
    program = (
        "import os, subprocess, sys, time\n"
        "from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import apt_without_start\n"
        f"with apt_without_start.left_alone({files['path']!r}, {files['lock']!r}) as descriptor:\n"
        f"    {then or 'pass'}\n"
        "    print('inside', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "inside\n"
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("code", [None, 104])
def test_what_a_killed_run_leaves_behind_has_no_effect_and_goes(files, code):
    if code:
        somebody_elses(files, code)
    killed_inside(files)
    assert os.path.exists(files["path"])
    assert answer(files, "redis-server.service", "restart") == (code or 0)
    with left_alone(**files):
        assert answer(files, "redis-server.service", "restart") == 101
    assert os.path.exists(files["path"]) == bool(code)
    assert answer(files, "redis-server.service", "restart") == (code or 0)


def test_what_was_started_inside_is_covered_when_the_run_is_killed(files):
    killed_inside(files, "subprocess.Popen(['sleep', '1'], pass_fds=[descriptor], stdout=subprocess.DEVNULL)")
    assert answer(files, "redis-server.service", "restart") == 101
    with pytest.raises(Busy), left_alone(**files, timeout=0.1):
        pass
    deadline = time.monotonic() + 10
    while answer(files, "redis-server.service", "restart") == 101:
        assert time.monotonic() < deadline
        time.sleep(0.1)
