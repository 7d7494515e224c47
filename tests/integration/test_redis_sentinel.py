# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_sentinel with real servers and Sentinels."""

from __future__ import annotations

import pytest
from conftest import NAMES
from sentinel_lab import PEER, SECRET, WATCHER, Group, wait_for


@pytest.fixture(params=(NAMES[0], NAMES[2]))
def group(request, tmp_path, run_module):
    """A group of servers and Sentinels."""
    one = Group(request.param, tmp_path, run_module)
    try:
        yield one.ready()
    finally:
        one.stop()


def files_of(group):
    """Return the Sentinels' files without what they add by themselves at any time: empty lines, and whom they found."""
    return [
        [line for line in one.file.read_text().splitlines() if line and not line.startswith("sentinel known-")]
        for one in group.sentinels
    ]


def refused(group, words, number=0, **more):
    before = files_of(group)
    result = group.run(number, **more)
    assert result.get("failed"), result
    assert words in result["msg"]
    assert files_of(group) == before
    return result


def bad_input_changes_nothing(group):
    refused(group, "quorum is 4, and sentinels names 3", quorum=4)
    refused(group, "a group needs 3", sentinels=[{"host": "127.0.0.1", "port": group.sentinels[0].port}], quorum=1)
    refused(group, "without blanks and quotes", auth_pass="two words")
    refused(group, "Sentinel needs CONFIG", renamed_commands={"CONFIG": ""})
    refused(group, "do not open the master", auth_pass="not-the-password")
    refused(group, "give master_host", master_host=None)


def check_mode_tells_and_does_not(group):
    before = files_of(group)
    result = group.run(0, check=True)
    assert result["changed"]
    assert {"monitor", "auth-pass", "sentinel-pass", "rename-command CONFIG"} <= set(result["changes"])
    assert "auth-pass (a password)" in result["diff"]["after"]
    assert files_of(group) == before


def set_up_and_again(group):
    assert [result["changed"] for result in group.run_all()] == [True] * 3
    group.know_each_other()
    assert group.sentinels[0].ask("SENTINEL", "CKQUORUM", "mymaster").startswith(b"OK 3 usable")
    before = files_of(group)
    for result in group.run_all():
        assert not result["changed"], result
        assert not result.get("warnings"), result
    assert files_of(group) == before
    assert not group.run(0, check=True)["changed"]


def settings_change_live(group):
    before = [group.told(number) for number in range(3)]
    result = group.run(0, check=True, quorum=3, down_after_milliseconds=14000)
    assert result["changes"] == ["quorum", "down-after-milliseconds"]
    for number in range(3):
        assert group.run(number, quorum=3, down_after_milliseconds=14000)["changes"] == result["changes"]
        row = group.sentinels[number].row("MASTER", "mymaster")
        assert (row["quorum"], row["down-after-milliseconds"]) == ("3", "14000")
        assert not group.run(number, quorum=3, down_after_milliseconds=14000)["changed"]
    assert [group.told(number) for number in range(3)] == before
    group.run_all()


def a_password_that_drifted_is_set_again(group):
    own = group.sentinels[0]
    own.ask("SENTINEL", "SET", "mymaster", "auth-pass", "drifted")
    # Somebody edits the file by hand as it should be: the Sentinel did not read it.
    own.file.write_text(own.file.read_text().replace("auth-pass mymaster drifted", f"auth-pass mymaster {WATCHER}"))
    result = group.run(0)
    assert result["changes"] == ["auth-pass"]
    assert (result["diff"]["before"], result["diff"]["after"]) == (
        "auth-pass (a password)\n",
        "auth-pass (another password)\n",
    )
    group.know_each_other()


def users_of_a_sentinel_by_redis_acl(group):
    users = [
        {"name": "default", "enabled": False},
        {"name": "admin", "passwords": [SECRET], "commands": ["+@all"], "keys": ["*"], "channels": ["*"]},
        {
            "name": "peer",
            "passwords": [PEER],
            "commands": ["+ping", "+publish", "+client|setname", "+sentinel|is-master-down-by-addr"],
            "channels": ["__sentinel__:hello"],
        },
        {"name": "monitoring", "passwords": ["looks-at-it"], "commands": ["+ping", "+sentinel|masters"]},
    ]
    login = {key: value for key, value in group.options(0).items() if key.startswith("login")}
    result = group.run_module("redis_acl", {**login, "users": users})
    assert result.get("changed"), result
    assert not group.run_module("redis_acl", {**login, "users": users})["changed"]
    client = group.sentinels[0].client("monitoring", "looks-at-it")
    assert client.execute_command("SENTINEL", "MASTERS")
    # The next run lets the Sentinel write them to its file.
    assert not group.run(0)["changed"]
    assert "user monitoring " in group.sentinels[0].file.read_text()


def disagreeing_sentinels_are_refused(group):
    own = group.sentinels[2]
    own.ask("SENTINEL", "REMOVE", "mymaster")
    own.ask("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", group.data[1].port, 2)
    result = refused(group, "the Sentinels disagree about the master", quorum=1)
    assert f"says 127.0.0.1:{group.data[1].port}" in result["msg"]
    refused(group, "the Sentinels disagree about the master", number=2)
    assert group.run_module("redis_sentinel", {**group.options(2), "state": "absent"})["changed"]
    assert not group.run_module("redis_sentinel", {**group.options(2), "state": "absent"})["changed"]
    # It is told what the others hold, not what the caller believes.
    assert group.run(2, master_host=None)["master"] == f"127.0.0.1:{group.data[0].port}"
    group.know_each_other()


def two_masters_are_refused(group):
    given = {"master_port": group.data[1].port}
    result = group.run(0, **given)
    assert not result.get("failed"), "a replica is an old master: %s" % result
    assert not result["changed"]
    group.data[1].ask("REPLICAOF", "NO", "ONE")
    refused(group, "the second: master", **given)
    group.data[1].ask("REPLICAOF", "127.0.0.1", group.data[0].port)
    wait_for(lambda: b"master_link_status:up" in group.data[1].ask("INFO", "replication"))


def after_a_failover_nothing_is_changed(group):
    group.know_each_other()
    group.soon_down()
    group.data[0].kill()
    wait_for(lambda: group.sentinels[0].row("MASTER", "mymaster")["port"] != str(group.data[0].port), 60)
    # Now at once, while others may not know yet.
    results = group.run_all(timeout=40)
    ports = {one.row("MASTER", "mymaster")["port"] for one in group.sentinels}
    assert len(ports) == 1
    for result in results:
        assert not result.get("failed"), result
        assert not result["changed"], result
        # Which one is the Sentinels' decision; on a busy machine they decide twice.
        assert result["master"] != f"127.0.0.1:{group.data[0].port}"
    assert results[2]["master"] == "127.0.0.1:" + min(ports)
    new = next(one for one in group.data if str(one.port) in ports)
    assert b"role:master" in new.ask("INFO", "replication")
    # CONFIG REWRITE, by its new name, was done with the least rights.
    assert "replicaof" not in new.file.read_text()


def a_stale_sentinel_is_forgotten_when_asked(group):
    # The new master is up, and stays so on a busy machine.
    group.soon_down(15000)
    wait_for(lambda: {one.row("MASTER", "mymaster")["flags"] for one in group.sentinels[:2]} == {"master"})
    group.sentinels[2].kill()
    others = [{"host": "127.0.0.1", "port": one.port} for one in group.sentinels[:2]]
    # A third that is expected and not there yet.
    others.append({"host": "127.0.0.1", "port": 1})
    result = group.run(0, sentinels=others)
    assert result["stale"] == [f"127.0.0.1:{group.sentinels[2].port}"]
    assert not result["changed"]
    assert "members of its group" in str(result["warnings"])
    result = group.run(0, sentinels=others, forget_stale=True, timeout=40)
    assert result.get("changes") == ["other sentinels"], result
    assert group.sentinels[0].row("MASTER", "mymaster")["num-other-sentinels"] == "1"
    assert group.run(0, sentinels=others)["stale"] == []


def test_the_life_of_a_group(group):
    """One test, because each step goes on from the one before."""
    bad_input_changes_nothing(group)
    check_mode_tells_and_does_not(group)
    set_up_and_again(group)
    settings_change_live(group)
    a_password_that_drifted_is_set_again(group)
    users_of_a_sentinel_by_redis_acl(group)
    disagreeing_sentinels_are_refused(group)
    two_masters_are_refused(group)
    after_a_failover_nothing_is_changed(group)
    if group.kind == NAMES[0]:
        # It takes 10 s, and the kinds do not differ in it.
        a_stale_sentinel_is_forgotten_when_asked(group)
