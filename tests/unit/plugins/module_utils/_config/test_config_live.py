# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What real servers of the integration tests do not show: versions before 7.0, refusals half way, odd replies."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import live as live_config
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import replies as redis_replies

NAMES = {"CONFIG": "CONFIG", "INFO": "INFO", "ACL": "ACL", "COMMAND": "COMMAND", "BGREWRITEAOF": "BGREWRITEAOF"}


class Server:
    def __init__(self, version="7.0.15", refuse=(), **present):
        self.present = {name.replace("_", "-"): value for name, value in present.items()}
        self.refuse, self.calls = refuse, []
        self.persistence = b"aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_bgrewrite_status:ok\r\n"
        self.live = live_config.Live(None, NAMES, {"redis_version": version}, dict(self.present), (set(), set()))

    def __call__(self, _client, commands):
        return [self.answer(*command) for command in commands]

    def answer(self, name, *words):
        words = [redis_replies.text(word) for word in words]
        self.calls.append((name, *words))
        if name == "INFO":
            return self.persistence
        if words[0] == "GET":
            return [words[1].encode(), self.present[words[1]].encode()]
        pairs = dict(zip(words[1::2], words[2::2], strict=True))
        if any(directive in self.refuse for directive in pairs):
            return Exception("CONFIG SET failed - no")
        self.present.update(pairs)
        return b"OK"


@pytest.fixture
def server(monkeypatch):
    def install(**options):
        one = Server(**options)
        monkeypatch.setattr(live_config, "pipeline", one)
        return one

    return install


def test_one_command_on_new_versions_and_one_each_on_old_ones(server):
    for version, calls in (("7.0.15", 1), ("6.2.14", 2)):
        one = server(version=version, timeout="0", maxmemory="0")
        live_config.apply(one.live, {"timeout": ["5"], "maxmemory": ["1mb"]}, 1)
        assert len([call for call in one.calls if call[1] == "SET"]) == calls
        assert one.present == {"timeout": "5", "maxmemory": "1mb"}


def test_an_old_server_that_refuses_half_way_gets_its_values_back(server):
    one = server(version="6.2.14", refuse=["maxmemory"], timeout="0", maxmemory="0")
    with pytest.raises(Refused, match=r"refuses maxmemory: .* What had been changed before \(timeout\) was put back"):
        live_config.apply(one.live, {"timeout": ["5"], "maxmemory": ["1mb"]}, 1)
    assert one.present == {"timeout": "0", "maxmemory": "0"}


def test_addresses_come_last_and_take_the_rest_back_with_them(server):
    one = server(refuse=["bind"], timeout="0", bind="127.0.0.1")
    with pytest.raises(Refused, match="refuses bind.*put back"):
        live_config.apply(one.live, {"timeout": ["5"], "bind": ["10.9.9.9"]}, 1)
    assert one.present == {"timeout": "0", "bind": "127.0.0.1"}
    assert [call[2] for call in one.calls if call[1] == "SET"] == ["timeout", "bind", "timeout"]


def test_what_can_not_be_put_back_is_named(server):
    one = server(timeout="0", bind="127.0.0.1")
    original = one.answer

    def answer(name, *words):
        if len([call for call in one.calls if call[1] == "SET"]) >= 1 and words[0] == "SET":
            return Exception("gone")
        return original(name, *words)

    one.answer = answer
    with pytest.raises(Refused, match="could not be put back: timeout"):
        live_config.apply(one.live, {"timeout": ["5"], "bind": ["10.9.9.9"]}, 1)


def test_a_value_that_the_server_bounds_is_no_success(server):
    one = server(a_new_number="10")
    original = one.answer
    one.answer = lambda name, *words: [b"", b"500"] if words[0] == "GET" else original(name, *words)
    with pytest.raises(Refused, match="made it 500"):
        live_config.apply(one.live, {"a-new-number": ["1000"]}, 1)


def test_the_append_only_file_is_waited_for_before_addresses_change(server):
    one = server(appendonly="no", port="1")
    live_config.apply(one.live, {"appendonly": ["yes"], "port": ["2"]}, 1)
    steps = [call[2] if call[0] == "CONFIG" else call[0] for call in one.calls if call[-2:-1] != ("GET",)]
    assert steps == ["appendonly", "INFO", "port"]


@pytest.mark.parametrize(
    ("persistence", "part"),
    [
        (b"aof_rewrite_in_progress:1\r\naof_rewrite_scheduled:0\r\n", "still being written after 0 s"),
        (b"aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:1\r\n", "still being written after 0 s"),
        (b"aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_bgrewrite_status:err\r\n", "failed"),
    ],
)
def test_an_append_only_file_that_is_not_written_is_a_failure(server, persistence, part):
    one = server(appendonly="no")
    one.persistence = persistence
    with pytest.raises(Refused, match=part):
        live_config.apply(one.live, {"appendonly": ["yes"]}, 0)
    assert one.present["appendonly"] == "no"


def test_old_versions_are_not_asked_what_can_be_set(server):
    one = server(version="6.2.14")
    assert live_config.settable(one.live, ["timeout", "databases", "bind", "dir"]) == ["timeout", "bind", "dir"]
    one = server(version="6.0.20")
    assert live_config.settable(one.live, ["timeout", "port", "tls-port", "bind"]) == ["timeout"]
    assert one.calls == []


def test_a_probe_that_is_taken_changes_nothing(server):
    one = server(timeout="17")
    with pytest.raises(Refused, match="CONFIG SET timeout"):
        live_config.settable(one.live, ["timeout"])
    assert one.present["timeout"] == "17"


def test_secrets_are_not_named_when_they_do_not_arrive(server):
    one = server(masterauth="canary-old")
    original = one.answer
    one.answer = lambda name, *words: [b"", b"canary-other"] if words[0] == "GET" else original(name, *words)
    with pytest.raises(Refused) as caught:
        live_config.apply(one.live, {"masterauth": ["canary-new"]}, 1)
    assert "canary" not in str(caught.value)


def test_what_is_not_an_info_reply_is_refused():
    for reply in (b"", b"hello", 5, Exception("no permissions")):
        with pytest.raises(Refused, match="INFO gave no server version"):
            redis_replies.parse_info(reply)


def test_keys_are_counted_in_each_database():
    info = {"redis_version": "7.0.15", "db0": "keys=3,expires=0", "db12": "keys=1,expires=0", "dbx": "keys=1"}
    assert live_config.Live(None, NAMES, info, {}, (set(), set())).keys == {0: 3, 12: 1}
