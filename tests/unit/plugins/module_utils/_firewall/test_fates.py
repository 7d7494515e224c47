# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of packets from all addresses at once is what becomes of each."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import evaluate as evaluator, fates
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.evaluate import Packet
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import parse as iptables_parse
from hypothesis import example, given, strategies as st

# Of 16 addresses, so that all can be tried.
BASE = int(ipaddress.ip_address("198.51.100.0"))
NETWORKS = st.builds(
    lambda first, length: ipaddress.ip_network((BASE + first, length), strict=False),
    st.integers(0, 15),
    st.integers(28, 32),
)
REGIONS = st.lists(NETWORKS, max_size=6).map(fates.region)
CONDITIONS = ["", "-i eth0 ", "! -i eth0 ", "-m limit --limit 5/min ", "-p udp "]
SOURCES = st.none() | st.tuples(st.booleans(), NETWORKS)
TARGETS = ["-j ACCEPT", "-j DROP", "-j RETURN", "-j REJECT", "-j LOG", "-j NFQUEUE", ""]
# Chains lead to later ones only.
LEADING = {
    "INPUT": [*TARGETS, "-j ONE", "-g ONE", "-j TWO", "-g TWO"],
    "ONE": [*TARGETS, "-j TWO", "-g TWO"],
    "TWO": TARGETS,
}


def rules(chain):
    def line(condition, source, target):
        words = "" if source is None else "%s-s %s " % ("! " * source[0], source[1])
        return "-A %s %s%s%s" % (chain, words, condition, target)

    return st.lists(st.builds(line, st.sampled_from(CONDITIONS), SOURCES, st.sampled_from(LEADING[chain])), max_size=6)


RULESETS = st.builds(
    lambda policy, *chains: iptables_parse.parse(
        "\n".join(
            [
                "*filter",
                ":INPUT %s [0:0]" % policy,
                ":ONE - [0:0]",
                ":TWO - [0:0]",
                *(line for one in chains for line in one),
            ]
        ),
        "filter",
    ),
    st.sampled_from(["ACCEPT", "DROP"]),
    *map(rules, LEADING),
)


def addresses(region):
    return {one for one in range(BASE - 1, BASE + 17) if fates.holds(region, one)}


def ruleset(*lines):
    return iptables_parse.parse("\n".join(["*filter", *("-A " + line for line in lines)]), "filter")


@given(RULESETS)
# Other rules for another packet, though as many; what comes back out of order, and is split again.
@example(ruleset("INPUT -i eth0 -j ACCEPT", "INPUT ! -i eth0 -j DROP"))
@example(ruleset("INPUT -j ONE", "ONE -j TWO", "TWO -i eth0 -j ACCEPT", "TWO ! -i eth0 -j DROP"))
@example(
    ruleset(
        *("INPUT -s 198.51.100.%s -m limit --limit 5/min -j ACCEPT" % part for part in ("8/30", "12/31", "0/30", "6")),
        *("INPUT -s 198.51.100.%s -j DROP" % part for part in ("0/31", "12", "9", "4/30")),
    )
)
def test_all_at_once_fare_as_each(ruleset):
    # Again, because what is known of a ruleset is kept for the next packet.
    for interface in ("eth0", "eth1", "eth0"):
        chains = evaluator.specialise(ruleset, Packet(interface, 1, 1), "INPUT")
        for condition in (lambda found: evaluator.DROP in found, lambda found: found == {evaluator.ACCEPT}):
            each = {
                one
                for one in range(BASE - 1, BASE + 17)
                if condition(evaluator.verdicts(ruleset, chains, "INPUT", ipaddress.ip_address(one)))
            }
            assert addresses(fates.where(ruleset, chains, "INPUT", 4, condition)) == each


@given(REGIONS, REGIONS)
def test_regions_are_sets(one, other):
    assert addresses(fates.common(one, other)) == addresses(one) & addresses(other)
    assert addresses(fates.without(one, other)) == addresses(one) - addresses(other)
    assert addresses(fates.union(one, other)) == addresses(one) | addresses(other)
    for region in (fates.common(one, other), fates.without(one, other), fates.union(one, other)):
        assert region == sorted(region)
        assert all(last < first for (_first, last), (first, _last) in zip(region, region[1:], strict=False))


@given(REGIONS, REGIONS)
def test_regions_are_not_changed(one, other):
    before = list(one), list(other)
    for work in (fates.common, fates.without, fates.union):
        work(one, other)
    assert (one, other) == before


@pytest.mark.parametrize(
    ("networks", "shown"),
    [
        ([], None),
        (["192.0.2.0/24"], "192.0.2.0"),
        (["192.0.2.0/24", "172.30.0.0/16"], "172.30.77.77"),
        (["0.0.0.0/0"], "10.77.77.77"),
    ],
)
def test_what_is_shown(networks, shown):
    found = fates.example(fates.region(map(ipaddress.ip_network, networks)), 4)
    assert found == (shown and ipaddress.ip_address(shown))


def test_the_ends_of_the_internet():
    for family, last in ((4, "255.255.255.255"), (6, "ff" * 2 + ":ffff" * 7)):
        rule = "*filter\n-A INPUT -s %s -j DROP\n" % last
        ruleset = iptables_parse.parse(rule, "filter")
        chains = evaluator.specialise(ruleset, Packet("eth0", 1, 1), "INPUT")
        found = fates.where(ruleset, chains, "INPUT", family, lambda outcomes: outcomes == {evaluator.DROP})
        assert found == [(int(ipaddress.ip_address(last)),) * 2]
