# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.instance_files import Files, Refused

DROP_IN = (
    "[Service]\nExecStart=\nExecStart=/usr/bin/redis-server /var/lib/redis/a/conf/redis.conf --supervised systemd\n"
)


@pytest.fixture
def host(tmp_path):
    """A host with the default instance, the instances a and b, and a Sentinel."""
    for path, text in {
        "/etc/redis/redis.conf": "dir /var/lib/redis\nlogfile /var/log/redis/redis-server.log\n",
        "/etc/redis/users.acl": "",
        "/etc/redis/redis-a.conf": "dir /var/lib/redis/a\nlogfile /var/log/redis/redis-server-a.log\n",
        "/etc/redis/users-a.acl": "",
        "/etc/redis/users-aa.acl": "",
        "/etc/redis/redis-b.conf": "",
        "/etc/redis/sentinel.conf": "",
        "/var/lib/redis/dump.rdb": "",
        "/var/lib/redis/appendonlydir/x.aof": "",
        "/var/lib/redis/conf/redis.conf": "",
        "/var/lib/redis/sentinel/sentinel.conf": "",
        "/var/lib/redis/a/dump.rdb": "",
        "/var/lib/redis/a/conf/redis.conf": 'dir "/var/lib/redis/a"\n',
        "/var/lib/redis/b/dump.rdb": "",
        "/var/log/redis/redis-server.log": "",
        "/var/log/redis/redis-server.log.1": "",
        "/var/log/redis/redis-server-a.log": "",
        "/var/log/redis/redis-server-a.log.2.gz": "",
        "/var/log/redis/redis-server-aa.log": "",
        "/var/log/redis/redis-sentinel.log": "",
    }.items():
        place = tmp_path / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path


def left(host):
    return {"/" + str(path.relative_to(host)) for path in host.rglob("*") if not path.is_dir()}


OF_A = [
    *("/etc/redis/redis-a.conf", "/etc/redis/users-a.acl"),
    *("/var/log/redis/redis-server-a.log", "/var/log/redis/redis-server-a.log.2.gz", "/var/lib/redis/a"),
]
OF_DEFAULT = [
    *("/etc/redis/redis.conf", "/etc/redis/users.acl"),
    *("/var/log/redis/redis-server.log", "/var/log/redis/redis-server.log.1"),
    *("/var/lib/redis/appendonlydir", "/var/lib/redis/conf", "/var/lib/redis/dump.rdb"),
]


@pytest.mark.parametrize(("name", "paths"), [("a", OF_A), ("default", OF_DEFAULT)])
def test_an_instance_goes_and_nothing_else(host, name, paths):
    files, before = Files("redis", name, str(host)), left(host)
    assert files.present() == paths
    files.delete(files.present())
    assert left(host) == {path for path in before if not any((path + "/").startswith(gone + "/") for gone in paths)}
    assert files.present() == []
    files.delete(paths)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("/etc/redis/redis-a.conf", "dir /srv/redis\n", "its dir is /srv/redis"),
        ("/etc/redis/redis-a.conf", "dir /var/lib/redis/b\n", "its dir is /var/lib/redis/b"),
        ("/etc/redis/redis-a.conf", "dir /var/lib/redis/a\nDIR /etc\n", "its dir is /etc"),
        ("/etc/redis/redis-a.conf", "logfile /var/log/syslog\n", "its logfile is /var/log/syslog"),
        ("/etc/redis/redis-a.conf", "aclfile /etc/redis/users.acl\n", "its aclfile is /etc/redis/users.acl"),
        ("/var/lib/redis/a/conf/redis.conf", "dir /home\n", "its dir is /home"),
    ],
)
def test_files_in_other_places_are_refused(host, path, text, words):
    (host / path[1:]).write_text(text)
    before = left(host)
    with pytest.raises(Refused, match=words):
        Files("redis", "a", str(host)).present()
    assert left(host) == before


@pytest.mark.parametrize("name", ["sentinel", "conf", "appendonlydir", "..", "a/../b", "", "a b", "-a", "x" * 33])
def test_names_that_are_no_instances_are_refused(host, name):
    with pytest.raises(Refused, match="is no name of an instance"):
        Files("redis", name, str(host)).present()


@pytest.mark.parametrize(
    "link",
    [
        *("/etc/redis/redis-a.conf", "/etc/redis/users-a.acl", "/var/log/redis/redis-server-a.log"),
        *("/var/lib/redis/a", "/var/lib/redis", "/var/log/redis", "/var/lib/redis/a/conf"),
    ],
)
def test_links_are_refused_before_anything_is_deleted(host, link):
    place, victim = host / link[1:], host / "victim"
    place.rename(victim)
    place.symlink_to(victim)
    before = left(host)
    with pytest.raises(Refused, match="symbolic link|not a plain file"):
        Files("redis", "a", str(host)).present()
    assert left(host) == before


def test_a_link_that_is_planted_later_is_not_followed(host):
    victim = host / "victim"
    victim.mkdir()
    (victim / "kept").write_text("")
    files = Files("redis", "a", str(host))
    paths = files.present()
    (host / "var/lib/redis/a/dump.rdb").unlink()
    (host / "var/lib/redis/a/link").symlink_to(victim)
    files.delete(paths)
    assert (victim / "kept").exists() and not (host / "var/lib/redis/a").exists()
    # Its directory itself.
    (host / "var/lib/redis/a").symlink_to(victim)
    files.delete(paths)
    assert (victim / "kept").exists()
    (host / "var/lib/redis").rename(host / "var/lib/elsewhere")
    (host / "var/lib/redis").symlink_to(victim)
    (victim / "a").mkdir()
    with pytest.raises(Refused):
        files.delete(paths)
    assert (victim / "a").exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('save ""\n', "neither save nor appendonly"),
        ('save 60 1\nsave ""\nappendonly no\n', "neither save nor appendonly"),
        ('save ""\nappendonly yes\n', ""),
        ('save ""\nsave 60 1\n', ""),
        ("", ""),
        (None, "its configuration is not where"),
    ],
)
def test_a_stop_that_loses_data_is_refused(host, text, word):
    place = host / "etc/redis/redis-a.conf"
    if text is None:
        place.unlink()
    else:
        place.write_text(text)
    told = Files("redis", "a", str(host)).stop_problem("redis-server@a", "[Service]\nUMask=0077\n")
    assert word in told and bool(told) == bool(word)
    assert not told or "add a to purge" in told


def test_the_file_that_the_unit_names_decides(host):
    (host / "etc/redis/redis-a.conf").write_text("save 60 1\n")
    (host / "var/lib/redis/a/conf/redis.conf").write_text('save ""\n')
    files = Files("redis", "a", str(host))
    assert "neither" in files.stop_problem("redis-server@a", DROP_IN)
    assert files.stop_problem("redis-server@a", "") == ""
    (host / "var/lib/redis/a/conf/redis.conf").unlink()
    (host / "var/lib/redis/a/conf/redis.conf").symlink_to(host / "etc/redis/redis-a.conf")
    assert "can't be told" in files.stop_problem("redis-server@a", DROP_IN)


def test_an_included_file_decides_whether_a_stop_keeps_the_data(host):
    files, config = Files("redis", "b", str(host)), host / "etc/redis/redis-b.conf"
    config.write_text(f"save 3600 1\ninclude {host}/more.conf\n")
    assert "can't be told" in files.stop_problem("redis-server@b", "")
    (host / "more.conf").write_text("appendonly no\n")
    assert files.stop_problem("redis-server@b", "") == ""
    (host / "more.conf").write_text('save ""\n')
    assert "neither save nor appendonly" in files.stop_problem("redis-server@b", "")
