# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ACL file of redis_acl, beside a running server and without one."""

from __future__ import annotations

import os
import stat

import pytest
from acl_lab import (
    ADMIN,
    APP,
    LOGIN,
    SECRET,
    arguments,
    expected,
    harden,
    listing,
    sha,
)


@pytest.fixture
def hardened(server, run_module):
    return harden(server, run_module)


FILE_DRIFT = {
    "an extra line": lambda text: text + "user intruder on nopass ~* +@all\n",
    "a missing line": lambda text: "".join(line for line in text.splitlines(True) if "app" not in line),
    "no default": lambda text: "".join(line for line in text.splitlines(True) if "default" not in line),
    "an extra rule": lambda text: text.replace("~cache:*", "~cache:* ~session:*"),
    "a comment": lambda text: "# by hand\n" + text,
    "a double line": lambda text: text + "user default off resetchannels -@all\n",
    "a plain password": lambda text: text.replace("#" + sha(SECRET), ">" + SECRET),
    "an unknown rule": lambda text: text.replace("reset on", "reset on frobnicate"),
    "an empty file": lambda text: "",
}


def test_drift_of_the_file_alone_is_mended_in_the_file_alone(hardened, run_module):
    good = hardened.aclfile.read_text()
    for name, spoil in FILE_DRIFT.items():
        hardened.aclfile.write_text(spoil(good))
        assert hardened.aclfile.read_text() != good, name
        preview = run_module("redis_acl", arguments(hardened), check=True)
        assert preview["changed"] and preview["aclfile_changed"] and not preview["live_changed"], name
        assert hardened.aclfile.read_text() == spoil(good), name
        result = run_module("redis_acl", arguments(hardened))
        assert result["aclfile_changed"] and not result["live_changed"], name
        assert hardened.aclfile.read_text() == good, name
    hardened.aclfile.unlink()
    assert run_module("redis_acl", arguments(hardened))["aclfile_changed"]
    assert hardened.aclfile.read_text() == good


def test_mode_and_owner_of_the_file_are_drift(hardened, run_module):
    hardened.aclfile.chmod(0o644)
    preview = run_module("redis_acl", arguments(hardened), check=True)
    assert preview["aclfile_changed"] and not preview["live_changed"]
    assert stat.S_IMODE(hardened.aclfile.stat().st_mode) == 0o644
    assert run_module("redis_acl", arguments(hardened))["aclfile_changed"]
    assert stat.S_IMODE(hardened.aclfile.stat().st_mode) == 0o640
    if os.geteuid() == 0:
        owned = arguments(hardened, aclfile_owner="nobody", aclfile_group=str(hardened.aclfile.stat().st_gid))
        assert run_module("redis_acl", owned)["aclfile_changed"]
        assert hardened.aclfile.stat().st_uid != 0
        # A new content keeps the owner that is there.
        assert run_module("redis_acl", arguments(hardened, [ADMIN]))["aclfile_changed"]
        assert hardened.aclfile.stat().st_uid != 0


def test_what_the_server_saves_is_the_same_file_where_it_keeps_the_text(hardened, run_module):
    hardened.client("admin", SECRET).execute_command("ACL", "SAVE")
    hardened.aclfile.chmod(0o640)
    result = run_module("redis_acl", arguments(hardened), check=True)
    # What 7.0 saves are other rules, which a later version may read as more rights.
    assert result["changed"] == (hardened.version < (7, 2))


def test_a_file_of_nonsense_changes_nothing(hardened, run_module):
    hardened.aclfile.write_text("user default off\n<html>\n")
    before = listing(hardened)
    result = run_module("redis_acl", arguments(hardened, [ADMIN]))
    assert result["failed"] and f"aclfile {hardened.aclfile}, line 2 can't be read" in result["msg"]
    assert (listing(hardened), hardened.aclfile.read_text()) == (before, "user default off\n<html>\n")


def test_a_file_that_can_not_be_written_changes_nothing(hardened, run_module):
    before = listing(hardened)
    missing = str(hardened.folder / "none" / "users.acl")
    result = run_module("redis_acl", arguments(hardened, [ADMIN], aclfile=missing))
    assert result["failed"] and "none is missing" in result["msg"]
    result = run_module("redis_acl", arguments(hardened, [ADMIN], aclfile_owner="no-such-account"))
    assert result["failed"] and "no-such-account" in result["msg"]
    assert listing(hardened) == before
    # In check mode the directory may be one that an earlier task would create.
    assert run_module("redis_acl", arguments(hardened, aclfile=missing), check=True)["aclfile_changed"]


def test_without_a_server_only_the_file_is_written(server, run_module):
    options = arguments(server, live="auto", server_binary=server.binary)
    preview = run_module("redis_acl", options, check=True)
    assert preview["changed"] and not server.aclfile.exists()
    result = run_module("redis_acl", options)
    assert (result["aclfile_changed"], result["live_changed"]) == (True, [])
    assert not run_module("redis_acl", options)["changed"]
    assert not run_module("redis_acl", {**options, "live": "never"})["changed"]
    assert run_module("redis_acl", {**options, "live": "required"})["connection_problem"] == "unreachable"

    good = server.aclfile.read_text()
    wrong = run_module("redis_acl", {**options, "users": [ADMIN, {**APP, "commands": ["+nosuchcommand"]}]})
    assert wrong["failed"] and "+nosuchcommand" in wrong["msg"]
    blind = run_module("redis_acl", {**options, "users": [{**ADMIN, "commands": ["+get"]}, APP]})
    assert blind["failed"] and "would lock out this login" in blind["msg"]
    assert server.aclfile.read_text() == good

    server.start(acl_text=good)
    assert listing(server) == expected(server)
    assert not run_module("redis_acl", options)["changed"]


def test_without_a_server_purge_false_keeps_the_users_of_the_file(server, run_module):
    server.aclfile.write_bytes(b"user mine\xff on nopass ~\xfe* +@all\n")
    options = arguments(server, live="never", purge=False, server_binary=server.binary)
    assert run_module("redis_acl", options)["changed"]
    assert b"user mine\xff reset on nopass ~\xfe*" in server.aclfile.read_bytes()
    assert not run_module("redis_acl", options)["changed"]
    assert run_module("redis_acl", {**options, "purge": True})["changed"]
    assert b"mine" not in server.aclfile.read_bytes()


def test_without_any_login_the_file_is_written_all_the_same(server, run_module):
    options = {"users": [APP], "aclfile": str(server.aclfile), "live": "never"}
    assert run_module("redis_acl", options)["aclfile_changed"]
    result = run_module("redis_acl", {**options, **LOGIN})
    assert result["failed"] and "user 'admin' is not in users" in result["msg"]
