# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration as its server reads it: all that it includes, in that order, from the directory that counts then."""

from __future__ import annotations

import errno
import glob
import os
from dataclasses import dataclass, field

from .._errors import Refused
from .._host import files
from .._redis.commands import rename_problems
from . import desired as config, rewritten, values

LARGEST = files.LARGEST
_MOST_FILES, _DEEPEST = 100, 16
_TOO_MANY = "there are too many included files."


@dataclass
class Old:
    """What was read. files: {path: text}. lines: [(directive, arguments)]. unread: why something could not be read.

    cwd: where the server is after the last line: where it looks for its data.
    """

    files: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)
    unread: list = field(default_factory=list)
    cwd: str = "/"
    reads: int = 0

    @property
    def ours(self):
        """Whether the first file is one that this collection has written."""
        return next(iter(self.files.values()), "").startswith(config.HEADER)

    @property
    def values(self):
        """Return {canonical directive: text}; the last one counts, and save points add up. dir is always absolute."""
        found = {name: values.set_value(words) for name, words in rewritten.as_read(self.lines).items()}
        if not found.get("dir", "/").startswith("/"):
            found["dir"] = os.path.realpath(self.cwd)
        return found

    @property
    def renames(self):
        """Return {original: new name or ''}, without any that no policy could keep; those are problems."""
        return {name: new for name, new in self._renamed().items() if not rename_problems({name: new})}

    def _renamed(self):
        return {words[0].upper(): words[1] for words in self.all_of("rename-command") if len(words) == 2}

    @property
    def problems(self):
        """Return what could not be read, and what no policy could keep."""
        return self.unread + [
            problem for name, new in self._renamed().items() for problem in rename_problems({name: new})
        ]

    def all_of(self, directive):
        """Return the arguments of each line with this directive."""
        return [words for name, words in self.lines if name == directive]


def read(path, arguments=(), cwd="/", text=None):
    """Return the Old of a configuration file.

    arguments: further lines, of the server's command line. cwd: where it is started; systemd does that in /. text: what
    the file says, where that was read already.
    """
    old = Old(cwd=cwd)
    if path:
        _add(old, os.path.join(cwd, path), 0, text)
    _take(old, "\n".join(arguments), 0)
    return old


def _add(old, path, depth, text=None):
    old.reads += 1
    if depth > _DEEPEST or old.reads > _MOST_FILES:
        # Once is enough, and a file that includes itself must not go on.
        if not any(problem.endswith(_TOO_MANY) for problem in old.unread):
            old.unread.append("%s: %s" % (path, _TOO_MANY))
        return
    try:
        text = plain_text(path) if text is None else text
    except OSError as error:
        old.unread.append("%s can't be read: %s." % (path, error.strerror or error))
        return
    old.files[path] = text
    _take(old, text, depth)


def _take(old, text, depth):
    for directive, words in config.parse(text):
        if directive == "include" and len(words) == 1:
            for included in _included(old.cwd, words[0]):
                if old.reads > _MOST_FILES:
                    break
                _add(old, included, depth + 1)
            continue
        if directive == "dir" and len(words) == 1:
            # The server goes there at once, and what comes after is looked for from there.
            old.cwd = os.path.join(old.cwd, words[0])
        old.lines.append((directive, words))


def _included(cwd, pattern):
    path = os.path.join(cwd, pattern)
    if glob.has_magic(os.path.dirname(path)):
        # Root looks through no file system for it; the path is refused as one that can't be read.
        return [path]
    # Servers from 7.0 on take patterns, and nothing for those that match nothing.
    return sorted(glob.glob(path)) if glob.has_magic(path) else [path]


def plain_text(path):
    """Return the text of a plain file. Raises OSError, also for what is none or is larger than any configuration."""
    try:
        with files.opened(path) as handle:
            if handle is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            if os.fstat(handle).st_size > LARGEST:
                raise OSError("it is larger than any configuration")
            with os.fdopen(os.dup(handle), encoding="utf-8", errors="surrogateescape", newline="") as file:
                return file.read(LARGEST)
    except Refused as problem:
        raise OSError(
            "it is no plain file, or has a second name, or is reached by a link that a service could have made"
        ) from problem
