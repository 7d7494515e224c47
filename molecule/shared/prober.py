"""Hammer ports of droplets for a while and write down how often a connection was made.

prober.py RESULT SECONDS HOST:PORT...   IPv6 hosts in brackets. Ends by itself, or when RESULT's .stop file exists and
each target was tried often enough to say something.
"""

from __future__ import annotations

import json
import pathlib
import socket
import sys
import threading
import time

ENOUGH = 101


def probe(target, end, stop, count):
    host, _colon, port = target.rpartition(":")
    while time.monotonic() < end and (count["tried"] < ENOUGH or not stop.exists()):
        count["tried"] += 1
        try:
            # A dropped SYN costs 50 ms, a refused one nothing: 20 to 50 tries a second for each port.
            socket.create_connection((host.strip("[]"), int(port)), timeout=0.05).close()
        except OSError:
            pass
        else:
            count["connected"] += 1
            count["first"] = count["first"] or time.strftime("%H:%M:%S")
        time.sleep(0.02)


def main():
    result, seconds, targets = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    end, stop = time.monotonic() + seconds, result.with_suffix(".stop")
    counts = {target: {"tried": 0, "connected": 0, "first": None} for target in targets}
    threads = [threading.Thread(target=probe, args=(name, end, stop, count)) for name, count in counts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.write_text(json.dumps(counts))


main()
