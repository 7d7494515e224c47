# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a server, read and written as its own user: configuration, list of a cluster's nodes."""

import os
import re

_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def words_of(line):
    """Split a line of redis.conf as the server does."""
    found = []
    for double, single, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\\')*)\'|(\S+)', line):
        found.append(_unescaped(double) or single.replace("\\'", "'") or plain)
    return found


def _unescaped(text):
    """The server escapes bytes, of which several make a letter."""
    raw = re.sub(
        rb"\\(?:x([0-9a-fA-F]{2})|(.))",
        lambda match: bytes([int(match[1], 16)]) if match[1] else _LETTERS.get(match[2], match[2]),
        text.encode("utf-8", "surrogateescape"),
    )
    return raw.decode("utf-8", "surrogateescape")


def read_config(path):
    """Return {directive in lower case: its last arguments}."""
    found = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = words_of(line.strip())
            if words and not words[0].startswith("#"):
                name = words[0].lower().replace("primary", "master").replace("slaveof", "replicaof")
                found[{"masterof": "replicaof"}.get(name, name)] = words[1:]
    return found


def follow(path, host, port):
    """Have the server start as a replica. Its directory and the file are its own, as this process is."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = [line for line in file if not re.match(r"\s*(replicaof|slaveof|primaryof)\s", line, re.IGNORECASE)]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    write(path, "".join(lines) + "replicaof %s %d\n" % (host, port))


def write(path, text):
    temporary = path + ".guard"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def parse_nodes(text):
    rows = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 8 and words[0] != "vars":
            slots = [word for word in words[8:] if not word.startswith("[")]
            rows.append(
                dict(
                    id=words[0],
                    flags=set(words[2].split(",")),
                    master=words[3],
                    slots=slots,
                    link=words[7] == "connected",
                )
            )
    return rows
