# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that the ACL modules share."""

from __future__ import annotations


def acl_argument_spec():
    """Return the options of the doc fragment `users`."""
    texts = dict(type="list", elements="str", default=[])
    # A hash is no_log too: what a weak password's hash is made of can be guessed.
    secrets = dict(texts, no_log=True)
    user = dict(
        name=dict(type="str", required=True),
        enabled=dict(type="bool", default=True),
        passwords=secrets,
        password_hashes=secrets,
        commands=texts,
        keys=dict(texts, no_log=False),
        channels=texts,
        selectors=texts,
        allow_scripting=dict(type="bool", default=False),
        sanitize_payload=dict(type="bool", default=True),
    )
    return dict(
        users=dict(type="list", elements="dict", required=True, options=user),
        renamed_commands=dict(type="dict", default={}),
    )
