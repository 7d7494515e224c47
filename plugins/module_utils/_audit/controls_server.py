# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controls of the catalogue, see _controls. What one server, its host and its links are like."""

from __future__ import annotations

SERVER = {
    "RH-CFG-01": (
        "Memory is bounded and the eviction policy is the declared one",
        "medium",
        "A Redis that eats the host's memory takes the host down with it.",
        ["strategy-6", "design"],
        "Set redis_maxmemory and redis_maxmemory_policy and run site.yml.",
    ),
    "RH-CFG-02": (
        "Client connections are bounded",
        "medium",
        "One client must not use up all connections.",
        ["strategy-7"],
        "Set redis_maxclients and run site.yml.",
    ),
    "RH-CFG-03": (
        "Idle connections are closed",
        "low",
        "Connections that are held open and idle cost memory and slots.",
        ["strategy-8"],
        "Set redis_timeout above 0 and run site.yml.",
    ),
    "RH-CFG-04": (
        "The server writes its log where it is declared",
        "low",
        "What is not written down can't be looked into.",
        ["overview", "design"],
        "Set redis_logfile and run site.yml.",
    ),
    "RH-CFG-05": (
        "All other settings are the declared ones",
        "medium",
        "A setting that somebody changed live is gone at the next restart, or worse, stays.",
        ["overview"],
        "Run site.yml.",
    ),
    "RH-HST-01": (
        "Configuration, ACL file, data and log can't be read by other users",
        "high",
        "They hold password hashes and the data itself.",
        ["overview"],
        "Run site.yml; it sets owner, group and mode.",
    ),
    "RH-HST-02": (
        "The server runs as its own user in systemd's sandbox",
        "high",
        "A server that can write to /root/.ssh or cron can be made to.",
        ["design"],
        "Run site.yml; it writes the unit's drop-in and restarts the server.",
    ),
    "RH-HST-03": (
        "The kernel's settings are those that Redis needs",
        "low",
        "Without memory overcommit a save in the background fails, and with it persistence.",
        ["design"],
        "Run site.yml; in a container set them on the machine that carries it.",
    ),
    "RH-HST-04": (
        "No Compose file holds a Redis password",
        "high",
        "Compose files are committed and copied, and docker inspect shows arguments and variables to whoever may ask.",
        ["guide", "design"],
        "In the Compose file, write the line that the finding names, and give the server new passwords.",
    ),
    "RH-TLS-01": (
        "TLS 1.2 and 1.3 are offered, and nothing older",
        "high",
        "Older versions have known weaknesses that let an attacker on the path read or change traffic.",
        ["overview", "strategy-9", "design"],
        "Run site.yml; it sets tls-protocols. A finding about 1.2 or 1.3 names what the server said.",
    ),
    "RH-TLS-02": (
        "The server shows the certificate that the policy gave it",
        "high",
        "A renewed certificate that was not loaded expires all the same; a foreign one is somebody else's.",
        ["strategy-9"],
        "Run site.yml; it makes the server load the files again, without a restart.",
    ),
    "RH-TLS-03": (
        "The certificate verifies against the CA and names the host",
        "high",
        "Clients that can't verify the server switch the check off, and then talk to anyone.",
        ["overview", "strategy-9"],
        "List the name or address in pki_names and run site.yml; with files of your own, give one that carries it.",
    ),
    "RH-TLS-04": (
        "The certificate and its CA stay valid for long enough",
        "high",
        "On the day one of them expires all clients are cut off at once.",
        ["strategy-9"],
        "Run site.yml, which renews it when pki_renew_before is reached, or give new files. Of a new CA give clients "
        "the certificate first.",
    ),
    "RH-TLS-05": (
        "Client certificates are demanded as declared",
        "high",
        "With them a stolen password alone opens nothing.",
        ["strategy-9", "strategy-11", "design"],
        "Set redis_tls_auth_clients and run site.yml.",
    ),
    "RH-TLS-06": (
        "Plain text gets no answer where TLS is required",
        "critical",
        "Passwords and data that cross the network in plain text are read by whoever is on the path.",
        ["overview", "strategy-9", "design"],
        "Set redis_tls: required and run site.yml; it closes the plaintext port.",
    ),
    "RH-TLS-07": (
        "The server's key can't be read by other users",
        "high",
        "Whoever has the key can pose as the server.",
        ["strategy-9"],
        "Run site.yml; it sets owner, group and mode. If others had access, run rotate_certificates.yml as well.",
    ),
    "RH-VER-01": (
        "The installed package has the known fixes",
        "critical",
        "Several of the fixed faults let a logged-in client run code on the host.",
        ["overview", "design"],
        "Run upgrade.yml; where redis_package_version is set, set a later one before.",
    ),
    "RH-AUD-01": (
        "Every check gave a result",
        "high",
        "A host that nobody could look at has not been proved safe.",
        ["overview"],
        "Fix what the finding says, or make the host reachable for Ansible, and run verify.yml again.",
    ),
}
