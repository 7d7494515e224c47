"""The proof of a server's files and process, with servers that say what they like."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import threading

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import sockets
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import proof

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def declared(tmp_path):
    """The policy's files, in order; and beside them files that a server may name instead."""
    for name in ("own", "forged"):
        (tmp_path / name / "data").mkdir(parents=True, mode=0o750)
        for file in ("redis.conf", "users.acl", "log", "data/dump.rdb", "key"):
            (tmp_path / name / file).touch(mode=0o640)
            (tmp_path / name / file).chmod(0o640)
        (tmp_path / name / "data").chmod(0o750)
    own = tmp_path / "own"
    names = [str(own / name) for name in ("redis.conf", "data", "users.acl", "log", "key")]
    return proof.Declared(*names[:4], keys=(names[4],))


def said(declared, **more):
    names = {"config_file": declared.config, "aclfile": declared.aclfile, "logfile": declared.logfile}
    return {**names, "dir": declared.dir, "dbfilename": "dump.rdb", **more}


def failed(found):
    return {one["subject"]: one["actual"] for one in found if one["status"] != "pass"}


def test_files_in_order(declared):
    found = proof.file_findings(declared, said(declared), "x")
    assert [one["status"] for one in found] == ["pass"] * 6
    assert [os.path.basename(one["subject"]) for one in found] == [
        *("redis.conf", "users.acl", "log", "key", "data", "dump.rdb")
    ]


@pytest.mark.parametrize("name", ["redis.conf", "users.acl", "log", "key", "data", "data/dump.rdb"])
def test_each_file_is_judged_whatever_the_server_says(declared, tmp_path, name):
    (tmp_path / "own" / name).chmod(0o755 if name == "data" else 0o644)
    forged = {key: value.replace("/own", "/forged") for key, value in said(declared).items()}
    for says in (said(declared), forged, {}):
        assert str(tmp_path / "own" / name) in failed(proof.file_findings(declared, says, "x"))
    assert not any("/forged" in one["subject"] for one in proof.file_findings(declared, forged, "x"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config_file", ""),
        ("config_file", "/etc/shadow"),
        ("aclfile", "/proc/self/environ"),
        ("aclfile", "\x1b]0;x\x07"),
        ("logfile", "../../log"),
        ("logfile", "a\0b"),
    ],
)
def test_a_server_that_says_otherwise_fails(declared, name, text):
    assert list(failed(proof.file_findings(declared, said(declared, **{name: text}), "x"))) == [name]


def test_a_relative_name_and_a_real_path_are_the_same_file(declared, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "own")
    linked = proof.Declared(str(tmp_path / "link" / "redis.conf"), declared.dir, logfile=declared.logfile)
    assert not failed(proof.file_findings(linked, said(declared, aclfile="", logfile="../log"), "x"))


@pytest.mark.parametrize("name", ["../../forged/redis.conf", "/etc/passwd", "..", "."])
def test_the_name_of_a_database_is_no_way_out_of_its_directory(declared, name):
    found = proof.file_findings(declared, said(declared, dbfilename=name), "x")
    assert [os.path.basename(one["subject"]) for one in found][4:] == ["data"]


def test_a_file_that_the_server_uses_and_that_is_gone(declared):
    os.unlink(declared.aclfile)
    assert failed(proof.file_findings(declared, said(declared), "x")) == {"aclfile": "it is not there"}
    assert not failed(proof.file_findings(declared, said(declared, aclfile=""), "x"))


def test_a_link_of_somebody_else_fails(declared, monkeypatch):
    os.rename(declared.logfile, declared.logfile + ".other")
    os.symlink(declared.logfile + ".other", declared.logfile)
    if os.geteuid() == 0:
        assert not failed(proof.file_findings(declared, said(declared), "x"))
        os.chown(declared.logfile, 12345, -1, follow_symlinks=False)
        assert failed(proof.file_findings(declared, said(declared), "x")) == {
            declared.logfile: "a link that 12345 has made"
        }


def test_who_owns_the_configuration(declared):
    assert proof.owner_finding(declared, ME, False, "x")["status"] == "fail"
    assert proof.owner_finding(declared, "nobody-else", False, "x")["status"] == "pass"
    assert proof.owner_finding(declared, ME, True, "x")["status"] == "pass"
    os.unlink(declared.config)
    assert proof.owner_finding(declared, "nobody-else", False, "x")["status"] == "error"


@pytest.fixture
def decoy(tmp_path):
    """A process in the best of order: its directory is the one that is declared."""
    process = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def connection():
    """A connection to a server in this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        thread.start()
        with socket.create_connection(listener.getsockname()) as client:
            thread.join()
            yield client
        accepted[0].close()


@pytest.mark.parametrize(
    "lie", [lambda decoy: str(decoy), lambda _decoy: "1", lambda _decoy: "../self", lambda _decoy: "²", lambda _: ""]
)
def test_a_server_that_lies_about_its_process_passes_nothing(connection, decoy, declared, lie):
    pid = sockets.server_pid(connection, {"process_id": lie(decoy)})
    port = connection.getpeername()[1]
    ends = sockets.listening(pid) if pid else None
    [found] = proof.process_findings(pid, ends, port, declared, lie(decoy), ME, "x")
    assert (found["id"], found["status"]) == ("RH-HST-02", "error")
    assert "which the server says it is" in found["actual"]


def test_a_server_that_tells_its_process(connection, declared):
    pid = sockets.server_pid(connection, {"process_id": str(os.getpid())})
    port = connection.getpeername()[1]
    found = proof.process_findings(pid, sockets.listening(pid), port, declared, str(pid), ME, "x")
    assert {one["subject"]: one["status"] for one in found if one["subject"] in ("account", "dir")} == {
        "account": "pass",
        "dir": "fail",
    }
    assert {one["actual"] for one in found if one["subject"] == "dir"} == {os.getcwd()}


def test_a_process_that_serves_but_does_not_listen(declared):
    [found] = proof.process_findings(os.getpid(), {("127.0.0.1", 1)}, 2, declared, "x", ME, "x")
    assert "does not listen at port 2" in found["actual"]


def test_a_process_that_has_ended(declared):
    [found] = proof.process_findings(2**22 + 1, {("127.0.0.1", 1)}, 1, declared, "x", ME, "x")
    assert (found["status"], "has ended" in found["actual"]) == ("error", True)


def test_the_working_directory_is_the_kernels(declared, decoy, tmp_path):
    for folder, status in ((tmp_path, "pass"), (declared.dir, "fail")):
        there = proof.Declared(declared.config, str(folder))
        found = proof.process_findings(decoy, {("::1", 1)}, 1, there, str(decoy), ME, "x")
        assert [one["status"] for one in found if one["subject"] == "dir"] == [status]
