#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_tls
short_description: Make a running Redis or Valkey server use the certificate in its files, without a restart
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Compares the certificate that the server shows with the one in its file. When they differ, makes the server load the
    files, and proves by another handshake that it shows the new one. Connections that are open stay open.
  - Opens the TLS port of a server that does not do TLS yet and is reached at O(plaintext_port). That port stays as it
    is; to close it is up to M(celebrum.redis_hardening.redis_config).
  - Certificate, key and CA are loaded in one command. The server refuses them as a whole when they do not fit, and goes
    on with the old ones.
  - Does nothing when no server listens.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.connection.renames
options:
  certificate_file:
    description: The server's certificate, on its host.
    type: path
    default: /etc/redis/tls/redis.crt
  key_file:
    description: Its key.
    type: path
    default: /etc/redis/tls/redis.key
  ca_file:
    description: The CA certificates that the server believes.
    type: path
    default: /etc/redis/tls/ca.crt
  plaintext_port:
    description:
      - Where the server may still be reached without TLS, at O(login_host).
    type: int
  reload:
    description:
      - Load the files even though the server shows the right certificate, because the CA has changed.
    type: bool
    default: false
  take_over:
    description: As in M(celebrum.redis_hardening.redis_config).
    type: bool
    default: false
  take_over_password:
    description: As in M(celebrum.redis_hardening.redis_config).
    type: str
notes:
  - O(login_port) is the TLS port. O(tls), O(validate_certs) and O(check_hostname) have no effect. The server is not
    verified before the login, because it may show an expired certificate that is to be replaced. O(login_host) should
    therefore be a loopback address.
  - After a change of the CA the server still wants client certificates of the old one. The pair that
    M(celebrum.redis_hardening.redis_certificate) keeps beside the new one is then used to log in.
  - Files that are newer than the server's process are loaded in every run, because nobody can see from outside which CA
    it has loaded. This disturbs nobody and is no change.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  platform:
    platforms: posix
seealso:
  - module: celebrum.redis_hardening.redis_certificate
  - module: celebrum.redis_hardening.redis_tls_verify
"""

EXAMPLES = r"""
- name: Make the server show the certificate in its file
  celebrum.redis_hardening.redis_tls:
    login_port: 6380
    login_user: admin
    login_password: "{{ redis_admin_password }}"
    client_cert_file: /etc/redis/tls/redis.crt
    client_key_file: /etc/redis/tls/redis.key
    plaintext_port: 6379
"""

RETURN = r"""
running:
  description: Whether a server was found.
  returned: success
  type: bool
plaintext_only:
  description: Whether the server does TLS only after a run without check mode.
  returned: success
  type: bool
loaded:
  description: Whether the server was made to load its files.
  returned: success
  type: bool
fingerprint:
  description: SHA-256 of the certificate that the server shows afterwards; empty without a server.
  returned: success
  type: str
"""

import os
import ssl
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config import live as live_config
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.run import open_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    connection as redis_connection,
    replies as redis_replies,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls import (
    certificates as tls_certificates,
    files as tls_files,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls.handshake import talk


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
                return open_connection(dict(base, tls=True, **pair))[0]
            except redis_connection.ConnectionProblem as problem:
                # A certificate that the server does not like ends the connection in one way or another.
                if problem.kind not in ("tls", "unreachable", "protocol"):
                    raise
                refusal = refusal or problem
        if self.params["plaintext_port"]:
            client, _took_over = open_connection(dict(base, tls=False, login_port=self.params["plaintext_port"]))
            if client is not None:
                return client
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
            raise Refused("CONFIG is disabled on this server: restart it to make it load its certificate.")
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


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            certificate_file=dict(type="path", default="/etc/redis/tls/redis.crt"),
            key_file=dict(type="path", default="/etc/redis/tls/redis.key", no_log=False),
            ca_file=dict(type="path", default="/etc/redis/tls/ca.crt"),
            plaintext_port=dict(type="int"),
            reload=dict(type="bool", default=False),
            renamed_commands=dict(type="dict", default={}),
            take_over=dict(type="bool", default=False),
            take_over_password=dict(type="str", no_log=True),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    redis_connection.require_library(module)
    try:
        result = run(module)
    except redis_connection.ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)
    except (Refused, ValueError, ssl.SSLError) as problem:
        module.fail_json(msg=str(problem))
    except (redis_connection.redis.RedisError, OSError) as error:
        module.fail_json(msg=str(redis_connection.explain(error, module.params)))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
