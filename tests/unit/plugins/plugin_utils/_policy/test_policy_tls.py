# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.tls import is_name, tls_problems

GOOD = {
    "redis_tls": "required",
    "redis_port": 6379,
    "redis_tls_port": 6380,
    "pki_source": "private_ca",
    "pki_names": ["db1.example.com", "10.0.3.7", "fd00::7", "redis_1"],
    "pki_dir": "/srv/pki",
    "pki_host_dir": "/etc/redis/tls",
    "pki_ca_passphrase": "a-passphrase-of-enough-characters",
    "pki_ca_days": 3650,
    "pki_days": 365,
    "pki_renew_before": 30,
    "pki_min_days": 14,
    "pki_max_clock_skew": 300,
    "pki_clients": ["app", "app-2.example.com"],
    "pki_cert_file": None,
}
FILES = {
    "pki_source": "files",
    "pki_cert_file": "/tls/a.crt",
    "pki_key_file": "/tls/a.key",
    "pki_ca_file": "/tls/ca.crt",
}


@pytest.mark.parametrize("more", [{}, FILES, {"redis_tls": "off", "redis_tls_port": 6379}, {"pki_min_days": 30}])
def test_good_settings(more):
    assert tls_problems(GOOD | more) == []


def test_nothing_is_asked_of_what_is_not_there():
    assert tls_problems({}) == []


@pytest.mark.parametrize(
    "name", ["redis_tls_port", "pki_days", "pki_ca_days", "pki_renew_before", "pki_max_clock_skew"]
)
def test_numbers_out_of_range(name):
    (problem,) = tls_problems(GOOD | {name: 0})
    assert problem.startswith("%s is 0: set " % name)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"redis_tls_port": 6379}, "redis_tls_port is 6379, which is redis_port"),
        ({"pki_renew_before": 365}, "pki_renew_before is 365 and pki_days is 365"),
        ({"pki_days": 3650}, "pki_days is 3650 and pki_ca_days is 3650"),
        ({"pki_min_days": 31}, "pki_min_days is 31 and pki_renew_before is 30"),
        ({"pki_cert_file": "/a"}, "pki_cert_file is set, but pki_source is private_ca"),
        (FILES | {"pki_key_file": None}, "pki_key_file is missing"),
        (FILES | {"pki_ca_file": "tls/ca.crt"}, "pki_ca_file is 'tls/ca.crt': set an absolute path"),
        ({"pki_names": []}, "pki_names is empty"),
        ({"pki_names": ["db 1"]}, "pki_names[0] is 'db 1'"),
        ({"pki_clients": ["app", "../ca"]}, "pki_clients[1] is '../ca'"),
        ({"pki_dir": "pki"}, "pki_dir is 'pki': set an absolute path"),
        (
            {"pki_ca_passphrase_file": "ca.passphrase"},
            "pki_ca_passphrase_file is 'ca.passphrase': set an absolute path",
        ),
        ({"pki_host_dir": "/etc/redis/tls/"}, "without / at its end"),
        ({"pki_host_dir": "/etc/tls"}, "below a directory of the server"),
        ({"pki_ca_passphrase": "short"}, "pki_ca_passphrase is shorter than 16"),
    ],
)
def test_refused(more, says):
    (problem,) = tls_problems(GOOD | more)
    assert says in problem
    assert "short:" not in problem


def test_the_private_ca_s_numbers_do_not_matter_for_files():
    assert tls_problems(GOOD | FILES | {"pki_renew_before": 400, "pki_ca_passphrase": "short"}) == []


@pytest.mark.parametrize("name", ["db1", "DB1.example.com", "*.example.com", "10.0.0.1", "[fd00::1]", "a_b"])
def test_names(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "a..b", "-a", "a-", "fe80::1%eth0", "a/b", "DNS:db1", "x" * 64, "a\nb", "*"])
def test_no_names(name):
    assert not is_name(name)
