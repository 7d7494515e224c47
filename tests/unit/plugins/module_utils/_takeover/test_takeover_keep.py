# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of old configurations."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.included import read
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.copies import (
    keep,
    kept_already,
    with_users,
)

FILES = {"/etc/redis/redis.conf": "requirepass sesame\n", "/etc/redis/conf.d/a.conf": "timeout 5\n"}
DATE = "2026-11-30T161900Z"


def test_the_copies_are_for_their_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        folder = keep(str(tmp_path / "kept"), "redis-server", DATE, FILES)
    finally:
        os.umask(before)
    assert folder == f"{tmp_path}/kept/redis-server.{DATE}"
    modes = {}
    for place, folders, names in os.walk(tmp_path / "kept"):
        for name in folders + names:
            path = os.path.join(place, name)
            modes[os.path.relpath(path, folder)] = stat.S_IMODE(os.lstat(path).st_mode)
    assert modes["etc/redis/redis.conf"] == modes["etc/redis/conf.d/a.conf"] == 0o600
    assert modes["."] == 0o700 and stat.S_IMODE(os.lstat(tmp_path / "kept").st_mode) == 0o700
    with open(f"{folder}/etc/redis/redis.conf", encoding="utf-8") as kept:
        assert kept.read() == FILES["/etc/redis/redis.conf"]


def test_the_same_files_are_not_kept_twice(tmp_path):
    directory = str(tmp_path / "kept")
    assert kept_already(directory, "redis-server", FILES) is None
    folder = keep(directory, "redis-server", DATE, FILES)
    assert kept_already(directory, "redis-server", FILES) == folder
    assert kept_already(directory, "redis-server@7000", FILES) is None
    assert kept_already(directory, "redis-server", {**FILES, "/etc/redis/redis.conf": "timeout 1\n"}) is None


def test_no_link_is_followed_and_nothing_is_overwritten(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "kept")
    with pytest.raises(Refused, match="not a directory that only root"):
        keep(str(tmp_path / "kept"), "redis-server", DATE, FILES)
    os.unlink(tmp_path / "kept")
    keep(str(tmp_path / "kept"), "redis-server", DATE, FILES)
    with pytest.raises(Refused, match="File exists"):
        keep(str(tmp_path / "kept"), "redis-server", DATE, FILES)


def test_a_folder_that_others_can_write_to_is_refused(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept").chmod(0o777)
    with pytest.raises(Refused):
        keep(str(tmp_path / "kept"), "redis-server", DATE, FILES)


def test_acl_files_belong_to_it(tmp_path):
    for name in ("old.acl", "users.acl"):
        (tmp_path / name).write_text("user default on nopass\n")
    (tmp_path / "redis.conf").write_text(f"aclfile {tmp_path}/old.acl\n")
    found = with_users(read(str(tmp_path / "redis.conf")), str(tmp_path / "users.acl"), str(tmp_path / "none.acl"))
    assert sorted(os.path.basename(path) for path in found) == ["old.acl", "redis.conf", "users.acl"]
