# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of one instance: would stopping it lose data, and deleting them.

Its server, and every other one of the host, can write to the directories of data and logs: no link is followed there.
"""

from __future__ import annotations

import os
import re
import shutil
import stat

from .._config import desired as config_desired, included, rewritten
from .._errors import Refused
from .._host import files as host_files
from .._host.paths import opened_directory
from .._redis.replies import printable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# Directories beside those of the instances, which belong to the default instance and to Sentinel.
_TAKEN = ("appendonlydir", "conf", "sentinel")
_EXEC = re.compile(r"^ExecStart=\S+[ \t]+(/\S+)", re.MULTILINE)


class Files:
    """The fixed places of an instance's files. root: the directory that stands for / in tests."""

    def __init__(self, engine, name, root=""):
        self.name, own = name, "" if name == "default" else "-" + name
        self.root, self.default = root, name == "default"
        self.data = "/var/lib/%s" % engine + ("" if self.default else "/" + name)
        self.config = "/etc/%s/%s%s.conf" % (engine, engine, own)
        self.rewritten = self.data + "/conf/redis.conf"
        self.aclfile = "/etc/%s/users%s.acl" % (engine, own)
        self.log = "/var/log/%s/%s-server%s.log" % (engine, engine, own)

    @staticmethod
    def said(drop_in):
        """Return the configuration file that a drop-in names, None where it names none."""
        found = _EXEC.search(drop_in or "")
        return found.group(1) if found else None

    def settings(self, drop_in=""):
        """Return {canonical directive: arguments} of the configuration in use, with all that it includes.

        None without one. Raises Refused for what can't be read.
        """
        path = self.said(drop_in) or self.config
        text = host_files.read(self.root + path)
        if text is None:
            return None
        found = included.read(self.root + path, text=text)
        if found.unread:
            raise Refused(" ".join(found.unread))
        return rewritten.as_read(found.lines)

    def stop_problem(self, unit, drop_in):
        """Return why stopping the running server would lose its data, or ''."""
        try:
            settings = self.settings(drop_in)
        except Refused as problem:
            return "%s.service: whether its data survive a stop can't be told: %s" % (unit, problem)
        if settings is None:
            reason = "its configuration is not where this collection puts it"
        elif settings.get("appendonly", ["no"])[0].lower() == "yes" or settings.get("save", ["default"]) != []:
            return ""
        else:
            reason = "it has neither save nor appendonly"
        return (
            "%s.service runs and is not declared, and stopping it might lose its data: %s. Declare it again with save "
            "or appendonly, run, and then remove it; or have its data deleted: add %s to purge "
            "(redis_purged_instances)." % (unit, reason, self.name)
        )

    def present(self):
        """Return the paths of what there is to delete. Raises Refused, before anything is deleted."""
        if not NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise Refused("purge: %r is no name of an instance." % self.name)
        places = dict(dir=self.data, logfile=self.log, aclfile=self.aclfile)
        for path in (self.config, self.rewritten):
            try:
                text = host_files.read(self.root + path)
            except Refused as problem:
                raise Refused("purge %s: nothing was deleted. %s" % (self.name, problem)) from problem
            for name, words in rewritten.as_read(config_desired.parse(text or "")).items():
                # The package's own file may say nothing of its users and has the same log.
                if name in places and words not in ([places[name]], [""], []):
                    raise Refused(
                        "purge %s: nothing was deleted. By %s its %s is %s, which is not where this collection puts "
                        "it, %s: delete its files yourself, that configuration last."
                        % (self.name, path, name, printable(" ".join(words)), places[name])
                    )
        return [
            *self._matching(os.path.dirname(self.config), {self.config, self.aclfile}.__contains__),
            *self._matching(os.path.dirname(self.log), lambda path: (path + ".").startswith(self.log + ".")),
            *self._data(),
        ]

    def _data(self):
        if not self.default:
            return self._matching(os.path.dirname(self.data), self.data.__eq__)
        # The directories beside its files are those of the other instances.
        own = {self.data + "/" + name for name in ("appendonlydir", "conf")}
        return self._matching(self.data, lambda path: path in own, plain_files=True)

    def _matching(self, folder, wanted, plain_files=False):
        found = []
        with opened_directory(self.root + folder) as (handle, _ours):
            if handle is None:
                return []
            for name in sorted(os.listdir(handle)):
                mode, path = os.lstat(name, dir_fd=handle).st_mode, "%s/%s" % (folder, name)
                if not wanted(path) and not (plain_files and not stat.S_ISDIR(mode)):
                    continue
                if stat.S_ISLNK(mode):
                    raise Refused(
                        "purge %s: nothing was deleted. %s is a symbolic link: find out what it leads to, and remove "
                        "it." % (self.name, path)
                    )
                found.append(path)
        return found

    def delete(self, paths):
        """Delete the paths. Raises Refused when one can't be; running again goes on."""
        for path in paths:
            try:
                with opened_directory(os.path.dirname(self.root + path)) as (handle, _ours):
                    if handle is not None:
                        _delete(handle, os.path.basename(path))
            except OSError as error:
                raise Refused("purge %s: %s can't be deleted: %s." % (self.name, path, error.strerror)) from error


def _delete(handle, name):
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=handle).st_mode):
            # It goes down by handles, and does not follow what becomes a link meanwhile.
            shutil.rmtree(name, dir_fd=handle)
        else:
            os.unlink(name, dir_fd=handle)
    except FileNotFoundError:
        pass
