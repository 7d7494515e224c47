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

import ssl

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    connection as redis_connection,
)
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls.load import run


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
