# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other hosts of a group, by the variables that the inventory gives them."""

from __future__ import annotations

from ansible.errors import AnsibleLookupError

from . import instances
from .ports import PORT_VARIABLES
from .roles import native, role_defaults

# Only what says where they are reached, which may differ from the host that asks.
_VARIABLES = (*PORT_VARIABLES, "ansible_host", "firewall_addresses", "redis_announce_address")


def peers_of(names, templar, loader, variables):
    """Return host -> Peer for hosts of the inventory. variables: those of the host that asks."""
    return {name: _peer(name, templar, loader, variables) for name in sorted(set(names))}


def _peer(name, templar, loader, variables):
    if name not in variables["groups"]["all"]:
        raise AnsibleLookupError(
            "%s, of redis_group_hosts or redis_sentinel_hosts, is no host of the inventory." % name
        )
    theirs = {**role_defaults(loader), **variables["hostvars"].raw_get(name)}
    theirs.update(hostvars=variables["hostvars"], groups=variables["groups"])
    own = templar.copy_with_new_env(available_variables=theirs)
    known = native(own.template({key: theirs[key] for key in _VARIABLES if key in theirs}))
    addresses = known.get("firewall_addresses") or [known.get("ansible_host") or name]
    return instances.Peer(
        name=name,
        address=str(known.get("redis_announce_address") or addresses[0]),
        instances=tuple(instances.values(known)),
    )
