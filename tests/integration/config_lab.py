# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that fit the server fixture, and what a plain client says about them."""

from __future__ import annotations


def declared(server, **more):
    """The settings that keep the server of the fixture as it is, and more."""
    base = {
        "port": server.port,
        "bind": [server.host],
        "unixsocket": server.socket,
        "dir": str(server.folder),
        "logfile": f"{server.folder}/server.log",
        "save": [],
        "tls-port": server.tls_port,
        "tls-ca-cert-file": server.tls["ca_certs"],
        "tls-cert-file": f"{server.folder.parent}/server.crt",
        "tls-key-file": f"{server.folder.parent}/server.key",
    }
    return base | {name.replace("_", "-"): value for name, value in more.items()}


def arguments(server, settings, **more):
    return {**server.login, "path": str(server.config), "settings": settings, **more}


def get(client, name, command="CONFIG"):
    reply = client.execute_command(command, "GET", name)
    return reply[1].decode() if reply else None


def everything(client):
    reply = client.execute_command("CONFIG", "GET", "*")
    return dict(zip(reply[::2], reply[1::2], strict=True))
