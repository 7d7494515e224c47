# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import threading
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls import (
    certificates as tls_certificates,
    files as tls_files,
)
from tls_certificates import Issuer

CA = Issuer()
UID, GID = os.getuid(), os.getgid()


def files(ca=CA.certificate, **issue):
    certificate, key = CA.issue(**issue)
    return {name: tls_files.pem(text) for name, text in zip(tls_files.MODES, (ca, certificate, key), strict=True)}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tls")


def install(path, content):
    tls_files.install(path, content, UID, GID)


def test_what_is_installed_is_read_back_with_its_modes(path):
    content = files()
    assert tls_files.read(path) == {}
    install(path, content)
    assert tls_files.read(path) == content
    assert tls_files.attribute_changes(path, UID, GID) == {}
    assert oct(os.stat(path + "/redis.key").st_mode)[-3:] == "640"
    assert oct(os.stat(path).st_mode)[-3:] == "750"


def test_the_one_before_is_kept_and_no_other(path, tmp_path):
    contents = [files() for _ in range(4)]
    for number, content in enumerate(contents):
        install(path, content)
        assert tls_files.read(path) == content
        if number:
            assert tls_files.read(os.path.realpath(path + tls_files.PREVIOUS)) == contents[number - 1]
    assert len([name for name in os.listdir(tmp_path) if os.path.isdir(tmp_path / name)]) == 4  # two and their links


def test_back_to_the_one_before(path):
    first, second = files(), files()
    for content in (first, second, first):
        install(path, content)
    assert tls_files.read(path) == first


def test_the_same_again_after_somebody_changed_a_file(path, monkeypatch):
    content = files()
    install(path, content)
    os.unlink(path + "/redis.key")
    assert tls_files.read(path) == {}
    steps = []

    def watched(step):
        def taken(*arguments, **keywords):
            assert os.path.isdir(path), "for a moment there is nothing at all"
            steps.append(step)
            return step(*arguments, **keywords)

        return taken

    for name in ("mkdir", "symlink", "replace", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    install(path, content)
    assert tls_files.read(path) == content and len(steps) > 5


def test_leftovers_of_an_interrupted_run_go(path, tmp_path):
    for name in (".tls-abcdefgh", "tls-0123456789abcdef"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".0123.new").write_text("half a key")
    (tmp_path / ".tls-0123456789abcdef").symlink_to("nowhere")
    others = [tmp_path / name for name in ("tls-other", "tls-0123", ".tls", "tls.old")]
    for other in others:
        other.mkdir()
    install(path, files())
    assert not (tmp_path / ".tls-abcdefgh").exists() and not (tmp_path / "tls-0123456789abcdef").exists()
    assert not os.path.lexists(tmp_path / ".tls-0123456789abcdef")
    assert all(other.is_dir() for other in others)


def test_a_reader_never_finds_a_key_without_its_certificate(path):
    """A reader that opens the directory once, as the link leads, sees three files that belong together, always."""
    install(path, files())
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            content = tls_files.read(os.path.realpath(path))
            if content:
                seen.append(
                    tls_certificates.check_pair(content["redis.crt"], content["redis.key"], content["ca.crt"], [])[1]
                )

    reader = threading.Thread(target=read)
    reader.start()
    while len(seen) < 30:
        install(path, files())
    stop.set()
    reader.join()
    assert not any(seen)


def test_settle(path):
    content = files()
    install(path, content)
    os.chmod(path + "/redis.key", 0o644)
    os.chmod(os.path.realpath(path), 0o755)
    changes = tls_files.attribute_changes(path, UID, GID)
    assert len(changes) == 2 and changes[os.path.realpath(path) + "/redis.key"] == (0o644, UID, GID)
    with open(path + "/redis.crt", "a") as left_open:
        install(path, content)
        left_open.write("whoever has it open writes into a file that nobody reads")
    assert tls_files.read(path) == content
    assert not tls_files.has_previous(path), "the same files are nothing to go back to"
    assert tls_files.attribute_changes(path, UID, GID) == {}


def test_places_that_are_not_ours(path, tmp_path):
    assert tls_files.place_problem(path) == ""
    assert "is missing" in tls_files.place_problem("/nowhere/at/all")
    assert tls_files.place_problem("/nowhere/at/all", parent_needed=False) == ""
    os.mkdir(path)
    assert "move it away" in tls_files.place_problem(path, parent_needed=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="is no directory"):
        tls_files.read(str(tmp_path / "file"))


def reasons(content, ca=CA.certificate, names=("db1",), renew_before=5):
    return tls_files.reasons_to_issue(content, ca, list(names), renew_before, time.time())[1]


def test_reasons_to_issue():
    assert reasons(files()) == []
    assert reasons({}) == ["there is no certificate yet"]
    assert reasons(files(), ca="\n") == ["there is no CA yet"]
    assert reasons(files(), names=["db1", "db2"]) == ["it does not name db2"]
    assert reasons(files(days=4.5)) == ["it is valid for 4 more days, and renewed below 5"]
    assert reasons(files(days=5.5)) == []
    assert "expired" in reasons(files(days=-2))[0]
    assert "issuer" in reasons(files(), ca=Issuer("another").certificate)[0]


def test_the_one_before_is_removed(path, tmp_path):
    contents = [files(), files()]
    assert not tls_files.has_previous(path)
    for content in contents:
        install(path, content)
    assert tls_files.has_previous(path)
    tls_files.remove_previous(path)
    assert not tls_files.has_previous(path) and tls_files.read(path) == contents[1]
    assert len(os.listdir(tmp_path)) == 2, "the link and its directory"


def test_the_one_before_is_kept_while_something_else_is_put_in_order(path):
    contents = [files(), files()]
    for content in contents:
        install(path, content)
    os.chmod(path + "/redis.key", 0o644)
    install(path, contents[1])
    assert tls_files.read(os.path.realpath(path + tls_files.PREVIOUS)) == contents[0]


# What the server's user may have left in its directory, and where a run of root meets it.
SECRET = "root's own\n"


@pytest.fixture
def elsewhere(tmp_path):
    """A directory with a file, neither of which root may touch."""
    place = tmp_path / "elsewhere"
    place.mkdir(mode=0o711)
    (place / "redis.key").write_text(SECRET)
    os.chmod(place / "redis.key", 0o604)
    yield place
    assert sorted(os.listdir(place)) == ["redis.key"] and (place / "redis.key").read_text() == SECRET
    assert [place.stat().st_mode & 0o777, (place / "redis.key").stat().st_mode & 0o777] == [0o711, 0o604]


def every_way(path):
    """Do all that a run may do; return what was refused."""
    said = []
    for step in (
        lambda: tls_files.read(path),
        lambda: install(path, files()),
        lambda: tls_files.attribute_changes(path, UID, GID),
        lambda: tls_files.has_previous(path) and tls_files.remove_previous(path),
    ):
        try:
            found = step()
            assert SECRET.strip() not in str(found)
        except (Refused, OSError) as problem:
            said.append(str(problem))
    return said


@pytest.mark.parametrize("target", ["{elsewhere}", "../{base}/elsewhere", "elsewhere", ".", ".."])
def test_a_planted_link_is_not_followed(path, tmp_path, elsewhere, target):
    os.symlink(target.format(elsewhere=elsewhere, base=tmp_path.name), path)
    said = every_way(path)
    assert len(said) == 3 and all("did not make" in text and "rm %s" % path in text for text in said)


def test_a_parent_that_is_a_link_is_not_followed(tmp_path, elsewhere):
    os.symlink(elsewhere, tmp_path / "etc")
    assert "symbolic link" in every_way(str(tmp_path / "etc" / "tls"))[0]
    assert not tls_files.read(str(tmp_path / "nowhere" / "tls"))


@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_a_planted_file_is_neither_read_nor_given_away(path, elsewhere, plant):
    install(path, files())
    os.unlink(path + "/redis.key")
    plant(elsewhere / "redis.key", path + "/redis.key")
    assert "is not a plain file" in every_way(path)[0]


def test_a_planted_directory_of_our_kind_leads_nowhere(path, tmp_path, elsewhere):
    """A link of a name that a run makes, and one inside a directory that it removes."""
    os.symlink(elsewhere, tmp_path / "tls-0123456789abcdef")
    left = tmp_path / "tls-fedcba9876543210"
    left.mkdir()
    os.symlink(elsewhere / "redis.key", left / "redis.key")
    os.symlink(elsewhere, left / "inner")
    os.symlink("tls-0123456789abcdef", path)
    assert every_way(path)
    os.unlink(path)
    assert every_way(path) == [] and not left.exists()


def test_a_planted_way_back_is_not_followed(path, tmp_path, elsewhere):
    install(path, files())
    os.symlink(elsewhere, path + tls_files.PREVIOUS)
    tls_files.remove_previous(path)
    assert not os.path.lexists(path + tls_files.PREVIOUS)
    os.symlink(elsewhere, path + tls_files.PREVIOUS)
    assert every_way(path) == [] and not os.path.lexists(path + tls_files.PREVIOUS)


def test_a_pipe_keeps_nobody_waiting(path, tmp_path):
    install(path, files())
    os.unlink(path + "/redis.crt")
    os.mkfifo(path + "/redis.crt")
    assert "no regular file" in every_way(path)[0]
    with pytest.raises(Refused, match="not a plain file"):
        tls_files.read_plain(path + "/redis.crt")
