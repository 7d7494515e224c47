# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.doc_fragments import connection, users
from ansible_collections.celebrum.redis_hardening.plugins.modules import redis_acl, redis_acl_verify


class Stop(Exception):
    pass


def specification(module, monkeypatch):
    """Return the argument spec with which the module starts."""
    captured = {}

    def start(**arguments):
        captured.update(arguments)
        raise Stop

    monkeypatch.setattr(module, "AnsibleModule", start)
    with pytest.raises(Stop):
        module.main()
    return captured["argument_spec"]


def shape(options, inner):
    """Reduce options of documentation or code to what has to agree."""
    return {
        name: (
            option.get("type", "str"),
            option.get("elements"),
            option.get("default"),
            bool(option.get("required")),
            tuple(option.get("choices", ())),
            shape(option.get(inner) or {}, inner),
        )
        for name, option in options.items()
    }


@pytest.mark.parametrize("module", [redis_acl, redis_acl_verify])
def test_the_documentation_agrees_with_the_code(module, monkeypatch):
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    for fragment in (connection, users):
        documented.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])
    assert shape(documented, "suboptions") == shape(specification(module, monkeypatch), "options")


@pytest.mark.parametrize("module", [redis_acl, redis_acl_verify])
def test_every_secret_option_is_no_log(module, monkeypatch):
    spec = specification(module, monkeypatch)
    options = {**spec, **spec["users"]["options"]}
    for name in ("login_password", "passwords", "password_hashes", "current_password"):
        if name in options:
            assert options[name]["no_log"] is True, name
