# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which running server has a configuration file, by what the kernel and systemd say of it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import included, running

HERE, ELSEWHERE = "net:[4026531840]", "net:[4026532999]"
TCP = "  sl  local_address rem_address   st\n   0: 0100007F:18EB 00000000:0000 0A 0 0 0 0 0 5555 1\n"
UNIX = "Num RefCount Protocol Flags Type St Inode Path\nffff: 00000002 00000000 00010000 0001 01 6666 %s\n"
SHOW = (
    "ExecStart={{ path=/usr/bin/redis-server ; argv[]=/usr/bin/redis-server {} ; ignore_errors=no ; }}\n"
    "MainPID=812\nWorkingDirectory={}\n"
)


class Host:
    """One server, whose process tells nothing that a test does not say; and the configuration of a stopped one."""

    def __init__(self, folder):
        self.folder, self.proc, self.shown = folder, folder / "proc", ""
        self.data = folder / "data"
        self.data.mkdir()
        self.config = self.write("redis.conf", "port 7000")
        self.process()

    def write(self, name, *lines):
        path = self.folder / name
        path.write_text("".join(line + "\n" for line in lines))
        return str(path)

    def process(self, cwd="/", unit="", net=HERE, tcp="", unix="", title="redis-server *:0"):
        own = self.proc / "812"
        for name in (own / "fd", own / "net", own / "ns", self.proc / "self" / "ns"):
            name.mkdir(parents=True, exist_ok=True)
        for link, target in {
            self.proc / "self" / "ns" / "net": HERE,
            own / "ns" / "net": net,
            own / "cwd": cwd,
            own / "fd" / "6": "socket:[5555]",
            own / "fd" / "7": "socket:[6666]",
        }.items():
            link.unlink(missing_ok=True)
            os.symlink(target, link)
        (own / "cmdline").write_text(title + "\0")
        (own / "comm").write_text("redis-server\n")
        (own / "cgroup").write_text(f"0::/system.slice/{unit}.service\n" if unit else "0::/user.slice/x.scope\n")
        (own / "net" / "tcp").write_text(tcp)
        (own / "net" / "unix").write_text(UNIX % unix if unix else "")

    def finds(self, *lines):
        if lines:
            self.config = self.write("redis.conf", *lines)
        old = included.read(self.config)
        found = running.find(self.config, old, lambda unit: self.shown, str(self.proc))
        return found is not None and found.pid == 812


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_server_that_has_nothing_in_common_is_another_one(host):
    assert not host.finds()


def test_its_directory_tells_it_whatever_it_is_called(host):
    host.process(cwd=str(host.data))
    assert host.finds("port 7000", f"dir {host.data}")
    os.symlink(host.data, host.folder / "link")
    assert host.finds("port 7000", f"dir {host.folder}/link")
    assert host.finds("port 7000", f"dir {host.folder}", "dir ./data")
    # Also of a container, which has another network.
    host.process(cwd=str(host.data), net=ELSEWHERE)
    assert host.finds()
    assert not host.finds("port 7000", f"dir {host.folder}")


def test_the_root_directory_is_everybodys(host):
    assert not host.finds("port 7000", "dir /")


@pytest.mark.parametrize("lines", [["port 6379"], ["timeout 1"], ["port 0", "tls-port 6379"], ["bind 127.0.0.1"]])
def test_its_ports_tell_it(host, lines):
    host.process(tcp=TCP)
    assert host.finds(*lines)
    host.process(tcp=TCP, net=ELSEWHERE)
    assert not host.finds()


def test_another_address_is_another_server(host):
    host.process(tcp=TCP)
    assert not host.finds("bind 127.0.0.2", "port 6379")
    assert not host.finds("port 0")


@pytest.mark.parametrize("named", ["{0}/s.sock", "s.sock"])
def test_its_unix_socket_tells_it(host, named):
    host.process(cwd=str(host.folder), unix=named.format(host.folder))
    assert host.finds("port 0", f"unixsocket {host.folder}/s.sock")
    assert not host.finds("port 0", f"unixsocket {host.folder}/other.sock")
    host.process(cwd=str(host.folder), unix=named.format(host.folder), net=ELSEWHERE)
    assert not host.finds("port 0", f"unixsocket {host.folder}/s.sock")
    # Each process is shown the sockets of all.
    host.process(cwd=str(host.folder))
    (host.proc / "812" / "net" / "unix").write_text((UNIX % f"{host.folder}/s.sock").replace("6666", "7777"))
    assert not host.finds("port 0", f"unixsocket {host.folder}/s.sock")


def test_its_command_line_tells_it(host):
    host.process(title=f"redis-server\0{host.config}")
    assert host.finds()


def test_where_a_unit_says_it_nothing_else_counts(host):
    host.process(unit="redis-server", tcp=TCP)
    host.shown = SHOW.format(host.config, "/")
    assert host.finds("port 7000")
    host.shown = SHOW.format("/etc/redis/redis-b.conf", "/")
    assert not host.finds("port 6379")
    # What a unit runs that is no server says nothing of this one.
    host.shown = SHOW.format("/etc/redis/redis-b.conf", "/").replace("bin/redis-server", "sbin/sshd")
    assert host.finds("port 6379")


def test_a_file_that_the_units_own_includes_is_its(host):
    host.write("local.conf", f"include {host.config}")
    host.process(unit="redis-server")
    host.shown = SHOW.format(f"{host.folder}/local.conf --port 7001", "/")
    assert host.finds()
    host.write("local.conf", "include redis.conf")
    assert not host.finds()
    host.shown = SHOW.format("local.conf", host.folder)
    assert host.finds()


@pytest.mark.parametrize("title", ["redis-server *:26379 [sentinel]", "redis-server\0/etc/s.conf\0--sentinel"])
def test_a_sentinel_keeps_no_data(host, title):
    host.process(cwd=str(host.data), title=title)
    assert not host.finds("port 7000", f"dir {host.data}")


def test_the_server_of_an_acl_file(host):
    host.process(unit="redis-server")
    host.shown = SHOW.format(host.config, "/")
    host.finds(f"dir {host.data}", "aclfile users.acl")

    def found(name):
        return running.users_of(f"{host.data}/{name}", lambda unit: host.shown, str(host.proc))

    assert found("users.acl").pid == 812 and found("other.acl") is None
    host.shown = SHOW.format(f"{host.config} --aclfile {host.data}/other.acl", "/")
    assert found("users.acl") is None and found("other.acl").pid == 812


def test_what_is_said_of_it_names_where_it_listens(host):
    host.process(cwd=str(host.data), tcp=TCP, unix="/run/s.sock")
    host.write("redis.conf", f"dir {host.data}")
    server = running.find(host.config, included.read(host.config), lambda unit: "", str(host.proc))
    text = running.problem(server, host.config, "127.0.0.1:17000")
    assert "Nothing listens at 127.0.0.1:17000, but process 812" in text and "127.0.0.1:6379, /run/s.sock." in text
    host.process()
    server = running.processes.everywhere(str(host.proc))[0]
    assert "listens nowhere" in running.problem(server, "x", "y")
