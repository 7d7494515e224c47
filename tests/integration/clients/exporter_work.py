"""The exporter as Prometheus uses it: one scrape. REDIS_URL says where and as whom, argv[1] the port to listen at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlsplit

place, listen = urlsplit(os.environ["REDIS_URL"]), f"127.0.0.1:{sys.argv[1]}"
command = [
    *("prometheus-redis-exporter", "-web.listen-address", listen, "-config-command", "-"),
    *("-redis.addr", f"redis://{place.hostname}:{place.port}", "-redis.user", place.username),
]
with subprocess.Popen(command, env={**os.environ, "REDIS_PASSWORD": place.password}) as exporter:
    try:
        for _attempt in range(300):
            try:
                with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
                    metrics = answer.read().decode().splitlines()
                break
            except OSError:
                time.sleep(0.1)
    finally:
        exporter.terminate()
assert "redis_up 1" in metrics, metrics
assert 'redis_exporter_last_scrape_error{err=""} 0' in metrics, metrics
