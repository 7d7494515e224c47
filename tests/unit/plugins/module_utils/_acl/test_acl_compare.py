# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import (
    compare as acl_compare,
    users as acl_users,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.rights import settle
from hypothesis import given, strategies as st

# A small server. As in the real ones the container `config` is in @slow, its parts are elsewhere too.
CATEGORIES = {
    "read": ["get", "keys"],
    "write": ["set", "flushall", "function|load"],
    "dangerous": ["keys", "flushall", "config|get", "config|set"],
    "admin": ["config|get", "config|set"],
    "fast": ["get", "set", "ping", "select"],
    "slow": ["keys", "flushall", "config", "config|get", "config|set", "config|help", "function", "function|load"],
}
TABLE = acl_compare.CommandTable(CATEGORIES)
NAMES = [*sorted(TABLE.names), *("@" + name for name in CATEGORIES), "@all", "select|1"]
# A first argument can be allowed, not denied: servers refuse "-select|1".
RULE = st.builds("{}{}".format, st.sampled_from("+-"), st.sampled_from(NAMES)).filter(lambda rule: rule != "-select|1")
RULES = st.lists(RULE, max_size=8)
TOKENS = st.sampled_from(
    ["~a:*", "%R~a:*", "%W~b", "~*", "&n:*", "&*", "on", "nopass", ">one", ">two", "skip-sanitize-payload", "(+get ~x)"]
)
USERS = st.builds(
    lambda rules, tokens: acl_users.parse("app", [*rules, *tokens]), RULES, st.lists(TOKENS, max_size=6, unique=True)
)


def rights(*rules):
    return acl_users.parse("app", rules)


def reference(rules):
    """The set of commands by the plainest reading of the rules, one command at a time."""
    allowed = set()
    for name in TABLE.names:
        verdict = False
        for rule in rules:
            target = rule[1:]
            members = TABLE.names if target == "@all" else CATEGORIES.get(target[1:], [target])
            if name in members or name.partition("|")[0] in members:
                verdict = rule[0] == "+"
        if verdict:
            allowed.add(name)
    return allowed


@given(RULES)
def test_rules_allow_what_their_plainest_reading_allows(rules):
    assert TABLE.effect(settle(rules))[1] & TABLE.names == reference(rules)


@given(RULES)
def test_settling_changes_no_right(rules):
    assert TABLE.effect(settle(rules)) == TABLE.effect(("-@all", *rules))


@given(USERS, st.booleans())
def test_a_user_is_not_different_from_itself(user, keeps_text):
    assert acl_compare.differences(user, user, TABLE, keeps_text) == []


@given(USERS, USERS, st.booleans())
def test_difference_is_mutual(one, other, keeps_text):
    there = acl_compare.differences(one, other, TABLE, keeps_text)
    assert there == acl_compare.differences(other, one, TABLE, keeps_text)


@given(RULES, st.randoms(), st.booleans())
def test_order_is_free_where_it_does_not_matter(rules, random, keeps_text):
    # Additions only: their order has no effect.
    added = [rule for rule in rules if rule[0] == "+" and "@all" not in rule and rule != "+select|1"]
    shuffled = random.sample(added, len(added))
    # A container behind its subcommand replaces it, so these two are different text.
    if set(settle(added)) == set(settle(shuffled)):
        assert acl_compare.differences(rights(*added), rights(*shuffled), TABLE, keeps_text) == []


def test_order_is_seen_where_it_matters():
    one, other = rights("+@read", "-get"), rights("-get", "+@read")
    assert set(one.rights.commands) == set(other.rights.commands)
    assert acl_compare.differences(one, other, TABLE, True) == ["commands"]


@given(USERS, TOKENS, st.booleans())
def test_every_added_token_is_seen(user, token, keeps_text):
    richer = acl_users.parse("app", [*acl_users.words_of(user), token])
    if richer != user:
        assert acl_compare.differences(user, richer, TABLE, keeps_text) != []


@given(USERS, st.sampled_from(NAMES))
def test_every_added_command_is_seen_by_its_effect(user, name):
    richer = acl_users.parse("app", [*acl_users.words_of(user), "+" + name])
    grew = TABLE.effect(richer.rights.commands) != TABLE.effect(user.rights.commands)
    assert acl_compare.differences(user, richer, TABLE, False) == (["commands"] if grew else [])


@given(USERS, st.sampled_from(NAMES))
def test_every_added_command_is_seen_by_its_text_where_servers_keep_it(user, name):
    richer = acl_users.parse("app", [*acl_users.words_of(user), "+" + name])
    more = set(richer.rights.commands) != set(user.rights.commands)
    if more:
        assert acl_compare.differences(user, richer, TABLE, True) == ["commands"]


def test_a_bitmap_server_may_print_other_rules_for_the_same_rights():
    wanted, printed = rights("+@read", "+set", "-@dangerous"), rights("+set", "+get")
    assert acl_compare.differences(wanted, printed, TABLE, False) == []
    assert acl_compare.differences(wanted, printed, TABLE, True) == ["commands"]


def test_all_of_today_is_not_all_of_tomorrow():
    everything = rights(*("+" + name for name in sorted(TABLE.names)))
    assert acl_compare.differences(rights("+@all"), everything, TABLE, False) == ["commands"]


def test_selectors_are_compared_by_their_rights_in_any_order():
    one = rights("(+@read -keys ~a)", "(+set ~b)")
    other = rights("(+set ~b)", "(+get ~a)")
    assert acl_compare.differences(one, other, TABLE, False) == []
    assert acl_compare.differences(one, other, TABLE, True) == ["selectors"]
    assert acl_compare.differences(one, rights("(+set ~b)"), TABLE, False) == ["selectors"]
    assert acl_compare.differences(rights("(+set ~b)"), one, TABLE, False) == ["selectors"]


@pytest.mark.parametrize(
    ("rules", "name", "allowed"),
    [
        (["+config"], "config|set", True),
        (["+config|get"], "config|set", False),
        (["+@all", "-config|set"], "config|set", False),
        (["(+config|set)"], "config|set", True),
        (["+@all"], "json.get", True),
        (["+@all", "-json.get"], "json.get", False),
        (["-@all", "+json.get"], "json.get", True),
        # Redis 6 has no rights on subcommands: the table knows `select` only as a whole, as it does `config` there.
        (["+select"], "select|1", True),
        (["-select"], "select|1", False),
    ],
)
def test_what_a_user_may_run(rules, name, allowed):
    assert TABLE.allows(rights(*rules), name) == allowed


def test_first_arguments_go_with_their_command():
    assert TABLE.effect(settle(["+select|1"])) != TABLE.effect(settle([]))
    assert TABLE.effect(settle(["+select|1", "-@fast"])) == TABLE.effect(settle([]))
    assert TABLE.effect(settle(["+select", "+select|1"])) == TABLE.effect(settle(["+select"]))


def test_differences_are_described_without_secrets():
    wanted = acl_users.parse("app", ["on", ">one", "~a", "+get", "(+get ~x)"])
    live = dataclasses.replace(
        acl_users.parse("app", [">two", "~a", "~b\udcff", "+@all", "skip-sanitize-payload"]), name="app"
    )
    aspects = acl_compare.differences(wanted, live, TABLE, True)
    said = acl_compare.describe(wanted, live, aspects)
    assert aspects == ["enabled", "passwords", "sanitize_payload", "keys", "commands", "selectors"]
    assert "extra ~b\\xff" in said
    assert "'+@all' instead of '-@all +get'" in said
    assert "extra #%s..., missing #%s..." % (acl_users.hash_of("two")[:8], acl_users.hash_of("one")[:8]) in said
    assert acl_users.hash_of("two")[:12] not in said
