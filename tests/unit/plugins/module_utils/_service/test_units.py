# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service import units as service_units
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._service.units import Unit

LISTING = """\
redis-server.service      loaded    inactive dead    Advanced key-value store
redis-server@7000.service loaded    active   running Advanced key-value store (7000)
* redis-server@7001.service loaded  failed   failed  Advanced key-value store (7001)
redis-server@a-b.service  loaded    activating auto-restart Advanced key-value store (a-b)
redis-sentinel.service    loaded    active   running Advanced key-value store
valkey-server@7.service   loaded    active   running Advanced key-value store
"""


@pytest.fixture
def folder(tmp_path):
    wants = tmp_path / "multi-user.target.wants"
    wants.mkdir()
    for name in ("redis-server.service", "redis-server@7002.service", "redis-sentinel.service", "ssh.service"):
        (wants / name).symlink_to("/nowhere")
    for name in ("redis-server@7000", "redis-server@7003", "redis-server@", "redis-sentinel"):
        (tmp_path / f"{name}.service.d").mkdir()
        (tmp_path / f"{name}.service.d" / "hardening.conf").write_text("[Service]\n")
    (tmp_path / "redis-server@7001.service.d").mkdir()
    (tmp_path / "redis-server@7001.service.d" / "override.conf").write_text("[Service]\n")
    return tmp_path


def test_units_are_found_by_what_runs_by_links_and_by_drop_ins(folder):
    found = service_units.find("redis", LISTING, "hardening.conf", folder)
    assert list(found.values()) == [
        Unit("redis-sentinel", "active", True, "[Service]\n"),
        Unit("redis-server", "inactive", True, None),
        Unit("redis-server@7000", "active", False, "[Service]\n"),
        Unit("redis-server@7001", "failed", False, None),
        Unit("redis-server@7002", "inactive", True, None),
        Unit("redis-server@7003", "inactive", False, "[Service]\n"),
        Unit("redis-server@a-b", "activating", False, None),
    ]
    assert list(service_units.find("valkey", LISTING, "hardening.conf", folder)) == ["valkey-server@7"]
    assert service_units.find("redis", "", "x.conf", folder / "not-there") == {}


def planned(*units, declared=(), purge=()):
    return service_units.plan("redis", {unit.name: unit for unit in units}, set(declared), purge)


OURS = "[Service]\n"
DEFAULT, ONE = "redis-server", "redis-server@7000"


@pytest.mark.parametrize(
    ("unit", "stop", "disable", "release"),
    [
        (Unit(ONE, "active", True, OURS), 1, 1, 1),
        (Unit(ONE, "deactivating", True, OURS), 1, 1, 1),
        (Unit(ONE, "failed", True, OURS), 0, 1, 1),
        # Where an interrupted run may have ended.
        (Unit(ONE, "inactive", True, OURS), 0, 1, 1),
        (Unit(ONE, "inactive", False, OURS), 0, 0, 1),
        (Unit(ONE, "inactive", False, None), 0, 0, 0),
        (Unit(ONE, "failed", False, None), 0, 0, 0),
        (Unit(DEFAULT, "active", True, OURS), 1, 1, 1),
        (Unit(DEFAULT, "inactive", True, None), 0, 1, 0),
        (Unit(DEFAULT, "failed", True, None), 0, 1, 0),
        (Unit(DEFAULT, "inactive", False, None), 0, 0, 0),
        (Unit("redis-sentinel", "active", True, OURS), 1, 1, 1),
    ],
)
def test_what_becomes_of_a_unit_that_is_not_declared(unit, stop, disable, release):
    plan = planned(unit)
    assert (plan.stop, plan.disable, plan.release) == ([unit.name] * stop, [unit.name] * disable, [unit.name] * release)
    assert not plan.problems and not plan.warnings
    assert planned(unit, declared=[unit.name]) == service_units.Plan()
    for left in service_units.after({unit.name: unit}, plan):
        assert left.line() == ""


@pytest.mark.parametrize("state", ["active", "activating", "reloading", "deactivating"])
def test_a_server_of_the_package_that_runs_is_not_touched(state):
    plan = planned(Unit(DEFAULT, state, True), Unit(ONE, "active", True, OURS))
    assert len(plan.problems) == 1
    assert "Add {name: default} to redis_instances" in plan.problems[0]
    assert "systemctl disable --now redis-server" in plan.problems[0]
    assert DEFAULT not in plan.stop + plan.disable


@pytest.mark.parametrize(("unit", "word"), [(Unit(ONE, "active"), "running"), (Unit(ONE, "inactive", True), "enabled")])
def test_a_foreign_instance_is_named_and_left_alone(unit, word):
    plan = planned(unit)
    assert plan == service_units.Plan(warnings=plan.warnings)
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("redis-server@7000.service is %s here" % word)
    assert planned(Unit(ONE, "inactive", False)).warnings == []


def test_what_may_not_be_purged():
    assert "purge names 7000, which is declared" in planned(declared=[ONE], purge=["7000"]).problems[0]
    assert "purge names default, which is declared" in planned(declared=[DEFAULT], purge=["default"]).problems[0]
    assert "purge names 7000, and redis-server@7000" in planned(Unit(ONE, "active"), purge=["7000"]).problems[0]
    assert planned(Unit(ONE, "active", True, OURS), purge=["7000"]).problems == []


def test_a_unit_is_told_in_words():
    assert Unit(ONE, "active", True, OURS).line() == "redis-server@7000: active, enabled, hardened\n"
    assert Unit(ONE).line() == ""


OTHERS = """\
valkey-server.service    loaded active   running Advanced key-value store
valkey-sentinel.service  loaded active   running Advanced key-value store
redis-sentinel.service   loaded active   running Advanced key-value store
"""


def test_the_other_engine_is_found_with_its_sentinel(tmp_path):
    (tmp_path / "valkey-sentinel.service.d").mkdir()
    (tmp_path / "valkey-sentinel.service.d" / "hardening.conf").write_text(OURS)
    (tmp_path / "valkey-server@7000.service.d").mkdir()
    (tmp_path / "valkey-server@7000.service.d" / "hardening.conf").write_text(OURS)
    assert list(service_units.find("valkey", OTHERS, "hardening.conf", tmp_path).values()) == [
        Unit("valkey-sentinel", "active", False, OURS),
        Unit("valkey-server", "active", False, None),
        Unit("valkey-server@7000", "inactive", False, OURS),
    ]
    assert list(service_units.find("redis", OTHERS, "hardening.conf", tmp_path)) == ["redis-sentinel"]
    assert {"valkey-server.service", "redis-server@*.service", "redis-sentinel.service"} < {
        *service_units.patterns("valkey")
    }


def test_what_was_set_up_with_the_other_engine_is_refused():
    units = Unit("redis-server", "active", True, OURS), Unit("redis-sentinel", drop_in="")
    found = {unit.name: unit for unit in units}
    (problem,) = service_units.other_problems("valkey", found, {"redis-server": [6379]})
    assert "redis-server.service (active), redis-sentinel.service (inactive)" in problem
    assert "Set redis_engine: redis again" in problem and "/var/lib/redis" in problem


def test_a_foreign_server_of_the_other_engine_is_refused_at_a_declared_port():
    found = {"redis-server": Unit("redis-server", "active", True)}
    assert service_units.other_problems("valkey", found, {"redis-server": []}) == []
    (problem,) = service_units.other_problems("valkey", found, {"redis-server": [6379, 6380]})
    assert "redis-server.service" in problem and "port 6379 and port 6380" in problem
