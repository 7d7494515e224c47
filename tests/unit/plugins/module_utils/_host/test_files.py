# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and directories reached by handles. What others can write to is a directory of mode 0777, as /tmp is one."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import attributes, directories, files


@pytest.fixture
def private():
    """A directory to which, and to all above it, only who runs the tests can write: not one in /tmp."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        yield Path(folder)


@pytest.fixture
def shared(private):
    """One in it to which a service can write, and outside of it what must not be touched."""
    (private / "shared").mkdir()
    (private / "shared").chmod(0o777)
    (private / "outside").mkdir()
    (private / "outside" / "victim").write_text("mine\n")
    yield private / "shared"
    assert os.listdir(private / "outside") == ["victim"]
    assert (private / "outside" / "victim").read_text() == "mine\n"
    assert stat.S_IMODE((private / "outside" / "victim").stat().st_mode) == 0o644


def refused(what, words):
    """Each way to a file is refused."""
    path = str(what)
    for way in (
        lambda: files.read(path),
        lambda: files.write(path, "theirs\n", None, None, None),
        lambda: files.write_file(path, "theirs\n", 0o600),
        lambda: files.settle(path, None, None, 0o777, check=False),
        lambda: files.present(path),
    ):
        with pytest.raises(Refused, match=words):
            way()
    assert files.read_file(path) is None
    assert files.file_difference(path, "mine\n", 0o644) == "%s is not a plain file" % path


def test_a_file_is_replaced_in_one_step(tmp_path, monkeypatch):
    path, modes, synced = tmp_path / "users.acl", [], []
    real, sync = os.fchmod, os.fsync
    monkeypatch.setattr(os, "fchmod", lambda fd, mode: (modes.append(os.fstat(fd).st_size), real(fd, mode)))
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(stat.S_ISDIR(os.fstat(fd).st_mode)), sync(fd)))
    with files.staged(str(path), "caf\udce9\n", None, None, 0o600) as put:
        [temporary] = tmp_path.iterdir()
        assert temporary.read_bytes() == b"caf\xe9\n" and stat.S_IMODE(temporary.stat().st_mode) == 0o600
        # The mode is right before there is anything to read.
        assert modes == [0]
        put()
    assert [entry.name for entry in tmp_path.iterdir()] == ["users.acl"] and path.read_bytes() == b"caf\xe9\n"
    # First the file, then the directory.
    assert synced == [False, True]
    assert files.read(str(path)) == "caf\udce9\n"


def test_what_is_not_put_in_place_leaves_nothing_behind(tmp_path):
    with files.staged(str(tmp_path / "f"), "x", None, None, None):
        pass
    with pytest.raises(attributes.Unknown, match="owner: nobody-of-that-name does not exist"):
        files.write(str(tmp_path / "f"), "x", "nobody-of-that-name", None, None)
    (tmp_path / "f").mkdir()
    with pytest.raises(Refused, match="not a plain file"):
        files.write(str(tmp_path / "f"), "x", None, None, None)
    (tmp_path / "f").rmdir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("mode", "bits"), [("0640", 0o640), ("600", 0o600), (0o400, 0o400), (None, 0o640)])
def test_modes(tmp_path, mode, bits):
    files.write(str(tmp_path / "f"), "", None, None, attributes.mode_of(mode))
    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == bits


@pytest.mark.parametrize("mode", ["u=rw", "0o8", "", "77777", -1])
def test_modes_that_are_none(mode):
    with pytest.raises(ValueError):
        attributes.mode_of(mode)


def test_an_existing_file_lends_its_mode(tmp_path):
    (tmp_path / "f").write_text("")
    (tmp_path / "f").chmod(0o604)
    files.write(str(tmp_path / "f"), "x", None, None, None)
    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == 0o604


def test_directories_that_are_missing(tmp_path):
    path = str(tmp_path / "none" / "inner" / "f")
    assert "is missing" in files.problem(path) and files.problem(str(tmp_path / "f")) is None
    assert files.read(path) is None and files.present(path) is None
    with pytest.raises(Refused, match="its directory is missing"):
        files.write(path, "x", None, None, None)
    files.write_file(path, "x", 0o600)
    assert files.file_difference(path, "x", 0o600) is None or os.geteuid() != 0
    assert stat.S_IMODE((tmp_path / "none").stat().st_mode) == 0o700


def test_an_endless_file_is_refused(tmp_path):
    (tmp_path / "f").write_text("x" * 101)
    with pytest.raises(Refused, match="larger"):
        files.read(str(tmp_path / "f"), 100)


def test_planted_links_are_not_followed(shared):
    victim = shared.parent / "outside" / "victim"
    place = shared / "f"
    place.symlink_to(victim)
    refused(place, "not a plain file")
    place.unlink()
    place.symlink_to(shared.parent / "outside" / "not-there")
    refused(place, "not a plain file")
    place.unlink()
    place.symlink_to(victim.parent)
    refused(place / "victim", "%s is a symbolic link" % place)


def test_planted_files_are_not_read(shared):
    os.mkfifo(shared / "pipe")
    refused(shared / "pipe", "not a plain file")
    (shared / "f").hardlink_to(shared.parent / "outside" / "victim")
    refused(shared / "f", "a second name elsewhere")


def test_no_link_is_followed_below_what_others_can_write(shared):
    """Who can write to a directory can put another in the place of one in it."""
    (shared / "inner").mkdir(mode=0o755)
    (shared / "inner" / "f").symlink_to(shared.parent / "outside" / "victim")
    refused(shared / "inner" / "f", "not a plain file")


def test_the_operators_own_links_are_followed(private):
    (private / "data" / "lib").mkdir(parents=True)
    (private / "lib").symlink_to("data/../data/lib")
    (private / "all").symlink_to(private / "lib")
    (private / "data" / "lib" / "real").write_text("old\n")
    (private / "data" / "lib" / "f").symlink_to(private / "data" / "lib" / "real")
    place = str(private / "all" / "f")
    assert files.read(place) == "old\n"
    files.write(place, "new\n", None, None, None)
    assert (private / "data" / "lib" / "f").is_symlink()
    assert (private / "data" / "lib" / "real").read_text() == "new\n"
    # Also one that leads to where others can write, below which none is.
    (private / "data" / "lib").chmod(0o777)
    assert files.read(str(private / "all" / "real")) == "new\n"
    refused(private / "data" / "lib" / "f", "not a plain file")


def test_a_file_of_roots_is_put_in_place_of_a_link_of_roots(private):
    place, other = private / "unit.service", private / "kept"
    other.write_text("kept\n")
    for target in (other, "/dev/null", "not-there"):
        place.symlink_to(target)
        assert files.file_difference(str(place), "kept\n", 0o644) == "%s is not a plain file" % place
        files.write_file(str(place), "mine\n", 0o644)
        assert not place.is_symlink() and place.read_text() == "mine\n"
        place.unlink()
    assert other.read_text() == "kept\n"


def test_links_in_a_circle_end(private):
    (private / "a").symlink_to("b")
    (private / "b").symlink_to("a")
    with pytest.raises(Refused, match="circle"):
        files.read(str(private / "a" / "f"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
def test_a_link_of_somebody_elses_is_not_followed_wherever_it_is(shared):
    """One that was planted before root took the directory over."""
    place = shared.parent / "f"
    place.symlink_to(shared.parent / "outside" / "victim")
    assert files.read(str(place)) == "mine\n"
    os.chown(place, 65534, 65534, follow_symlinks=False)
    refused(place, "not a plain file")


def test_owner_and_mode_of_a_file(private):
    path = private / "f"
    path.write_text("")
    path.chmod(0o644)
    wanted = dict(before={"mode": "0644"}, after={"mode": "0600"})
    assert files.settle(str(path), None, None, 0o600, check=True) == wanted
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert files.settle(str(path), None, None, 0o600, check=False) == wanted
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files.settle(str(path), None, None, 0o600, check=False) == {}


def test_a_directory_is_made_and_kept_in_order(private):
    path = private / "a" / "b"
    me = dict(owner=os.geteuid(), group=os.getegid())
    made = dict(before={"state": "absent"}, after={"state": "directory", "mode": "0700", **me})
    assert directories.settle(str(path), None, None, 0o700, check=True) == made
    assert not path.parent.exists()
    assert directories.settle(str(path), None, None, 0o700, check=False) == made
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o700, 0o755]
    assert directories.settle(str(path), None, None, 0o700, check=False) == {}
    path.chmod(0o755)
    drift = dict(before={"mode": "0755"}, after={"mode": "0700"})
    assert directories.settle(str(path), None, None, 0o700, check=False) == drift


def test_no_directory_is_made_or_given_away_through_a_link(shared):
    outside = shared.parent / "outside"
    before = outside.stat()
    (shared / "conf").symlink_to(outside)
    for path in (shared / "conf", shared / "conf" / "inner"):
        for check in (True, False):
            with pytest.raises(Refused, match="%s is a symbolic link" % (shared / "conf")):
                directories.settle(str(path), "65534", "65534", 0o777, check)
    assert (outside.stat().st_uid, outside.stat().st_mode) == (before.st_uid, before.st_mode)
    with pytest.raises(Refused):
        directories.make(str(shared / "conf" / "inner"))
    (shared / "plain").write_text("")
    with pytest.raises(Refused, match="no directory"):
        directories.settle(str(shared / "plain"), None, None, 0o700, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
def test_a_directory_of_somebody_elses_is_not_given_away(shared):
    for owner, words in ((65533, "number 65533 instead of 65534"), (0, "number 0 instead of 65534")):
        place = shared / str(owner)
        place.mkdir()
        (place / "content").write_text("")
        os.chown(place, owner, owner)
        with pytest.raises(Refused, match=words):
            directories.settle(str(place), "65534", "65534", 0o700, check=False)
        assert place.stat().st_uid == owner
    # What a run that was killed has left.
    (place / "content").unlink()
    assert directories.settle(str(place), "65534", "65534", 0o700, check=False)["after"] == {
        "owner": 65534,
        "group": 65534,
        "mode": "0700",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
def test_a_directory_that_becomes_roots_has_nothing_planted(private):
    (private / "etc").mkdir()
    victim = private / "victim"
    victim.write_text("mine\n")
    place = private / "etc" / "users.acl"
    for plant, words in (
        (lambda: (place.symlink_to(victim), os.chown(place, 65534, 65534, follow_symlinks=False)), "symbolic link of"),
        (lambda: place.hardlink_to(victim), "second name elsewhere"),
    ):
        plant()
        os.chown(private / "etc", 65534, 65534)
        for check in (True, False):
            with pytest.raises(Refused, match="users.acl is a.*%s" % words):
                directories.settle(str(private / "etc"), "0", "65534", 0o750, check)
        assert (private / "etc").stat().st_uid == 65534
        place.unlink()
    # Root's own link stays one, as that of the certificate is.
    place.symlink_to(victim)
    assert directories.settle(str(private / "etc"), "0", "65534", 0o750, check=False)
    assert ((private / "etc").stat().st_uid, files.read(str(place))) == (0, "mine\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
def test_what_is_planted_meanwhile_is_refused_and_all_stays(private, monkeypatch):
    (private / "etc").mkdir()
    os.chown(private / "etc", 65534, 65534)
    real, done = os.fchown, []

    def late(handle, uid, gid):
        if not done:
            (private / "etc" / "f").symlink_to(private)
            os.chown(private / "etc" / "f", 65534, 65534, follow_symlinks=False)
        done.append(uid)
        real(handle, uid, gid)

    monkeypatch.setattr(os, "fchown", late)
    with pytest.raises(Refused, match="symbolic link of"):
        directories.settle(str(private / "etc"), "0", "0", 0o750, check=False)
    assert ((private / "etc").stat().st_uid, done) == (65534, [0, 65534])
