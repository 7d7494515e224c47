# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of redis_config in its order: everything is checked before anything is changed."""

from __future__ import annotations

import socket

from .._errors import Refused
from .._host import files
from .._redis import connection as redis_connection
from .._redis.commands import normalise
from .._redis.live_commands import live_names
from .._redis.scratch_server import StartFailed, throwaway_server
from . import (
    desired as config,
    directives as table,
    file as config_file,
    hazards,
    included,
    live as live_config,
    processes,
    rewritten,
    running,
    values,
)


class Run:
    """One run of the module. Call plan(), then, unless in check mode, carry_out()."""

    def __init__(self, module, client):
        self.module = module
        self.params = module.params
        self.client = client
        self.live = None
        self.warnings = []
        self.live_changes = {}
        self.restart = []
        self.rewrite = False
        self.applied = False
        # The master that is left, as 'host port'.
        self.leaves = ""
        self.attributes = {}

    def plan(self):
        """Work out what would change and whether it can; raise Refused before anything is changed."""
        params = self.params
        renamed = params["renamed_commands"]
        wanted = config.desired(params["settings"], params["secret_settings"], renamed)
        self.renamed = normalise(renamed)
        _refuse(hazards.rename_hazards(renamed))
        _refuse(config_file.option_problems(params) if params["path"] else [])
        self.old_text = files.read(params["path"]) if params["path"] else None
        # As its server would read it. Somebody may have added an include to a file of ours, too.
        self.old = included.read(params["path"] if self.old_text is not None else "", text=self.old_text)
        self.old_renames = self.old.renames
        self._refuse_if_it_runs_elsewhere()
        if self.client is not None:
            self.live = live_config.read(self.client, wanted, self.renamed, self.old_renames)
        if self.live is not None and self.live.values is not None:
            wanted = live_config.resolve(self.live, wanted)
        elif not params["server_binary"]:
            unknown = sorted(name + config.suggestion(name, _names()) for name in wanted if name not in _names())
            _refuse(["Unknown directive %s. To use it, set server_binary." % ", ".join(unknown)] if unknown else [])
        self.wanted = self._follow(wanted)
        self.new_text = self._new_text()
        if self.file_changed and not self.module.check_mode:
            _refuse(config_file.problems(params))
        if self.live is not None:
            self._plan_live()
        else:
            self._plan_offline()
        if self.file_changed or self.live_changes:
            self._try_candidate()

    def _refuse_if_it_runs_elsewhere(self):
        """Refuse to take a server for stopped because it listens at another place, or at none yet."""
        if self.client is not None or self.params["live"] != "auto" or not self.params["path"]:
            return
        path = self.params["path"]
        server = running.find(path, self.old, processes.show_by(self.module))
        _refuse([running.problem(server, path, redis_connection.endpoint(self.params))] if server else [])

    @property
    def file_changed(self):
        return self.new_text != self.old_text

    def _new_text(self):
        """Return what the file is to say: what it says now when the server has only put it into its own words."""
        if not self.params["path"]:
            return None
        if self.params["rewritten"] and self.old_text is not None:
            if not rewritten.drift(self.old_text, self.wanted, self.renamed):
                return self.old_text
            beyond = rewritten.undeclared(self.old_text, self.wanted)
            if beyond and self.live is not None:
                self.warnings.append(
                    "The file has %s, which is not declared, and loses it. The running server may still have it and "
                    "would write it again: declare it, reset it by CONFIG SET, or restart the server."
                    % ", ".join(beyond)
                )
        return config.render(self.wanted, self.renamed)

    def _follow(self, wanted):
        """Keep the present master in the file: after a failover the inventory's is the wrong one."""
        if not self.params["path"]:
            return wanted
        kept = {name: words for name, words in wanted.items() if values.canonical(name) != "replicaof"}
        declared = next((words for name, words in wanted.items() if name not in kept), [])
        if self.live is not None:
            info = self.live.info
            # A cluster's replicas have a master, too, but their file must not name it.
            follows = info.get("role") == "slave" and info.get("cluster_enabled") != "1"
            now, empty = [info["master_host"], info["master_port"]] if follows else [], not self.live.keys
        else:
            before = self.old.values
            now, empty = before.get("replicaof", "").split(), not hazards.keeps_data(before)
        first = declared and not now and empty and config.HEADER not in (self.old_text or "")
        if self.params.get("standalone"):
            self._leave(now)
            return kept
        if declared and declared != now and not first:
            self.warnings.append(
                "replicaof is declared as %s, the server follows %s: kept, because only a new server takes its master "
                "from the inventory." % (" ".join(declared), " ".join(now) or "nobody")
            )
        if first and self.live is not None and declared != now:
            self.restart.append("replicaof")
        return dict(sorted({**kept, **({"replicaof": declared if first else now} if first or now else {})}.items()))

    def _leave(self, now):
        """Have a running replica follow nobody any more. now: [host, port] of its master, or []."""
        if self.live is None or not now:
            return
        if self.live.info.get("master_sync_in_progress") == "1":
            raise Refused(
                "The server is to stand alone, and its master %s is sending it all data: wait until it has them, and "
                "run again." % ":".join(now)
            )
        if self.live.info.get("master_link_status") != "up" and _answers(*now):
            raise Refused(
                "The server is to stand alone, and its link to its master %s is down although that one is there: what "
                "it has may be old. Look at its log and bring it in step, or make it a master yourself (REPLICAOF NO "
                "ONE) when its data are the ones that count." % ":".join(now)
            )
        name = live_names(self.client, self.renamed, ["REPLICAOF"])["REPLICAOF"]
        if name is None:
            name = live_names(self.client, self.old_renames, ["REPLICAOF"])["REPLICAOF"]
        if name is None:
            raise Refused("The server is to stand alone, and its REPLICAOF is disabled: enable it, restart, run again.")
        self.leaves, self.replicaof = " ".join(now), name

    def _plan_live(self):
        live, whole_file = self.live, bool(self.params["path"])
        can_set = live.values is not None
        if can_set:
            now = {name: live.value(name) for name in live_config.DATA_DIRECTIVES}
        else:
            _refuse(self._unread() if live.keys else [])
            now = hazards.in_force(self.old.values) if self.old.files else {}
        now["appendonly"] = "yes" if live.info.get("aof_enabled") == "1" else "no"
        _refuse(hazards.live_hazards(live.keys, now, self.wanted, whole_file, can_set))
        if can_set:
            memory = {name: live.value(name) for name in ("maxmemory", "maxmemory-policy")}
            if not self.params["accept_memory_bound"]:
                _refuse(hazards.memory_hazards(live.keys, int(live.info.get("used_memory", 0)), memory, self.wanted))
            differing = live_config.differences(live, self.wanted)
            free = live_config.settable(live, differing)
            self.live_changes = {name: differing[name] for name in free}
            self.restart += [name for name in differing if name not in free]
        else:
            self.restart += self._changed_in_file()
            self.warnings.append(
                "CONFIG is disabled on this server, or has a name that neither renamed_commands nor its file says: "
                "live settings were neither compared nor changed."
            )
        pending = live_config.pending_renames(live, self.renamed, self.old_renames)
        self.restart += ["rename-command " + command for command in sorted(pending)]
        if now["appendonly"] == "yes" and "appendonly" not in self.live_changes:
            going = live_config.written_names(live, pending)
            self.rewrite = bool(going)
            if going and live.names["BGREWRITEAOF"] is None:
                raise Refused(
                    "The append-only file may hold %s, which the new renamed_commands take away: the server could not "
                    "load it. BGREWRITEAOF, which would fix that, is disabled: enable it first, restart, and disable "
                    "it together with the others afterwards." % ", ".join(sorted(going))
                )

    def _unread(self):
        """Return why it is not known where the server keeps its data."""
        return [
            "Where the server keeps its data can't be told: %s Correct or remove that include, and run again." % problem
            for problem in self.old.unread
        ]

    def _plan_offline(self):
        if not self.params["path"]:
            return
        before = self.old.values if self.old_text is not None else None
        _refuse(self._unread())
        _refuse(hazards.offline_hazards(before, self.wanted, hazards.names_going(self.old_renames, self.renamed)))
        if self.params["live"] == "never":
            self.restart += self._changed_in_file()

    def _changed_in_file(self):
        return rewritten.differing(*(config.parse(text or "") for text in (self.old_text, self.new_text)))

    def _try_candidate(self):
        if not self.params["server_binary"]:
            return
        lines = config.render(self.wanted, self.renamed).splitlines()
        tls_port = next((words for name, words in self.wanted.items() if name == "tls-port"), ["0"])
        if tls_port != ["0"]:
            # No port is opened, so this makes the server load certificate and key.
            lines.append("tls-replication yes")
        try:
            with throwaway_server(self.params["server_binary"], lines):
                pass
        except StartFailed as error:
            unknown = [name + config.suggestion(name, _names()) for name in self.wanted if name not in _names()]
            hint = " Not known here: %s." % ", ".join(unknown) if unknown else ""
            raise Refused("A server does not start with this configuration: %s%s" % (error.reason, hint)) from error

    def carry_out(self):
        """Change the running server, wait until its data is safe, then write the file."""
        if self.rewrite:
            live_config.rewrite_aof(self.live, self.params["aof_timeout"])
        if self.live_changes:
            live_config.apply(self.live, self.live_changes, self.params["aof_timeout"])
            self.applied = True
        if self.leaves:
            self.client.execute_command(self.replicaof, "NO", "ONE")
            self.applied = True
        self.settle_attributes()
        if self.file_changed:
            if self.params["rewritten"] and files.read(self.params["path"]) != self.old_text:
                raise Refused("The server rewrote %s during this run: run again." % self.params["path"])
            files.write(self.params["path"], self.new_text, *config_file.wanted(self.params))

    def settle_attributes(self):
        """Bring owner, group and mode of the file as it is in order; in check mode only tell."""
        if self.params["path"]:
            owner, group, mode = config_file.wanted(self.params)
            self.attributes = files.settle(self.params["path"], owner, group, mode, self.module.check_mode)

    def secret_names(self):
        return config.hidden_names(self.params["secret_settings"])

    def shown_changes(self):
        """Return {directive: {before, after}} of what changes in the running server."""
        hidden = self.secret_names()
        leaves = {"replicaof": dict(before=self.leaves, after="")} if self.leaves else {}
        return leaves | {
            name: dict(
                before=config.shown_value(name, self.live.values[name], hidden),
                after=config.shown_value(name, values.set_value(words), hidden),
            )
            for name, words in self.live_changes.items()
        }

    def diff(self):
        """Return before and after of the file and of the running server, without secrets."""
        parts, path = [], self.params["path"]
        if self.file_changed:
            before, after = (config.shown(text or "", self.secret_names()) for text in (self.old_text, self.new_text))
            if before == after:
                before = "# (blanks, quotes or ends of lines differ)\n" + before
            parts.append(dict(before=before, after=after, before_header=path, after_header=path))
        if self.shown_changes():
            where = "%s (live)" % redis_connection.endpoint(self.params)
            changes = self.shown_changes()
            before, after = (
                "".join("%s %s\n" % (name, change[side]) for name, change in changes.items())
                for side in ("before", "after")
            )
            parts.append(dict(before=before, after=after, before_header=where, after_header=where))
        if self.attributes:
            before, after = (
                "".join("%s: %s\n" % pair for pair in sorted(self.attributes[side].items()))
                for side in ("before", "after")
            )
            parts.append(dict(before=before, after=after, before_header=path, after_header=path))
        return parts


def _refuse(problems):
    if problems:
        raise Refused(" ".join(problems))


def _names():
    return table.KNOWN | table.ALIASES.keys()


def _answers(host, port):
    """Tell whether somebody listens there."""
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except (OSError, ValueError):
        return False
