# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import users as acl_users
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.rights import settle
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import in_quotes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import replies as redis_replies
from hypothesis import given, strategies as st

HASH = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940"

# What a name or a pattern can be made of: anything but blanks and NUL, also bytes that are no UTF-8.
LETTERS = st.characters(exclude_characters="\0\t\n\v\f\r ", exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff")
WORDS = st.text(LETTERS, min_size=1, max_size=8)
INSIDE = WORDS.filter(lambda word: word[-1] != ")")
COMMANDS = st.lists(
    st.sampled_from(
        ["+@all", "-@all", "+@read", "-@read", "+get", "-get", "+GET", "+config", "-config|set", "+config|get"]
    ),
    max_size=8,
)


def keys(words):
    return st.lists(st.builds("{}{}".format, st.sampled_from(["~", "%R~", "%W~", "%RW~", "%rw~"]), words), max_size=4)


def channels(words):
    return st.lists(st.builds("&{}".format, words), max_size=3)


SELECTORS = st.lists(
    st.builds(lambda *parts: "(%s)" % " ".join(sum(parts, ["+ping"])), COMMANDS, keys(INSIDE), channels(INSIDE)),
    max_size=2,
)
ENTRIES = st.fixed_dictionaries(
    {
        "name": WORDS.filter(lambda word: not in_quotes(word)),
        "enabled": st.booleans(),
        "passwords": st.lists(st.text(LETTERS, min_size=1), min_size=1, max_size=2),
        "commands": COMMANDS,
        "keys": keys(WORDS),
        "channels": channels(WORDS),
        "selectors": SELECTORS,
        "sanitize_payload": st.booleans(),
    }
)
USERS = ENTRIES.map(lambda entry: acl_users.declared([entry])[entry["name"]])


def user(**options):
    return acl_users.declared([{"name": "app", "passwords": ["p"], **options}])["app"]


@given(USERS)
def test_a_user_is_read_back_from_every_form_in_which_it_is_written(one):
    assert acl_users.parse(one.name, acl_users.words_of(one)) == one
    assert acl_users.parse_line(acl_users.line_of(one))[0] == one
    assert acl_users.parse_line(acl_users.file_line(one))[0] == one


@given(ENTRIES, st.randoms())
def test_the_order_of_keys_channels_passwords_and_selectors_does_not_matter(entry, random):
    shuffled = dict(entry)
    for option in ("keys", "channels", "passwords", "selectors"):
        shuffled[option] = random.sample(entry[option], len(entry[option]))
    assert acl_users.declared([shuffled]) == acl_users.declared([entry])


@given(st.binary())
def test_bytes_survive_the_way_through_text(reply):
    assert redis_replies.raw([redis_replies.text(reply)]) == [reply]
    redis_replies.printable(redis_replies.text(reply)).encode("utf-8")


@given(ENTRIES, st.integers(0, 10**12))
def test_no_written_form_holds_a_plain_password(entry, number):
    secret = "§ecret-%d" % number
    one = acl_users.declared([{**entry, "passwords": [secret]}])[entry["name"]]
    for written in (acl_users.line_of(one), acl_users.file_line(one)):
        assert secret not in written
        assert acl_users.hash_of(secret) not in acl_users.redacted(written)


# What `ACL LIST` printed after the same ACL SETUSER on the three servers.
SET = [
    *("on", ">p", "~cache:*", "%R~ro:*", "%RW~rw:*", "%R~x", "%W~x", "&ch:*", "-@all", "+@read", "+SET", "-@dangerous"),
    *("-config|set", "+config|get", "-get", "+get", "+select|1", "(+get ~x:*)", "skip-sanitize-payload"),
]
PRINTED = (
    f"user app on skip-sanitize-payload #{HASH} ~cache:* %R~ro:* ~rw:* ~x resetchannels &ch:* "
    "-@all +@read +set -@dangerous -config|set +config|get +get +select|1 (~x:* resetchannels -@all +get)"
)
PRINTED_7_0 = PRINTED.replace(
    "+@read +set -@dangerous -config|set +config|get +get +select|1",
    "+@read -sort_ro +config|get +set +select|1 -keys",
)


def test_redis_8_and_valkey_print_what_was_set():
    assert acl_users.parse_line(PRINTED)[0] == acl_users.parse("app", SET)


def test_redis_7_0_prints_everything_but_the_commands_as_it_was_set():
    printed, wanted = acl_users.parse_line(PRINTED_7_0)[0], acl_users.parse("app", SET)
    assert printed.rights.commands != wanted.rights.commands
    assert (printed.rights.keys, printed.rights.channels) == (wanted.rights.keys, wanted.rights.channels)
    assert (printed.hashes, printed.selectors, printed.sanitize) == (wanted.hashes, wanted.selectors, False)


@pytest.mark.parametrize(
    "line",
    [
        "user default on nopass ~* &* +@all",
        "user default on nopass sanitize-payload ~* &* +@all",
        "user default on nopass allkeys allchannels allcommands",
    ],
)
def test_the_default_user_of_a_fresh_server(line):
    everything = acl_users.Permissions(("+@all",), frozenset(["~*"]), frozenset(["&*"]))
    assert acl_users.parse_line(line)[0] == acl_users.User("default", enabled=True, nopass=True, rights=everything)


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ([], ["-@all"]),
        (["+get", "+GET"], ["-@all", "+get"]),
        (["-get", "+set", "+get"], ["-@all", "+set", "+get"]),
        (["+config|get", "-config|set", "+config"], ["-@all", "+config"]),
        (["+config", "-config|set"], ["-@all", "+config", "-config|set"]),
        (["+get", "+@all", "-get"], ["+@all", "-get"]),
        (["+@all", "nocommands", "+get"], ["-@all", "+get"]),
    ],
)
def test_settled_rules_are_those_that_servers_keep(rules, kept):
    assert settle(rules) == tuple(kept)


def test_rules_that_are_not_known_are_kept_and_seen():
    one = acl_users.parse_line("user app on resetchannels -@all resetdbs alldbs (+get db=1)")[0]
    assert one.other == {"resetdbs", "(db=1)"}
    assert one != acl_users.parse_line("user app on resetchannels -@all (+get)")[0]


@pytest.mark.parametrize("line", ["", "user", "usr app on", "on nopass"])
def test_a_line_that_is_no_user_is_refused(line):
    with pytest.raises(ValueError, match="user <name>"):
        acl_users.parse_line(line)


def test_only_the_space_separates_words():
    assert acl_users.parse_line("user caf\u00a0é on ~a\u2003b")[0].rights.keys == {"~a\u2003b"}


@pytest.mark.parametrize(
    "line", [f"user a on #{HASH} ~x", "modifier '#" + HASH + "': no", f"user a #{HASH[:40]} on", f"!{HASH}"]
)
def test_redaction_leaves_eight_digits(line):
    assert HASH[:8] in acl_users.redacted(line)
    assert HASH[:12] not in acl_users.redacted(line)


def test_default_is_added_without_any_right():
    users = acl_users.declared([{"name": "app", "passwords": ["p"]}])
    assert acl_users.file_line(users["default"]) == "user default reset off resetchannels -@all"


def test_default_can_be_declared():
    users = acl_users.declared([{"name": "default", "passwords": ["p"], "commands": ["+ping"]}])
    assert list(users) == ["default"]
    assert users["default"].enabled


def test_a_wildcard_makes_other_patterns_superfluous():
    # Servers refuse a pattern behind the one for everything.
    for patterns in (["cache:*", "*"], ["*", "cache:*"]):
        assert user(keys=patterns).rights.keys == {"~*"}
        assert user(channels=patterns).rights.channels == {"&*"}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([{"name": "app"}], "'app': an enabled user needs a password: set passwords"),
        ([{"name": "a b", "enabled": False}], "can't hold blanks"),
        ([{"name": "a\0b", "enabled": False}], "can't hold blanks"),
        ([{"name": ""}], "entry 1 has no name"),
        ([{"name": "a", "enabled": False}, {"name": "a", "enabled": False}], "'a' is declared twice"),
        ([{"name": "a", "password_hashes": ["ABC"]}], "password_hashes, entry 1"),
        ([{"name": "a", "password_hashes": [HASH.upper()]}], "64 hex digits, lower-case"),
        ([{"name": "a", "password_hashes": [HASH + "\n"]}], "password_hashes, entry 1"),
        ([{"name": "a", "passwords": [""]}], "passwords, entry 1"),
        ([{"name": "a", "passwords": ["x\n"]}], "line break"),
        ([{"name": "a", "passwords": ["p"], "commands": ["+get\n+set"]}], "commands, entry 1"),
        ([{"name": "a", "passwords": ["p"], "commands": ["+get", "nopass"]}], "commands, entry 2"),
        ([{"name": "a", "passwords": ["p"], "commands": ["+"]}], "commands, entry 1"),
        ([{"name": "a", "passwords": ["p"], "keys": ["a b"]}], "keys, entry 1"),
        ([{"name": "a", "passwords": ["p"], "keys": ["a\nuser b on nopass"]}], "keys, entry 1"),
        ([{"name": "a", "passwords": ["p"], "keys": ["%X~a"]}], "keys, entry 1"),
        ([{"name": "a", "passwords": ["p"], "channels": ["a\tb"]}], "channels, entry 1"),
        ([{"name": "a", "passwords": ["p"], "selectors": ["(+get) (+set)"]}], "selectors, entry 1"),
        ([{"name": "a", "passwords": ["p"], "selectors": ["()"]}], "selectors, entry 1"),
        ([{"name": "a", "passwords": ["p"], "selectors": ["(+get on)"]}], "selectors, entry 1"),
        ([{"name": "a", "passwords": ["p"], "selectors": ["+get\n~x"]}], "selectors, entry 1"),
        ([{"name": '"a"', "passwords": ["p"]}], "in quotes of its own"),
        ([{"name": "a", "passwords": ["p"], "keys": ['"cache:*"']}], "keys, entry 1: is no key pattern"),
        ([{"name": "a", "passwords": ["p"], "channels": ["'news'"]}], "channels, entry 1: is no channel pattern"),
    ],
)
def test_a_declaration_that_can_not_be_used_is_refused(entries, says):
    with pytest.raises(acl_users.AclError) as error:
        acl_users.declared(entries)
    assert says in str(error.value)


def test_all_problems_are_named_at_once_and_no_secret_among_them():
    entries = [
        {"name": "a", "passwords": ["p"], "commands": [">hunter2"]},
        {"name": "b", "password_hashes": ["hunter2"]},
        {"name": "c"},
    ]
    with pytest.raises(acl_users.AclError) as error:
        acl_users.declared(entries)
    assert all(name in str(error.value) for name in ("'a'", "'b'", "'c'"))
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "word"),
    [
        *(
            ("keys", word)
            for word in ("allkeys", "AllKeys", "resetkeys", "nopass", "on", "+get", "-@all", "@read", "&news")
        ),
        *(("keys", word) for word in ("(+get", ">hunter2", "#" + HASH, "allchannels", "reset")),
        *(
            ("channels", word)
            for word in ("allchannels", "resetchannels", "~cache:*", "%R~cache:*", "+subscribe", "off")
        ),
        *(("commands", word) for word in ("allkeys", "~cache:*", "&news", "get", "@read")),
        *(("passwords", word) for word in ("nopass", "resetpass", "#" + HASH)),
    ],
)
def test_a_word_of_another_list_is_refused_by_its_place(option, word):
    entry = {"name": "app", "passwords": ["p"], option: [word]}
    with pytest.raises(acl_users.AclError) as error:
        acl_users.declared([entry])
    assert "'app': %s, entry 1: " % option in str(error.value)
    assert "hunter2" not in str(error.value)


def test_with_its_sign_any_pattern_is_taken():
    assert user(keys=["~allkeys", "%R~+get"]).rights.keys == {"~allkeys", "%R~+get"}
    assert user(channels=["&allchannels"]).rights.channels == {"&allchannels"}
    assert user(keys=["{user}:*", "a+b"]).rights.keys == {"~{user}:*", "~a+b"}
    assert user(passwords=["#nothing", ">word"]).hashes == {acl_users.hash_of("#nothing"), acl_users.hash_of(">word")}


@pytest.mark.parametrize("selector", ["(allkeys +get)", "allchannels +subscribe"])
def test_in_selectors_the_words_are_rules(selector):
    assert user(selectors=[selector]).selectors
