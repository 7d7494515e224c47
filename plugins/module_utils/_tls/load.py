# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Has a running server load the certificate that it was given."""

from __future__ import annotations

import os
import time

from .._config import live as live_config
from .._errors import Refused
from .._redis import connection as redis_connection, replies as redis_replies
from .._redis.login import open_if_it_runs
from . import certificates as tls_certificates, files as tls_files
from .handshake import talk


class Server:
    """The server on whose host the module runs."""

    def __init__(self, module):
        self.module, self.params = module, module.params
        self.wanted = self._wanted()
        outcome = self.look()
        self.shown, self.does_tls = outcome.der, outcome.state != "closed"
        self.client = self.connect()

    def _wanted(self):
        """Return the certificate in the file as DER; None in check mode, where it may be still to come."""
        path = self.params["certificate_file"]
        if self.module.check_mode and not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as handle:
            found = tls_certificates.certificates(handle.read())
        if not found:
            raise Refused("%s holds no certificate in PEM." % path)
        return found[0]

    def look(self):
        """Shake hands as a client without a certificate, who is at least shown the server's."""
        params = self.params
        return talk(
            params["login_host"],
            params["login_port"],
            tls_certificates.client_context(),
            timeout=params["login_timeout"],
        )

    def connect(self):
        """Return a client, by TLS where the server does that; None when no server listens."""
        base = dict(self.params, live="auto", validate_certs=False)
        refusal = None
        for pair in self._pairs() if self.does_tls else []:
            try:
                entry = open_if_it_runs(dict(base, tls=True, **pair))
                return entry.client if entry else None
            except redis_connection.ConnectionProblem as problem:
                # A certificate that the server does not like ends the connection in one way or another.
                if problem.kind not in ("tls", "unreachable", "protocol"):
                    raise
                refusal = refusal or problem
        if self.params["plaintext_port"]:
            entry = open_if_it_runs(dict(base, tls=False, login_port=self.params["plaintext_port"]))
            if entry:
                return entry.client
        if refusal:
            raise refusal
        return None

    def _pairs(self):
        folder = os.path.dirname(self.params["certificate_file"]) + tls_files.PREVIOUS
        pairs = [
            (self.params["client_cert_file"], self.params["client_key_file"]),
            tuple(os.path.join(folder, name) for name in (tls_files.CERTIFICATE, tls_files.KEY)),
        ]
        there = [pair for pair in pairs if all(path and os.path.exists(path) for path in pair)]
        return [dict(client_cert_file=pair[0], client_key_file=pair[1]) for pair in there or [(None, None)]]

    def files_are_newer(self):
        """Return whether the files have changed since the server started, so that it may not have loaded them."""
        info = redis_replies.parse_info(self.client.execute_command("INFO", "server"))
        return os.stat(self.params["ca_file"]).st_mtime > time.time() - int(info["uptime_in_seconds"]) - 1

    def load(self):
        params = self.params
        words = []
        for name in ("ca_file", "certificate_file", "key_file"):
            words += ["tls-%s-file" % {"ca_file": "ca-cert", "certificate_file": "cert", "key_file": "key"}[name]]
            words += [params[name]]
        if not self.does_tls:
            words += ["tls-port", str(params["login_port"])]
        config = live_config.find_names(self.client, params["renamed_commands"])["CONFIG"]
        if config is None:
            raise Refused(
                "This server has no CONFIG command by a name that renamed_commands says: restart it to make it load "
                "its certificate."
            )
        try:
            self.client.execute_command(config, "SET", *words)
        except redis_connection.redis.ResponseError as error:
            raise Refused(
                "The server refused %s and goes on with what it has: %s. Can its user read them?"
                % (", ".join(words[1:6:2]), error)
            ) from error


def run(module):
    server = Server(module)
    if server.client is None:
        return dict(changed=False, running=False, plaintext_only=False, loaded=False, fingerprint="")
    before, differs = server.shown, server.shown is None or server.shown != server.wanted
    changed = differs or module.params["reload"]
    after, loaded = server.wanted if changed else before, False
    if not module.check_mode and (changed or server.files_are_newer()):
        server.load()
        loaded, after = True, server.look().der
        if after != server.wanted:
            raise Refused(
                "The server took the files, but shows %s instead of %s at %s."
                % (spelled(after), spelled(server.wanted), redis_connection.endpoint(module.params))
            )
    result = dict(
        changed=changed,
        running=True,
        plaintext_only=module.check_mode and not server.does_tls,
        loaded=loaded,
        fingerprint=spelled(after),
    )
    if changed:
        where = "%s (TLS)" % redis_connection.endpoint(module.params)
        texts = ["%s\n" % spelled(before), "%s%s\n" % (spelled(after), "" if differs else " (files loaded again)")]
        result["diff"] = dict(before_header=where, after_header=where, before=texts[0], after=texts[1])
    return result


def spelled(der):
    return tls_certificates.fingerprint(der) if der else "no certificate"
