# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talk to dpkg and apt by their programs, which every Debian has; python3-apt need not be there."""

from __future__ import annotations

import os
import time

from . import packages
from .apt_without_start import left_alone

LISTS = "/var/lib/apt/lists"
STAMP = "/var/lib/apt/periodic/update-success-stamp"
JOURNAL = "/var/lib/dpkg/updates"
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # needrestart, where it is installed, would restart the servers all at once.
    "NEEDRESTART_SUSPEND": "1",
}
# A configuration file that has been changed here stays as it is.
KEEP_FILES = ("--force-confdef", "--force-confold")
LOCK_TIMEOUT = 120


class Apt:
    """What is done to the host's packages by one module run."""

    def __init__(self, module):
        self.module = module
        self.options = []

    def _run(self, arguments, check=True, **how):
        code, out, error = self.module.run_command(arguments, environ_update=ENVIRONMENT, **how)
        if code and check:
            # apt says on one what is wrong, and on the other with which packages.
            self.module.fail_json(msg="%s: %s" % (arguments[0], "\n".join([error, out[-2000:]]).strip()))
        return code, out, error

    def installed(self):
        return packages.parse_installed(self._run(["dpkg-query", "--show", "--showformat", packages.QUERY])[1])

    def interrupted(self):
        """Tell whether dpkg was killed at its work and refuses to do any other first."""
        return os.path.isdir(JOURNAL) and any(name.isdigit() for name in os.listdir(JOURNAL))

    def configure(self):
        """Finish what dpkg was interrupted at, as far as that goes without apt; it says no more afterwards."""
        with left_alone() as descriptor:
            self._run(["dpkg", *KEEP_FILES, "--configure", "--pending"], check=False, pass_fds=[descriptor])

    def lists_age(self):
        """Return the age in seconds of what apt knows."""
        times = [os.stat(path).st_mtime for path in (LISTS, STAMP) if os.path.exists(path)]
        return time.time() - max(times, default=0)

    def refresh(self):
        """Ask the repositories. In check mode what they say is kept apart from what apt knows."""
        if self.module.check_mode:
            apart = self.module.tmpdir
            for folder in ("lists/partial", "archives/partial"):
                os.makedirs(os.path.join(apart, folder), exist_ok=True)
            self.options = ["--option", "Dir::State::Lists=%s/lists" % apart, "--option", "Dir::Cache=%s" % apart]
            # apt's own user can't look into this module's directory.
            self.options += ["--option", "APT::Sandbox::User=root"]
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            code, _out, error = self._run(["apt-get", *self.options, "--quiet", "update"], check=False)
            if not code:
                break
            if "Could not get lock" not in error or time.monotonic() > deadline:
                self.module.fail_json(msg="apt-get update: %s" % error.strip())
            time.sleep(1)
        # A repository that does not answer is no error to apt: the others do.
        for line in error.splitlines():
            if line.startswith("W: "):
                self.module.warn("apt-get update: %s" % line[3:])

    def known(self, names):
        return packages.parse_known(self._run(["apt-cache", *self.options, "madison", *names])[1])

    def simulate(self, requests):
        return packages.parse_steps(self._run(self._install("--simulate", *requests))[1])

    def install(self, requests, first=()):
        """first: those of the requests that dpkg was interrupted at."""
        with left_alone() as descriptor:
            if first:
                self._run(self._install("--yes", "--no-remove", "--reinstall", *first), pass_fds=[descriptor])
            self._run(self._install("--yes", "--no-remove", *requests), pass_fds=[descriptor])

    def _install(self, *words):
        return [
            *("apt-get", "--quiet", "--no-install-recommends", "--allow-change-held-packages", *self.options),
            *("--option", "DPkg::Lock::Timeout=%d" % LOCK_TIMEOUT),
            *(word for option in KEEP_FILES for word in ("--option", "Dpkg::Options::=" + option)),
            *("install", *words),
        ]

    def set_hold(self, names, hold):
        self._run(["apt-mark", "hold" if hold else "unhold", *names])
