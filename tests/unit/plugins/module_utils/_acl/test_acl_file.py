# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl import file as acl_file, users as acl_users
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._host import files
from hypothesis import given, strategies as st

HASH = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940"
USERS = acl_users.declared([{"name": "app", "passwords": ["p"], "keys": ["x"], "commands": ["+get"]}])
CONTENT = f"user default reset off resetchannels -@all\nuser app reset on #{HASH} ~x resetchannels -@all +get\n"


def test_the_file_has_default_first_and_nothing_but_users():
    assert acl_file.render_file(USERS) == CONTENT


def test_redis_6_0_knows_no_channels():
    assert "channels" not in acl_file.render_file(USERS, channels=False)


@given(st.dictionaries(st.sampled_from(["a", "b\udcff", "default", "zé"]), st.sampled_from(["+get", "~k*", "&c"])))
def test_a_written_file_is_read_back(rules):
    users = {name: acl_users.parse(name, ["on", ">p", rule]) for name, rule in rules.items()}
    found = acl_file.parse_file(acl_file.render_file(users), "f")
    assert found == acl_file.AclFile(exists=True, users=users, clean=True)


def test_what_acl_save_writes_is_the_same_file():
    # Printed by the servers after ACL SAVE: other order, no `reset`, the noise word.
    saved = (
        f"user app on sanitize-payload #{HASH} ~x resetchannels -@all +get\n"
        "user default off sanitize-payload resetchannels -@all\n"
    )
    found = acl_file.parse_file(saved, "f")
    assert found.clean
    assert found.users == USERS


@pytest.mark.parametrize(
    "extra",
    [
        "# managed by hand\n",
        f"user app on #{HASH} ~x resetchannels -@all +get\n",
        "user new on >plain ~* +@all\n",
    ],
)
def test_a_comment_a_double_user_and_a_plain_password_make_a_file_unclean(extra):
    assert not acl_file.parse_file(CONTENT + extra, "f").clean


@pytest.mark.parametrize("nonsense", ["on nopass", "<html>", "user", "\x00\x01"])
def test_nonsense_is_refused_by_line(nonsense):
    with pytest.raises(acl_users.AclError, match=r"aclfile /a/b, line 3 can't be read.*delete the file"):
        acl_file.parse_file(CONTENT + nonsense, "/a/b")


def test_bytes_that_are_no_utf8_survive(tmp_path):
    path = tmp_path / "users.acl"
    path.write_bytes(b"user caf\xe9 on nopass ~\xff*\n")
    found = acl_file.read_file(str(path))
    files.write(str(path), acl_file.render_file(found.users), None, None, None)
    assert path.read_bytes().startswith(b"user caf\xe9 reset on nopass ~\xff*")


def test_a_missing_file_is_no_problem(tmp_path):
    assert acl_file.read_file(str(tmp_path / "none")) == acl_file.AclFile(exists=False)


def test_a_link_or_a_folder_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / "real").write_text(CONTENT)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("link", "."):
        with pytest.raises(Refused, match="not a plain file"):
            acl_file.read_file(str(tmp_path / name))
