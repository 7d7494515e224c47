# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_request
short_description: A host's certificate request, if it is the one that it is to make
version_added: 0.1.0
author:
  - Celebrum Redis Hardening contributors (@celebrum)
description:
  - A CA copies subject and extensions of a request into the certificate, and a host that somebody has taken over may
    ask for anything. So the request is compared with the one that the controller would make itself. It is returned when
    nothing but the public key is the host's choice, and refused otherwise.
  - Also refused is a host whose facts hide variables, because the names to compare with might then be its own.
options:
  _terms:
    description:
      - The request as PEM.
    type: list
    elements: str
    required: true
  common_name:
    description:
      - The only part of the subject.
    type: str
    required: true
  names:
    description:
      - Names and addresses, all of which must be in the request, and no others.
    type: list
    elements: str
    required: true
  key_type:
    description:
      - C(ECC) on the curve P-256, or C(RSA) with 3072 bits.
    type: str
    choices: [ECC, RSA]
    default: ECC
"""

EXAMPLES = r"""
- name: Refuse a request for anything but what the host is to have
  ansible.builtin.set_fact:
    checked_request: >-
      {{ lookup('celebrum.redis_hardening.certificate_request', request.csr, common_name=inventory_hostname,
                names=pki_names) }}
"""

RETURN = r"""
_raw:
  description: The requests, written anew.
  type: list
  elements: str
"""

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._tls.certificates import alternative_names
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.certificate_request import (
    request_problems,
)
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._policy.facts import hidden_variables

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding
except ImportError:
    LIBRARY_MISSING = True
else:
    LIBRARY_MISSING = False
    UNREADABLE = (
        *(TypeError, ValueError, UnsupportedAlgorithm),
        *(x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
    )

_FOUND_OUT = "Nothing was signed. The tasks of this collection do not ask for that: find out who did, on the host."


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        if LIBRARY_MISSING:
            raise AnsibleLookupError("certificate_request needs the Python library cryptography on the controller.")
        # Without this setting facts hide nothing.
        hidden = hidden_variables(variables or {}) if constants.config.get_config_value("INJECT_FACTS_AS_VARS") else []
        if hidden:
            raise AnsibleLookupError(
                "Facts of the host have the names of variables (%s), so that it could choose the names in its "
                "certificate itself. Nothing was signed. If these are facts and variables of your own, set "
                "inject_facts_as_vars = false in the section [defaults] of ansible.cfg; otherwise find out who else "
                "set them, on the host." % ", ".join(hidden)
            )
        return [self._checked(term) for term in terms]

    def _checked(self, term):
        names = alternative_names(self.get_option("names"))
        try:
            request = x509.load_pem_x509_csr(str(term).encode())
            problems = request_problems(request, self.get_option("common_name"), names, self.get_option("key_type"))
        except UNREADABLE as error:
            raise AnsibleLookupError(
                "The host's certificate request can't be read: %s. %s" % (error, _FOUND_OUT)
            ) from error
        if problems:
            raise AnsibleLookupError(
                "The host asks for another certificate than it is to have: %s. %s" % ("; ".join(problems), _FOUND_OUT)
            )
        return request.public_bytes(Encoding.PEM).decode()
