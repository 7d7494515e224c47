# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes this collection's files, drop-ins and rules off a host. What keeps ports closed goes last."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile

from .._config import desired as config_desired
from .._firewall import (
    backends as firewall_backends,
    files as firewall_files,
    host as firewall_host,
    script as firewall_script,
)
from .._firewall.iptables import host as iptables_host
from .._host import directories as host_directories, files as host_files, systemd as host_systemd
from .._service import start_guard as service_start_guard, units as service_units
from .._service.instance_files import Files
from . import dangers

NOTICE_UNITS = ("redis-port-notice.service", "redis-port-notice-yield.service")
NOTICE_FILES = (
    *("%s/%s" % (service_units.UNITS, unit) for unit in NOTICE_UNITS),
    "/usr/local/lib/redis-port-notice",
    "/etc/logrotate.d/redis-port-notice",
)
SYSCTL = "/etc/sysctl.d/60-redis-hardening.conf"
GUARD = (
    service_start_guard.PROGRAM,
    service_start_guard.COMMAND,
    service_start_guard.SETTINGS,
    service_start_guard.STATE,
    "/run/redis-start-guard",
)
DROP_IN = "hardening.conf"


class Server:
    """A server or Sentinel that this collection has set up.

    file: of its configuration. home: where the package's unit looks for that.
    """

    def __init__(self, engine, unit):
        self.unit, name = unit, service_units.instance_of(unit.name)
        self.files = Files(engine, name or "default")
        self.is_sentinel = name is None
        self.home = "/etc/%s/sentinel.conf" % engine if self.is_sentinel else self.files.config
        self.file = self.files.said(unit.drop_in) or self.home
        self.settings = self.files.settings(unit.drop_in) or {}
        self.folder = "%s/%s.service.d" % (service_units.UNITS, unit.name)

    def other_drop_ins(self):
        paths = [path for path in glob.glob(self.folder + "/*.conf") if os.path.basename(path) != DROP_IN]
        return [host_files.read_file(path) or "" for path in paths]


class Removal:
    """module: with the options of redis_removal. Raises Refused, before anything is changed."""

    def __init__(self, module):
        self.module, self.engine = module, module.params["engine"]
        listing = self.systemctl(
            "list-units", "--all", "--plain", "--no-legend", "--full", *service_units.patterns(self.engine)
        )
        found = service_units.find(self.engine, listing, DROP_IN)
        self.servers = [Server(self.engine, unit) for unit in found.values() if unit.drop_in is not None]
        self.stale = self._stale()
        self.rules = self._rules()
        firewall = (firewall_files.UNIT_PATH, *firewall_host.unit_links(), firewall_files.SCRIPT_PATH)
        runtime = os.path.dirname(firewall_files.TRIAL_FOLDER)
        self.firewall = self._present(*firewall, firewall_files.FOLDER, runtime)
        self.notice = self._present(*NOTICE_FILES)
        self.opening = self._opening()

    def systemctl(self, *arguments, check=True):
        code, out, error = self.module.run_command(["systemctl", *arguments])
        if code and check:
            self.module.fail_json(msg="systemctl %s: %s" % (" ".join(arguments), error.strip()))
        return out

    def _rules(self):
        """Return in words what the kernel has of this collection."""
        return [text for backend in firewall_backends.BACKENDS.values() for text in backend.leftovers(self.module)]

    @staticmethod
    def _present(*paths):
        return [path for path in paths if os.path.lexists(path)]

    def _stale(self):
        """Return the files of rewritten configurations that no drop-in names any more."""
        used = {server.file for server in self.servers}
        data = "/var/lib/" + self.engine
        places = [data + "/conf/redis.conf", *glob.glob(data + "/*/conf/redis.conf")]
        return [path for path in self._present(*places) if path not in used]

    def _opening(self):
        tables = [host_files.read_file("/proc/net/" + name) or "" for name in ("tcp", "tcp6")]
        rules = [host_files.read_file(path) or "" for path in glob.glob(firewall_files.FOLDER + "/rules.*")]
        published = {}
        for family in iptables_host.families():
            published.update(dangers.published_ports(iptables_host.read_save(self.module, family) or ""))
        # The notice goes, too.
        sockets, servers = dangers.open_sockets(tables) - self._ports_of(NOTICE_UNITS[0]), {}
        for server in self.servers:
            if not self.module.params["stopped"]:
                servers[server.unit.name] = dangers.configured_ports(server.settings)
            if server.unit.active and self.module.params["stopped"]:
                # It is stopped; else both count, where it listens now and what its configuration says.
                sockets -= self._ports_of(server.unit.name + ".service")
        return dangers.opened(dangers.guarded_ports(rules), sockets, servers, published)

    def _ports_of(self, unit):
        """Return where the unit's process listens, if there is one."""
        shown = host_systemd.parse_show(self.systemctl("show", unit, "--property", "MainPID"))
        return set(host_systemd.listening_ports(shown.get("MainPID", "0")))

    def problems(self):
        found = (
            []
            if self.module.params["stopped"]
            else [
                dangers.folder_problem(one.unit.name, one.settings, self.engine, one.other_drop_ins())
                for one in self.servers
            ]
        )
        # Where the rules are gone already there is nothing left to protect.
        if self.rules:
            found.append(dangers.refusal(self.opening, self.module.params["open_ports"]))
        return [problem for problem in found if problem]

    def items(self):
        """Return what goes, a line each."""
        lines = ["%s/%s" % (one.folder, DROP_IN) for one in self.servers]
        lines += [one.file for one in self.servers if one.file != one.home] + self.stale
        return [*self.notice, *lines, *self._present(SYSCTL, *GUARD), *self.firewall, *self.rules]

    def restored(self):
        """Return where the package's units find what was elsewhere."""
        return [one.home for one in self.servers if one.file != one.home]

    def carry_out(self):
        if self.notice:
            self.systemctl("disable", "--now", *NOTICE_UNITS, check=False)
            self._delete(self.notice)
        for server in self.servers:
            self._release(server)
        for path in self.stale:
            Files(self.engine, "default").delete([path])
        self._delete(self._present(SYSCTL, *GUARD))
        if self.firewall or self.rules:
            self._open()
        self.systemctl("daemon-reload")

    def _release(self, server):
        """Let the package's unit run it: its file first, then the drop-in, so that a start at any moment finds one."""
        restart = server.is_sentinel and server.unit.active
        if restart:
            # It writes to its file all the time.
            self.systemctl("stop", server.unit.name + ".service")
        owner = self.engine, self.engine
        text = host_files.read(server.file)
        if text is not None:
            # It would say that changes are undone.
            host_files.write(server.home, text.removeprefix(config_desired.HEADER + "\n"), *owner, 0o640)
        for path in (server.home, server.files.aclfile):
            host_files.settle(path, *owner, 0o640, check=False)
        # As the package has it.
        host_directories.settle(os.path.dirname(server.home), *owner, 0o2770, check=False)
        os.unlink("%s/%s" % (server.folder, DROP_IN))
        if not os.listdir(server.folder):
            os.rmdir(server.folder)
        self.systemctl("daemon-reload")
        if server.file != server.home:
            server.files.delete([server.file])
        if restart:
            self.systemctl("start", server.unit.name + ".service")

    def _open(self):
        """Take away the rules, and then what would tell a repeated run of them."""
        if os.path.lexists(firewall_files.UNIT_PATH):
            self.systemctl("disable", firewall_files.UNIT_NAME)
        with tempfile.TemporaryDirectory(prefix="redis-ports-block-") as folder:
            script = os.path.join(folder, "script")
            host_files.write_file(script, firewall_script.SCRIPT, 0o600)
            status, output, errors = self.module.run_command(["sh", script, "remove"])
        left = self._rules()
        if status or left:
            self.module.fail_json(msg="the rules could not be removed: %s" % ((errors or output).strip() or left))
        self.systemctl("stop", firewall_files.UNIT_NAME, check=False)
        self._delete(self._present(*self.firewall, firewall_files.LOCK_PATH))

    @staticmethod
    def _delete(paths):
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
