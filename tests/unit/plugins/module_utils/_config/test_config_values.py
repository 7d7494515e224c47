# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import in_quotes
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import directives as table, values
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.syntax import split_line
from hypothesis import given, strategies as st
from test_config_line import TEXT as ANY_TEXT

# Quotes around a value are told as a mistake.
TEXT = ANY_TEXT.filter(lambda text: not in_quotes(text.strip()))
UNITS = st.sampled_from(["", "b", "k", "KB", "m", "Mb", "g", "gb", "GB"])
SIZES = st.builds("{}{}".format, st.integers(0, 10**9), UNITS)
PAIRS = st.lists(st.builds("{} {}".format, st.integers(1, 10**6), st.integers(0, 10**6)), max_size=4)
LIMITS = st.lists(st.sampled_from(["normal", "replica", "pubsub"]), min_size=1, unique=True).flatmap(
    lambda groups: st.tuples(
        *(st.builds("{} {} {} {}".format, st.just(group), SIZES, SIZES, st.integers(0, 999)) for group in groups)
    )
)
VALUES = {
    "yes or no": ("appendonly", st.booleans() | st.sampled_from(["yes", "NO"])),
    "integer": ("timeout", st.integers(0, 2**31)),
    "bytes": ("maxmemory", SIZES | st.integers(0, 2**40)),
    "bytes or percent": ("maxmemory-clients", SIZES | st.builds("{}%".format, st.integers(0, 100))),
    "enum": ("maxmemory-policy", st.sampled_from(table.ENUMS["maxmemory-policy"])),
    "octal": ("unixsocketperm", st.builds("{:o}".format, st.integers(0, 0o777))),
    "folder": ("dir", st.sampled_from(["/var/lib/redis", "/tmp/", "./"])),
    "event flags": ("notify-keyspace-events", st.text(st.sampled_from("AKEg$lshzxetdmnoc"))),
    "save points": ("save", PAIRS),
    "buffer limits": ("client-output-buffer-limit", LIMITS),
    "shutdown flags": ("shutdown-on-sigterm", st.lists(st.sampled_from(["save", "now", "Force"]), min_size=1)),
    "integers": ("oom-score-adj-values", st.lists(st.integers(-2000, 2000), min_size=3, max_size=3)),
    "decimals": ("latency-tracking-info-percentiles", st.lists(st.sampled_from([50, 99, 99.9]), max_size=3)),
    "words": ("bind", st.lists(st.sampled_from(["127.0.0.1", "-::1", "*", "10.0.0.5"]), max_size=4)),
    "set of words": ("tls-protocols", st.lists(st.sampled_from(["TLSv1.2", "TLSv1.3"]), unique=True)),
    "text": ("requirepass", TEXT),
    "unknown": ("a-new-directive", TEXT),
}
DECLARED = st.one_of(*(st.tuples(st.just(directive), strategy) for directive, strategy in VALUES.values()))
ENUMS = st.one_of(*(st.tuples(st.just(name), st.sampled_from(allowed)) for name, allowed in table.ENUMS.items()))


def test_every_kind_of_value_is_generated():
    assert {values.kind(directive) for directive, _value in VALUES.values()} == set(VALUES)
    assert set(table.SPECIAL.values()) <= set(VALUES)


def test_each_known_directive_has_one_kind_and_one_name():
    sets = [table.YES_NO, set(table.INTEGERS), table.BYTES, set(table.ENUMS), set(table.SPECIAL), table.TEXTS]
    assert sum(map(len, sets)) == len(table.KNOWN)
    assert not table.KNOWN & table.ALIASES.keys()
    assert {values.canonical(name) for name in table.ALIASES} <= table.KNOWN
    assert {values.canonical(name) for name in table.RESTART_ONLY} <= table.KNOWN


@given(DECLARED)
def test_what_is_written_into_a_file_means_the_same_when_it_is_read(declared):
    directive, value = declared
    words = values.arguments(directive, value)
    read = [split_line(line) for line in values.file_lines(directive, words)]
    assert all(line[0] == directive for line in read)
    read_words = [word for line in read for word in line[1:]]
    assert values.meaning(directive, read_words) == values.meaning(directive, words)


@given(DECLARED)
def test_a_value_is_the_same_as_itself(declared):
    directive, value = declared
    words = values.arguments(directive, value)
    assert values.same(directive, words, values.set_value(words))


@given(st.integers(0, 2**30), st.sampled_from([("k", 1000), ("kb", 1024), ("m", 10**6), ("mb", 2**20), ("GB", 2**30)]))
def test_units_are_multiples_of_bytes(number, unit):
    for directive in ("maxmemory", "maxmemory-clients", "a-new-directive"):
        assert values.same(directive, ["%d%s" % (number, unit[0])], str(number * unit[1]))
        assert not values.same(directive, ["%d%s" % (number, unit[0])], str(number * unit[1] + 1))


@given(ENUMS)
def test_enums_have_no_case(entry):
    name, value = entry
    assert values.same(name, [value.upper()], value)


# As CONFIG GET of Redis 7.0.15, 8.0.2 and Valkey 8.1.1 prints them.
@pytest.mark.parametrize(
    ("directive", "declared", "printed"),
    [
        ("maxmemory", "1gb", "1073741824"),
        ("maxmemory", "1G", "1000000000"),
        ("maxmemory", 100, "100"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "0%", "0"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "Kg$", "g$K"),
        ("notify-keyspace-events", "g$lshzxetdKE", "AKE"),
        ("notify-keyspace-events", "KEAmn", "AKEm"),
        ("notify-keyspace-events", "", ""),
        ("notify-keyspace-events", ["K", "E", "A"], "AKE"),
        (
            "client-output-buffer-limit",
            ["replica 512mb 128mb 60"],
            "normal 0 0 0 slave 536870912 134217728 60 pubsub 33554432 8388608 60",
        ),
        (
            "client-output-buffer-limit",
            "slave 512mb 128mb 60 pubsub 32mb 8mb 60",
            "normal 0 0 0 slave 536870912 134217728 60 pubsub 33554432 8388608 60",
        ),
        ("save", ["3600 1", "300 100"], "3600 1 300 100"),
        ("save", "300 100 3600 1", "3600 1 300 100"),
        ("save", [3600, 1], "3600 1"),
        ("save", [], ""),
        ("save", "", ""),
        ("save", '""', ""),
        ("save", ["''"], ""),
        ("logfile", '""', ""),
        ("logfile", " '' ", ""),
        ("notify-keyspace-events", '""', ""),
        ("notify-keyspace-events", ['""'], ""),
        ("a-new-text", '""', ""),
        ("bind", '""', ""),
        ("bind", ["127.0.0.1", "-::1"], "127.0.0.1 -::1"),
        ("bind", "* -::*", "* -::*"),
        ("bind", [], ""),
        ("appendonly", True, "yes"),
        ("appendonly", "NO", "no"),
        ("tls-auth-clients", False, "no"),
        ("appendfsync", False, "no"),
        ("oom-score-adj", "relative", "yes"),
        ("oom-score-adj", "absolute", "absolute"),
        ("shutdown-on-sigterm", "NOW save", "save now"),
        ("latency-tracking-info-percentiles", [50, 99, "99.900"], "50 99 99.9"),
        ("tls-protocols", ["TLSv1.3", "TLSv1.2"], "TLSv1.2 TLSv1.3"),
        ("loglevel", "NOTICE", "notice"),
        ("unixsocketperm", "0770", "770"),
        ("unixsocketperm", "0770", "770"),
        ("oom-score-adj-values", "0 200 800", "0 200 800"),
        ("timeout", "0300", "300"),
        ("masterauth", "a  b", "a  b"),
        ("slave-priority", 10, "10"),
        ("a-new-switch", True, "yes"),
        ("a-new-size", "1mb", "1048576"),
        ("a-new-text", "some Words", "some Words"),
    ],
)
def test_declared_and_printed_values_are_the_same(directive, declared, printed):
    assert values.same(directive, values.arguments(directive, declared), printed)


@pytest.mark.parametrize(
    ("directive", "declared", "printed"),
    [
        ("maxmemory", "1g", "1073741824"),
        ("maxmemory", "1gb", "garbage"),
        ("maxmemory-clients", "5%", "5"),
        ("notify-keyspace-events", "KEA", "AK"),
        ("notify-keyspace-events", "", "AKE"),
        ("client-output-buffer-limit", ["replica 512mb 128mb 60"], "normal 0 0 0 slave 1 134217728 60 pubsub 0 0 0"),
        ("save", ["3600 1"], "3600 1 300 100"),
        ("save", [], "3600 1"),
        ("bind", ["127.0.0.1", "-::1"], "-::1 127.0.0.1"),
        ("bind", ["127.0.0.1"], "127.0.0.1 10.0.0.5"),
        ("appendonly", True, "no"),
        ("oom-score-adj", "absolute", "yes"),
        ("shutdown-on-sigterm", "save", "save now"),
        ("latency-tracking-info-percentiles", [50, 99], "50 99 99.9"),
        ("masterauth", "a  b", "a b"),
        ("masterauth", "Secret", "secret"),
        ("requirepass", "1k", "1000"),
        ("logfile", "/a", "/A"),
        ("timeout", 300, "3000"),
        ("a-new-text", "Words", "words"),
    ],
)
def test_differences_are_seen(directive, declared, printed):
    assert not values.same(directive, values.arguments(directive, declared), printed)


@pytest.mark.parametrize(
    ("directive", "value", "part"),
    [
        ("maxmemory", "banana", "must be a size"),
        ("maxmemory", "-1", "must be a size"),
        ("maxmemory", "1 gb", "must be a size"),
        ("maxmemory", "1tb", "must be a size"),
        ("maxmemory-clients", "101%", "100%"),
        ("maxmemory-policy", "lru", "one of volatile-lru"),
        ("port", 70000, "between 0 and 65535"),
        ("port", "6379x", "whole number"),
        ("timeout", -1, "between 0"),
        ("timeout", True, "true or false"),
        ("hz", 1000, "between 1 and 500"),
        ("appendonly", "on", "yes or no"),
        ("appendonly", 1, "text, not a number"),
        ("notify-keyspace-events", "KEQ", "flags"),
        ("client-output-buffer-limit", ["replica 1mb 1mb"], "groups"),
        ("client-output-buffer-limit", ["master 1mb 1mb 1"], "class"),
        ("client-output-buffer-limit", ["slave 1 1 1", "replica 1 1 1"], "twice"),
        ("client-output-buffer-limit", ["replica x 1 1"], "size"),
        ("client-output-buffer-limit", ["replica 1 1 x"], "seconds"),
        ("save", ["3600"], "pairs"),
        ("save", ["0 1"], "at least 1"),
        ("save", "often", "pairs"),
        ("shutdown-on-sigterm", "maybe", "one or more of"),
        ("unixsocketperm", 448, "in quotes.*octal"),
        ("unixsocketperm", 770, "in quotes.*octal"),
        ("unixsocketperm", "1777", "octal"),
        ("oom-score-adj-values", "0 x 1", "whole number"),
        ("latency-tracking-info-percentiles", ["p99"], "numbers"),
        ("timeout", None, "text, a number"),
        ("timeout", {"a": 1}, "text, a number"),
        ("save", [True], "quotes"),
        ("requirepass", "a\0b", "NUL"),
        ("logfile", '"/var/log/redis.log"', "leave out the inner ones"),
        ("requirepass", "'secret'", "leave out the inner ones"),
        ("notify-keyspace-events", '"KEA"', "leave out the inner ones"),
        ("maxmemory-policy", '"noeviction"', "leave out the inner ones"),
        ("bind", '"127.0.0.1" "::1"', "leave out the inner ones"),
        ("bind", ["'127.0.0.1'", "::1"], "leave out the inner ones"),
        ("save", '"900 1"', "leave out the inner ones"),
        ("client-output-buffer-limit", 'replica "1mb" 1mb 1', "leave out the inner ones"),
        ("port", '"6379"', "leave out the inner ones"),
        ("a-new-text", '"some words"', "leave out the inner ones"),
        ("requirepass", 2126, "text, not a number"),
        ("dir", 1, "text, not a number"),
        ("bind", [1.1], "takes for a number"),
        ("logfile", False, "true or false"),
        ("appendfsync", True, "one of everysec|true or false"),
        ("a-new-text", 1.1, "takes for a number"),
        ("unixsocket", ["a", None], "text, a number"),
    ],
)
def test_impossible_values_are_refused(directive, value, part):
    with pytest.raises(ValueError, match=part):
        values.meaning(directive, values.arguments(directive, value))


@pytest.mark.parametrize(
    ("directive", "value", "lines"),
    [
        ("save", ["3600 1", "300 100"], ["save 3600 1", "save 300 100"]),
        ("save", [], ['save ""']),
        ("bind", ["127.0.0.1", "-::1"], ["bind 127.0.0.1 -::1"]),
        ("bind", [], ['bind ""']),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 pubsub 1mb 1mb 1",
            ["client-output-buffer-limit normal 0 0 0", "client-output-buffer-limit pubsub 1mb 1mb 1"],
        ),
        ("tls-protocols", ["TLSv1.2", "TLSv1.3"], ['tls-protocols "TLSv1.2 TLSv1.3"']),
        ("logfile", "", ['logfile ""']),
        ("masterauth", 'a "b\\\n', ['masterauth "a \\"b\\\\\\x0a"']),
        ("masterauth", "#a", ["masterauth #a"]),
        ("appendonly", True, ["appendonly yes"]),
    ],
)
def test_lines_of_the_file(directive, value, lines):
    assert values.file_lines(directive, values.arguments(directive, value)) == lines


def test_all_names_of_a_setting():
    assert values.spellings("Slave-Priority") == ["slave-priority", "replica-priority"]
    assert values.spellings("masterauth") == ["masterauth", "primaryauth"]
    assert values.spellings("port") == ["port"]


def test_folders_are_compared_by_their_real_path(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert values.same("dir", [str(tmp_path / "link") + "/"], str(tmp_path))


def test_fingerprints_tell_secrets_apart_and_hide_them():
    assert values.fingerprint("secret") == "sha256:2bb80d53"
    assert values.fingerprint("") == "(empty)"
