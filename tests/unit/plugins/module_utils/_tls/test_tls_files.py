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
            assert tls_files.read(path + tls_files.PREVIOUS) == contents[number - 1]
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
    rename = os.rename

    def watched(source, target):
        assert os.path.isdir(path), "for a moment there is nothing at all"
        rename(source, target)

    monkeypatch.setattr(os, "rename", watched)
    install(path, content)
    assert tls_files.read(path) == content


def test_leftovers_of_an_interrupted_run_go(path, tmp_path):
    for name in (".tls-abcdefgh", "tls-0123456789abcdef"):
        (tmp_path / name).mkdir()
    (tmp_path / ".tls.link").symlink_to("nowhere")
    others = [tmp_path / name for name in ("tls-other", "tls-0123", ".tls", "tls.old")]
    for other in others:
        other.mkdir()
    install(path, files())
    assert not (tmp_path / ".tls-abcdefgh").exists() and not (tmp_path / "tls-0123456789abcdef").exists()
    assert all(other.is_dir() for other in others)


def test_a_reader_never_finds_a_key_without_its_certificate(path):
    """A reader that opens the folder once, as the link leads, sees three files that belong together, at any moment."""
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
    install(path, files())
    os.chmod(path + "/redis.key", 0o644)
    os.chmod(os.path.realpath(path), 0o755)
    changes = tls_files.attribute_changes(path, UID, GID)
    assert len(changes) == 2 and changes[os.path.realpath(path) + "/redis.key"] == (0o644, UID, GID)
    tls_files.settle(path, UID, GID)
    assert tls_files.attribute_changes(path, UID, GID) == {}


def test_places_that_are_not_ours(path, tmp_path):
    assert tls_files.place_problem(path) == ""
    assert "is missing" in tls_files.place_problem("/nowhere/at/all")
    assert tls_files.place_problem("/nowhere/at/all", parent_needed=False) == ""
    os.mkdir(path)
    assert "move it away" in tls_files.place_problem(path, parent_needed=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="is no folder"):
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
