# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which modules meet a replicated group: its servers, and the Sentinels that watch it."""

from __future__ import annotations


def places(port, **options):
    """Return an option that lists servers. port: the one that is meant where none is given."""
    place = dict(host=dict(type="str", required=True), port=dict(type="int", default=port), **options)
    return dict(type="list", elements="dict", options=place)


def nodes_argument_spec():
    """Return the options of the doc fragment `replication`."""
    return dict(
        nodes=dict(places(6379, address=dict(type="str")), required=True),
        renamed_commands=dict(type="dict", default={}),
    )


def sentinels_argument_spec():
    """Return the options of the doc fragment `replication.sentinels`."""
    return dict(
        sentinels=dict(places(26379), default=[]),
        sentinel_master_name=dict(type="str", default="mymaster"),
        sentinel_user=dict(type="str"),
        sentinel_password=dict(type="str", no_log=True),
    )
