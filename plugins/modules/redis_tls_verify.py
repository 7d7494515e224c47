#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_tls_verify
short_description: Proof of the TLS that a running Redis or Valkey server does
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Makes handshakes with the running server and tells which versions it takes, which certificate it shows, whether that
    verifies and for how long, who needs a certificate, and whether plain text gets an answer.
  - What is expected comes from the options alone. The server's configuration is neither read nor asked for. No login is
    made. The only command sent is C(PING).
  - Serves the controls RH-TLS-01 to RH-TLS-07.
extends_documentation_fragment:
  - celebrum.redis_hardening.connection
  - celebrum.redis_hardening.read_only
options:
  certificate:
    description:
      - PEM of the certificate that the server must show. Without it RH-TLS-02 is skipped.
    type: str
  ca:
    description:
      - PEM of the CA certificates that it must verify against. Without it RH-TLS-03 is skipped.
      - They, too, must be valid for O(min_days), as must intermediate ones in O(certificate). Of several ways from the
        server's certificate to a root the one that lasts longest counts.
    type: str
  names:
    description:
      - Names and addresses that the certificate must carry.
    type: list
    elements: str
    default: []
  min_days:
    description:
      - Days for which it must stay valid.
    type: int
    default: 14
  auth_clients:
    description:
      - Whether a client without a certificate must be refused (V(yes)) or answered (V(optional), V(no)).
    type: str
    choices: ["yes", optional, "no"]
    default: "yes"
  plaintext_port:
    description:
      - Port that must be closed, because the server has given up plain text.
    type: int
  key_file:
    description:
      - The server's key on the host, which nobody but root and the server may read.
    type: path
notes:
  - O(login_host), O(login_port), O(client_cert_file), O(client_key_file) and O(login_timeout) say where and with which
    client certificate to ask. The other options of the connection have no effect.
  - Debian's and other builds of OpenSSL may be unable to offer the old versions. The findings then say skipped.
seealso:
  - module: celebrum.redis_hardening.redis_tls
  - module: celebrum.redis_hardening.redis_certificate
"""

EXAMPLES = r"""
- name: Prove TLS
  celebrum.redis_hardening.redis_tls_verify:
    login_port: 6380
    client_cert_file: /etc/redis/tls/redis.crt
    client_key_file: /etc/redis/tls/redis.key
    certificate: "{{ lookup('ansible.builtin.file', pki_dir ~ '/hosts/' ~ inventory_hostname ~ '.crt') }}"
    ca: "{{ lookup('ansible.builtin.file', pki_dir ~ '/ca.crt') }}"
    names: ["{{ ansible_host }}"]
    plaintext_port: 6379
  register: proof
"""

RETURN = r"""
findings:
  description: One entry for each control, version, name or client that was tried.
  returned: always
  type: list
  elements: dict
  sample:
    - id: RH-TLS-04
      title: The certificate stays valid for long enough
      severity: high
      status: fail
      subject: ""
      expected: valid for 14 days or more
      actual: 3 days, until 2026-11-24
      remediation: Run site.yml, which renews it, or give new files.
      instance: 127.0.0.1:6380
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import connection as redis_connection
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls import (
    files as tls_files,
    verify as tls_verify,
)


def read(module, name):
    path = module.params[name]
    try:
        return tls_files.read_plain(path)
    except (Refused, OSError, UnicodeDecodeError) as error:
        module.fail_json(msg="%s %s can't be read: %s" % (name, path, error))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            redis_connection.redis_argument_spec(),
            certificate=dict(type="str"),
            ca=dict(type="str"),
            names=dict(type="list", elements="str", default=[]),
            min_days=dict(type="int", default=14),
            auth_clients=dict(type="str", default="yes", choices=["yes", "optional", "no"]),
            plaintext_port=dict(type="int"),
            key_file=dict(type="path", no_log=False),
        ),
        supports_check_mode=True,
        **redis_connection.CONNECTION_RULES,
    )
    params = module.params
    pair = None
    if params["client_cert_file"]:
        pair = read(module, "client_cert_file"), read(module, "client_key_file")
    verify = tls_verify.Verify(params["login_host"], params["login_port"], params, pair, params["login_timeout"])
    try:
        findings = verify.findings()
    except (OSError, ValueError) as error:
        # ssl.SSLError is an OSError; handshakes that fail are findings, so these are the options' own.
        module.fail_json(msg="certificate, ca or client_cert_file can't be used: %s" % error)
    if params["key_file"]:
        findings.append(tls_verify.key_finding(params["key_file"], verify.instance))
    module.exit_json(changed=False, findings=findings)


if __name__ == "__main__":
    main()
