# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our table as the kernel has it beside the wanted one.

The listings come from Debian 12 (nftables 1.0.6) and Debian 13 (1.1.3), with the rendered NOTICE loaded.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import policy as firewall_policy
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import (
    kernel as nftables_kernel,
    rules as nftables_rules,
)
from test_firewall_kernel import POLICY

LISTINGS = Path(__file__).with_name("nft_listings")
SYSTEMS = ("bookworm", "trixie")
NOTICE = firewall_policy.build_policy(
    [
        {"port": port, "sources": list(map(str, networks)), "purpose": "data"}
        for port, networks in POLICY.sources.items()
        if port not in POLICY.reserved
    ],
    [7002],
    list(POLICY.bridges),
    "notice",
    True,
)


def listing(system="bookworm"):
    return (LISTINGS / (system + ".txt")).read_text()


def differences(kernel):
    return nftables_kernel.differences(kernel, listing())


@pytest.mark.parametrize("system", SYSTEMS)
def test_rendered_rules_are_what_the_kernel_shows(system):
    rendered = nftables_rules.render(NOTICE).split("delete table inet redis_ports\n")[1]
    # nft breaks long lines of elements, and leaves no line empty after the comment.
    assert " ".join(rendered.split()) == " ".join(listing(system).split())


def test_the_same_is_no_difference():
    assert differences(listing()) == []
    assert differences(listing("trixie")) == []


def test_counted_sources_are_no_difference():
    timeout = "\t\ttimeout 1m\n"
    one = timeout + "\t\telements = { 192.0.2.1 limit rate 20/minute burst 10 packets }\n"
    several = (
        timeout + "\t\telements = { 2001:db8:: limit rate 20/minute burst 10 packets,\n\t\t\t     2600:: expires 3s }\n"
    )
    first, second, third = listing().split(timeout)
    assert differences(first + one + second + several + third) == []
    # Elements that were not counted are another matter.
    assert differences(listing().replace("10.20.0.5, ", "10.20.0.5, 192.0.2.1, ")) != []


DRIFT = [
    ("elements = { 7002 }", "elements = { 7002, 7003 }", "the set reserved of inet redis_ports has other elements"),
    ("10.20.0.5, ", "", "the set sources4_6379 of inet redis_ports has other elements"),
    ("\t\telements = { 7000 }\n", "", "the set ports4_7000 of inet redis_ports has other elements"),
    ('\t\tiifname "lo" accept\n', "", "the chain host of inet redis_ports has other rules"),
    (
        "\t\ttcp dport @guarded counter drop\n",
        "\t\ttcp dport @guarded counter accept\n",
        "the chain host of inet redis_ports has other rules",
    ),
    ('\t\tiifname "docker0"', '\t\tiifname "eth0" accept\n\t\tiifname "docker0"', "the chain containers of inet"),
    (
        "hook input priority mangle + 10",
        "hook input priority filter + 10",
        "the chain host of inet redis_ports has another place: type filter hook input priority filter + 10;",
    ),
    ("\tchain host {", "\tchain guests {", "the chain host of inet redis_ports is missing"),
    ("\tchain host {", "\tchain more {\n\t}\n\n\tchain host {", "the chain more of inet redis_ports is left over"),
    (
        '\tcomment "redis_hardening"\n',
        '\tcomment "redis_hardening"\n\tflags dormant\n',
        'the table inet redis_ports has other properties: comment "redis_hardening" flags dormant',
    ),
    ("\t\tsize 10000\n", "\t\tsize 9\n", "the set knocks4 of inet redis_ports has other elements"),
    (
        "\tset guarded {",
        "\tmap m {\n\t\ttype mark : mark\n\t}\n\n\tset guarded {",
        "the map m of inet redis_ports is left over",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), DRIFT, ids=[new.strip() or old.strip() for old, new, _e in DRIFT])
def test_each_difference_is_told(old, new, expected):
    changed = listing().replace(old, new, 1)
    assert changed != listing()
    found = differences(changed)
    assert any(expected in one for one in found), found


def test_a_missing_table():
    assert differences(None) == ["the table inet redis_ports is missing"]
    assert len(differences("table inet redis_ports {\n}\n")) == 18


def test_another_order_is_a_difference():
    blocks = listing().split("\n\n")
    assert differences("\n\n".join([*blocks[:1], blocks[2], blocks[1], *blocks[3:]])) == [
        "the parts of inet redis_ports have another order"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("table inet redis_ports {\n}\n", None),
        ("table inet redis_ports {\n\tflags dormant\n}\n", None),
        (
            "table inet redis_ports {\n\tset mine {\n\t\ttype mark\n\t}\n}\n",
            "with other content exists (its first part: set mine)",
        ),
        ('table inet redis_ports {\n\tcomment "mine"\n\tchain c {\n\t}\n}\n', "its first part: chain c"),
    ],
)
def test_somebody_elses_table(text, expected):
    found = nftables_kernel.foreign_table(text)
    assert found is expected or expected in found
    assert nftables_kernel.foreign_table(listing()) is None


def test_has_table():
    assert nftables_kernel.has_table("table ip filter\ntable inet redis_ports\n")
    assert not nftables_kernel.has_table("table ip redis_ports\ntable inet redis_ports_mine\n")
    assert not nftables_kernel.has_table("")
