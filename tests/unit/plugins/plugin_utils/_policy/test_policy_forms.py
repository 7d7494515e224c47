# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No text of the inventory can be more than one word, or one line, of the file that it goes into."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.declared import settings_problems
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.directives import PATH, TEXTS
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory.roles import read_specs
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy import (
    cluster as policy_cluster,
    container as policy_container,
    general as policy_general,
    instances as policy_instances,
    notice as policy_notice,
    ports as policy_ports,
    sentinel as policy_sentinel,
    tls as policy_tls,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.forms import (
    FORMS,
    form_problems,
    path_problems,
)

EVIL = "x\nExecStartPre=/bin/evil"
USER = {"name": "app", "enabled": True, "passwords": ["x" * 16], "password_hashes": []}
# What the checks beside want to have.
AROUND = {
    "redis_users": [],
    "redis_admin_user": "admin",
    "redis_sentinel_hosts": ["a", "b", "c"],
    "redis_container_users": [],
    "redis_container_admin_user": "admin",
    "redis_container_name": "redis",
    "redis_container_network": "redis",
    "redis_container_volume": "data",
    "redis_container_maxmemory": "256mb",
    "redis_container_memory": "512mb",
    "firewall_ports": [{"port": 6379}],
    "port_notice_ports": [6380],
    "port_notice_use_ports": ["6379"],
    "pki_source": "files",
}
# Options whose text goes into no file: names that are looked up, in the inventory or in the variables.
LOOKED_UP = {"redis_ignored_variables", "redis_group_hosts", "redis_sentinel_hosts"}
# Of a waiver, what stands in the report as text.
PROSE = {"audit_waivers.reason", "audit_waivers.subject", "audit_waivers.host"}


def all_problems(settings):
    settings = {**AROUND, **settings}
    checks = (
        *(form_problems, policy_general.policy_problems, settings_problems, policy_tls.tls_problems),
        *(policy_container.container_problems, policy_sentinel.sentinel_problems, policy_cluster.cluster_problems),
        policy_ports.firewall_problems,
    )
    found = [problem for check in checks for problem in check(settings)]
    return found + policy_notice.notice_problems(settings, {}) + policy_instances.instance_problems(settings)


def texts():
    """Yield (name, settings in which it is EVIL) for each text of each role."""
    for options in read_specs().values():
        for name, option in options.items():
            for where, value in _evil(name, option):
                yield pytest.param(name, value, id=where)


def _evil(where, option):
    if option.get("choices") or option.get("no_log") or where in LOOKED_UP | PROSE:
        return
    wanted = option.get("type", "str")
    if wanted in ("str", "path"):
        yield where, EVIL
    elif wanted == "list" and option.get("options"):
        whole = {"port": 7000, **(USER if "users" in where else {}), "host": "a", "name": "a", "state": "present"}
        whole |= {"id": "RH-CFG-03", "reason": "x", "until": "2999-01-01"} if "waivers" in where else {}
        for key, inner in option["options"].items():
            for place, value in _evil("%s.%s" % (where, key), inner):
                yield place, [{**whole, key: value}]
    elif wanted == "list" and option.get("elements") in ("str", "path", "raw"):
        yield where, [EVIL]


@pytest.mark.parametrize(("name", "value"), list(texts()))
def test_a_line_end_is_refused_in_every_text_of_every_role(name, value):
    found = all_problems({name: value})
    assert any(name in problem for problem in found), found


@pytest.mark.parametrize("variable", ["redis_dir", "redis_logfile", "pki_host_dir", "redis_container_dir"])
@pytest.mark.parametrize(
    "path",
    [
        "/srv/x\nExecStartPre=/bin/evil/y",
        "/srv/my data/y",
        "/srv/50%/y",
        "/srv/%i/y",
        "/srv/a\ty/y",
        "/srv/$HOME/y",
        '/srv/"x"/y',
        "/srv/x;reboot/y",
        "/srv/x#y/z",
        "/srv/x\\y/z",
        "/srv/a/../b/c",
        "/srv/./b/c",
        "/srv/b/c/..",
        "/srv/x/y\n",
        "/srv/\u00a0x/y",
        "data/x/y",
        "",
    ],
)
def test_paths_that_are_more_than_one_word_are_refused_by_name(variable, path):
    assert any(variable in problem for problem in all_problems({variable: path}))


@pytest.mark.parametrize("path", ["/data/redis", "/srv/redis-7000_a.b+c@d:e,f=g~h", "/data//x/", "/", "/..data/.x/..."])
def test_paths_of_one_word_are_taken(path):
    assert path_problems("redis_dir", path) == []
    assert PATH.fullmatch(path)


GOOD = {
    "audit_addresses[]": ["10.0.0.5", "fd00::5", "db1.example.com", "fe80::5%eth0"],
    "cluster_leaving[]": ["10.0.0.7:7000", "[fd00::7]:7000", "db_1:7000"],
    "cluster_nodes[].zone": ["rack 4"],
    "firewall_addresses[]": ["10.0.0.5", "fd00:1::5", "db1"],
    "firewall_docker_bridges[]": ["docker0", "br-+", "docker_gwbridge", "eth0.100"],
    "pki_ca_name": ["Redis CA", "Größe (Test), Redis"],
    "pki_dir": ["/home/me/My Project/größe/.pki"],
    "pki_group": ["redis", "999"],
    "redis_announce_address": ["", "10.0.0.5", "fd00::5", "db1.example.com"],
    "redis_bind[]": ["127.0.0.1", "-::1", "*", "-::*", "fe80::1%eth0", "-fe80::1%enp0s31f6.100"],
    "redis_credentials_owner": ["db1.example.com", "größe", "10.0.0.5", "fd00::5"],
    "redis_package_version": ["", "5:7.0.15-1~deb12u10", "8.0.2+dfsg-1"],
    "redis_repl_backlog_size": ["64mb", "1GB", "1048576", "1m"],
    "redis_replica_output_buffer_limit": ["256mb 64mb 60", "0 0 0"],
    "redis_replica_user": ["replica", "app.replica@x", "größe", "a$b"],
    "sentinel_master_name": ["mymaster", "cache-1.eu_a"],
}
BAD = {
    "cluster_leaving[]": ["10.0.0.7:7000 x"],
    "firewall_docker_bridges[]": ["br 1", 'br"', "br;drop", "br{x}", "a-name-too-long-for-linux", "+", "br\n"],
    "pki_ca_name": ["", "x" * 65, "a\tb", "CA;rm"],
    "pki_group": ["re dis", "../x", "-x"],
    "redis_announce_address": ["a b", "10.0.0.5%eth0", "x\n"],
    "redis_bind[]": ["fe80::1%eth0\nport 1", "fe80::1%eth 0", "fe80::1%", "host1"],
    "redis_credentials_owner": ["../x", "a/b", ".hidden", ""],
    "redis_package_version": ["1.0 -o x", "1.0;x", "-o=x y"],
    "redis_repl_backlog_size": ["64 mb", "64\u212a", "\u0663mb", "64mb\n"],
    "redis_replica_output_buffer_limit": ["256mb 64mb", "256mb 64mb 60 pubsub 0 0 0", "256mb\n64mb 60"],
    "redis_replica_user": ["a b", 'a"b', "a'b", "a\\b", "a\n", "", "a\x85b"],
    "sentinel_master_name": ["my master", "a*", "", "a/b"],
}


def of_form(name, value):
    variable, is_list, key = name.partition("[]")
    entry = {key[1:]: value} if key else value
    return form_problems({variable: [entry] if is_list else entry})


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in GOOD for value in GOOD[name]])
def test_good_forms(name, value):
    assert of_form(name, value) == []


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_bad_forms(name, value):
    (problem,) = of_form(name, value)
    assert problem.startswith(name.replace("[]", "[0]") + " is ")
    assert "\n" not in problem


def test_every_form_is_of_an_option():
    known = {name for options in read_specs().values() for name in options}
    assert {name.partition("[]")[0] for name in FORMS} <= known


@pytest.mark.parametrize("directive", sorted(TEXTS))
def test_a_line_end_is_refused_in_every_text_of_further_settings(directive):
    assert settings_problems({"redis_settings": {directive: "a\nport 1"}})


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("unixsocket", "/run/redis/my socket"),
        ("unixsocket", "redis.sock"),
        ("unixsocketgroup", "web users"),
        ("syslog-ident", "redis %i"),
        ("server-cpulist", "0-3; x"),
        ("appendfilename", "../x.aof"),
        ("proc-title-template", "{title}\x1b[2J"),
    ],
)
def test_further_settings_have_their_forms(directive, value):
    (problem,) = settings_problems({"redis_settings": {directive: value}})
    assert problem.startswith("redis_settings.%s is " % directive)


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("unixsocket", "/run/redis/redis.sock"),
        ("unixsocketgroup", "web"),
        ("syslog-ident", "redis-7000"),
        ("server-cpulist", "0,2-3"),
        ("proc-title-template", "{title} {listen-addr} {server-mode}"),
    ],
)
def test_further_settings_of_good_form(directive, value):
    assert settings_problems({"redis_settings": {directive: value}}) == []


@pytest.mark.parametrize("size", ["512\u212a", "\u0665m", "512m\n"])
def test_sizes_are_plain_letters_and_digits(size):
    assert policy_general.memory_bytes(size) is None
    assert policy_container.compose_bytes(size) is None


@pytest.mark.parametrize(
    ("variable", "prefix"),
    [("redis_users", "redis_users[0] (app): "), ("redis_container_users", "redis_container_users")],
)
@pytest.mark.parametrize("rights", [{"keys": ["allkeys"]}, {"channels": ["~x"]}, {"commands": ["get"]}])
def test_rights_in_the_wrong_list_are_refused_before_anything_is_changed(variable, prefix, rights):
    found = [one for one in all_problems({variable: [{**USER, **rights}]}) if one.startswith(prefix)]
    assert len(found) == 1, found
    assert "%s, entry 1: " % next(iter(rights)) in found[0]


def test_what_the_kernel_module_sets_is_taken():
    assert not [one for one in all_problems({"redis_sysctl": {"vm.max_map_count": 262144}}) if "sysctl" in one]
