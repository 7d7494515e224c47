# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import desired as config, included
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from hypothesis import given, strategies as st

CANARY = "canary-5f2d"


def test_settings_become_sorted_arguments():
    wanted = config.desired({"Timeout": 300, "save": ["3600 1"], "appendonly": True}, {"masterauth": "x y"}, {})
    assert list(wanted.items()) == [
        ("appendonly", ["yes"]),
        ("masterauth", ["x y"]),
        ("save", ["3600", "1"]),
        ("timeout", ["300"]),
    ]


@pytest.mark.parametrize(
    ("settings", "secrets", "renamed", "part"),
    [
        ({"user": "x on"}, {}, {}, "user can't be set here: users belong into the ACL file"),
        ({"Rename-Command": "x y"}, {}, {}, "rename-command can't be set here: use renamed_commands"),
        ({"include": "/x"}, {}, {}, "include can't be set here"),
        ({"loadmodule": "/x"}, {}, {}, "loadmodule can't be set here"),
        ({"a b": 1}, {}, {}, "'a b' is not the name of a directive"),
        ({"port\nuser": 1}, {}, {}, "is not the name of a directive"),
        ({"#port": 1}, {}, {}, "is not the name of a directive"),
        ({"maxmemory*": 1}, {}, {}, "is not the name of a directive"),
        ({"requirepass": CANARY}, {}, {}, "requirepass is a secret: put it into secret_settings"),
        ({"slave-priority": 1, "replica-priority": 1}, {}, {}, "are the same setting"),
        ({}, {"masterauth": "a", "primaryauth": "b"}, {}, "are the same setting"),
        ({"tls-key-file": "a"}, {"tls-key-file": "b"}, {}, "are the same setting"),
        ({"aclfile": "/x"}, {"requirepass": CANARY}, {}, "requirepass acts on the user default"),
        ({}, {}, {"CONFIG": "GET"}, "renamed_commands: CONFIG: the new name GET is a command that exists"),
        ({"maxmemory": "lots"}, {}, {}, "settings: maxmemory must be a size"),
        ({}, {"maxmemory": CANARY}, {}, "secret_settings: maxmemory must be a size"),
    ],
)
def test_what_is_refused_and_why(settings, secrets, renamed, part):
    with pytest.raises(Refused) as caught:
        config.desired(settings, secrets, renamed)
    assert part in str(caught.value)
    assert CANARY not in str(caught.value)


def test_everything_wrong_is_named_at_once():
    with pytest.raises(Refused, match="(?s)include.*maxmemory.*port"):
        config.desired({"include": "x", "maxmemory": "x", "port": "x"}, {}, {})


def test_an_acl_file_without_a_password_of_default_is_fine():
    assert config.desired({"aclfile": "/x"}, {"requirepass": ""}, {})


def test_the_file_is_stable_and_ends_with_the_renames():
    one = config.desired({"timeout": 1, "bind": ["a"]}, {}, {})
    other = config.desired({"bind": ["a"], "timeout": 1}, {}, {})
    text = config.render(one, {"DEBUG": "", "CONFIG": "x"})
    assert text == config.render(other, {"CONFIG": "x", "DEBUG": ""})
    assert text == config.HEADER + '\nbind a\ntimeout 1\nrename-command CONFIG x\nrename-command DEBUG ""\n'


def test_a_file_is_parsed_into_its_last_values_and_renames():
    old = included.read(
        "/x",
        text='# port 1\n\nPORT 2\nport 3\nbroken "\nslave-priority 4\nrename-command config ""\nrename-command GET g\n',
    )
    assert old.values["port"] == "3"
    assert old.values["replica-priority"] == "4"
    assert old.renames == {"CONFIG": "", "GET": "g"}
    assert included.read("/x", text="rename-command GET SET\n").renames == {}


@pytest.mark.parametrize(
    "line",
    [
        "requirepass " + CANARY,
        "  MasterAuth\t" + CANARY,
        'masterauth "%s x"' % CANARY,
        'masterauth "%s' % CANARY,
        "user admin on >%s +@all" % CANARY,
        "sentinel auth-pass mymaster " + CANARY,
        "# requirepass " + CANARY,
        "declared-secret " + CANARY,
    ],
)
def test_secrets_are_not_shown(line):
    shown = config.shown("port 1\n" + line + "\n", {"declared-secret"})
    assert CANARY not in shown
    assert "port 1" in shown
    assert len(shown.splitlines()) == 2


def test_a_changed_secret_and_changed_comments_show_as_a_change():
    assert config.shown("requirepass a\n") != config.shown("requirepass b\n")
    assert config.shown("# a\nport 1\n") != config.shown("port 1\n")
    assert "requirepass sha256:ca978112" in config.shown("requirepass a\n")


@given(st.text())
def test_every_text_can_be_shown_and_parsed(text):
    config.parse(text)
    config.shown(text).encode("utf-8")


def test_bytes_that_are_not_utf_8_can_be_shown():
    assert config.shown("logfile /\udcff\n") == "logfile /\\xff\n"
    assert config.shown_value("logfile", "\udcff") == "\\xff"


def test_suggestions():
    assert config.suggestion("maxmemroy", {"maxmemory", "port"}) == " (did you mean maxmemory?)"
    assert config.suggestion("xyzzy", {"maxmemory", "port"}) == ""
