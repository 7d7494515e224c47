# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.facts import (
    hidden_variables,
    option_problems,
)

GATHERED = {
    "distribution": "Debian",
    "gather_subset": ["all"],
    "module_setup": True,
    "facter_os": "x",
    # With the setting interpreter_python=auto_silent, as in docs/quickstart.md.
    "discovered_interpreter_python": "/usr/bin/python3.11",
}


def test_ordinary_facts_hide_nothing():
    variables = {"ansible_facts": GATHERED, "ansible_distribution": "Debian", **GATHERED, "own_name": "db1"}
    del variables["distribution"]
    assert hidden_variables(variables) == [] and hidden_variables({}) == []
    assert option_problems(GATHERED, {"pki": {"pki_names": {}}}) == []
    # What setup returns as ansible_domain is not the inventory's variable.
    assert hidden_variables({"ansible_facts": {"domain": "example.org"}, "domain": "internal"}) == []


def test_a_fact_with_the_name_of_a_variable():
    variables = {"ansible_facts": GATHERED | {"own_name": "bank"}, "own_name": "bank"}
    assert hidden_variables(variables) == ["own_name"]


def test_a_fact_with_the_name_of_an_option():
    found = option_problems(GATHERED | {"pki_names": ["bank"]}, {"redis": {"redis_port": {}}, "pki": {"pki_names": {}}})
    assert len(found) == 1 and found[0].startswith("pki_names is among the facts of the host")
