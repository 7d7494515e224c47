from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import systemd as host_systemd


def test_parse_show():
    assert host_systemd.parse_show("ActiveState=active\nExecStart={ a=b }\n\n") == {
        "ActiveState": "active",
        "ExecStart": "{ a=b }",
    }


def test_started_at():
    properties = {"ActiveEnterTimestampMonotonic": "90000000"}
    assert host_systemd.started_at(properties, now_wall=1000.0, now_monotonic=100.0) == 990.0
    assert host_systemd.started_at({"ActiveEnterTimestampMonotonic": "0"}) == 0.0
    assert host_systemd.started_at({}) == 0.0


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_listening_ports_of_this_process(family, address):
    with socket.socket(family) as listener, socket.socket(family) as idle:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip(f"no {address} here")
        idle.bind((address, 0))
        listener.listen()
        ports = host_systemd.listening_ports(os.getpid())
        assert listener.getsockname()[1] in ports
        assert idle.getsockname()[1] not in ports


def test_listening_ports_of_no_process():
    assert host_systemd.listening_ports(0, proc="/nowhere") == []


def test_binary_was_replaced(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "exe").symlink_to("/usr/bin/redis-server (deleted)")
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "exe").symlink_to("/usr/bin/redis-server")
    assert host_systemd.binary_was_replaced(7, proc=tmp_path)
    assert not host_systemd.binary_was_replaced(8, proc=tmp_path)
    assert not host_systemd.binary_was_replaced(9, proc=tmp_path)


def test_writable_mounts_asks_mount_and_mode(tmp_path):
    root = tmp_path / "7" / "root"
    for name, mode in (("own", 0o755), ("others", 0o755), ("shared", 0o775), ("frozen", 0o777)):
        folder = root / name
        folder.mkdir(parents=True)
        folder.chmod(mode)
    uid, gid = os.stat(root).st_uid, os.stat(root).st_gid
    lines = ["/dev/x /own ext4 rw,nosuid 0 0", "/dev/x /shared ext4 rw 0 0", "/dev/x /frozen ext4 ro 0 0"]
    lines += ["proc /proc proc rw 0 0", "/dev/x /missing ext4 rw 0 0"]
    (tmp_path / "7" / "mounts").write_text("\n".join(lines) + "\n")
    stranger = uid + 1
    assert host_systemd.writable_mounts(7, stranger, [gid], proc=tmp_path) == ["/shared"]
    assert host_systemd.writable_mounts(7, stranger, [], proc=tmp_path) == []


def test_write_bit_of_owner():
    status = SimpleNamespace(st_uid=5, st_gid=6)
    assert host_systemd._write_bit(status, 5, [6]) == 0o200
    assert host_systemd._write_bit(status, 9, [6]) == 0o020
    assert host_systemd._write_bit(status, 9, [7]) == 0o002
