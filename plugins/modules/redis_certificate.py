#!/usr/bin/python
# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_certificate
short_description: CA, certificate and key of a Redis server on its host, changed all at once
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - Checks a certificate before it is used, by a handshake, as Redis and its clients do - that it belongs to its key,
    verifies against the CA, is in force, and carries the names. What does not pass is refused before any change.
  - Installs C(ca.crt), C(redis.crt) and C(redis.key) in one step. O(path) is a symbolic link to their directory, so
    that a server which starts at any moment finds three files that belong together.
  - Without O(certificate) it tells whether the installed one still does (RV(issue)), for a CA that issues only what is
    needed.
  - A running server goes on with what it has loaded. M(celebrum.redis_hardening.redis_tls) makes it load the new files.
options:
  path:
    description:
      - Where the server finds the three files. Its parent directory must exist. No part of it may be a symbolic link,
        except the one that this module makes.
    type: path
    default: /etc/redis/tls
  ca:
    description:
      - PEM of the CA certificates that the server believes. Empty as long as there is no CA.
      - Needed unless O(remove_previous) is set.
    type: str
  certificate:
    description:
      - PEM of the certificate, followed by those of intermediate CAs, if any.
    type: str
  key:
    description:
      - PEM of its key, without a passphrase.
    type: str
  key_file:
    description:
      - File on the host with its key. It is moved away from there, and its directory removed if that was all.
    type: path
  names:
    description:
      - Names and addresses that the certificate must carry.
    type: list
    elements: str
    default: []
  client_auth:
    description:
      - Whether it must also do as a client's certificate. Replicas, cluster nodes and this collection's own login show
        it.
      - A certificate of the private CA (without O(certificate)) always must.
    type: bool
    default: true
  renew_before:
    description:
      - Without O(certificate), a new one is needed when the installed one is valid for less than this number of days.
    type: int
    default: 30
  issued:
    description:
      - PEM of the certificate that the CA has issued last for this host. When another one is installed, a new one is
        needed.
    type: str
  renew:
    description:
      - Without O(certificate), say that a new one is needed whatever the installed one is like.
    type: bool
    default: false
  controller_time:
    description:
      - The controller's time in seconds since 1970. With it a host whose clock differs by more than O(max_clock_skew)
        is refused.
    type: float
  max_clock_skew:
    description:
      - Largest difference of the clocks, in seconds.
    type: int
    default: 300
  remove_previous:
    description:
      - Only remove the files that were there before the last change, which are kept beside O(path) as long as a running
        server may still believe their CA. Of the other options, only O(path) has an effect.
    type: bool
    default: false
  group:
    description:
      - Group of the server, which may read the key.
    type: str
    default: redis
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: A certificate that a CA has to issue counts as a change.
  diff_mode:
    support: full
    details: Shows fingerprint, end and names, never the key.
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details: With O(renew) a new one is needed each time, and the file of O(key_file) is gone after the first run.
  platform:
    platforms: posix
requirements:
  - Linux, Python 3.11 or later; no library
seealso:
  - module: celebrum.redis_hardening.redis_tls
  - module: celebrum.redis_hardening.redis_tls_verify
"""

EXAMPLES = r"""
- name: Install a certificate of one's own
  celebrum.redis_hardening.redis_certificate:
    ca: "{{ lookup('ansible.builtin.file', 'tls/ca.crt') }}"
    certificate: "{{ lookup('ansible.builtin.file', 'tls/' ~ inventory_hostname ~ '.crt') }}"
    key: "{{ lookup('ansible.builtin.file', 'tls/' ~ inventory_hostname ~ '.key') }}"
    names: ["{{ ansible_host }}"]
    controller_time: "{{ now().timestamp() }}"

- name: Does the installed certificate do for another month?
  celebrum.redis_hardening.redis_certificate:
    ca: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/.pki/ca.crt') }}"
    names: ["{{ ansible_host }}"]
    renew_before: 30
  register: certificate

- name: Remove the old key, now that the server shows the new certificate
  celebrum.redis_hardening.redis_certificate:
    remove_previous: true
"""

RETURN = r"""
issue:
  description: Whether a CA has to issue a new certificate. Always V(false) when one was given.
  returned: without O(remove_previous)
  type: bool
needed:
  description: Whether something has to be changed, or was.
  returned: without O(remove_previous)
  type: bool
reasons:
  description: What has to be changed, and why.
  returned: without O(remove_previous)
  type: list
  elements: str
  sample: [it does not name 10.0.3.7]
previous:
  description: Whether the files before the last change are still there.
  returned: success
  type: bool
alternative_names:
  description: The names as a certificate request wants them.
  returned: without O(remove_previous)
  type: list
  elements: str
  sample: ["DNS:db1", "IP:10.0.3.7"]
fingerprint:
  description: SHA-256 of the certificate that is installed afterwards; empty when there is none.
  returned: without O(remove_previous)
  type: str
days_left:
  description: For how many days that is valid.
  returned: without O(remove_previous)
  type: int
"""

from ansible_collections.celebrum.redis_hardening.plugins.module_utils._arguments import AnsibleModule
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._errors import Refused
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls.install import (
    Certificate,
    remove_previous,
)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type="path", default="/etc/redis/tls"),
            ca=dict(type="str"),
            certificate=dict(type="str"),
            key=dict(type="str", no_log=True),
            key_file=dict(type="path", no_log=False),
            names=dict(type="list", elements="str", default=[]),
            client_auth=dict(type="bool", default=True),
            renew_before=dict(type="int", default=30),
            issued=dict(type="str"),
            renew=dict(type="bool", default=False),
            controller_time=dict(type="float"),
            max_clock_skew=dict(type="int", default=300),
            remove_previous=dict(type="bool", default=False),
            group=dict(type="str", default="redis"),
        ),
        mutually_exclusive=[("key", "key_file"), ("certificate", "issued")],
        required_if=[("remove_previous", False, ["ca"])],
        required_by=dict(key="certificate", key_file="certificate"),
        supports_check_mode=True,
    )
    if module.params["certificate"] is not None and module.params["key"] is None and module.params["key_file"] is None:
        module.fail_json(msg="A certificate needs its key: set key or key_file.")
    try:
        if module.params["remove_previous"]:
            module.exit_json(**remove_previous(module))
        one = Certificate(module)
        one.plan()
        do = bool(one.reasons) and not one.issue
        if do and not module.check_mode:
            one.carry_out()
    except (Refused, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**one.result(do or (one.issue and module.check_mode)))


if __name__ == "__main__":
    main()
