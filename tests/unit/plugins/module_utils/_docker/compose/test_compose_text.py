# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Compose file may hold: variables, ports in short, and whatever else."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.compose import (
    exposure as compose_exposure,
)
from hypothesis import given, strategies as st

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)
WORDS = st.text(st.characters(exclude_characters="$\x00", exclude_categories=["Cs"]), max_size=12)


@given(WORDS)
def test_text_without_dollars_stays(text):
    assert compose_exposure.interpolate(text, {}) == text
    assert compose_exposure.interpolate(text.replace("a", "$$"), {}) == text.replace("a", "$")


@given(NAMES, st.from_regex(r"[a-z0-9.:]*", fullmatch=True), st.from_regex(r"[a-z0-9.:]+", fullmatch=True))
def test_variables(name, default, value):
    have = {name: value}
    assert compose_exposure.interpolate("${%s:-%s}" % (name, default), {}) == default
    assert compose_exposure.interpolate("${%s:-%s}" % (name, default), {name: ""}) == default
    assert compose_exposure.interpolate("${%s-%s}" % (name, default), {name: ""}) == ""
    for form in ("${%s}", "$%s", "${%s:-other}", "${%s-other}", "${%s:?missing}", "${%s?}"):
        assert compose_exposure.interpolate(form % name, have) == value
    assert compose_exposure.interpolate("${%s:+%s}" % (name, default), have) == default
    assert compose_exposure.interpolate("${%s:+%s}" % (name, default), {}) == ""
    assert compose_exposure.interpolate("${%s}" % name, {}) == compose_exposure.UNKNOWN


PORTS = st.integers(1, 65535)
HOSTS = st.one_of(st.just(""), st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))


@given(HOSTS, PORTS, PORTS, st.booleans(), st.sampled_from(["", "/tcp", "/udp"]))
def test_short_form_means_what_was_written(host, port, target, brackets, protocol):
    written = "[%s]" % host if ":" in host and brackets else host
    text = "%s%d:%d%s" % (written + ":" if host else "", port, target, protocol)
    assert compose_exposure.parse_short(text) == compose_exposure.Publication(
        host, (port, port), (target, target), protocol.strip("/") or "tcp"
    )


@given(st.text(max_size=40))
def test_any_text_is_a_port_or_none(text):
    one = compose_exposure.parse_short(text)
    assert one.published is None or one.published[0] >= 0
    assert one.touches([6379]) in (True, False)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        compose_exposure.faults(text, [6379])
    except compose_exposure.Unreadable as error:
        assert str(error).startswith("line ")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["redis", "6379:6379"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["image", "ports", "command", "environment", "extends", "healthcheck", "network_mode", "build", "<<"]
KEYS += ["net", "networks", "expose", "container_name", "labels", "logging", "post_start", "entrypoint"]


@given(st.dictionaries(st.text(max_size=4), st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=3))
def test_values_of_any_type_are_survived(services):
    text = yaml.safe_dump({"services": services, "networks": services, "configs": services})
    lines = text.count("\n")
    assert all(1 <= one.line <= lines for one in compose_exposure.faults(text, [6379]))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("A=1", {"A": "1"}),
        ("export A = 'x # y'", {"A": "x # y"}),
        ('A="x" # note', {"A": "x"}),
        ("A=x # note", {"A": "x"}),
        ("# A=1", {}),
        ("A", {}),
    ],
)
def test_env_files(line, found):
    assert compose_exposure.parse_env(line + "\n") == found
