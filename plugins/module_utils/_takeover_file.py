# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration as its server reads it: with all that it includes, in that order, and from the server's folder."""

from __future__ import annotations

import glob
import os
import stat
from dataclasses import dataclass, field

from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _config as config
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _config_rewritten as rewritten
from ansible_collections.celebrum.redis_hardening.plugins.module_utils import _config_values as values

LARGEST = 1 << 20
_MOST_FILES, _DEEPEST = 100, 16


@dataclass
class Old:
    """What was read. files: {path: text}. lines: [(directive, arguments)]. problems: what could not be read."""

    files: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    cwd: str = "/"

    @property
    def ours(self):
        """Whether the first file is one that this collection has written."""
        return next(iter(self.files.values()), "").startswith(config.HEADER)

    @property
    def values(self):
        """Return {canonical directive: text}; the last one counts, and save points add up."""
        return {name: values.set_value(words) for name, words in rewritten.as_read(self.lines).items()}

    @property
    def renames(self):
        return config.renames_of(self.lines)

    def all_of(self, directive):
        """Return the arguments of each line with this directive."""
        return [words for name, words in self.lines if name == directive]


def read(path, arguments=(), cwd="/"):
    """Return the Old of a configuration file. arguments: further lines, of the server's command line."""
    old = Old(cwd=cwd)
    if path:
        _add(old, os.path.join(cwd, path), 0)
    for directive, words in config.parse("\n".join(arguments)):
        old.lines.append((directive, words))
    return old


def _add(old, path, depth):
    if depth > _DEEPEST or len(old.files) >= _MOST_FILES:
        old.problems.append("%s: there are too many included files." % path)
        return
    try:
        text = plain_text(path)
    except OSError as error:
        old.problems.append("%s can't be read: %s." % (path, error.strerror or error))
        return
    old.files[path] = text
    for directive, words in config.parse(text):
        if directive == "include" and len(words) == 1:
            for included in _included(old.cwd, words[0]):
                _add(old, included, depth + 1)
            continue
        if directive == "dir" and len(words) == 1:
            # The server goes there at once, and what comes after is looked for from there.
            old.cwd = os.path.join(old.cwd, words[0])
        old.lines.append((directive, words))


def _included(cwd, pattern):
    path = os.path.join(cwd, pattern)
    # Servers from 7.0 on take patterns, and nothing for those that match nothing.
    return sorted(glob.glob(path)) if glob.has_magic(path) else [path]


def plain_text(path):
    """Return the text of a plain file. Raises OSError, also for what is none or is larger than any configuration."""
    # A pipe in its place must not keep us waiting.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(handle, encoding="utf-8", errors="surrogateescape", newline="") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no plain file")
        if status.st_size > LARGEST:
            raise OSError("it is larger than any configuration")
        return file.read(LARGEST)
