# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets of tests: many at once, and over and over while something changes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def at_once(function, attempts):
    """Return what the function returns for each attempt (a tuple of arguments). Nobody waits for another's time-out."""
    with ThreadPoolExecutor(max_workers=len(attempts)) as pool:
        return list(pool.map(lambda attempt: function(*attempt), attempts))


def carries(client):
    """Say whether an open connection still carries data both ways."""
    try:
        client.sendall(b"PING")
        return client.recv(4) == b"PING"
    except OSError:
        return False


class Hammer(threading.Thread):
    """Connects as fast as it can until it is stopped; counts attempts and successes."""

    def __init__(self, lab, source, target, port, timeout, pause=0.0):
        super().__init__(daemon=True)
        self.lab, self.address, self.target = lab, source, (target, port)
        self.timeout, self.pause = timeout, pause
        self.attempts = self.successes = 0
        self.stopping = threading.Event()

    def run(self):
        self.lab.within("client", self._loop)

    def _loop(self):
        family = socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET
        while not self.stopping.is_set():
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(self.timeout)
                client.bind((self.address, 0))
                self.attempts += 1
                with contextlib.suppress(OSError):
                    client.connect(self.target)
                    self.successes += 1
            time.sleep(self.pause)

    def stop(self):
        self.stopping.set()
        self.join()
        return self.attempts, self.successes
