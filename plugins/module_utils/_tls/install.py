# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate of redis_certificate: what is installed, what is to be, and the way from one to the other."""

from __future__ import annotations

import contextlib
import grp
import os
import time

from .._errors import Refused
from .._host import files as host_files
from . import certificates, files as tls_files


class Certificate:
    """The certificate at one path, as it is and as it is to be."""

    def __init__(self, module):
        self.module, self.params = module, module.params
        self.now = time.time()
        self.ca = tls_files.pem(self.params["ca"])
        self.installed = tls_files.read(self.params["path"])
        self.before = self._installed_facts()
        self.after, self.files = self.before, dict(self.installed)
        self.issue, self.reasons = False, []

    def _installed_facts(self):
        if not self.installed:
            return None
        return certificates.check_pair(
            self.installed[tls_files.CERTIFICATE], self.installed[tls_files.KEY], self.installed[tls_files.CA], []
        )[0]

    def plan(self):
        params = self.params
        if params["controller_time"] is not None:
            problem = certificates.clock_problem(self.now, params["controller_time"], params["max_clock_skew"])
            if problem:
                raise Refused(problem)
        problem = tls_files.place_problem(params["path"], parent_needed=not self.module.check_mode)
        if problem:
            raise Refused(problem)
        if params["certificate"] is not None:
            self._plan_given()
        else:
            self._plan_kept()
        if self.files and not self.issue:
            self._compare()

    def _plan_given(self):
        """Take the given certificate, or refuse it."""
        params = self.params
        key = params["key"] if params["key"] is not None else self._staged_key()
        facts, problems = certificates.check_pair(
            params["certificate"], key, self.ca, params["names"], params["client_auth"]
        )
        if problems:
            raise Refused("The certificate is refused, nothing was changed: %s." % "; ".join(problems))
        self.after = facts
        self.files = {
            tls_files.CA: self.ca,
            tls_files.CERTIFICATE: tls_files.pem(params["certificate"]),
            tls_files.KEY: tls_files.pem(key),
        }

    def _staged_key(self):
        key = host_files.read(self.params["key_file"])
        if key is None:
            raise Refused("key_file %s can't be read: there is no such file." % self.params["key_file"])
        return key

    def _plan_kept(self):
        """Keep the installed certificate as long as it does; only the CA's file may change."""
        params = self.params
        _facts, self.reasons = tls_files.reasons_to_issue(
            self.installed, self.ca, params["names"], params["renew_before"], self.now
        )
        if (
            not self.reasons
            and params["issued"]
            and tls_files.pem(params["issued"]) != self.files[tls_files.CERTIFICATE]
        ):
            self.reasons = ["it is not the one that was issued last"]
        if not self.reasons and params["renew"]:
            self.reasons = ["a new one is asked for"]
        self.issue = bool(self.reasons)
        if not self.issue:
            self.files[tls_files.CA] = self.ca

    def _compare(self):
        self.reasons += [
            "%s differs" % name for name in tls_files.MODES if self.files[name] != self.installed.get(name)
        ]
        if self.reasons:
            return
        changes = tls_files.attribute_changes(self.params["path"], 0, self._gid())
        self.reasons = ["owner, group or mode of %s" % name for name in sorted(changes)]

    def _gid(self):
        try:
            return grp.getgrnam(self.params["group"]).gr_gid
        except KeyError:
            raise Refused("There is no group %s: install the server first." % self.params["group"]) from None

    def carry_out(self):
        tls_files.install(self.params["path"], self.files, 0, self._gid())
        if self.params["key_file"] and os.path.exists(self.params["key_file"]):
            os.unlink(self.params["key_file"])
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(self.params["key_file"]))

    def result(self, changed):
        facts = self.after
        text = facts.lines() if facts else ""
        if self.issue:
            text = "a new certificate: %s\n" % "; ".join(self.reasons)
        elif self.reasons:
            text += "".join("%s\n" % reason for reason in self.reasons)
        before = self.before.lines() if self.before else ""
        path = self.params["path"]
        return dict(
            changed=changed,
            issue=self.issue,
            needed=bool(self.reasons),
            previous=tls_files.has_previous(path),
            reasons=self.reasons,
            alternative_names=certificates.alternative_names(self.params["names"]),
            fingerprint=facts.fingerprint if facts else "",
            days_left=facts.days_left(self.now) if facts else 0,
            diff=dict(before=before, after=text, before_header=path, after_header=path) if self.reasons else {},
        )


def remove_previous(module):
    """Remove the files before the last change, which hold a key that is still good; return the module's result."""
    path = module.params["path"]
    previous = tls_files.has_previous(path)
    if previous and not module.check_mode:
        tls_files.remove_previous(path)
    where, gone = path + tls_files.PREVIOUS, previous and not module.check_mode
    diff = dict(before_header=where, after_header=where, before="certificate and key\n", after="")
    return dict(changed=previous, previous=previous and not gone, diff=diff if previous else {})
