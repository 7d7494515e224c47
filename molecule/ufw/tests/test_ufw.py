"""UFW is on, SSH and the web are open, Redis is closed to all but the named sources."""

from __future__ import annotations

import subprocess

from neighbours import ping

testinfra_hosts = ["ansible://redis_servers"]


def targets(addresses, *ports):
    return [f"{address}:{port}" for address in addresses for port in ports]


def added(host):
    with host.sudo():
        return host.check_output("ufw show added").splitlines()[1:]


def test_ufw_is_on_and_starts_at_boot(host):
    with host.sudo():
        assert "Status: active" in host.check_output("ufw status").splitlines()
    assert host.service("ufw").is_enabled


def test_rules_are_the_wanted_ones_after_those_of_somebody_else(host, variables):
    ours = [f"ufw allow {port}/tcp" for port in (*variables["ssh_ports"], 80, 443)]
    ours += [f"ufw deny {port}/tcp" for port in (6379, 6380)]
    others = ["ufw allow 5432/tcp comment 'mine'", "ufw allow from 10.99.0.0/16 to any port 6379 proto tcp"]
    others = others if variables["inventory_hostname"] == "trixie" else []
    assert added(host) == others + [rule + " comment 'celebrum.redis_hardening'" for rule in ours]


def test_a_fresh_ssh_connection_gets_in_on_each_port(variables):
    for port in variables["ssh_ports"]:
        command = [
            "ssh",
            *variables["ansible_ssh_common_args"].split(),
            "-o",
            "ControlPath=none",
            "-o",
            "BatchMode=yes",
        ]
        command += ["-o", "ConnectTimeout=5", "-i", variables["ansible_ssh_private_key_file"], "-p", str(port)]
        done = subprocess.run(
            [*command, "ops@" + variables["ansible_host"], "echo in"], capture_output=True, check=False
        )
        assert done.stdout == b"in\n", done.stderr


def test_outsider_reaches_the_web_and_nothing_else(outsider, addresses):
    closed = targets(addresses, 6379, 6380, 8080)
    answers = ping(outsider, *closed, *targets(addresses, 80))
    assert [target for target, answer in answers.items() if answer == "closed"] == closed


def test_app_reaches_redis_though_ufw_denies_it(app, addresses):
    answers = ping(app, *targets(addresses, 6379, 6380))
    assert [target for target, answer in answers.items() if answer == "closed"] == targets(addresses, 6380)


def test_our_chain_comes_first(host):
    with host.sudo():
        for command in ("iptables", "ip6tables"):
            assert host.check_output(f"{command} -S INPUT").splitlines()[1] == "-A INPUT -p tcp -j REDIS-PORTS"
