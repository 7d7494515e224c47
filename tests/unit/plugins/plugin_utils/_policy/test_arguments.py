"""Role variables against argument specs."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.arguments import (
    check_value,
    unknown_variables,
)
from hypothesis import given, strategies as st

USER = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool", "default": True},
    "passwords": {"type": "list", "elements": "str", "no_log": True, "default": []},
}
USERS = {"type": "list", "elements": "dict", "options": USER}
SPECS = {
    "redis": {"redis_port": {"type": "int"}, "redis_maxmemory": {}, "redis_users": USERS},
    "firewall": {"firewall_ports": {"type": "list"}},
    "docker": {"docker_mode": {}},
    "cluster": {"cluster_nodes": {}},
}


def problem(value, spec, path="redis_x"):
    problems = check_value(path, value, spec)[1]
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize(
    ("value", "spec", "wanted"),
    [
        ("6379", {"type": "int"}, 6379),
        ("yes", {"type": "bool"}, True),
        ("0256", {"type": "str"}, "0256"),
        (["01", "2"], {"type": "list", "elements": "str"}, ["01", "2"]),
        (datetime.date(2027, 1, 31), {"type": "str"}, "2027-01-31"),
        (datetime.date(2027, 1, 31), {"type": "str", "no_log": True}, "2027-01-31"),
        ("it's", {"type": "str"}, "it's"),
        ('"', {"type": "str"}, '"'),
        ({"a": 1}, {"type": "dict"}, {"a": 1}),
        ([], USERS, []),
        ([{"name": "app"}], USERS, [{"name": "app", "enabled": True, "passwords": []}]),
    ],
)
def test_values_get_their_type_and_defaults(value, spec, wanted):
    assert check_value("x", value, spec) == (wanted, [])


@pytest.mark.parametrize(
    ("value", "spec", "words"),
    [
        ("127.0.0.1", {"type": "list", "elements": "str"}, "redis_x must be a list"),
        ({"a": 1}, {"type": "list"}, "redis_x must be a list"),
        (["a"], {"type": "dict"}, "redis_x must be a dictionary"),
        ("name=app", USERS | {"type": "dict"}, "redis_x must be a dictionary of keys and values (name, enabled"),
        (["a"], {"type": "str"}, "redis_x must be a single value (str)"),
        (False, {"type": "str", "choices": ["no", "yes"]}, 'redis_x: "no"'),
        (None, {"type": "int"}, "redis_x has no value"),
        (504, {"type": "str"}, 'redis_x must be text, not a number: quote it, as in redis_x: "0770"'),
        (1.1, {"type": "path"}, "redis_x must be text, not a number"),
        (True, {"type": "str", "no_log": True}, "redis_x must be text, not true or false"),
        ([7000], {"type": "list", "elements": "str"}, "redis_x[0] must be text, not a number"),
        ([{"name": 7000}], USERS, "redis_x[0].name must be text, not a number"),
        (datetime.datetime(2027, 1, 31, 12), {"type": "str"}, "redis_x must be text, not a point in time"),
        ('"/data"', {"type": "path"}, "redis_x has quotes around it that are part of the value"),
        (["'a'"], {"type": "list", "elements": "str"}, "redis_x[0] has quotes around it"),
        ('"correct-horse"', {"type": "str", "no_log": True}, "redis_x has quotes around it"),
        ([None], {"type": "list", "elements": "str"}, "redis_x[0] has no value"),
        ("many", {"type": "int"}, "'redis_x' is of type str"),
        ("loud", {"choices": ["debug", "notice"]}, "value of redis_x must be one of: debug, notice, got: loud."),
        ([{"name": "a"}, {"name": "b", "enabled": "perhaps"}], USERS, "redis_x[1].enabled"),
        ([{"name": "a", "pasword": "x"}], USERS, "redis_x[0].pasword is unknown: did you mean passwords?"),
        ([{"name": "a", "colour": "x"}], USERS, "redis_x[0].colour is unknown; known are name, enabled, passwords."),
        ([{}], USERS, "redis_x[0].name is missing"),
        (["app"], USERS, "redis_x[0] must be a dictionary"),
        ([{"name": "a", "passwords": [12345]}], USERS, "redis_x[0].passwords[0] must be text"),
    ],
)
def test_problems_name_the_place_and_the_remedy(value, spec, words):
    assert words in problem(value, spec)


SECRET = "correct-horse-battery"


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ({SECRET: SECRET}, {"type": "str", "no_log": True}),
        ([SECRET], {"type": "str", "no_log": True}),
        (20251231123456789, {"type": "str", "no_log": True}),
        (SECRET, USERS),
        ([SECRET], USERS),
        ([{"name": "a", "pasword": SECRET}], USERS),
        ([{"name": "a", "passwords": SECRET}], USERS),
        ([{"name": "a", "passwords": {"new": SECRET}}], USERS),
        ([{"name": "a", "passwords": [[SECRET]]}], USERS),
        ({"name": "a", "passwords": [SECRET]}, USERS),
    ],
)
def test_no_message_holds_a_secret(value, spec):
    message = problem(value, spec)
    assert "redis_x" in message
    assert SECRET not in message
    assert "20251231123456789" not in message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from([USERS, USER["name"], USER["enabled"], {"type": "list", "elements": "int"}]))
def test_whatever_is_given_has_its_type_or_a_problem(value, spec):
    checked, problems = check_value("redis_x", value, spec)
    if not problems:
        kind = {"list": list, "bool": bool, "str": str}[spec["type"]]
        assert isinstance(checked, kind)
    assert all("redis_x" in line and "\n" not in line for line in problems)


def unknown(variables, others=(), facts=()):
    return unknown_variables(variables, SPECS, others, facts)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("redis_prot", "redis_port"),
        ("redis_max_memory", "redis_maxmemory"),
        ("firewall_port", "firewall_ports"),
        ("redsi_port", "redis_port"),
        ("Redis_port", "redis_port"),
        ("rediss_users", "redis_users"),
        ("firewal_ports", "firewall_ports"),
        ("docker_mod", "docker_mode"),
        ("cluster_node", "cluster_nodes"),
    ],
)
def test_mistyped_variables_are_found(name, meant):
    (line,) = unknown({name: 1})
    assert line.startswith(name + " is not a variable")
    assert "did you mean %s?" % meant in line
    assert "redis_ignored_variables" in line


@pytest.mark.parametrize("name", ["docker_users", "docker_edition", "cluster_name", "firewall_zone", "audit_log_dir"])
def test_variables_of_others_that_begin_like_a_role_are_left_alone(name):
    assert unknown({name: 1}) == []


def test_a_stranger_without_a_likeness_is_found():
    assert "redis_dashboard_url is not a variable" in unknown({"redis_dashboard_url": 1})[0]


@pytest.mark.parametrize(
    "variables",
    [
        {"redis_port": 1, "redis_users": []},
        {"redis_seen": {"changed": False, "failed": False, "stdout": ""}},
        {"__redis_internal": 1, "ansible_port": 22, "inventory_hostname": "h", "groups": {}, "hostvars": {}},
        {"radius_port": 1812, "port": 1, "application_users": []},
    ],
)
def test_others_are_left_alone(variables):
    assert unknown(variables) == []


def test_names_that_are_vouched_for_and_facts_are_left_alone():
    assert unknown({"redis_mine": 1, "redis_version": "7"}, others=["redis_mine"], facts=["redis_version"]) == []


def test_a_dictionary_is_not_taken_for_a_registered_result():
    assert len(unknown({"redis_renames": {"changed": True}})) == 1
