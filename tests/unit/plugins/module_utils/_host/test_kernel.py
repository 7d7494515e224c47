from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import sysctl as host_sysctl
from hypothesis import given, strategies as st

SETTINGS = st.dictionaries(st.sampled_from(sorted(host_sysctl.LARGER_IS_FINE)), st.integers(0, 10**6).map(str))


@pytest.mark.parametrize(
    ("name", "wanted", "actual", "good"),
    [
        ("net.core.somaxconn", 1024, "4096", True),
        ("net.core.somaxconn", 1024, "128", False),
        ("vm.overcommit_memory", 1, "1", True),
        ("vm.overcommit_memory", 1, "2", False),
        ("vm.overcommit_memory", 1, None, False),
        ("vm.overcommit_memory", "yes", "1", False),
    ],
)
def test_satisfied(name, wanted, actual, good):
    assert host_sysctl.satisfied(name, wanted, actual) is good


@given(SETTINGS)
def test_file_round_trip(settings):
    assert host_sysctl.parse(host_sysctl.render(settings)) == settings


def test_parse_skips_comments():
    assert host_sysctl.parse("# a = 1\n; b = 2\nvm.swappiness=10\n\n") == {"vm.swappiness": "10"}


@given(SETTINGS, SETTINGS)
def test_file_is_stable_once_it_was_applied(settings, live):
    """A second run must want the same file, whatever the first one had to change."""
    first = host_sysctl.wanted_file(settings, live, {})
    after = {name: settings[name] if name in first else live.get(name) for name in settings}
    assert host_sysctl.wanted_file(settings, after, first) == first


def test_value_that_the_kernel_exceeds_is_not_written():
    assert host_sysctl.wanted_file({"net.core.somaxconn": 1024}, {"net.core.somaxconn": "4096"}, {}) == {}
