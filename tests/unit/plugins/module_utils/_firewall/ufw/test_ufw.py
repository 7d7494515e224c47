# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""UFW's rules beside the wanted ones. The tuples are as ufw 0.36.2 writes them."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.ufw import rules as ufw_rules
from hypothesis import given, strategies as st

ANY = "0.0.0.0/0 any 0.0.0.0/0"
CLIENT = (ipaddress.ip_address("10.77.0.1"), ipaddress.ip_address("10.77.0.11"), 22)
ports = st.integers(1, 65535)


def line(text):
    return "### tuple ### %s\n" % text.replace("ANY", ANY)


def rules(*lines, v6=None):
    """Return rules of IPv4, and of IPv6 the same unless given, from tuples in which ANY stands for everybody."""
    text4 = "".join(map(line, lines))
    text6 = "".join(map(line, lines if v6 is None else v6)).replace(ANY, "::/0 any ::/0")
    return {4: ufw_rules.parse_rules(text4, 4), 6: ufw_rules.parse_rules(text6, 6)}


def plan(found, ssh=(22,), allow=(), deny=(), enabling=True, connection=CLIENT):
    return ufw_rules.plan(found, ssh, allow, deny, enabling, connection)


def told(*arguments, **options):
    """Return the commands without their comments."""
    result = plan(*arguments, **options)
    assert not result.problems
    assert all(words[-2:] == ["comment", ufw_rules.COMMENT] for words in result.commands)
    return [" ".join(words[:-2]) for words in result.commands]


@pytest.mark.parametrize(
    ("text", "shown", "about_6379"),
    [
        ("allow tcp 22 ANY in", "allow 22/tcp (IPv4)", False),
        ("allow tcp 22 ANY OpenSSH - in", "allow 22/tcp (IPv4)", False),
        ("allow tcp 22 ANY My%20App - in_eth0", "allow on eth0 22/tcp (IPv4)", False),
        ("limit_log tcp 6379 ANY in", "limit 6379/tcp (IPv4)", True),
        ("allow_log-all any 6379 ANY in", "allow 6379 (IPv4)", True),
        ("allow tcp 6379 ANY", "allow 6379/tcp (IPv4)", True),
        ("deny udp 6379 ANY in", "deny 6379/udp (IPv4)", False),
        ("reject tcp 6379 ANY out", "reject out 6379/tcp (IPv4)", False),
        ("route:allow tcp 6379 ANY in", "route allow 6379/tcp (IPv4)", False),
        ("route:deny tcp 80 ANY in_eth0!out_eth1", "route deny on eth0!out_eth1 80/tcp (IPv4)", False),
        ("allow tcp 6000:7000 ANY in", "allow 6000:7000/tcp (IPv4)", True),
        ("allow tcp 80,6300:6400 ANY in_eth0 comment=6974277320", "allow on eth0 80,6300:6400/tcp (IPv4)", True),
        (
            "allow tcp 6379 10.77.0.11 any 10.0.0.0/8 in",
            "allow 6379/tcp from 10.0.0.0/8 to 10.77.0.11 (IPv4)",
            True,
        ),
        ("allow any any 0.0.0.0/0 any 1.2.3.4 in", "allow any from 1.2.3.4 (IPv4)", True),
        ("deny tcp any 0.0.0.0/0 53 0.0.0.0/0 in", "deny any/tcp source port 53 (IPv4)", True),
    ],
)
def test_a_rule_is_read_as_ufw_means_it(text, shown, about_6379):
    [rule] = ufw_rules.parse_rules(line(text) + "-A ufw-user-input -p tcp --dport 1 -j ACCEPT\n", 4)
    assert str(rule) == shown
    assert rule.covers(6379) == about_6379


@pytest.mark.parametrize("text", ["allow tcp 22", "permit tcp 22 ANY in", "allow tcp 22 ANY in extra words here"])
def test_a_line_that_is_not_understood_is_not_passed_over(text):
    with pytest.raises(ValueError, match="is not understood"):
        ufw_rules.parse_rules(line(text), 4)


def test_status_and_settings():
    assert ufw_rules.is_active("Status: active\nLogging: on (low)\n") is True
    assert ufw_rules.is_active("Status: inactive\n") is False
    assert ufw_rules.is_active("ERROR: problem running iptables\n") is None
    assert ufw_rules.setting("# ENABLED=yes\nENABLED=no\n", "ENABLED") is False
    assert ufw_rules.setting("IPV6=no\nIPV6='yes'\n", "IPV6") is True
    assert ufw_rules.setting("", "ENABLED") is False


def test_rules_of_incoming_connections_are_counted_in_files_and_in_the_kernel():
    assert ufw_rules.user_rules("-A ufw-user-input -j DROP\n-A ufw-user-output -j DROP\n:ufw-user-input - [0:0]\n") == 1
    assert ufw_rules.user_rules("-A ufw6-user-input -j DROP\n-A ufw6-user-input -j ACCEPT\n") == 2


def test_first_run_allows_ssh_before_all_else():
    assert told(rules(), ssh=[22, 2222], allow=[80, 443], deny=[6379]) == [
        *("allow 22/tcp", "allow 2222/tcp", "allow 80/tcp", "allow 443/tcp", "deny 6379/tcp"),
    ]


def test_only_the_family_that_lacks_a_rule_is_told():
    found = rules("allow tcp 22 ANY in", "deny tcp 6379 ANY in", v6=["allow tcp 22 ANY in"])
    assert told(found, deny=[6379]) == ["deny proto tcp from any to ::/0 port 6379"]


def test_without_ipv6_in_ufw_there_is_one_family():
    assert told({4: []}, deny=[6379]) == ["allow 22/tcp", "deny 6379/tcp"]


@pytest.mark.parametrize(
    "rule", ["allow tcp 22 ANY in", "limit tcp 22 ANY in", "allow any 22 ANY in", "allow tcp 20:25 ANY in"]
)
@pytest.mark.parametrize("enabling", [True, False])
def test_ssh_that_is_allowed_to_all_needs_nothing(rule, enabling):
    assert told(rules(rule), enabling=enabling) == []


LIMITED = "allow tcp 22 0.0.0.0/0 any %s in"


def test_ssh_that_is_allowed_to_the_operator_is_not_opened_to_the_world():
    for v6 in (["allow tcp 22 ::/0 any fd00::/8 in"], []):
        found = rules(LIMITED % "10.77.0.0/24", v6=v6)
        assert told(found) == told(found, enabling=False) == []


def test_ssh_that_is_allowed_to_others_is_opened_before_enabling_but_left_alone_on_a_running_ufw():
    found = rules(LIMITED % "10.99.0.0/24", v6=[])
    assert told(found) == ["allow proto tcp from any to 0.0.0.0/0 port 22"]
    assert told(found, enabling=False) == []


@pytest.mark.parametrize("rule", [LIMITED % "10.77.0.0/24", "allow tcp 22 ANY in_eth1", "route:allow tcp 22 ANY in"])
def test_without_a_known_client_only_a_rule_for_all_counts(rule):
    found = rules(rule, v6=["allow tcp 22 ANY in"])
    assert told(found, connection=None) == ["allow proto tcp from any to 0.0.0.0/0 port 22"]


@pytest.mark.parametrize(
    "rule", ["deny tcp 22 ANY in", "reject any any 0.0.0.0/0 any 10.77.0.1 in", "deny tcp 22 ANY in_eth0"]
)
def test_a_rule_that_shuts_the_operator_out_is_a_problem_before_enabling(rule):
    result = plan(rules(rule, "allow tcp 22 ANY in", v6=["allow tcp 22 ANY in"]))
    assert len(result.problems) == 1
    assert "shut SSH out on port 22" in result.problems[0]


def test_a_rule_that_shuts_out_somebody_else_is_none():
    found = rules("deny tcp 22 0.0.0.0/0 any 10.99.0.0/24 in", "allow tcp 22 ANY in", v6=["allow tcp 22 ANY in"])
    assert told(found) == []


def test_a_port_to_allow_that_is_denied_is_a_problem():
    result = plan(rules("allow tcp 22 ANY in", "deny tcp 80 ANY in"), allow=[80])
    assert [problem[:65] for problem in result.problems] == [
        "80 is to be allowed, and UFW has the rule 'deny 80/tcp (IPv%d)': d" % family for family in (4, 6)
    ]


def test_somebodys_allow_is_not_turned_into_a_deny():
    found = rules("allow tcp 22 ANY in", "allow_log tcp 6379 ANY in", v6=["allow tcp 22 ANY in"])
    assert told(found, deny=[6379]) == ["deny proto tcp from any to ::/0 port 6379"]
    assert list(map(str, ufw_rules.foreign_allows(found, [6379]))) == ["allow 6379/tcp (IPv4)"]


@pytest.mark.parametrize(
    ("rule", "is_one"),
    [
        ("allow tcp 6000:7000 ANY in", True),
        ("limit tcp 6379 0.0.0.0/0 any 10.0.0.0/8 in_eth0", True),
        ("route:allow any 6379 ANY in", True),
        ("deny tcp 6379 ANY in", False),
        ("allow tcp 6379 ANY out", False),
        ("allow udp 6379 ANY in", False),
        ("allow tcp 6380 ANY in", False),
        ("allow any any 0.0.0.0/0 any 10.0.0.0/8 in", False),
    ],
)
def test_foreign_allows(rule, is_one):
    assert bool(ufw_rules.foreign_allows(rules(rule, v6=[]), [6379])) == is_one


@given(
    st.lists(ports, min_size=1, max_size=4, unique=True),
    st.lists(st.tuples(st.sampled_from(["allow", "deny", "limit", "reject"]), ports), max_size=6),
    st.booleans(),
)
def test_told_once_nothing_is_left_and_ssh_gets_in(numbers, others, enabling):
    """What the commands say is what is missing, and adding it is enough."""
    found = rules(*("%s tcp %d ANY in" % other for other in others))
    ssh, deny = numbers[:1], numbers[1:]
    first = plan(found, ssh, (), deny, enabling, (*CLIENT[:2], ssh[0]))
    if first.problems:
        return
    after = {family: found[family] + [one for one in first.missing if one.family == family] for family in found}
    second = plan(after, ssh, (), deny, enabling, (*CLIENT[:2], ssh[0]))
    assert (second.missing, second.commands, second.problems) == ((), (), ())
    # No rule that was there is changed by a command: UFW does that to one for just the same port.
    for rule in first.missing:
        assert not any(ufw_rules.replaces(other, int(rule.ports)) for other in found[rule.family])
    if enabling:
        assert [one for one in after[4] if one.covers(ssh[0])][0].action in ufw_rules.LETS_IN


def test_diff_lines():
    assert ufw_rules.listing(rules("allow tcp 22 ANY in"), True) == (
        "Status: active\nallow 22/tcp (IPv4)\nallow 22/tcp (IPv6)\n"
    )
