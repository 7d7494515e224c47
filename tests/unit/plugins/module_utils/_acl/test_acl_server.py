# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import redis
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import (
    server as acl_server,
    users as acl_users,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem

PARAMS = {"login_host": "h", "login_port": 1, "login_timeout": 5, "login_user": "admin"}
HELLO = [b"server", b"redis", b"version", b"8.0.2", b"proto", 2, b"modules", []]
ANSWERS = {
    ("HELLO",): HELLO,
    ("ACL", "WHOAMI"): b"admin",
    ("ACL", "LIST"): [b"user admin on nopass ~* &* +@all", b"user caf\xe9 off resetchannels -@all"],
    ("ACL", "CAT"): [b"read", b"slow"],
    ("ACL", "CAT", b"read"): [b"get"],
    ("ACL", "CAT", b"slow"): [b"acl", b"acl|list"],
}


class Wire:
    """Answers commands from a dict, by the first words; what is not in it is OK. Keeps what was sent."""

    def __init__(self, answers):
        self.answers, self.sent = {**ANSWERS, **answers}, []

    def __call__(self, _client, commands):
        self.sent += [tuple(command) for command in commands]
        return [self.reply(tuple(command)) for command in commands]

    def reply(self, command):
        for length in range(len(command), 0, -1):
            if command[:length] in self.answers:
                answer = self.answers[command[:length]]
                return answer(command) if callable(answer) else answer
        return b"OK"


@pytest.fixture
def connect(monkeypatch):
    def make(answers=None, renamed=None):
        wire = Wire(answers or {})
        monkeypatch.setattr(acl_server, "pipeline", wire)
        return acl_server.AclServer("client", PARAMS, renamed), wire

    return make


def test_everything_is_read_in_two_round_trips(connect):
    server, wire = connect()
    assert (server.kind, server.version, server.keeps_text, server.whoami) == ("redis", (8, 0, 2), True, "admin")
    assert list(server.users) == ["admin", "caf\udce9"]
    assert server.table.names == {"get", "acl", "acl|list"}
    assert [command[:2] for command in wire.sent[4:]] == [("ACL", "CAT")] * 2


@pytest.mark.parametrize(
    ("hello", "keeps_text"),
    [
        ([b"server", b"redis", b"version", b"7.0.15"], False),
        ([b"server", b"redis", b"version", b"7.2.0"], True),
        ([b"server", b"valkey", b"version", b"8.1.1"], True),
        ([b"server", b"redis", b"version", b"6.2.14"], False),
        (redis.ResponseError("unknown command 'HELLO'"), False),
    ],
)
def test_which_servers_keep_the_text_of_rules(connect, hello, keeps_text):
    assert connect({("HELLO",): hello})[0].keeps_text == keeps_text


@pytest.mark.parametrize(
    ("answers", "kind", "says"),
    [
        ({("ACL",): redis.ResponseError("unknown command 'ACL'")}, "protocol", "no command ACL"),
        ({("ACL", "LIST"): redis.exceptions.NoPermissionError("NOPERM no")}, "permission", "grant it +acl"),
        ({("ACL", "LIST"): [b"usr admin on"]}, "protocol", "does not begin with 'user <name>'"),
        ({("ACL", "LIST"): b"+"}, "protocol", "something else than a list"),
        ({("ACL", "CAT", b"read"): None}, "protocol", "something else than a list"),
    ],
)
def test_a_server_that_does_not_tell_its_acl(connect, answers, kind, says):
    if ("ACL",) in answers:
        answers = {command: answers["ACL",] for command in ANSWERS if command[0] == "ACL"}
    with pytest.raises(ConnectionProblem) as problem:
        connect(answers)
    assert problem.value.kind == kind
    assert says in str(problem.value)


@pytest.mark.parametrize(
    "error", [redis.ConnectionError("closed"), OSError("reset"), ValueError("int"), TypeError("x")]
)
def test_a_reply_that_breaks_off_is_a_connection_problem(connect, error):
    def breaks(_command):
        raise error

    with pytest.raises(ConnectionProblem):
        connect({("ACL", "LIST"): breaks})


def test_a_slow_list_of_users_asks_for_more_time(connect):
    def slow(_command):
        raise redis.TimeoutError("Timeout reading")

    with pytest.raises(ConnectionProblem, match="raise login_timeout") as problem:
        connect({("ACL", "LIST"): slow})
    assert problem.value.kind == "timeout"


def test_a_renamed_acl_is_called_by_its_name(monkeypatch):
    wire = Wire({("XACL", *command[1:]): reply for command, reply in ANSWERS.items() if command[0] == "ACL"})
    monkeypatch.setattr(acl_server, "pipeline", wire)
    monkeypatch.setattr(acl_server, "live_names", lambda *_: {"ACL": "XACL", "HELLO": "HELLO", "INFO": None})
    server = acl_server.AclServer("client", PARAMS, {"ACL": "XACL"})
    server.set_users([acl_users.User("a")])
    assert wire.sent[-1] == ("XACL", "SETUSER", b"a", b"reset", b"off", b"resetchannels", b"-@all")


def test_a_disabled_acl_is_named(monkeypatch):
    monkeypatch.setattr(acl_server, "live_names", lambda *_: {"ACL": None, "HELLO": "HELLO", "INFO": "INFO"})
    with pytest.raises(ConnectionProblem, match="renamed_commands"):
        acl_server.AclServer("client", PARAMS, {"ACL": ""})


def refusing(bad=None):
    """ACL SETUSER of a server that refuses the rule `bad`, and any rule it does not know, as the real ones do."""

    def answer(command):
        for word in command[4:]:
            if word.decode() in (bad, acl_server._NOT_A_RULE):
                return redis.ResponseError("Error in ACL SETUSER modifier '%s': Syntax error" % word.decode())
        return b"OK"

    return answer


def test_rules_are_checked_without_setting_anything(connect):
    server, wire = connect({("ACL", "SETUSER"): refusing()})
    user = acl_users.parse("app", ["on", ">p", "+get"])
    server.check_rules([user])
    (sent,) = [command for command in wire.sent if command[:2] == ("ACL", "SETUSER")]
    assert sent[2].startswith(b"check-")
    assert sent[-1] == acl_server._NOT_A_RULE.encode()
    assert b"off" in sent
    assert not any(word.startswith(b"#") for word in sent[3:])
    assert not any(command[:2] == ("ACL", "DELUSER") for command in wire.sent)


def test_a_wrong_rule_is_named_with_its_user(connect):
    server, _wire = connect({("ACL", "SETUSER"): refusing("+nosuch")})
    users = [acl_users.parse("good", ["+get"]), acl_users.parse("bad", ["+nosuch"])]
    with pytest.raises(acl_users.AclError) as error:
        server.check_rules(users)
    assert "'bad': Error in ACL SETUSER modifier '+nosuch'" in str(error.value)
    assert "redis 8.0.2" in str(error.value)
    assert "'good'" not in str(error.value)


def test_a_server_that_takes_any_rule_keeps_no_scratch_user(connect):
    server, wire = connect()
    server.check_rules([acl_users.User("app")])
    assert wire.sent[-1][:2] == ("ACL", "DELUSER")
    assert wire.sent[-1][2].startswith("check-")


def test_users_are_put_back_word_for_word(connect):
    server, wire = connect()
    assert server.restore(["caf\udce9", "new"], server) == {}
    assert wire.sent[-2:] == [
        ("ACL", "SETUSER", b"caf\xe9", b"reset", b"off", b"resetchannels", b"-@all"),
        ("ACL", "DELUSER", b"new"),
    ]


def test_very_many_users_are_deleted_in_portions(connect):
    server, wire = connect()
    server.delete_users(["u%d" % number for number in range(2500)])
    assert [len(command) for command in wire.sent[-3:]] == [1002, 1002, 502]


def test_errors_show_no_hash(connect):
    hash_ = acl_users.hash_of("p")
    server, _wire = connect({("ACL", "SETUSER"): redis.ResponseError("Error in modifier '#%s': no" % hash_)})
    said = server.set_users([acl_users.parse("app", [">p"])])["app"]
    assert hash_[:8] in said
    assert hash_[:12] not in said


def test_redis_6_0_gets_no_channel_rules(connect):
    server, wire = connect({("HELLO",): [b"server", b"redis", b"version", b"6.0.20"]})
    admin = acl_users.parse("admin", ["on", "nopass", "~*", "&*", "+@all"])
    assert server.differences(admin, acl_users.parse_line("user admin on nopass ~* +@all")[0]) == []
    server.set_users([admin])
    assert b"&*" not in wire.sent[-1]
    # Channels that it can't confine are sent, and refused by it.
    server.set_users([acl_users.parse("app", ["&news"])])
    assert b"&news" in wire.sent[-1]
