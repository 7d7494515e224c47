# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that keep what a server has, and how they are shown."""

from __future__ import annotations

import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.users import declared, parse
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.losses import losses
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.present import Client
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._takeover.variables import (
    Kept,
    entry_of,
    without_hashes,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._report.take_over import text_of
from test_takeover import MB, SETTINGS, present, wanted

HASH = "ab" * 32


def words(variables):
    """Return the settings that the variables stand for, as far as these tests go."""
    names = {
        "tcp_keepalive": "tcp-keepalive",
        "maxmemory_policy": "maxmemory-policy",
        "notify_keyspace_events": "notify-keyspace-events",
    }
    found = {}
    for name, value in variables.items():
        if name == "settings":
            found.update({directive: str(text).split() for directive, text in value.items()})
        elif name == "appendonly":
            found[name] = ["yes" if value else "no"]
        elif name == "save":
            found[name] = " ".join(value).split()
        elif names.get(name, name) in SETTINGS:
            found[names.get(name, name)] = [str(value)]
    return found


def test_a_server_as_the_policy_has_it_needs_nothing():
    now = present({"maxmemory": str(256 * MB), "tcp-keepalive": "60", "timeout": "300"})
    assert Kept(now, wanted()).variables == {}


def test_what_is_printed_keeps_everything():
    now = present(
        {
            "maxmemory": str(512 * MB),
            "maxmemory-policy": "allkeys-lru",
            "appendonly": "yes",
            "save": "900 1",
            "notify-keyspace-events": "xE",
            "busy-reply-threshold": "2000",
            "timeout": "0",
            "maxclients": "10000",
        },
        used=362 * MB,
    )
    kept = Kept(now, wanted())
    assert kept.variables["settings"] == {"lua-time-limit": 2000}
    assert kept.variables["save"] == ["900 1"] and kept.variables["maxmemory"] == "512mb"
    then = wanted(words(kept.variables))
    assert losses(now, wanted()) and losses(now, then) == []
    # And after it has been pasted, nothing more is to be declared but what can't be kept as it is.
    assert set(Kept(now, then).variables) <= {"maxmemory"}


def test_no_bound_becomes_one_that_the_data_fits_in():
    kept = Kept(present(used=100 * MB), wanted(), memory=8 << 30)
    assert kept.variables["maxmemory"] == "6144mb" and "no bound" in kept.notes["maxmemory"]
    assert Kept(present(used=400 * MB), wanted()).variables["maxmemory"] == "601mb"


def test_renames_are_added_and_used_commands_left_alone():
    now = present(renames={"CONFIG": "cfg_9f31"}, calls={"KEYS": 12, "GET": 5})
    kept = Kept(now, wanted(renamed={"KEYS": "", "DEBUG": ""}))
    assert kept.variables["renamed_commands"] == {"DEBUG": "", "CONFIG": "cfg_9f31"}
    assert kept.notes["renamed_commands"] == "KEYS was called 12 times, and is not disabled here"


def test_users_with_their_sums_and_the_default_that_is_in_use():
    users = {
        "default": parse("default", ["on", "#" + HASH, "~*", "&*", "+@all"]),
        "shop": parse("shop", ["on", "#" + HASH, "~shop:*", "%R~all:*", "&news", "+@read", "(+get ~x)"]),
        "admin": parse("admin", ["on", "#" + HASH]),
    }
    now = present(users=users, clients=[Client(addr="127.0.0.1:5", laddr="127.0.0.1:6379")])
    found = Kept(now, wanted()).variables["users"]
    assert found == [
        {"name": "default", "password_hashes": [HASH], "commands": ["+@all"], "keys": ["*"], "channels": ["*"]},
        {
            "name": "shop",
            "password_hashes": [HASH],
            "commands": ["+@read"],
            "keys": ["%R~all:*", "shop:*"],
            "channels": ["news"],
            "selectors": ["~x resetchannels -@all +get"],
        },
    ]
    assert HASH not in str(without_hashes({"users": found})) and found[0]["password_hashes"]


def test_a_user_without_a_password_is_kept_switched_off():
    assert entry_of(parse("open", ["on", "nopass", "+get"])) == {"name": "open", "enabled": False, "commands": ["+get"]}


def test_a_pattern_that_looks_like_a_rule_keeps_its_sign():
    user = parse("app", ["on", "#" + HASH, "~cache:*", "~allkeys", "~+x", "~~y", "&news", "&off", "+get"])
    entry = entry_of(user)
    assert entry["keys"] == ["cache:*", "~+x", "~allkeys", "~~y"]
    assert entry["channels"] == ["&off", "news"]
    assert declared([entry])["app"] == user


def test_what_is_missing_is_said():
    users = {"default": parse("default", ["on", "nopass", "~*", "+@all"])}
    now = present({"protected-mode": "no", "save": "", "enable-debug-command": "yes"}, users=users)
    said = " ".join(Kept(now, wanted()).missing)
    for text in ("no password", "protected-mode no", "no TLS", "nothing is kept", "enable-debug-command yes"):
        assert text in said, text


def test_addresses_to_listen_at_have_the_one_that_is_asked():
    kept = Kept(present({"bind": "10.0.0.5"}), wanted({"bind": ["127.0.0.1"]}))
    assert kept.variables["bind"] == ["127.0.0.1", "10.0.0.5"]
    assert Kept(present({"bind": "* -::*"}), wanted({"bind": ["127.0.0.1"]})).variables["bind"] == ["*", "-::*"]


FOUND = {
    "server": "process 812 (redis)",
    "needed": True,
    "__redis_name": "default",
    "variables": {"appendonly": True, "save": ["900 1"], "users": [{"name": "shop", "password_hashes": [HASH]}]},
    "notes": {"save": "a note"},
    "missing": ["no TLS"],
    "files": ["/etc/redis/redis.conf"],
    "losses": [{"kind": "", "text": "appendonly yes would become no: set redis_appendonly: true."}],
}


def test_the_text_can_be_pasted_and_the_screen_has_no_sums():
    text = text_of("cache1", [FOUND])
    assert yaml.safe_load(text) == {
        "redis_appendonly": True,
        "redis_save": ["900 1"],
        "redis_users": [{"name": "shop", "password_hashes": [HASH]}],
    }
    for line in ("# cache1: process 812 (redis)", "# a note", "# Hardening that is missing: no TLS."):
        assert line in text.splitlines()
    shown = text_of("cache1", [FOUND], "/x/cache1.yml")
    assert HASH not in shown and "with the sums of the passwords" in shown and "/x/cache1.yml" in shown


def test_instances_have_their_entries():
    text = text_of("cache1", [FOUND, FOUND | {"__redis_name": "7000"}, FOUND | {"__redis_name": "b", "variables": {}}])
    found = yaml.safe_load(text)
    # Else they would hold for the other instances as well.
    assert found == {
        "redis_instances": [
            {"name": "default", **FOUND["variables"]},
            {"name": "7000", **FOUND["variables"]},
            {"name": "b"},
        ]
    }


def test_a_host_with_nothing_to_take_over():
    assert (
        text_of("cache1", [{"skipped": True}]) == "# cache1: there is no server that this collection has not set up.\n"
    )


def test_nothing_that_a_server_says_is_run_or_escapes_its_comment():
    """A compromised server may have any name and value; what is printed is pasted into an inventory."""
    evil = "{{ lookup('pipe', 'id') }}"
    variables = {"settings": {"lua-time-limit": evil}, "users": [{"name": evil}], "dir": "/x", evil: "1"}
    missing = ["x\u2028redis_extra: 1", "\x1b[2J\nredis_more: 1"]
    text = text_of("cache1", [FOUND | {"variables": variables, "missing": missing, "notes": {}}])
    assert yaml.safe_load(text) == {"redis_dir": "/x"}
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert text.count("is left out") == 3
