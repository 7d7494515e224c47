# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration with all that it includes, as its server reads it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.desired import HEADER
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.included import LARGEST, read


@pytest.fixture
def put(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines))
        return str(path)

    return write


def test_includes_stand_where_they_are_and_the_last_line_counts(put):
    put("late.conf", "timeout 5", "rename-command CONFIG cfg_9f31")
    put("conf.d/b.conf", "maxclients 20")
    put("conf.d/a.conf", "maxclients 10", "tcp-backlog 99")
    main = put("redis.conf", "timeout 1", "include conf.d/*.conf", "include late.conf", "tcp-backlog 100")
    old = read(main, cwd=os.path.dirname(main))
    assert old.values == {"timeout": "5", "maxclients": "20", "tcp-backlog": "100"}
    assert old.renames == {"CONFIG": "cfg_9f31"}
    assert [os.path.basename(path) for path in old.files] == ["redis.conf", "a.conf", "b.conf", "late.conf"]
    assert old.problems == [] and not old.ours


def test_what_comes_after_dir_is_looked_for_there(put, tmp_path):
    put("data/more.conf", "timeout 7")
    main = put("redis.conf", f"dir {tmp_path}/data", "include more.conf")
    assert read(main).values["timeout"] == "7"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["dir {0}/data"], "{0}/data"),
        (["dir {0}", "dir ./"], "{0}"),
        (["dir {0}", "dir data"], "{0}/data"),
        (["dir ./"], "/"),
        (["dir {0}", "include late.conf", "dir ."], "{0}/data"),
    ],
)
def test_the_directory_is_where_the_server_ends_up(put, tmp_path, lines, expected):
    put("data/x.conf")
    put("late.conf", "dir data")
    old = read(put("redis.conf", *(line.format(tmp_path) for line in lines)))
    assert old.values["dir"] == expected.format(tmp_path)
    assert os.path.realpath(old.cwd) == expected.format(tmp_path)


def test_the_command_lines_directory_is_the_last(put, tmp_path):
    put("data/x.conf")
    old = read(put("redis.conf", "dir /elsewhere"), [f"dir {tmp_path}", "dir data"])
    assert old.values["dir"] == old.cwd == f"{tmp_path}/data"


def test_a_text_that_is_given_is_not_read_again(put):
    put("more.conf", "timeout 3")
    main = put("redis.conf", "timeout 1")
    old = read(main, cwd=os.path.dirname(main), text="timeout 2\ninclude more.conf\n")
    assert old.values == {"timeout": "3"} and list(old.files) == [
        main,
        os.path.join(os.path.dirname(main), "more.conf"),
    ]


def test_save_points_add_up(put):
    put("more.conf", "save 60 10")
    main = put("redis.conf", "save 900 1", "include more.conf")
    assert read(main, cwd=os.path.dirname(main)).values["save"] == "900 1 60 10"


def test_the_command_line_is_read_last(put):
    main = put("redis.conf", "port 1", "timeout 1")
    assert read(main, ["port 7000", "supervised systemd"]).values == {
        "port": "7000",
        "timeout": "1",
        "supervised": "systemd",
    }


def test_what_can_not_be_read_is_said(put, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text("x" * (LARGEST + 1))
    main = put("redis.conf", *(f"include {tmp_path}/{name}" for name in ("gone", "pipe", "large")), "timeout 3")
    old = read(main)
    assert old.values == {"timeout": "3"}
    assert [problem.rpartition(": ")[2] for problem in old.problems] == [
        "No such file or directory.",
        "it is no plain file, or has a second name, or is reached by a link that a service could have made.",
        "it is larger than any configuration.",
    ]


def test_a_file_that_includes_itself_ends(put):
    main = put("redis.conf", "timeout 3")
    put("redis.conf", f"include {main}", "timeout 3")
    assert any("too many included" in problem for problem in read(main).problems)


def test_a_pattern_that_matches_nothing_is_nothing(put, tmp_path):
    assert read(put("redis.conf", f"include {tmp_path}/none/*.conf")).problems == []


def test_no_file_at_all(tmp_path):
    old = read("")
    assert old.files == {} and old.values == {} and not old.ours


def test_a_file_of_this_collection_is_told(put):
    assert read(put("redis.conf", HEADER, "timeout 3")).ours


def test_files_that_include_themselves_come_to_an_end(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text("include %s\n" % path * 50)
    old = read(str(path))
    assert old.reads < 200 and len(old.problems) == 1 and "too many included files" in old.problems[0]


def test_no_file_system_is_searched_for_an_included_file(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text("include /*/*/*.conf\n")
    assert "can't be read" in read(str(path)).problems[0]


def test_one_odd_rename_hides_no_other(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text("rename-command CONFIG cfg_9f31\nrename-command KEYS GET\n")
    old = read(str(path))
    assert old.renames == {"CONFIG": "cfg_9f31"} and any("KEYS" in problem for problem in old.problems)
