# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_certificate as root on this machine, in a directory of the test's own."""

from __future__ import annotations

import os
import time

import pytest
from tls_lab import NAMES, Authority


@pytest.fixture
def lab(tmp_path):
    """Directories: a CA, a place where it issues to, and the path of the host's files."""
    os.chmod(tmp_path, 0o755)
    (tmp_path / "new").mkdir()
    return tmp_path


@pytest.fixture
def authority(lab):
    return Authority(lab / "authority")


def given(lab, authority, issue=True, **more):
    """Return options that bring a certificate."""
    if issue:
        authority.issue(lab / "new")
    texts = {"certificate": (lab / "new" / "redis.crt").read_text(), "key": (lab / "new" / "redis.key").read_text()}
    return {"path": str(lab / "tls"), "ca": authority.certificate, "group": "root", "names": ["db1"], **texts, **more}


def kept(lab, authority, **more):
    """Return options that ask about the installed certificate."""
    base = {"path": str(lab / "tls"), "ca": authority.certificate, "group": "root", "names": ["db1"]}
    return base | {"renew_before": 1} | more


def tree(lab):
    return sorted(str(path) for path in lab.rglob("*") if path.is_symlink() or "tls" in path.name)


def test_check_run_check_run(lab, authority, run_module):
    options = given(lab, authority)
    before = tree(lab)
    predicted = run_module("redis_certificate", options, check=True, diff=True)
    assert predicted["changed"] and tree(lab) == before
    done = run_module("redis_certificate", options, diff=True)
    assert done["changed"] and done["diff"] == predicted["diff"]
    assert done["fingerprint"] == authority.fingerprint(lab / "tls") and done["days_left"] == 1
    assert "DNS:db1" in done["diff"]["after"] and "PRIVATE" not in str(done["diff"])
    for check in (True, False):
        again = run_module("redis_certificate", options, check=check, diff=True)
        assert not again["changed"] and not again["needed"] and not again["diff"]


def test_the_key_is_not_in_the_result(lab, authority, run_module):
    options = given(lab, authority)
    done = run_module("redis_certificate", options, diff=True)
    for line in options["key"].splitlines()[1:-1]:
        assert line not in str(done)


def test_drift_is_mended(lab, authority, run_module):
    options = given(lab, authority)
    run_module("redis_certificate", options)
    key = lab / "tls" / "redis.key"
    os.chmod(key, 0o644)
    predicted = run_module("redis_certificate", options, check=True)
    assert predicted["changed"] and "redis.key" in predicted["reasons"][0]
    assert run_module("redis_certificate", options)["changed"] and oct(key.stat().st_mode)[-3:] == "640"
    key.write_text("somebody was here")
    assert run_module("redis_certificate", options)["changed"] and key.read_text() == options["key"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"days": -1}, "certificate has expired"),
        ({"names": ["DNS:db2"]}, "it does not name db1"),
        ({"usage": "serverAuth"}, "purpose"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_changed(lab, authority, run_module, bad, says):
    run_module("redis_certificate", given(lab, authority))
    before, files = authority.fingerprint(lab / "tls"), tree(lab)
    authority.issue(lab / "new", **bad)
    for check in (True, False):
        failed = run_module("redis_certificate", given(lab, authority, issue=False), check=check)
        assert failed["failed"] and says in failed["msg"] and "nothing was changed" in failed["msg"], failed
    assert authority.fingerprint(lab / "tls") == before and tree(lab) == files


def test_a_key_of_another_certificate_is_refused(lab, authority, run_module):
    old = given(lab, authority)
    failed = run_module("redis_certificate", given(lab, authority) | {"key": old["key"]})
    assert failed["failed"] and "the key does not belong" in failed["msg"]
    assert not (lab / "tls").exists()


def test_another_ca_is_refused(lab, authority, run_module):
    other = Authority(lab / "other")
    failed = run_module("redis_certificate", given(lab, authority) | {"ca": other.certificate})
    assert failed["failed"] and "does not verify against the CA" in failed["msg"]


@pytest.mark.parametrize("ahead", [-400, 400])
def test_a_clock_that_differs_is_refused(lab, authority, run_module, ahead):
    clock = {"controller_time": time.time() - ahead}
    failed = run_module("redis_certificate", given(lab, authority, **clock))
    assert (
        failed["failed"] and ("ahead of" if ahead > 0 else "behind") in failed["msg"] and "timedatectl" in failed["msg"]
    )
    assert not (lab / "tls").exists()
    assert run_module("redis_certificate", given(lab, authority, **clock, max_clock_skew=500))["changed"]


def test_a_folder_of_somebody_else_is_left_alone(lab, authority, run_module):
    (lab / "tls").mkdir()
    for check in (True, False):
        failed = run_module("redis_certificate", given(lab, authority), check=check)
        assert failed["failed"] and "move it away" in failed["msg"]


def test_a_host_without_the_server(lab, authority, run_module):
    options = given(lab, authority) | {"path": str(lab / "none" / "tls"), "group": "no-such-group"}
    assert run_module("redis_certificate", options, check=True)["changed"]
    assert "install the server first" in run_module("redis_certificate", options)["msg"]
    options["path"] = str(lab / "tls")
    assert "no-such-group" in run_module("redis_certificate", options)["msg"]


def test_the_key_that_was_made_on_the_host(lab, authority, run_module):
    options = given(lab, authority)
    staged = lab / "staged.key"
    staged.write_text(options.pop("key"))
    done = run_module("redis_certificate", options | {"key_file": str(staged)})
    assert done["changed"] and not staged.exists()
    assert "can't be read" in run_module("redis_certificate", options | {"key_file": str(staged)})["msg"]


def test_a_certificate_is_kept_as_long_as_it_does(lab, authority, run_module):
    first = run_module("redis_certificate", kept(lab, authority))
    assert first["issue"] and not first["changed"] and first["reasons"] == ["there is no certificate yet"]
    assert run_module("redis_certificate", kept(lab, authority), check=True)["changed"]
    options = given(lab, authority)
    run_module("redis_certificate", options)
    good = kept(lab, authority, issued=options["certificate"])
    for check in (True, False):
        done = run_module("redis_certificate", good, check=check)
        assert not done["issue"] and not done["needed"] and not done["changed"], done
    for more, why in (
        ({"names": ["db1", "db2"]}, "it does not name db2"),
        ({"renew_before": 3}, "it is valid for 1 more days, and renewed below 3"),
        ({"ca": ""}, "there is no CA yet"),
        ({"renew": True}, "a new one is asked for"),
    ):
        done = run_module("redis_certificate", good | more)
        assert done["issue"] and done["reasons"] == [why] and not done["changed"]
    authority.issue(lab / "new")
    other = (lab / "new" / "redis.crt").read_text()
    assert run_module("redis_certificate", good | {"issued": other})["issue"]


def test_a_renewed_ca_takes_no_new_certificate(lab, authority, run_module):
    run_module("redis_certificate", given(lab, authority))
    before = authority.fingerprint(lab / "tls")
    both = authority.certificate + Authority(lab / "other").certificate
    done = run_module("redis_certificate", kept(lab, authority, ca=both))
    assert done["changed"] and not done["issue"] and authority.fingerprint(lab / "tls") == before
    assert (lab / "tls" / "ca.crt").read_text() == both


def test_alternative_names(lab, authority, run_module):
    done = run_module("redis_certificate", kept(lab, authority, names=["db1", "10.0.3.7", "[fd00::7]"]))
    assert done["alternative_names"] == ["DNS:db1", "IP:10.0.3.7", "IP:fd00::7"] and "DNS:db1" in NAMES


def test_the_key_before_is_removed_once_it_is_asked_for(lab, authority, run_module):
    gone = {"path": str(lab / "tls"), "remove_previous": True}
    assert not run_module("redis_certificate", gone)["changed"]
    assert not run_module("redis_certificate", given(lab, authority))["previous"]
    old = (lab / "tls" / "redis.key").read_text()
    options = given(lab, authority)
    assert run_module("redis_certificate", options)["previous"]
    assert run_module("redis_certificate", gone, check=True)["changed"]
    assert old in [path.read_text() for path in lab.glob("tls*/redis.key")]
    done = run_module("redis_certificate", gone, diff=True)
    assert done["changed"] and not done["previous"] and "PRIVATE" not in str(done)
    assert old not in [path.read_text() for path in lab.glob("tls*/redis.key")]
    assert not run_module("redis_certificate", gone)["changed"]
    assert not run_module("redis_certificate", options)["changed"]


@pytest.mark.parametrize("name", ["tls", "tls.previous"])
def test_what_the_server_s_user_has_planted_is_not_followed(lab, authority, run_module, name):
    """As the user redis could in /etc/redis, which is its own until it is taken over."""
    target = lab / "target"
    target.mkdir(mode=0o711)
    (target / "redis.key").write_text("root's own")
    parent = lab / "etc"
    parent.mkdir()
    os.symlink(target, parent / name)
    for entry in (parent, parent / name):
        os.chown(entry, 65534, 65534, follow_symlinks=False)
    options = given(lab, authority, path=str(parent / "tls"))
    for one in (options, {"path": options["path"], "remove_previous": True}):
        done = run_module("redis_certificate", one, diff=True)
        assert bool(done.get("failed")) == (name == "tls" and one is options), done
        assert "root's own" not in str(done)
    assert os.listdir(target) == ["redis.key"] and (target / "redis.key").read_text() == "root's own"
    status = target.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o711)
