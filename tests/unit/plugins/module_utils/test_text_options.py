# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text is taken as it was written, or not at all: in every option of every module."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.celebrum.redis_hardening.plugins import modules
from ansible_collections.celebrum.redis_hardening.plugins.action import audit_report, policy, take_over_report
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _arguments
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import text_problems

PACKAGE = "ansible_collections.celebrum.redis_hardening.plugins.modules."
NAMES = sorted(path.stem for path in Path(next(iter(modules.__path__))).glob("*.py") if path.stem != "__init__")
ON_CONTROLLER = {"audit_report": audit_report, "policy": policy, "take_over_report": take_over_report}
SECRET = 13371337
SPEC = {
    "path": {"type": "path", "aliases": ["dest"]},
    "name": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str"},
    "password": {"type": "str", "no_log": True},
    "mode": {"type": "raw"},
    "users": {"type": "list", "elements": "dict", "options": {"keys": {"type": "list", "elements": "str"}}},
    "one": {"type": "dict", "options": {"ip": {"type": "str"}}},
    "free": {"type": "dict"},
    "numbers": {"type": "list", "elements": "int"},
    "port": {"type": "int"},
    "enabled": {"type": "bool"},
}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ("{path: 0770}", "path"),
        ("{dest: 1.10}", "dest"),
        ("{name: yes}", "name"),
        ("{name: 50:00}", "name"),
        ("{name: 1_000}", "name"),
        ("{name: 0x1F}", "name"),
        ("{name: .inf}", "name"),
        ("{name: 2027-01-31 10:00:00}", "name"),
        ("{name: ~}", "name"),
        ("{name: [a]}", "name"),
        ("{name: {a: b}}", "name"),
        ("{names: 04116}", "names"),
        ("{names: [a, 04116]}", "names[1]"),
        ("{names: [~]}", "names[0]"),
        ("{password: 13371337}", "password"),
        ("{mode: 640}", "mode"),
        ("{users: [{keys: [x]}, {keys: [no]}]}", "users[1].keys[0]"),
        ("{one: {ip: 1.10}}", "one.ip"),
    ],
)
def test_what_is_no_text_is_named_by_its_place_without_its_value(given, where):
    (problem,) = text_problems(SPEC, yaml.safe_load(given))
    assert problem.startswith(where + " ")
    assert str(SECRET) not in problem


@pytest.mark.parametrize(
    "given",
    [
        "{path: /x, name: '0770', names: ['1.10', 'no'], mode: '0640', users: [{keys: ['1']}], one: {ip: 10.0.0.1}}",
        "{port: 6379, enabled: yes, numbers: [1, 2], free: {databases: 16, appendonly: yes}}",
        "{path: ~, password: ~, mode: ~, names: a}",
        "{name: 2027-01-31}",
    ],
)
def test_text_and_what_is_meant_as_a_number_are_taken(given):
    assert text_problems(SPEC, yaml.safe_load(given)) == []


class Stop(Exception):
    pass


def specification(name, monkeypatch):
    if name in ON_CONTROLLER:
        return ON_CONTROLLER[name]._OPTIONS
    module = importlib.import_module(PACKAGE + name)
    assert module.AnsibleModule is _arguments.AnsibleModule, "it would convert numbers to text"
    captured = {}

    def start(argument_spec, **arguments):
        captured.update(argument_spec)
        raise Stop

    monkeypatch.setattr(module, "AnsibleModule", start)
    with pytest.raises(Stop):
        module.main()
    return captured


def texts(spec):
    """Yield a value of each option that is to be text: a number, in as many lists and dictionaries as it is in."""
    for name, option in spec.items():
        for value in _wrong(option):
            yield {name: value}


def _wrong(option):
    wanted = option.get("type", "str")
    if wanted in ("str", "path", "raw"):
        yield 504
    elif wanted == "dict" and option.get("options"):
        yield from texts(option["options"])
    elif wanted == "list" and option.get("elements"):
        yield from ([value] for value in _wrong({**option, "type": option["elements"]}))


@pytest.mark.parametrize("name", NAMES)
def test_every_text_option_of_every_module_refuses_numbers(name, monkeypatch):
    spec = specification(name, monkeypatch)
    for given in texts(spec):
        assert text_problems(spec, given), given


def test_a_module_that_gets_a_number_fails_and_names_the_option(monkeypatch, capsys):
    arguments = {"ANSIBLE_MODULE_ARGS": {"path": 504, "password": SECRET}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")
    monkeypatch.setattr(sys, "argv", ["module"])
    with pytest.raises(SystemExit):
        _arguments.AnsibleModule(dict(path=dict(type="path"), password=dict(type="str", no_log=True)))
    said = json.loads(capsys.readouterr().out)
    assert said["failed"]
    assert 'path must be text, not a number: quote it, as in path: "0770"' in said["msg"]
    assert "password must be text" in said["msg"]
    assert str(SECRET) not in json.dumps(said)
