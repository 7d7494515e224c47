# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_units with real files and a stand-in for systemctl; real units are in the scenario instances."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
from module_process import MODULES

# It knows the units of state.json, and writes down how it was called.
SYSTEMCTL = f"""#!{sys.executable}
import json, os, sys
place = os.path.dirname(os.path.abspath(__file__))
with open(place + "/calls", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
with open(place + "/state.json") as handle:
    state = json.load(handle)
verb, units = sys.argv[1], [word for word in sys.argv[2:] if word.endswith(".service") and "*" not in word]
if verb == "list-units":
    for unit, one in state.items():
        print(unit, "loaded", one["state"], "x", "Advanced key-value store")
elif verb in ("stop", "kill"):
    for unit in units:
        ends = state[unit].get("ends", "inactive")
        if ends == "deactivating" and verb == "kill":
            ends = "inactive"
        state[unit].update(state=ends, result="success" if ends != "failed" else "timeout")
elif verb == "show":
    one = state[units[0]]
    print("ActiveState=%s\\nResult=%s\\nJob=%s" % (one["state"], one["result"], 7 * (one["state"] == "deactivating")))
    print("MainPID=%d" % one.get("pid", 0))
elif verb == "disable":
    for unit in units:
        os.unlink("/etc/systemd/system/multi-user.target.wants/" + unit)
with open(place + "/state.json", "w") as handle:
    json.dump(state, handle)
"""
IN_NAMESPACE = 'for part in etc var run; do mount --bind "$0/$part" "/$part" || exit 99; done; exec "$@"'


class Host:
    def __init__(self, folder):
        self.folder = folder
        for part in ("etc/systemd/system/multi-user.target.wants", "etc/redis", "run/systemd/system", "bin"):
            (folder / part).mkdir(parents=True)
        for part in ("var/lib/redis", "var/log/redis"):
            (folder / part).mkdir(parents=True)
        (folder / "bin/systemctl").write_text(SYSTEMCTL)
        (folder / "bin/systemctl").chmod(0o755)
        self.save({})

    def save(self, state):
        (self.folder / "bin/state.json").write_text(json.dumps(state))

    def state(self):
        return json.loads((self.folder / "bin/state.json").read_text())

    def instance(self, name, state="active", enabled=True, ours=True, save="save 60 1", **more):
        unit = "redis-server" + ("" if name == "default" else "@" + name) + ".service"
        own, place = ("", "") if name == "default" else ("-" + name, "/" + name)
        self.save(self.state() | {unit: {"state": state, "result": "success", **more}})
        if enabled:
            (self.folder / "etc/systemd/system/multi-user.target.wants" / unit).symlink_to("/lib/nowhere")
        if ours:
            drop_in = self.folder / f"etc/systemd/system/{unit}.d"
            drop_in.mkdir()
            (drop_in / "hardening.conf").write_text("[Service]\n")
        (self.folder / f"var/lib/redis{place}").mkdir(exist_ok=True)
        (self.folder / f"var/lib/redis{place}/dump.rdb").write_text("data")
        (self.folder / f"var/log/redis/redis-server{own}.log").write_text("log")
        (self.folder / f"etc/redis/users{own}.acl").write_text("user default off\n")
        (self.folder / f"etc/redis/redis{own}.conf").write_text(f"dir /var/lib/redis{place}\n{save}\n")

    def files(self):
        """Return all files but those of the stand-in."""
        return {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.relative_to(self.folder).parts[0] != "bin"
        }

    def run(self, units, check=False, **more):
        args = {"units": units, "_ansible_check_mode": check, "_ansible_diff": True, **more}
        (self.folder / "bin/calls").write_text("")
        command = ["unshare", "--mount", "sh", "-c", IN_NAMESPACE, str(self.folder)]
        done = subprocess.run(
            [
                *command,
                "env",
                f"PATH={self.folder}/bin:/usr/bin:/bin",
                sys.executable,
                "-m",
                MODULES + "redis_units",
            ],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": args}),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout, done.stderr
        # What it was given is told by some versions of ansible-core only.
        return {name: value for name, value in json.loads(done.stdout).items() if name != "invocation"}

    def calls(self):
        return (self.folder / "bin/calls").read_text().splitlines()


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def check_and_run(host, units, **more):
    """Run in check mode, which changes nothing, and for real; both must say the same."""
    before = host.files(), host.state()
    predicted = host.run(units, check=True, **more)
    assert (host.files(), host.state()) == before
    assert not predicted.get("failed"), predicted
    assert len(host.calls()) == 1
    done = host.run(units, **more)
    assert predicted.pop("needed") is done["changed"]
    assert done == predicted
    return done


def test_what_is_no_longer_declared_is_stopped_and_keeps_its_data(host):
    host.instance("default")
    host.instance("7000")
    host.instance("7001")
    host.instance("7002", state="inactive", ours=False, enabled=False)
    files = host.files()
    done = check_and_run(host, ["redis-server", "redis-server@7000"])
    assert (done["stopped"], done["disabled"], done["purged"]) == (["redis-server@7001"], ["redis-server@7001"], [])
    unit = "etc/systemd/system/redis-server@7001.service.d"
    gone = {unit, unit + "/hardening.conf", "etc/systemd/system/multi-user.target.wants/redis-server@7001.service"}
    assert host.files() == files - gone
    states = {name: one["state"] for name, one in host.state().items()}
    assert [name for name in states if states[name] == "active"] == [
        "redis-server.service",
        "redis-server@7000.service",
    ]
    assert done["diff"]["before"].splitlines()[-1] == "redis-server@7001: active, enabled, hardened"
    assert "7001" not in done["diff"]["after"]
    for check in (True, False):
        again = host.run(["redis-server", "redis-server@7000"], check=check)
        assert not again["changed"] and "diff" not in again
        # It runs each time, on each host.
        assert len(host.calls()) == 1 and host.calls()[0].startswith("list-units")


def test_purged(host):
    host.instance("default")
    host.instance("7000", save='save ""')
    host.instance("7001", state="inactive", enabled=False, ours=False)
    before = host.files()
    assert "neither save nor appendonly" in host.run(["redis-server"])["msg"]
    assert host.state()["redis-server@7000.service"]["state"] == "active"
    done = check_and_run(host, ["redis-server.service"], purge=["7000", "7001", "never-was"])
    assert (done["stopped"], done["purged"]) == (["redis-server@7000"], ["7000", "7001"])
    assert "/var/lib/redis/7000\n" in done["diff"]["before"]
    assert host.files() == {name for name in before if "7000" not in name and "7001" not in name}
    assert not host.run(["redis-server"], purge=["7000", "7001", "never-was"])["changed"]


def test_a_server_that_does_not_end_keeps_everything(host):
    host.instance("7000", ends="deactivating")
    host.instance("7001", ends="failed")
    files = host.files()
    failed = host.run([], stop_timeout=0, purge=["7000", "7001"])
    assert "redis-server@7000.service has not ended" in failed["msg"]
    assert "redis-server@7001.service did not end well (timeout)" in failed["msg"]
    assert host.files() == files
    done = host.run([], stop_timeout=5)
    assert (done["stopped"], len(done["disabled"])) == (["redis-server@7000"], 2)
    # systemd does not tell it again by itself.
    assert "kill --signal=SIGTERM redis-server@7000.service" in host.calls()
    assert "reset-failed redis-server@7001.service" in host.calls()


def test_the_package_s_own_unit(host):
    host.instance("default", ours=False)
    host.instance("7000")
    host.instance("7001")
    before = host.files(), host.state()
    refused = host.run(["redis-server@7000"])
    assert refused["failed"] and "No unit was changed" in refused["msg"] and "{name: default}" in refused["msg"]
    assert (host.files(), host.state()) == before
    host.save(host.state() | {"redis-server.service": {"state": "inactive", "result": "success"}})
    done = check_and_run(host, ["redis-server@7000", "redis-server@7001"])
    assert (done["stopped"], done["disabled"]) == ([], ["redis-server"])
    assert done["diff"]["before"].startswith("redis-server: enabled\n")


def test_a_foreign_one_is_warned_of(host):
    host.instance("own", ours=False)
    result = host.run([])
    assert not result["changed"] and "redis-server@own.service is running here" in str(result["warnings"])
    assert "stop it first" in host.run([], purge=["own"])["msg"]


def test_a_link_in_the_way_of_a_purge(host):
    host.instance("7000")
    victim = host.folder / "etc/victim"
    (host.folder / "var/lib/redis/7000").rename(victim)
    (host.folder / "var/lib/redis/7000").symlink_to("/etc/victim")
    before = host.files(), host.state()
    result = host.run([], purge=["7000"])
    assert result["failed"] and "symbolic link" in result["msg"]
    assert (host.files(), host.state()) == before


def test_a_sentinel_that_is_no_longer_declared_is_stopped(host):
    host.instance("default")
    unit = "redis-sentinel.service"
    host.save(host.state() | {unit: {"state": "active", "result": "success"}})
    (host.folder / "etc/systemd/system/multi-user.target.wants" / unit).symlink_to("/lib/nowhere")
    (host.folder / f"etc/systemd/system/{unit}.d").mkdir()
    (host.folder / f"etc/systemd/system/{unit}.d/hardening.conf").write_text("[Service]\n")
    assert not check_and_run(host, ["redis-server", "redis-sentinel"])["changed"]
    done = check_and_run(host, ["redis-server"])
    assert done["stopped"] == done["disabled"] == ["redis-sentinel"]
    assert not check_and_run(host, ["redis-server"])["changed"]


def test_another_engine_than_before(host):
    """Its data would not go over, and the ports are taken."""
    host.instance("default")
    before = host.files(), host.state()
    for check in (True, False):
        refused = host.run(["valkey-server"], check=check, engine="valkey")
        assert refused["failed"] and "has set up redis here: redis-server.service (active)" in refused["msg"]
        assert (host.files(), host.state()) == before
    # As the message says.
    assert check_and_run(host, [])["stopped"] == ["redis-server"]
    assert host.run(["valkey-server"], engine="valkey")["changed"] is False


def test_a_foreign_server_of_the_other_engine_at_a_declared_port(host):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host.instance("default", ours=False, pid=os.getpid())
        port = listener.getsockname()[1]
        refused = host.run(["valkey-server"], engine="valkey", ports=[1, port])
        assert refused["failed"] and "redis-server.service" in refused["msg"] and f"at port {port}," in refused["msg"]
        assert not host.run(["valkey-server"], engine="valkey", ports=[1]).get("failed")


def test_an_address_that_the_host_lacks_is_refused_before_anything_is_stopped(host):
    host.instance("7000")
    before = host.files(), host.state()
    for check in (True, False):
        bind = {"redis_bind": ["127.0.0.1", "-192.0.2.77"], "redis_instances[0].bind": ["127.0.0.1", "192.0.2.78"]}
        refused = host.run([], check=check, bind=bind)
        assert refused["failed"] and "redis_instances[0].bind has 192.0.2.78 (no interface has it), " in refused["msg"]
        assert "redis_bind" not in refused["msg"]
        assert (host.files(), host.state()) == before
    assert host.run([], bind={"redis_bind": ["127.0.0.1", "-192.0.2.77"]})["stopped"] == ["redis-server@7000"]


USERS = "user default off\nuser admin on >before-of-this-test ~* &* +@all\n"
WATCHER = "sentinel-0a1b2c3d-cmd"


def asked(host, server, check=True, **more):
    """Ask what the server, which this collection has set up, is now. more: of its entry in `servers`."""
    login = {
        "login_user": "admin",
        "login_password": "new-one-of-this-test",
        "login_previous_password": "before-of-this-test",
    }
    entry = {"unit": "redis-server", "address": "10.20.0.11", **more}
    return host.run(["redis-server"], check=check, servers=[entry], **login)


def test_a_running_server_is_found_where_it_listens_and_by_the_password_that_it_has(host, server):
    server.start(acl_text=USERS)
    server.client("admin", "before-of-this-test").execute_command("SET", "key", "1")
    host.instance("default", pid=server.process.pid)
    found = asked(host, server, topology="replication", tls_port=7777)
    # For plain text it needs no certificate, which may be still to come.
    assert found["logins"] == {"redis-server": {"port": server.port, "tls": False}}
    assert found["masters"] == [{"host": "10.20.0.11", "port": 7777, "keys": 1}]
    assert asked(host, server, port=server.port)["logins"] == {}
    server.client("admin", "before-of-this-test").execute_command("ACL", "SETUSER", "admin", "resetpass", ">another")
    refused = asked(host, server, port=server.port)
    assert refused["failed"] and "set redis_previous_credentials_owner" in refused["msg"]
    assert not any("of-this-test" in str(value) for value in (found, refused))


def test_what_a_server_can_not_become_is_refused(host, server):
    server.start(acl_text=USERS)
    host.instance("default", pid=server.process.pid, save=f"masteruser replica\nport {server.port}")
    assert not asked(host, server, port=server.port).get("failed")
    assert "A cluster is made of new servers" in asked(host, server, port=server.port, topology="cluster")["msg"]
    watching = server.client("admin", "before-of-this-test", client_name=WATCHER)
    watching.ping()
    for entry in ({"port": server.port}, {"topology": "replication", "tls_port": 7777}):
        refused = asked(host, server, **entry)
        assert refused["failed"] and refused["msg"].startswith("Nothing was changed. redis-server.service")
        assert "redis_sentinel_hosts: []" in refused["msg"]
    assert not asked(host, server, topology="replication", port=server.port).get("failed")
    watching.close()
