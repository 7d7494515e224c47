# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that was taken over has planted links for root: modules touch nothing outside of its directories."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534
SECRET = "root:correct-horse-battery"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be misled")


class Host:
    """etc: directory of the configuration, as the package leaves it. data: that of the data. Both are the service's.

    outside: what is not; victim: a file in it that only root can read.
    """

    def __init__(self, root):
        self.etc, self.data, self.outside = (root / name for name in ("etc", "data", "outside"))
        for place, mode in ((self.etc, 0o2770), (self.data, 0o750)):
            place.mkdir()
            os.chown(place, NOBODY, NOBODY)
            place.chmod(mode)
        (self.outside / "inner").mkdir(parents=True)
        self.victim = self.outside / "victim"
        self.victim.write_text(SECRET + "\n")
        self.victim.chmod(0o600)
        self.before = self.state()

    def state(self):
        found = {}
        for path in (self.outside, *self.outside.rglob("*")):
            status = path.lstat()
            content = path.read_text() if stat.S_ISREG(status.st_mode) else ""
            found[path.name] = (status.st_uid, status.st_gid, status.st_mode, content)
        return found

    def plant(self, *words):
        """Run a command as the service."""
        as_service = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        subprocess.run([*as_service, *map(str, words)], check=True)

    def plant_hard(self, place):
        """Give the victim a second name, as the service itself can where fs.protected_hardlinks is off."""
        os.link(self.victim, place)


@pytest.fixture
def host():
    # Not below /tmp, where others than root can write already.
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        os.chmod(folder, 0o755)
        found = Host(Path(folder))
        yield found
        assert found.state() == found.before


def refused(run_module, module, options, words):
    """In check mode and for real: refused with these words, and nothing of the victim is shown."""
    for check in (True, False):
        result = run_module(module, options, check=check, diff=True)
        assert result.get("failed") and words in result["msg"], result
        assert not result.get("changed") and SECRET not in str(result)


def directories(*wanted):
    keys = ("path", "owner", "group", "mode")
    return {"directories": [dict(zip(keys, map(str, one), strict=True)) for one in wanted]}


def test_directories_of_instances(host, run_module):
    host.plant("ln", "-s", host.outside, host.data / "conf")
    refused(
        run_module,
        "redis_directories",
        # The first would be made, but all are looked at before one is.
        directories(
            (host.data / "7000", NOBODY, NOBODY, "0700"),
            (host.data / "conf", NOBODY, NOBODY, "0700"),
        ),
        "%s is a symbolic link" % (host.data / "conf"),
    )
    assert not (host.data / "7000").exists()
    inner = directories((host.data / "conf" / "inner", NOBODY, NOBODY, "0700"))
    refused(run_module, "redis_directories", inner, "is a symbolic link")
    deeper = directories((host.data / "conf" / "a" / "b", NOBODY, NOBODY, "0700"))
    refused(run_module, "redis_directories", deeper, "is a symbolic link")


def test_directories_are_made_and_told_truly(host, run_module):
    options = directories(
        (host.data / "7000", NOBODY, NOBODY, "0700"),
        (host.data / "7000" / "conf", "nobody", NOBODY, "0700"),
        (host.etc, "root", NOBODY, "0750"),
    )
    preview = run_module("redis_directories", options, check=True, diff=True)
    assert preview["changed"] and not (host.data / "7000").exists() and host.etc.stat().st_uid == NOBODY
    result = run_module("redis_directories", options, diff=True)
    assert (result["changed"], result["changes"], result["diff"]) == (True, preview["changes"], preview["diff"])
    for place, wanted in (("data/7000", (NOBODY, 0o700)), ("data/7000/conf", (NOBODY, 0o700)), ("etc", (0, 0o750))):
        status = (host.etc.parent / place).stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (wanted[0], NOBODY, wanted[1])
    assert str(host.etc) + " mode=02770 owner=65534" in result["diff"]["before"]
    assert str(host.etc) + " mode=0750 owner=0" in result["diff"]["after"]
    for check in (True, False):
        again = run_module("redis_directories", options, check=check, diff=True)
        assert not again["changed"] and again["changes"] == {}


def test_options_that_are_wrong_change_nothing(host, run_module):
    good = (host.data / "7000", NOBODY, NOBODY, "0700")
    for wrong, words in (
        ((host.data / "x", NOBODY, NOBODY, "u=rwx"), "must be octal"),
        (("data/x", NOBODY, NOBODY, "0700"), "must be absolute"),
    ):
        refused(run_module, "redis_directories", directories(good, wrong), words)
    unknown = directories(good, (host.data / "x", "nobody-of-that-name", NOBODY, "0700"))
    # The package may be still to come.
    assert run_module("redis_directories", unknown, check=True)["changed"]
    result = run_module("redis_directories", unknown)
    assert result["failed"] and "nobody-of-that-name does not exist" in result["msg"]
    assert not (host.data / "7000").exists()


def test_the_directory_of_the_configuration_is_not_taken_over_with_what_was_planted(host, run_module):
    options = directories((host.etc, "root", NOBODY, "0750"))
    place = host.etc / "redis.conf"
    host.plant("ln", "-s", host.victim, place)
    refused(run_module, "redis_directories", options, "%s is a symbolic link of" % place)
    place.unlink()
    host.plant_hard(place)
    refused(run_module, "redis_directories", options, "%s is a file with a second name" % place)
    place.unlink()
    assert host.etc.stat().st_uid == NOBODY
    assert run_module("redis_directories", options)["changed"]


def test_the_operators_own_links_above_go_on_working(host, run_module):
    (host.etc.parent / "lib").symlink_to(host.data)
    options = directories((host.etc.parent / "lib" / "7000", NOBODY, NOBODY, "0700"))
    assert run_module("redis_directories", options)["changed"]
    assert (host.data / "7000").stat().st_uid == NOBODY


@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard", "pipe", "directory"])
@pytest.mark.parametrize("where", ["etc", "data"])
def test_configurations(host, run_module, where, kind, rewritten):
    folder = getattr(host, where)
    place = folder / "redis.conf"
    words = "not a plain file"
    if kind == "link":
        host.plant("ln", "-s", host.victim, place)
    elif kind == "dangling":
        host.plant("ln", "-s", host.outside / "new", place)
    elif kind == "hard":
        host.plant_hard(place)
    elif kind == "pipe":
        host.plant("mkfifo", place)
    else:
        host.plant("ln", "-s", host.outside, folder / "conf")
        place, words = folder / "conf" / "victim", "is a symbolic link"
    options = {
        "path": str(place),
        "live": "never",
        "owner": "nobody",
        "mode": "0644",
        "rewritten": rewritten,
        "settings": {"aclfile": str(folder / "users.acl"), "timeout": 5},
    }
    refused(run_module, "redis_config", options, words)
    users = {
        "users": [{"name": "app", "enabled": False}],
        "live": "never",
        "aclfile": str(place),
        "aclfile_owner": "nobody",
    }
    refused(run_module, "redis_acl", users, words)


def test_old_files_are_kept_without_what_was_planted(host, run_module):
    """The copies are root's alone, but the warning and a later difference show what is in them."""
    place = host.etc / "redis.conf"
    host.plant("sh", "-c", "echo 'include %s/more.conf' > %s" % (host.etc, place))
    host.plant("ln", "-s", host.victim, host.etc / "more.conf")
    kept = host.etc.parent / "kept"
    options = {"unit": "redis-none", "config": str(place), "directory": str(kept)}
    options["aclfile"] = str(host.etc / "more.conf")
    result = run_module("redis_old_files", options)
    assert result["failed"] and "a link that a service could have made" in result["msg"], result
    del options["aclfile"]
    assert run_module("redis_old_files", options)["files"] == [str(place)]
    assert SECRET not in "".join(path.read_text() for path in kept.rglob("*") if path.is_file())
