"""The container is confined, holds no secret in view, and only its own network reaches it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from neighbours import ping

testinfra_hosts = ["ansible://redis_container_hosts"]


@pytest.fixture
def secrets():
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "credentials", "trixie")
    return {path.name: path.read_text().strip() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def inspected(host):
    (found,) = json.loads(host.check_output("docker inspect redis"))
    return found


@pytest.fixture
def address(inspected):
    return inspected["NetworkSettings"]["Networks"]["redis"]["IPAddress"]


@pytest.fixture
def cli(host, secrets):
    """A function: run a command as a user from an application's container in the network."""

    def run(user, *command, network="redis", target="redis"):
        login = f"--user {user}" if user else ""
        words = " ".join(f"'{word}'" for word in command)
        auth = f"REDISCLI_AUTH='{secrets[user]}' " if user else ""
        return host.check_output(
            f"{auth}timeout 8 docker run --rm --network {network} -e REDISCLI_AUTH redis:lab "
            f"redis-cli --no-auth-warning -t 3 {login} -h {target} {words} 2>&1; true"
        )

    return run


def test_app_reads_and_writes_over_the_network(cli):
    assert cli("app", "SET", "app:1", "one") == "OK"
    assert cli("app", "GET", "app:1") == "one"


@pytest.mark.parametrize(
    "command", [["GET", "other:1"], ["CONFIG", "GET", "dir"], ["EVAL", "return 1", "0"], ["ACL", "LIST"]]
)
def test_app_may_do_nothing_else(cli, command):
    assert cli("app", *command).startswith("NOPERM")


def test_nobody_gets_in_without_a_login(cli):
    assert cli(None, "PING").startswith("NOAUTH")


def test_dangerous_commands_are_gone(host, secrets):
    for command in ("FLUSHALL", "KEYS", "DEBUG"):
        answer = host.check_output(
            f"REDISCLI_AUTH='{secrets['redis-admin']}' docker exec -e REDISCLI_AUTH redis "
            f"redis-cli --no-auth-warning --user admin {command} x"
        )
        assert answer.startswith("ERR unknown command")


def test_other_networks_of_the_host_do_not_reach_it(cli, address):
    assert cli("app", "GET", "app:1", target=address) == "one"
    assert "one" not in cli("app", "GET", "app:1", network="bridge", target=address)


def test_the_network_leads_nowhere(host, inspected):
    (network,) = json.loads(host.check_output("docker network inspect redis"))
    assert network["Internal"] is True
    assert list(inspected["NetworkSettings"]["Networks"]) == ["redis"]


def test_nothing_is_published(host, inspected):
    assert not inspected["HostConfig"]["PortBindings"]
    assert not inspected["NetworkSettings"]["Ports"]
    listening = host.check_output("ss -Hltn | awk '{print $4}'").splitlines()
    assert {one.rsplit(":", 1)[1] for one in listening if not one.startswith("127.")} == {"22"}


def test_nobody_outside_reaches_it(outsider, app, addresses):
    targets = [f"{address}:{port}" for address in addresses for port in (6379, 6380, 16379, 26379)]
    for neighbour in (outsider, app):
        assert ping(neighbour, *targets) == dict.fromkeys(targets, "closed")
        assert ping(neighbour, f"{addresses[0]}:22")[f"{addresses[0]}:22"].startswith("SSH-")


def test_nobody_outside_reaches_it_by_a_route_through_the_droplet(outsider, inspected, address, variables):
    network = inspected["NetworkSettings"]["Networks"]["redis"]
    gateway = network["Gateway"] or address.rsplit(".", 1)[0] + ".1"
    route = f"ip route replace {address}/16 via {variables['ansible_host']}".replace(
        address, ".".join(address.split(".")[:2]) + ".0.0"
    )
    outsider.check_output(route)
    answers = ping(outsider, f"{address}:6379", f"{gateway}:22")
    # The droplet's own address in that network answers: the route works.
    assert answers[f"{gateway}:22"].startswith("SSH-")
    assert answers[f"{address}:6379"] == "closed"
    assert not network["GlobalIPv6Address"]


def test_it_is_confined(inspected):
    config = inspected["HostConfig"]
    assert config["ReadonlyRootfs"] is True
    assert config["CapDrop"] == ["ALL"]
    assert not config["CapAdd"]
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert config["Privileged"] is False
    assert config["RestartPolicy"]["Name"] == "unless-stopped"
    assert inspected["Config"]["User"] == "999:999"


def test_its_memory_is_bounded(host, inspected):
    project = json.loads(host.check_output("docker compose -f /opt/redis/compose.yaml config --format json"))
    assert project["services"]["redis"]["mem_limit"] == str(512 * 1024 * 1024)
    if host.check_output("docker info --format '{{.MemoryLimit}}'") == "true":  # not everywhere in a container
        assert inspected["HostConfig"]["Memory"] == 512 * 1024 * 1024


def test_the_kernel_holds_it_so(host, inspected):
    status = host.check_output(f"cat /proc/{inspected['State']['Pid']}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split()[1] == fields["Gid"].split()[1] == "999"
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize("place", ["/x", "/tmp/x", "/etc/redis/x", "/run/secrets/x", "/bin/redis-server"])  # noqa: S108
def test_not_even_root_writes_but_to_the_data(host, place):
    # Root of the container owns these places: what stops it is that they are mounted read-only.
    assert "Read-only file system" in host.run(f"docker exec -u 0 redis sh -c 'echo x > {place}'").stderr


def test_its_data_is_on_the_volume(host):
    assert host.run("docker exec redis sh -c 'echo x > /data/probe'").rc == 0
    assert host.file("/var/lib/docker/volumes/redis-data/_data/probe").exists


def test_no_secret_is_in_view(host, inspected, secrets):
    assert {"app", "redis-admin", "redis-healthcheck"} <= set(secrets)
    pid = inspected["State"]["Pid"]
    views = {
        "inspect": json.dumps(inspected),
        "image": host.check_output("docker image inspect redis:lab"),
        "project": host.check_output("cat /opt/redis/compose.yaml"),
        "effective project": host.check_output("docker compose -f /opt/redis/compose.yaml config"),
        "arguments and environment": host.check_output(f"cat /proc/{pid}/cmdline /proc/{pid}/environ | tr '\\0' '\\n'"),
        "configuration": host.check_output("cat /opt/redis/configs/redis/*"),
        "log": host.check_output("docker logs redis 2>&1"),
        "journal": host.check_output("journalctl --no-pager -q"),
    }
    assert "REDISCLI_AUTH" in views["inspect"]  # the health check is there
    leaks = [(view, name) for view, text in views.items() for name, secret in secrets.items() if secret in text]
    assert leaks == []


def test_others_on_the_host_see_nothing_of_it(host):
    for path in ("/opt/redis", "/opt/redis/secrets/healthcheck", "/opt/redis/run/redis.sock"):
        assert host.run(f"runuser -u ops -- cat {path}").rc != 0
        assert "Permission denied" in host.run(f"runuser -u ops -- ls {path}/").stderr


def test_it_is_healthy_by_a_user_who_may_only_ping(host, inspected, cli, secrets):
    assert inspected["State"]["Health"]["Status"] == "healthy"
    secrets["healthcheck"] = secrets["redis-healthcheck"]
    assert cli("healthcheck", "PING") == "PONG"
    for command in (["GET", "app:1"], ["INFO"], ["ACL", "WHOAMI"]):
        assert cli("healthcheck", *command).startswith("NOPERM")


def test_both_shapes_are_there(host):
    folder = "/opt/redis/configs/redis/"
    assert "bind 127.0.0.1 -::1" in host.file(folder + "redis.conf").content_string
    assert "bind * -::*" in host.file(folder + "redis-docker.conf").content_string
