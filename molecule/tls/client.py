"""Use Redis over TLS until RESULT's .stop file exists: one connection is held, another one made anew each time.

client.py RESULT FOLDER HOST:PORT...   Writes counts, the certificates seen, and the first error of each target.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import socket
import ssl
import sys
import threading
import time


class Target:
    def __init__(self, name, context, stop):
        self.host, _colon, port = name.rpartition(":")
        self.port, self.context, self.stop = int(port), context, stop
        self.seen = {"held": 0, "fresh": 0, "certificates": [], "error": None}

    def connect(self):
        connection = self.context.wrap_socket(
            socket.create_connection((self.host, self.port), timeout=5), server_hostname=self.host
        )
        shown = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        if shown not in self.seen["certificates"]:
            self.seen["certificates"].append(shown)
        return connection

    def ask(self, connection):
        connection.sendall(b"PING\r\n")
        answer = connection.recv(100)
        # Nobody has logged in; that the server says so is an answer.
        if not answer.startswith(b"-NOAUTH"):
            raise OSError("answered %r" % answer)

    def run(self):
        try:
            held = self.connect()
            while not self.stop.exists():
                self.ask(held)
                self.seen["held"] += 1
                with self.connect() as fresh:
                    self.ask(fresh)
                self.seen["fresh"] += 1
                time.sleep(0.02)
        except OSError as error:
            self.seen["error"] = "%s after %d" % (error, self.seen["held"])


def main():
    result, folder, names = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
    # What newer versions of Python demand by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(f"{folder}/app.crt", f"{folder}/app.key")
    targets = {name: Target(name, context, result.with_suffix(".stop")) for name in names}
    threads = [threading.Thread(target=target.run) for target in targets.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.write_text(json.dumps({name: target.seen for name, target in targets.items()}))


main()
