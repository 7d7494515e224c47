# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of redis_sentinel_file: the file that a Sentinel starts with."""

from __future__ import annotations

import os

from .._errors import Refused
from .._host import attributes, directories, files, systemd as host_systemd
from . import file as sentinel_file

MODE = 0o600


class File:
    """The Sentinel's file, its directory and its unit."""

    def __init__(self, module):
        self.module, self.params = module, module.params
        self.path, self.unit = self.params["path"], self.params["unit"] + ".service"
        self.wanted = sentinel_file.wanted_lines(self.params["settings"])
        self.parent = os.path.dirname(self.path)
        self.owner = self.params["owner"], self.params["group"]

    def systemctl(self, *words):
        code, out, error = self.module.run_command(["systemctl", *words])
        if code:
            raise Refused("systemctl %s: %s" % (" ".join(words), error.strip()))
        return out

    def settle_directory(self):
        """Make the directory, closed to others; return whether anything differed."""
        try:
            return bool(directories.settle(self.parent, *self.owner, 0o700, self.module.check_mode))
        except attributes.Unknown as error:
            if self.module.check_mode:
                return True  # The package is still to come.
            raise Refused("%s Install the package first." % error) from error

    def show(self):
        words = ["show", self.unit, "--property", ",".join(host_systemd.PROPERTIES)]
        return host_systemd.parse_show(self.systemctl(*words))

    def is_older(self):
        """Return whether the running process started before the last change of what it has loaded."""
        times = [os.stat(path).st_mtime for path in self.params["loaded_files"] if os.path.exists(path)]
        properties = self.show() if times else {}
        return properties.get("ActiveState") == "active" and max(times) > host_systemd.started_at(properties) > 0

    def replace(self, names):
        """Replace these lines while the Sentinel does not run."""
        if self.module.check_mode:
            return
        runs = self.show()["ActiveState"] in ("active", "activating")
        self.systemctl("stop", self.unit)
        # It may have written its file once more.
        self.write(sentinel_file.replaced(files.read(self.path), self.wanted, names))
        if runs:
            self.systemctl("start", self.unit)

    def bring(self):
        """Write what is needed; return the result."""
        text, names, diff = files.read(self.path), [], {}
        if text is not None:
            names = sentinel_file.drift(text, self.wanted)
            problem = sentinel_file.move_problem(text, self.wanted) if names else ""
            if problem:
                raise Refused("the Sentinel was not changed: " + problem)
        changed = self.settle_directory()
        if text is None:
            self.write(sentinel_file.first_text(self.wanted, self.params["admin_user"], self.params["admin_password"]))
            diff = dict(before="", after=sentinel_file.shown(self.wanted))
        else:
            changed |= bool(files.settle(self.path, *self.owner, MODE, self.module.check_mode))
        if names:
            diff = dict(before=sentinel_file.shown_now(text, names), after=sentinel_file.shown(self.wanted, names))
            self.replace(names)
        result = dict(created=text is None, changes=names, restart_required=self.is_older())
        result["changed"] = changed or bool(diff) or result["restart_required"]
        if diff and self.module._diff:
            result["diff"] = dict(diff, before_header=self.path, after_header=self.path)
        return result

    def write(self, text):
        if not self.module.check_mode:
            files.write(self.path, text, *self.owner, MODE)
