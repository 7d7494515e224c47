# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that several modules have: the doc fragments beside the code."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.celebrum.redis_hardening.plugins.doc_fragments import replication, sentinel
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._replication import (
    argspec as replication_argspec,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.client import argument_spec
from test_redis_acl_options import shape


def of_a_sentinel():
    return {
        name: option
        for name, option in argument_spec().items()
        if name == "login_port" or name not in redis_connection.redis_argument_spec()
    }


@pytest.mark.parametrize(
    ("documentation", "specification"),
    [
        (replication.ModuleDocFragment.DOCUMENTATION, replication_argspec.nodes_argument_spec()),
        (replication.ModuleDocFragment.SENTINELS, replication_argspec.sentinels_argument_spec()),
        (sentinel.ModuleDocFragment.DOCUMENTATION, of_a_sentinel()),
    ],
    ids=["nodes", "sentinels", "sentinel"],
)
def test_the_documentation_agrees_with_the_code(documentation, specification):
    assert shape(yaml.safe_load(documentation)["options"], "suboptions") == shape(specification, "options")


def test_every_password_is_no_log():
    specification = {**replication_argspec.sentinels_argument_spec(), **argument_spec()}
    assert specification["sentinel_password"]["no_log"] is specification["auth_pass"]["no_log"] is True


def test_every_module_that_logs_in_is_in_the_action_group():
    """Options for all of them are given once; redis_instances alone looks for servers at several places."""
    root = Path(__file__).parents[4]
    group = yaml.safe_load((root / "meta" / "runtime.yml").read_text())["action_groups"]["redis"]
    options = "\n  - celebrum.redis_hardening.connection\n"
    modules = {path.stem for path in (root / "plugins" / "modules").glob("*.py") if options in path.read_text()}
    assert sorted(group) == sorted(modules - {"redis_units"})
