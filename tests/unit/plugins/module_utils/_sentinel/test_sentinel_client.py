"""What is read of a Sentinel's file, and from where."""

from __future__ import annotations

import os

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis.connection import ConnectionProblem
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._sentinel.client import Sentinel

LINES = "sentinel auth-user shop watcher\nsentinel auth-pass shop of-this-test\n"


class Liar:
    """A Sentinel that names a file of its choice."""

    def __init__(self, path):
        self.path = path

    def execute_command(self, *_words):
        return b"# Server\r\nconfig_file:%s\r\n" % os.fsencode(self.path)


def filed(path, said):
    params = {"master_name": "shop", "login_host": "127.0.0.1", "login_port": 26379}
    return Sentinel(params, Liar(said)).filed(str(path))


def test_the_file_is_the_one_of_the_option_whatever_the_sentinel_says(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.write_text(LINES)
    other.write_text(LINES.replace("watcher", "somebody"))
    assert filed(own, other)["auth-user"] == "watcher"
    own.unlink()
    with pytest.raises(ConnectionProblem, match="set config_file"):
        filed(own, other)


@pytest.mark.parametrize("make", [lambda path, _other: os.mkfifo(path), lambda path, other: path.symlink_to(other)])
def test_what_a_sentinel_puts_in_its_place_is_not_read(tmp_path, make):
    other = tmp_path / "other"
    other.write_text(LINES)
    make(tmp_path / "own", other)
    with pytest.raises(ConnectionProblem, match="can't be read"):
        filed(tmp_path / "own", other)
