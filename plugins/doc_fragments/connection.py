# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors redis_argument_spec() of plugins/module_utils/_redis/connection.py.
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Address of the server, as seen from the host on which the module runs.
    type: str
    default: 127.0.0.1
  login_port:
    description:
      - TCP port of the server.
    type: int
    default: 6379
  login_unix_socket:
    description:
      - Path of the server's Unix socket. Replaces O(login_host) and O(login_port).
    type: path
  login_user:
    description:
      - ACL user to log in as. Without it, the user V(default) is meant.
    type: str
  login_password:
    description:
      - Password of that user. Without any password no login is tried.
    type: str
  login_password_file:
    description:
      - File on the managed host that holds the password (its first line).
    type: path
  login_password_env:
    description:
      - Name of an environment variable on the managed host that holds the password.
    type: str
  login_previous_password:
    description:
      - Password that the user had before a change that may still be to come. It is tried where the other is refused.
    type: str
  current_password:
    description:
      - Password that the user V(default) has now on a server that this collection has not set up yet. Where the login
        is refused, that user is tried with it, and then a connection without a login.
      - Modules with the option C(take_over) do so only where that is V(true). Those that ask other hosts of a group,
        such as M(celebrum.redis_hardening.redis_replication), use the login alone.
    type: str
  tls:
    description:
      - Connect with TLS.
    type: bool
    default: false
  ca_certs:
    description:
      - File of CA certificates that the server's certificate is checked against.
    type: path
  client_cert_file:
    description:
      - Client certificate (PEM), for servers that demand one.
    type: path
  client_key_file:
    description:
      - Key of O(client_cert_file).
    type: path
  validate_certs:
    description:
      - Whether the server's certificate is checked. V(false) leaves the connection open to interception.
    type: bool
    default: true
  check_hostname:
    description:
      - Whether the certificate must name O(login_host).
    type: bool
    default: true
  login_timeout:
    description:
      - Seconds to wait for the connection, and for a server that is silent. A reply that keeps on coming may take four
        times as long.
    type: float
    default: 5.0
requirements:
  - redis (Python library, 4.3 or later) on the host where the module runs; Debian's package is python3-redis. Modules
    that only look work without it.
"""

    RENAMES = r"""
options:
  renamed_commands:
    description:
      - Commands and their new names, to talk to the server with.
    type: dict
    default: {}
"""
