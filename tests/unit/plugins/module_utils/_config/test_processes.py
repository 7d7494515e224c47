# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers by process and unit."""

from __future__ import annotations

import os

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import processes as find

HERE, ELSEWHERE = "net:[4026531840]", "net:[4026532999]"
LISTENING = "  sl  local_address rem_address   st\n   0: 0100007F:18EB 00000000:0000 0A 0 0 0 0 0 5555 1\n"


@pytest.fixture
def proc(tmp_path):
    def process(pid, comm, cgroup, net=HERE):
        folder = tmp_path / str(pid)
        (folder / "net").mkdir(parents=True)
        (folder / "fd").mkdir()
        (folder / "ns").mkdir()
        os.symlink(net, folder / "ns" / "net")
        os.symlink("/usr/bin/redis-check-rdb (deleted)", folder / "exe")
        os.symlink("/var/lib/redis", folder / "cwd")
        os.symlink("socket:[5555]", folder / "fd" / "6")
        (folder / "comm").write_text(comm + "\n")
        (folder / "stat").write_text(f"{pid} ({comm} (x) S) S 77 0 0")
        (folder / "cgroup").write_text(cgroup)
        (folder / "net" / "tcp").write_text(LISTENING)

    process("self", "python3", "0::/user.slice\n")
    process(812, "redis-server", "0::/system.slice/redis-server.service\n")
    process(900, "redis-server", "0::/docker/ab12/system.slice/system-redis.slice/redis-server@7000.service\n")
    process(950, "redis-server", "0::/user.slice/user-0.slice/session-1.scope\n")
    process(960, "redis-server", "0::/system.slice/docker-ab12.scope\n", ELSEWHERE)
    process(970, "redis-sentinel", "0::/system.slice/redis-sentinel.service\n")
    return str(tmp_path)


def test_servers_of_this_network_with_their_units(proc):
    found = find.servers(proc)
    assert [(one.pid, one.unit) for one in found] == [(812, "redis-server"), (900, "redis-server@7000"), (950, "")]
    assert found[0].program == "/usr/bin/redis-check-rdb" and found[0].cwd == "/var/lib/redis"
    assert found[0].ends == {("127.0.0.1", 6379)} and found[0].ports == {6379}
    assert "no unit of systemd" in found[2].described()
    assert {one.parent for one in found} == {77}


def test_a_server_with_a_title_is_told_by_it(proc, tmp_path):
    (tmp_path / "812" / "comm").write_text("ld-linux-x86-64\n")
    (tmp_path / "812" / "cmdline").write_text("/opt/redis/redis-server 127.0.0.1:6379\0\0")
    assert 812 in [one.pid for one in find.servers(proc)]


def test_the_server_of_a_unit_is_not_its_child_that_saves():
    child, parent = find.Server(900, "redis-server"), find.Server(901, "redis-server", ends=frozenset({("::", 1)}))
    assert find.of_unit([child, parent], "redis-server", [6379]) is parent
    assert find.of_unit([child, parent], "valkey-server", [6379]) is None


def test_who_is_in_the_way(proc):
    found = find.servers(proc)
    assert [one.pid for one in find.in_the_way(found, ["redis-server", "redis-server@7000"], [6379, 6380])] == [950]
    assert find.in_the_way(found, ["redis-server"], [7000]) == []


@pytest.mark.parametrize(
    ("command", "path", "lines"),
    [
        (
            "/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no",
            "/etc/redis/redis.conf",
            ["supervised systemd", "daemonize no"],
        ),
        ("/opt/redis/redis-server --port 7000 --save 60 10", "", ["port 7000", "save 60 10"]),
        ("/opt/redis/redis-server", "", []),
    ],
)
def test_what_the_unit_starts(command, path, lines):
    show = "ExecStart={ path=/x ; argv[]=%s ; ignore_errors=no ; pid=812 }\n" % command
    found, arguments = find.started_with(show)
    assert (found, find.as_lines(arguments)) == (path, lines)


SHOW = "ExecStart={ path=/x ; argv[]=%s ; ignore_errors=no ; pid=0 }\nMainPID=%d\n"


@pytest.mark.parametrize(
    ("command", "main", "own"),
    [
        ("/usr/sbin/sshd -D $SSHD_OPTS", 500, False),
        ("/usr/sbin/cron -f", 0, False),
        # A script that ends when the server has forked, or that waits for it.
        ("/opt/cache/start.sh", 812, True),
        ("/opt/cache/start.sh", 77, True),
        ("/usr/bin/numactl --interleave=all /usr/bin/redis-server /etc/c.conf", 0, True),
    ],
)
def test_whether_a_unit_is_there_for_a_server(command, main, own):
    assert find.runs(SHOW % (command, main), find.Server(812, "x", parent=77)) is own
    assert not find.runs("ExecStart=\nMainPID=0\n", find.Server(812, "x", parent=0))


def test_no_command_line():
    assert find.started_with("ExecStart=\n") == ("", [])


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/redis-server.service\n", "redis-server"),
        ("0::/docker/ab/system.slice/system-redis\\x2dserver.slice/redis-server@7000.service\n", "redis-server@7000"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/redis-server.service\n", ""),
        ("0::/system.slice/cron.service/redis-server.service\n", ""),
        ("0::/system.slice/-Hhost.service\n", ""),
        ("0::/elsewhere/redis-server.service\n", ""),
    ],
)
def test_a_unit_is_one_of_the_systems_own(cgroup, unit):
    assert find.unit_of(cgroup) == unit
