"""The engine's command line as systemd shows it, and the fate of containers."""

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon import unit
from hypothesis import given, strategies as st

SHOWN = (
    "{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock "
    "$DOCKER_OPTS ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }"
)


def container(name, policy="no", running=True, remove=False):
    return {
        "Name": "/" + name,
        "State": {"Running": running},
        "HostConfig": {"RestartPolicy": {"Name": policy}, "AutoRemove": remove},
    }


def test_flags_of_debian_s_unit():
    words = unit.argv(SHOWN)
    assert words[0] == "/usr/sbin/dockerd"
    variables = unit.environment('# a comment\nDOCKER_OPTS="--iptables=false --ip 127.0.0.1 -D"\n')
    assert unit.flags(unit.expand(words, variables)) == {
        "host": "fd://",
        "containerd": "/run/containerd/containerd.sock",
        "iptables": "false",
        "ip": "127.0.0.1",
        "D": "",
    }


def test_an_exec_start_that_is_none():
    assert unit.argv("") == []
    assert unit.flags([]) == {}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--iptables"], {"iptables": ""}),
        (["--iptables", "--ip=1.2.3.4"], {"iptables": "", "ip": "1.2.3.4"}),
        (["--ip", "1.2.3.4", "--icc=false"], {"ip": "1.2.3.4", "icc": "false"}),
        (["-Hfd://", "-l=debug"], {"host": "fd://", "log-level": "debug"}),
        (["--config-file", "/etc/d.json"], {"config-file": "/etc/d.json"}),
        (["--live-restore", "stray"], {"live-restore": ""}),
        (["--ip"], {"ip": ""}),
        (["-"], {}),
    ],
)
def test_forms_of_flags(words, found):
    assert unit.flags(["dockerd", *words]) == found


@given(st.lists(st.text(st.sampled_from("-=ipH ./"), min_size=1), max_size=5))
def test_no_command_line_is_too_odd(words):
    assert all(isinstance(value, str) for value in unit.flags(["dockerd", *words]).values())


def test_variables():
    assert unit.expand(["$A", "--x=${B}", "$NONE", "${NONE}y"], {"A": "1 2", "B": "3 4"}) == ["1", "2", "--x=3 4", "y"]
    assert unit.environment("A=1 'B=2 3'\nbroken \"\nC=") == {"A": "1", "B": "2 3", "C": ""}
    assert unit.environment_files("/etc/default/docker (ignore_errors=yes)") == ["/etc/default/docker"]
    assert unit.environment_files("") == []


def test_where_a_flag_is_set():
    sources = [
        ("/etc/systemd/system/docker.service.d/x.conf", "[Service]\n#--iptables=false\n"),
        ("/lib/systemd/system/docker.service", "ExecStart=/usr/sbin/dockerd --iptables-else $DOCKER_OPTS"),
        ("/etc/default/docker", 'DOCKER_OPTS="--iptables=false"'),
    ]
    assert unit.where_set("iptables", sources) == "/etc/default/docker"
    assert unit.where_set("ip", sources) == "its unit"


def test_what_becomes_of_containers():
    found = unit.fate(
        [
            container("always", "always"),
            container("unless", "unless-stopped"),
            container("failure", "on-failure"),
            container("plain"),
            container("temporary", remove=True),
            container("sleeping", "always", running=False),
            container("stopped", "unless-stopped", running=False),
        ],
    )
    assert found == {
        "returning": ["always", "unless"],
        "staying_down": ["failure", "plain"],
        "removed": ["temporary"],
        "started": ["sleeping"],
    }
    text = unit.fate_text(found)
    assert all(name in text for name in ("always, unless", "failure, plain", "temporary", "sleeping"))
    assert "stopped:" not in text


def test_without_containers_there_is_nothing_to_refuse():
    found = unit.fate([])
    assert unit.fate_text(found) == "no container stops"
    assert unit.refusal(found, "harmless") is None


def test_refusals():
    returning = unit.fate([container("cache", "always")])
    lost = unit.fate([container("cache", "always"), container("batch"), container("temp", remove=True)])
    started = unit.fate([container("old", "always", running=False)])
    assert unit.refusal(returning, "harmless")
    assert unit.refusal(started, "harmless")
    assert unit.refusal(returning, "returning") is None
    assert unit.refusal(lost, "returning") == "these containers would not come back: batch, temp"
    assert unit.refusal(lost, "always") is None
