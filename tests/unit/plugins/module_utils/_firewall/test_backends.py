# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both backends have what the modules ask of them."""

from __future__ import annotations

import inspect
import subprocess

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall import (
    backends as firewall_backends,
    script as firewall_script,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.iptables import (
    backend as iptables_backend,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.nftables import (
    backend as nftables_backend,
)
from test_firewall_kernel import POLICY
from test_nft_kernel import NOTICE, listing

FUNCTIONS = ("rules", "ufw_deny_ports", "leftovers", "prove")
METHODS = ("foreign", "differences", "diffs", "warnings")


@pytest.mark.parametrize("name", firewall_backends.BACKENDS)
def test_the_same_functions(name):
    backend, first = firewall_backends.BACKENDS[name], iptables_backend
    for function in FUNCTIONS:
        assert inspect.signature(getattr(backend, function)) == inspect.signature(getattr(first, function))
    for method in METHODS:
        assert inspect.signature(getattr(backend.Backend, method)) == inspect.signature(getattr(first.Backend, method))
    assert firewall_backends.others(name) == [other for key, other in firewall_backends.BACKENDS.items() if key != name]


@pytest.mark.parametrize("backend", firewall_backends.BACKENDS.values())
def test_the_script_knows_the_files(backend):
    assert list(backend.rules(POLICY)) == list(backend.RULES)
    assert backend.RULES[0] in firewall_script.SCRIPT


def test_what_ufw_may_deny():
    assert iptables_backend.ufw_deny_ports(POLICY) == [6379, 6380, 7000, 7001, 7002]
    assert nftables_backend.ufw_deny_ports(POLICY) == [7001, 7002]
    assert nftables_backend.ufw_deny_ports(NOTICE) == [7001]


def test_the_script_compares_as_python_does():
    """The script takes out of a listing what kernel.py takes out."""
    function = firewall_script.SCRIPT.split("\nuncounted() {")[1].split("\n}\n")[0]
    counted = "\t\ttimeout 1m\n\t\telements = { 192.0.2.1 limit rate 20/minute,\n\t\t\t     192.0.2.2 expires 3s }\n"
    text = listing().replace("\t\ttimeout 1m\n", counted)
    assert text != listing()
    done = subprocess.run(["sh", "-c", function], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == listing()
