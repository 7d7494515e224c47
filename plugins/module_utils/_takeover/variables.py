# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that keep what a server has now, where the policy has it otherwise. Pure functions."""

from __future__ import annotations

from .._acl.entries import is_bare_pattern
from .._acl.users import selector_text
from .._config import values
from .._config.declared import OWNED
from . import losses as takeover

_YEAR = 31536000
_LEVELS = ("debug", "verbose", "notice", "warning")
# Directive -> variable without prefix, where the value can be taken as it is.
_PLAIN = {
    "maxmemory-policy": "maxmemory_policy",
    "databases": "databases",
    "appendfsync": "appendfsync",
    "dir": "dir",
    "acllog-max-len": "acllog_max_len",
    "slowlog-log-slower-than": "slowlog_log_slower_than",
    "slowlog-max-len": "slowlog_max_len",
    "notify-keyspace-events": "notify_keyspace_events",
    "tcp-keepalive": "tcp_keepalive",
    "loglevel": "loglevel",
}


class Kept:
    """variables: {name without prefix: value}; notes: {name: why it is so}; missing: what hardening it lacks."""

    def __init__(self, now, wanted, memory=0):
        """memory: of the host, in bytes, 0 where it is not known."""
        self.now, self.wanted, self.memory = now, wanted, memory
        self.variables, self.notes, self.missing = {}, {}, []
        self._listening()
        self._limits()
        self._data()
        self._plain()
        self._commands()
        self._further()
        self._users()
        self._lacking()

    def _put(self, name, value, note=""):
        self.variables[name] = value
        if note:
            self.notes[name] = note

    def _differs(self, directive):
        text = self.now.values.get(directive)
        words = self.wanted.settings.get(directive)
        return text is not None and words is not None and not values.same(directive, words, text)

    def _listening(self):
        now, wanted = self.now, self.wanted
        if self._differs("port") and now.value("port") != "0":
            self._put("port", int(now.value("port")))
        if self._differs("bind"):
            addresses = now.value("bind").split()
            if not {"127.0.0.1", "0.0.0.0", "*"} & {one.removeprefix("-") for one in addresses}:  # noqa: S104
                addresses.insert(0, "127.0.0.1")
                self.notes["bind"] = "127.0.0.1 is where this collection asks it"
            self._put("bind", addresses)
        strangers = [one for one in now.clients if one.far and not takeover.named(one, wanted.sources)]
        if strangers:
            addresses = sorted({one.address for one in strangers})
            self._put("allowed_sources", addresses, "who is connected now; add those that are not, and those you name")

    def _limits(self):
        now, used = self.now, self.now.used
        size = int(now.value("maxmemory") or 0) if now.value("maxmemory").isdigit() else 0
        bound = values.meaning("maxmemory", [self.wanted.text("maxmemory") or "0"])
        if size and size != bound:
            room = takeover.room_for(used) if used * 1.1 > size else size
            self._put("maxmemory", takeover.spelled(room) if room % (1 << 20) == 0 else str(room))
        elif not size and now.running:
            room = max(takeover.room_for(used), self.memory * 3 // 4)
            if room > bound:
                note = "it has no bound (RH-CFG-01); this is three quarters of the host's memory: set what it may have"
                self._put("maxmemory", takeover.spelled(room), note)
        if self._more("maxclients", len(now.clients)):
            self._put("maxclients", int(now.value("maxclients")))
        seconds = self._number("timeout")
        if seconds == 0 and now.running and int(self.wanted.text("timeout") or 0) < _YEAR:
            note = "it has 0, never (RH-CFG-03); this is a year: set what your clients' pools stand"
            self._put("timeout", _YEAR, note)
        elif seconds and self._more("timeout", 0):
            self._put("timeout", seconds)

    def _number(self, directive):
        text = self.now.value(directive)
        return int(text) if text.isdigit() else None

    def _more(self, directive, least):
        number, declared = self._number(directive), int(self.wanted.text(directive) or 0)
        return number is not None and (number > declared or least >= declared)

    def _data(self):
        if self._differs("appendonly"):
            self._put("appendonly", values.meaning("appendonly", [self.now.value("appendonly")]))
        if self._differs("save"):
            points = sorted(takeover.save_points(self.now.value("save")), reverse=True)
            self._put("save", ["%d %d" % point for point in points])

    def _plain(self):
        for directive, name in _PLAIN.items():
            text = self.now.value(directive)
            if not self._differs(directive) or (directive == "loglevel" and text not in _LEVELS):
                continue
            if directive == "tcp-keepalive" and text == "0":
                self.missing.append("tcp-keepalive 0: connections to clients that are gone stay")
                continue
            whole = values.kind(directive) == "integer"
            self._put(name, int(text) if whole else text)

    def _commands(self):
        now, declared = self.now, self.wanted.renamed
        used = [name for name, new in declared.items() if not new and now.calls.get(name) and name not in now.renames]
        kept = {name: new for name, new in declared.items() if name not in used} | now.renames
        if kept != declared:
            note = ", ".join("%s was called %d times" % (name, now.calls[name]) for name in sorted(used))
            self._put("renamed_commands", kept, note and note + ", and is not disabled here")

    def _further(self):
        dropped = takeover.undeclared(self.now, self.wanted)
        if not dropped:
            return
        declared = {name: values.set_value(words) for name, words in self.wanted.settings.items() if name not in OWNED}
        # That of a group is made of its own variable as well.
        declared.pop("client-output-buffer-limit", None)
        self._put("settings", {name: _scalar(name, text) for name, text in {**declared, **dropped}.items()})

    def _users(self):
        now, wanted, found = self.now, self.wanted, []
        for name, user in sorted((now.users or {}).items()):
            if name == "default":
                busy = any(one.user == "default" and not set(one.flags) & set("SM") for one in now.clients)
                declared = wanted.users.get("default")
                if (declared and declared.enabled) or not user.enabled or not (busy or user.hashes):
                    continue
                if user.nopass or not user.hashes:
                    continue
            elif name in wanted.users:
                continue
            found.append(entry_of(user))
        if found:
            self._put("users", found, "beside those that you declare")

    def _lacking(self):
        now, default = self.now, (self.now.users or {}).get("default")
        if default is not None and default.enabled and (default.nopass or not default.hashes):
            self.missing.append("no password: whoever reaches the port is the user default")
        wide = [name for name, user in sorted((now.users or {}).items()) if "+@all" in user.rights.commands]
        wide = [name for name in wide if now.users[name].enabled and name not in self.wanted.users]
        if wide:
            self.missing.append("all commands for %s (RH-ACL)" % ", ".join(wide))
        if now.value("protected-mode") == "no":
            self.missing.append("protected-mode no (RH-NET-05)")
        if now.value("tls-port") in ("", "0"):
            self.missing.append("no TLS: passwords and data go over the network in plain text (redis_tls)")
        if now.running and now.value("appendonly") != "yes" and not now.value("save"):
            self.missing.append(
                "nothing is kept on disk: its keys are gone when it ends (redis_save, redis_appendonly)"
            )
        self.missing += [
            "%s %s (RH-CMD-04)" % (name, now.value(name))
            for name in ("enable-debug-command", "enable-module-command", "enable-protected-configs")
            if now.value(name) not in ("", "no")
        ]


def entry_of(user):
    """Return a User as an entry of redis_users."""
    rules = list(user.rights.commands)
    entry = {"name": user.name}
    if not user.enabled or not user.hashes:
        entry["enabled"] = False
    if user.hashes:
        entry["password_hashes"] = sorted(user.hashes)
    entry["commands"] = rules[1:] if rules[:1] == ["-@all"] else rules
    for name, patterns in (("keys", user.rights.keys), ("channels", user.rights.channels)):
        if patterns:
            entry[name] = sorted(one[1:] if one[0] in "~&" and is_bare_pattern(one[1:]) else one for one in patterns)
    if user.selectors:
        entry["selectors"] = [selector_text(one) for one in user.selectors]
    return entry


def _scalar(directive, text):
    return int(text) if values.kind(directive) in ("integer", "bytes") and text.isdigit() else text


def without_hashes(variables):
    """Return the variables for a screen or a log."""
    if "users" not in variables:
        return variables
    users = [
        {name: value for name, value in entry.items() if name != "password_hashes"} for entry in variables["users"]
    ]
    return {**variables, "users": users}
