# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about a running server's settings. What is expected comes from the declared settings only."""

from __future__ import annotations

import os

from .._audit.findings import finding, verdict
from . import sockets, values
from .desired import shown_value

LOCKS = ("enable-debug-command", "enable-module-command", "enable-protected-configs")
# Read besides the declared ones.
READ = (
    *("bind", "port", "tls-port", "cluster-port", "protected-mode", "maxmemory", "maxmemory-policy", "maxclients"),
    *("timeout", "logfile", "syslog-enabled", *LOCKS),
)
_OWN_CONTROL = {"bind", "port", "tls-port", "protected-mode", "maxmemory", "maxmemory-policy", "maxclients", "timeout"}
_OWN_CONTROL |= {"logfile", *LOCKS}
# What INFO tells of the settings, for a server whose CONFIG is disabled.
_FROM_INFO = {"maxmemory": "maxmemory", "maxmemory_policy": "maxmemory-policy", "maxclients": "maxclients"}


class Verify:
    """live: what the server says. wanted: {directive: arguments}. ends: what its process listens on, None: unknown."""

    def __init__(self, live, wanted, instance, ends=None, pid=None, secret_names=()):
        self.wanted = {values.canonical(name): words for name, words in wanted.items()}
        self.called = {values.canonical(name): name for name in wanted}
        self.live, self.instance, self.ends, self.pid, self.secret_names = live, instance, ends, pid, secret_names
        self.unreadable = live.values is None
        found = live.values
        if found is None:
            found = {name: live.info[field] for field, name in _FROM_INFO.items() if field in live.info}
        self.now = {values.canonical(name): text for name, text in found.items()}

    def findings(self):
        return [
            self.listening(),
            self.protected_mode(),
            self.memory(),
            self.clients(),
            self.timeout(),
            self.log(),
            *self.all_other(),
            *self.locks(),
        ]

    def _verdict(self, control, ok, expected, actual, **details):
        return verdict(control, ok, expected, actual, instance=self.instance, **details)

    def _skipped(self, control, expected, why, **details):
        return finding(control, "skipped", expected, why, instance=self.instance, **details)

    def _unknown(self, control, expected, *names):
        """Return a finding for settings that the server can't be asked for, None when it can."""
        if self.unreadable and any(name not in self.now for name in names):
            return self._skipped(control, expected, "CONFIG is disabled on this server", subject=" ".join(names))
        return None

    def _says(self, name):
        called = self.called.get(name, name)
        if name not in self.now:
            return "%s unknown to this server" % called
        return "%s %s" % (called, shown_value(name, self.now[name], self.secret_names) or '""')

    def _is(self, name):
        return name in self.now and values.same(name, self.wanted[name], self.now[name])

    def _declared(self, name):
        shown = shown_value(name, values.set_value(self.wanted[name]), self.secret_names)
        return "%s %s" % (self.called[name], shown or '""')

    def listening(self):
        control = "RH-NET-04"
        if "bind" not in self.wanted:
            return self._skipped(control, "bind is not declared", "not compared")
        declared = [name for name in ("bind", "port", "tls-port") if name in self.wanted]
        expected = ", ".join(self._declared(name) for name in declared)
        if self.ends is None:
            unknown = self._unknown(control, expected, *declared)
            actual = ", ".join(self._says(name) for name in declared) + " (its sockets can't be seen from here)"
            return unknown or self._verdict(control, all(map(self._is, declared)), expected, actual)
        may, must = sockets.expected(self.wanted["bind"], self._ports(), self.ends)
        extra, missing = self.ends - may, must - self.ends
        actual = "listens on %s" % (sockets.spelled(self.ends) or "no TCP port")
        if missing:
            actual += "; not on %s" % sockets.spelled(missing)
        differing = [name for name in declared if not self.unreadable and not self._is(name)]
        if differing:
            actual += "; CONFIG GET says " + ", ".join(self._says(name) for name in differing)
        return self._verdict(control, not (extra or missing or differing), expected, actual)

    def _ports(self):
        def number(name):
            words = self.wanted.get(name) or [self.now.get(name) or "0"]
            return int(words[0])

        port = number("port")
        if "port" not in self.wanted and "port" not in self.now:
            port = int(self.live.info.get("tcp_port", 0))
        ports = {port, number("tls-port")} - {0}
        if self.live.info.get("cluster_enabled") == "1" and ports:
            ports.add(number("cluster-port") or (port or number("tls-port")) + 10000)
        return ports

    def protected_mode(self):
        control, expected = "RH-NET-05", "protected-mode yes"
        return self._unknown(control, expected, "protected-mode") or self._verdict(
            control, self.now.get("protected-mode") == "yes", expected, self._says("protected-mode")
        )

    def memory(self):
        control, names = "RH-CFG-01", ("maxmemory", "maxmemory-policy")
        declared = [name for name in names if name in self.wanted]
        ok = self.now.get("maxmemory", "0") != "0" and all(map(self._is, declared))
        expected = [self._declared(name) for name in declared]
        if not values.meaning("maxmemory", self.wanted.get("maxmemory", ["0"])):
            # Whatever is declared: the control is that there is a bound.
            expected = ["maxmemory above 0", *(text for text in expected if text != "maxmemory 0")]
        return self._unknown(control, ", ".join(expected), *names) or self._verdict(
            control, ok, ", ".join(expected), ", ".join(map(self._says, names))
        )

    def clients(self):
        control, name = "RH-CFG-02", "maxclients"
        if name not in self.wanted:
            return self._skipped(control, "maxclients is not declared", self._says(name))
        expected = self._declared(name)
        return self._unknown(control, expected, name) or self._verdict(
            control, self._is(name), expected, self._says(name)
        )

    def timeout(self):
        control, name = "RH-CFG-03", "timeout"
        closes = values.meaning(name, self.wanted.get(name, ["0"])) > 0
        expected = self._declared(name) if closes else "timeout above 0"
        ok = self.now.get(name, "0") != "0" and (not closes or self._is(name))
        return self._unknown(control, expected, name) or self._verdict(control, ok, expected, self._says(name))

    def log(self):
        control, name = "RH-CFG-04", "logfile"
        if name not in self.wanted:
            return self._skipped(control, "logfile is not declared", self._says(name))
        expected, path = self._declared(name), values.set_value(self.wanted[name])
        unknown = self._unknown(control, expected, name)
        if unknown:
            return unknown
        ok, actual = self._is(name), self._says(name)
        # The policy's path, which the server's is now: it could name any.
        if ok and self.pid and path.startswith("/") and not os.path.isfile("/proc/%d/root%s" % (self.pid, path)):
            ok, actual = False, actual + ", which is not there"
        return self._verdict(control, ok, expected, actual)

    def all_other(self):
        control = "RH-CFG-05"
        names = [name for name in self.wanted if name not in _OWN_CONTROL and name != "replicaof"]
        if self.unreadable:
            return [self._skipped(control, "%d declared settings" % len(names), "CONFIG is disabled on this server")]
        wrong = [name for name in names if not self._is(name)]
        if not wrong:
            return [self._verdict(control, True, "%d declared settings" % len(names), "all as declared")]
        return [
            self._verdict(control, False, self._declared(name), self._says(name), subject=self.called[name])
            for name in wrong
        ]

    def locks(self):
        """Return a finding for each lock; before 7.0 there are none, and only disabled commands help."""
        control = "RH-CMD-04"
        if not self.unreadable and not any(name in self.now for name in LOCKS):
            left = [name for name in ("DEBUG", "MODULE") if self.live.names.get(name)]
            actual = "this version has no such settings; %s" % (
                "answers to " + " and ".join(left) if left else "DEBUG and MODULE are disabled"
            )
            return [self._verdict(control, not left, "DEBUG and MODULE disabled", actual)]
        return [
            self._unknown(control, name + " no", name)
            or self._verdict(control, self.now.get(name) == "no", name + " no", self._says(name), subject=name)
            for name in LOCKS
        ]
