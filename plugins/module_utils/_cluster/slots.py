# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Move slots with their keys from one master to another while clients write."""

from __future__ import annotations

import contextlib

from .._redis.connection import redis
from .._redis.replies import text

# Slots that are open at a time: few, because an interrupted run leaves them open; not one, because of the round trips.
SLOTS_AT_A_TIME = 32
# MIGRATE blocks both servers until all its keys are over.
KEYS_AT_A_TIME = 16
MIGRATE_TIMEOUT_MS = 20000


class Mover:
    """password: of the login, for MIGRATE, which logs in to the receiver; None without a login."""

    def __init__(self, password):
        self.password = password

    def move(self, giver, taker, asked, slots):
        """Move the slots. giver, taker: (Server, node id). asked: the taker's NodeReply.

        A write is acknowledged by the one that has the key: the giver until MIGRATE has handed it over, which is
        atomic; from then on the giver sends clients on, also for keys that are new.
        """
        place = migrate_to(asked, taker[0].addresses[0])
        for at in range(0, len(slots), SLOTS_AT_A_TIME):
            batch = slots[at : at + SLOTS_AT_A_TIME]
            _send(taker[0], [["CLUSTER", "SETSLOT", slot, "IMPORTING", giver[1]] for slot in batch])
            _send(giver[0], [["CLUSTER", "SETSLOT", slot, "MIGRATING", taker[1]] for slot in batch])
            self._keys(giver[0], place, batch)
            # The receiver first: if it ends here, two claim the slot and the receiver's claim is newer.
            given = [["CLUSTER", "SETSLOT", slot, "NODE", taker[1]] for slot in batch]
            for server in (giver[0], taker[0]):
                check_master(server)
            _send(taker[0], given)
            # The others hear of it on the bus, and so does the giver if this fails: with its last slot gone it becomes
            # a replica, and Valkey then hangs up on clients that wait.
            with contextlib.suppress(redis.RedisError, OSError):
                _send(giver[0], given)

    def _keys(self, server, place, slots):
        left = list(slots)
        while left:
            found = _send(server, [["CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_A_TIME] for slot in left])
            left = [slot for slot, keys in zip(left, found, strict=True) if keys]
            _check(server.patient_pipeline([self._migrate(server, place, keys) for keys in found if keys]))

    def _migrate(self, server, place, keys):
        login = []
        if self.password is not None:
            login = ["AUTH2", server.params.get("login_user") or "default", self.password]
        # REPLACE: while a slot moves, the giver's copy is the one that clients see; another is left of an earlier try.
        return ["MIGRATE", *place, "", 0, MIGRATE_TIMEOUT_MS, "REPLACE", *login, "KEYS", *keys]


def migrate_to(asked, address):
    """Return (host, port) where the giver's MIGRATE reaches the receiver: with tls-cluster it speaks TLS."""
    settings = asked.settings
    port = settings.get("tls-port" if settings.get("tls-cluster") == "yes" else "port")
    host = asked.me.host or address
    return host, int(port) if port and port != "0" else asked.port


def check_master(server):
    """Raise OSError unless the server is a master of a cluster that is up.

    When it was cut off, its replica may be taking writes in its place, which a new owner of the slot would void.
    """
    role, state = (text(reply) for reply in _send(server, [["INFO", "replication"], ["CLUSTER", "INFO"]]))
    if "role:master" not in role or "cluster_state:ok" not in state:
        raise OSError("%s is not a master of a healthy cluster any more" % server.name)


def _send(server, commands):
    return _check(server.pipeline(commands))


def _check(replies):
    for reply in replies:
        if isinstance(reply, redis.ResponseError):
            raise reply
        if isinstance(reply, Exception):
            raise OSError(str(reply))
    return replies
