# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of docker_daemon: look, refuse, announce, apply."""

from __future__ import annotations

import copy

from . import rules, rules_host, settings, unit

COSTS = (
    'with "iptables": false servers in containers see the bridge as their client, whoever it is; networks made later '
    "reach nothing until the next run; containers reach a port of the host's only as far as its firewall lets them"
)


class Run:
    """One run of the module: look, decide, apply."""

    def __init__(self, module, engine):
        self.module, self.engine = module, engine
        self.settings = module.params["settings"]
        self.result = dict(changed=False, differences=[], engine="stopped", restarted=False, reloaded=False)
        self.before = engine.read()
        document = settings.parse(self.before or "", engine.path)
        self.places = settings.wanted(self.settings, engine.version)
        self.networks, self.info, self.rules_differ, self.kernel = [], {}, [], {}
        if engine.is_running:
            self.result["engine"] = "running"
            self.info, self.networks = engine.ask("/info"), engine.ask("/networks")
            self.kernel = rules_host.kernels(module)
        stale = engine.is_running and engine.is_stale()
        self.plan = settings.plan(document, self.places, engine.version, engine.flags, engine.where, stale, self.live())
        self.document = document
        # The text of before where nothing changes, since the engine may still have to read it.
        self.text = settings.render(self.plan.document, self.before or "") if self.plan.changed else self.before

    def live(self):
        """Return place -> what the running engine does, as far as it can be asked."""
        found = {}
        if self.info:
            found[settings.LIVE_RESTORE] = bool(self.info.get("LiveRestoreEnabled"))
            found[settings.IPTABLES] = rules.has_engine_rules(self.kernel.get(4, {}))
            address = rules.default_address(self.networks) or settings.ALL_ADDRESSES
            found[settings.ADDRESS] = found[settings.NETWORK_ADDRESS] = address
        return found

    @property
    def bridges(self):
        # IPv6 is the engine's business only where it is so by default.
        with_ipv6 = settings.default(settings.IP6TABLES, self.engine.version)
        masquerade = not settings.is_off("ip-masq", self.plan.document, self.engine.flags)
        return rules.networks(self.networks, (4, 6) if with_ipv6 else (4,), masquerade)

    @property
    def restarts(self):
        return bool(self.plan.restart) and self.engine.is_running

    def refuse(self):
        """End the module when what is asked for can't or mustn't be."""
        problems = list(self.plan.problems)
        by_nftables = settings.uses_nftables(self.plan.document, self.engine.flags)
        if by_nftables and self.module.params["firewall_backend"] != "nftables":
            problems.append(
                'the engine makes its rules by nftables ("firewall-backend"), without DOCKER-USER, in which ours would '
                "have to stand: set it to iptables"
            )
        swarm = (self.info.get("Swarm") or {}).get("LocalNodeState", "inactive") != "inactive"
        if swarm and (self.settings["iptables"] is False or self.settings["live_restore"]):
            problems.append('a swarm needs "iptables": true and "live-restore": false')
        if problems:
            self.fail("%s. The engine was not changed" % "; ".join(problems))
        if self.plan.changed or self.restarts:
            refused = self.engine.refuses(self.text or "{}")
            if refused:
                self.fail("the engine refuses the new %s, and it was not changed: %s" % (self.engine.path, refused))

    def look(self):
        """Say what differs."""
        differences = self.result["differences"]
        differences += [
            "daemon.json: %s is not %s" % (settings.name(place), self.places[place]) for place in self.plan.changed
        ]
        if self.engine.is_running:
            differences += ["the engine must reload: %s" % reason for reason in self.plan.reload]
            differences += ["the engine must restart: %s" % reason for reason in self.plan.restart]
            if self.settings["iptables"] is False:
                self.rules_differ = rules_host.differences(self.kernel, self.bridges)
        if self.settings["iptables"]:
            self.rules_differ = ["%s is left over" % path for path in rules_host.leftovers()]
        differences += self.rules_differ
        self.result["changed"] = bool(differences)
        if self.module._diff and differences:
            self.result["diff"] = self.diffs()

    def diffs(self):
        path = self.engine.path
        before, after = (settings.excerpt(one, self.places) for one in (self.document, self.plan.document))
        found = [dict(before_header=path, after_header=path, before=before, after=after)] if before != after else []
        if self.rules_differ:
            title = "the containers' rules"
            after = rules_host.wanted_listing(self.kernel, [] if self.settings["iptables"] else self.bridges)
            before = rules_host.listing(self.kernel)
            found.append(dict(before_header=title, after_header=title, before=before, after=after))
        return found

    def announce(self):
        """Say what a restart does to containers, or refuse it."""
        if not self.restarts:
            return
        reasons = "; ".join(self.plan.restart)
        fate = unit.fate(self.engine.containers())
        text = "The engine restarts (%s): %s" % (reasons, unit.fate_text(fate))
        self.result.update(fate=fate, announcement=text)
        if self.info.get("LiveRestoreEnabled") and "live-restore" in self.engine.flags:
            self.fail(
                "the engine would have to restart (%s), and does not change its networks while containers go on "
                "(--live-restore, %s): remove the flag there. The engine was not changed"
                % (reasons, self.engine.where["live-restore"])
            )
        refused = unit.refusal(fate, self.module.params["allow_restart"])
        if refused:
            self.fail(
                "the engine would have to restart (%s), and %s. The engine was not changed; allow_restart (in the "
                "role: docker_allow_restart) allows it" % (reasons, refused),
                restart_refused=True,
            )

    def apply(self):
        if self.restarts:
            self.end_live_restore()
        if self.text != self.engine.read():
            self.engine.write(self.text)
        if self.restarts:
            self.restart()
        elif self.plan.reload and self.engine.is_running:
            self.reload(self.settings["live_restore"])
            self.result["reloaded"] = True
        if self.engine.is_running and self.settings["iptables"] is False:
            self.networks = self.engine.ask("/networks")
            if self.restarts or self.rules_differ:
                rules_host.apply(self.module, self.bridges)
        elif self.settings["iptables"] and self.rules_differ:
            rules_host.remove(self.module)

    def end_live_restore(self):
        """Have containers stop with the engine: as long as one goes on, it leaves its default network as it was, and
        that one then has no way out when "iptables" changes."""
        if self.info.get("LiveRestoreEnabled"):
            document = copy.deepcopy(self.plan.document)
            settings.put(document, settings.LIVE_RESTORE, False)
            self.engine.write(settings.render(document, self.before or ""))
            self.reload(False)

    def reload(self, live_restore):
        if not self.engine.reload(live_restore):
            self.engine.write(self.before)
            self.fail("the engine does not take live-restore from its file; the file is as before")

    def restart(self):
        if not self.engine.restart():
            journal = self.engine.journal()
            if not self.plan.changed:
                self.fail("the engine does not come back; its file was not changed", journal=journal)
            self.engine.write(self.before)
            came = "runs again with it" if self.engine.restart() else "does not come back with that one either"
            self.fail(
                "the engine did not come back with the new %s. The previous one is in its place, and the engine %s"
                % (self.engine.path, came),
                journal=journal,
            )
        self.result["restarted"] = True
        running = {one["Names"][0].lstrip("/") for one in self.engine.ask("/containers/json")}
        gone = sorted(set(self.result["fate"]["returning"]) - running)
        if gone:
            self.module.warn("these containers did not come back with the engine: %s" % ", ".join(gone))

    def warn(self):
        """Say what the settings do not reach."""
        address = self.settings["ip"]
        if self.settings["iptables"] is False and settings.IPTABLES in self.plan.changed:
            self.module.warn(COSTS)
        if address is None or not self.engine.is_running:
            return
        networks = self.engine.ask("/networks") if self.result["restarted"] else self.networks
        others = rules.published_everywhere(networks, address)
        if others:
            self.module.warn(
                "settings.ip does not hold for ports of containers in these networks: %s. Name the address when you "
                "publish a port there, as in %s:8080:80, or make the network anew with the option "
                "com.docker.network.bridge.host_binding_ipv4" % (", ".join(others), address)
            )

    def fail(self, text, **more):
        self.result["changed"] = False
        self.module.fail_json(msg=text, **{**self.result, "restart_refused": False, **more})
