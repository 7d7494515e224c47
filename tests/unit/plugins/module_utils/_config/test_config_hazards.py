# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import hazards
from hypothesis import given, strategies as st

NOW = {
    "dir": "/data",
    "dbfilename": "dump.rdb",
    "appendonly": "no",
    "appendfilename": "appendonly.aof",
    "appenddirname": "appendonlydir",
}
KEYS = {0: 5}


def aux(key, value):
    return b"\xfa" + bytes([len(key)]) + key + value


EMPTY_RDB = (
    b"REDIS0010"
    + aux(b"redis-ver", b"\x067.0.15")
    + aux(b"redis-bits", b"\xc0\x40")
    + aux(b"ctime", b"\xc2\x01\x02\x03\x04")
    + aux(b"big", b"\x40\x41" + b"x" * 65)
    + b"\xff"
    + b"\x00" * 8
)
FULL_RDB = EMPTY_RDB[:-9] + b"\xfe\x00\xfb\x01\x00\x00\x01a\x01b\xff" + b"\x00" * 8


def words(**settings):
    return {name.replace("_", "-"): [value] for name, value in settings.items()}


@pytest.mark.parametrize(
    ("wanted", "now", "part"),
    [
        (words(dir="/other"), {}, "under dir /data, and a restart would look under /other"),
        ({}, {}, "dir is not declared"),
        (words(dir="/data", dbfilename="x.rdb"), {}, "dbfilename dump.rdb"),
        (words(dir="/data", appendonly="yes", appendfilename="x.aof"), {}, "appendfilename appendonly.aof"),
        (words(dir="/data", appendonly="yes", appenddirname="x"), {}, "appenddirname appendonlydir"),
        (words(dir="/data"), {"appendonly": "yes"}, "appendonly is not declared"),
        (words(dir="/data", databases="2"), {}, None),
    ],
)
def test_a_restart_that_would_come_up_without_the_keys(wanted, now, part):
    problems = hazards.live_hazards(KEYS, NOW | now, wanted, whole_file=True)
    assert bool(problems) == bool(part)
    assert all(part in problem for problem in problems)
    assert hazards.live_hazards({}, NOW | now, wanted, whole_file=True) == []


def test_only_what_is_declared_counts_without_a_file():
    assert hazards.live_hazards(KEYS, NOW | {"appendonly": "yes"}, {}, whole_file=False) == []
    assert hazards.live_hazards(KEYS, NOW, words(dir="/other"), whole_file=False)


def test_a_file_that_is_not_loaded_may_be_renamed():
    assert hazards.live_hazards(KEYS, NOW, words(dir="/data", appendfilename="x"), whole_file=True) == []
    now = NOW | {"appendonly": "yes"}
    assert hazards.live_hazards(KEYS, now, words(dir="/data", appendonly="yes", dbfilename="x"), whole_file=True) == []


def test_a_server_without_config_can_not_switch_its_persistence():
    wanted = words(dir="/data", appendonly="yes")
    assert hazards.live_hazards(KEYS, NOW, wanted, whole_file=True) == []
    problems = hazards.live_hazards(KEYS, NOW, wanted, whole_file=True, can_set=False)
    assert "CONFIG is disabled" in problems[0]


@pytest.mark.parametrize(("databases", "wrong"), [("3", True), ("4", False), (None, False)])
def test_databases_with_keys_stay(databases, wrong):
    wanted = words(dir="/data") | ({"databases": [databases]} if databases else {})
    assert bool(hazards.live_hazards({0: 1, 3: 1}, NOW, wanted, whole_file=True)) == wrong
    assert hazards.live_hazards({20: 1}, NOW, words(dir="/data"), whole_file=True)


@pytest.mark.parametrize(("content", "keys"), [(EMPTY_RDB, False), (FULL_RDB, True), (b"", False), (b"junk", True)])
def test_an_empty_rdb_is_told_from_a_full_one(tmp_path, content, keys):
    (tmp_path / "dump.rdb").write_bytes(content)
    assert hazards.rdb_has_keys(str(tmp_path / "dump.rdb")) == keys
    assert not hazards.rdb_has_keys(str(tmp_path / "missing"))


@given(st.binary(max_size=200))
def test_any_rdb_is_read_without_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.rdb"
    path.write_bytes(b"REDIS0011" + content)
    assert hazards.rdb_has_keys(str(path)) in (True, False)


@pytest.fixture
def data(tmp_path):
    """A directory with keys in dump.rdb."""
    (tmp_path / "dump.rdb").write_bytes(FULL_RDB)
    return tmp_path


def write_aof(folder, content=b"*1\r\n$8\r\nFLUSHALL\r\n", base=FULL_RDB):
    (folder / "appendonlydir").mkdir()
    (folder / "appendonlydir" / "appendonly.aof.1.base.rdb").write_bytes(base)
    (folder / "appendonlydir" / "appendonly.aof.1.incr.aof").write_bytes(content)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("...")


def test_turning_the_append_only_file_on_in_the_file_only(data):
    old, wanted = {"dir": str(data)}, words(dir=str(data), appendonly="yes")
    assert hazards.offline_hazards(old, wanted, set())
    assert "come up without them" in hazards.offline_hazards(None, wanted, set())[0]
    assert hazards.offline_hazards(old, words(dir=str(data)), set()) == []
    (data / "dump.rdb").write_bytes(EMPTY_RDB)
    assert hazards.offline_hazards(old, wanted, set()) == []


@pytest.mark.parametrize("change", [{"dir": "/elsewhere"}, {"dbfilename": "x.rdb"}, {"appendonly": "yes"}])
def test_data_that_the_new_file_would_leave_behind(data, change):
    wanted = words(dir=str(data)) | words(**change)
    assert hazards.offline_hazards({"dir": str(data)}, wanted, set())


@pytest.mark.parametrize("change", [{"appendfilename": "x"}, {"appenddirname": "x"}, {"appendonly": "no"}])
def test_an_append_only_file_that_the_new_file_would_leave_behind(tmp_path, change):
    write_aof(tmp_path)
    old = {"dir": str(tmp_path), "appendonly": "yes"}
    same = words(dir=str(tmp_path) + "/", appendonly="yes")
    assert hazards.offline_hazards(old, same, set()) == []
    assert hazards.offline_hazards(old, same | words(**change), set())


def test_an_append_only_file_without_keys_may_be_left_behind(tmp_path):
    write_aof(tmp_path, content=b"", base=EMPTY_RDB)
    old = {"dir": str(tmp_path), "appendonly": "yes"}
    assert hazards.offline_hazards(old, words(dir=str(tmp_path), appendonly="no"), set()) == []


def test_an_old_rdb_beside_an_append_only_file_is_nothing_to_lose(data):
    write_aof(data, content=b"", base=EMPTY_RDB)
    old = {"dir": str(data), "appendonly": "yes"}
    assert hazards.offline_hazards(old, words(dir=str(data), appendonly="yes"), set()) == []


def test_commands_in_the_append_only_file_keep_their_names(tmp_path):
    write_aof(tmp_path, content=b"x" * ((1 << 20) - 5) + b"\r\n*1\r\n$8\r\nflushall\r\n")
    wanted = words(dir=str(tmp_path), appendonly="yes")
    assert "holds FLUSHALL" in hazards.offline_hazards(None, wanted, {"FLUSHALL", "CONFIG"})[0]
    assert hazards.offline_hazards(None, wanted, {"FLUSHDB", "FLUSH"}) == []


def test_the_single_append_only_file_of_old_versions(tmp_path):
    (tmp_path / "appendonly.aof").write_bytes(b"*1\r\n$8\r\nFLUSHALL\r\n")
    assert hazards.offline_hazards(None, words(dir=str(tmp_path), appendonly="yes"), {"FLUSHALL"})
    assert hazards.offline_hazards({"dir": str(tmp_path), "appendonly": "yes"}, words(dir=str(tmp_path)), set())


@pytest.mark.parametrize(
    ("old", "new", "going"),
    [
        ({}, {"CONFIG": ""}, {"CONFIG"}),
        ({}, {"CONFIG": "c"}, {"CONFIG"}),
        ({"CONFIG": "c"}, {}, {"c"}),
        ({"CONFIG": "c"}, {"CONFIG": "C"}, set()),
        ({"CONFIG": ""}, {}, set()),
        ({"CONFIG": "c"}, {"CONFIG": "d"}, {"c"}),
    ],
)
def test_names_that_go_away(old, new, going):
    assert hazards.names_going(old, new) == going


def test_commands_that_the_server_writes_itself_are_not_renamed():
    assert "SELECT can't be renamed" in hazards.rename_hazards({"select": "", "CONFIG": ""})[0]
    assert hazards.rename_hazards({"CONFIG": "", "FLUSHALL": "x"}) == []
    assert hazards.rename_hazards(None) == []


@pytest.mark.parametrize(
    ("now", "wanted", "part"),
    [
        (("0", "noeviction"), words(maxmemory="1mb"), "refuse writes"),
        (("0", "noeviction"), words(maxmemory="1mb", maxmemory_policy="allkeys-lru"), "delete keys"),
        (("0", "allkeys-lru"), words(maxmemory="1mb"), "delete keys"),
        (("1048576", "noeviction"), words(maxmemory_policy="allkeys-lru"), "delete keys"),
        (("4194304", "allkeys-lru"), words(maxmemory="1mb"), None),
        (("0", "noeviction"), words(maxmemory="2mb"), None),
        (("0", "noeviction"), words(maxmemory="0"), None),
        (("0", "noeviction"), {}, None),
    ],
)
def test_a_bound_below_what_is_in_use(now, wanted, part):
    now = dict(zip(("maxmemory", "maxmemory-policy"), now, strict=True))
    problems = hazards.memory_hazards(KEYS, 2 << 20, now, wanted)
    assert bool(problems) == bool(part)
    assert all(part in problem for problem in problems)
    assert hazards.memory_hazards({}, 2 << 20, now, wanted) == []


def test_a_relative_directory_is_not_looked_for_where_this_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump.rdb").write_bytes(FULL_RDB)
    for directory in ("./", ".", "", "x/.."):
        assert not hazards.keeps_data({"dir": directory})
    assert hazards.keeps_data({"dir": str(tmp_path)})


def test_what_a_file_leaves_out_is_in_force_all_the_same():
    now = hazards.in_force({"appendonly": "yes", "port": "7000"})
    assert now["dir"] == "/" and now["dbfilename"] == "dump.rdb" and now["port"] == "7000"
    wanted = words(dir="/data", dbfilename="other.rdb")
    assert len(hazards.live_hazards(KEYS, now | {"appendonly": "no"}, wanted, whole_file=True, can_set=False)) == 2
    # Who starts it in / and says nothing goes on to find it there.
    assert hazards.live_hazards(KEYS, now | {"appendonly": "no"}, {}, whole_file=True, can_set=False) == []
