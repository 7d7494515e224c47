# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control catalogue: what this collection makes so, why, and how to mend it.

The id joins the task's name and tag, the finding, and the line in docs/controls.md. Severity: critical (anyone can read
or take over), high (one mistake away from it), medium (limits the damage), low (helps to notice).
`sources` name the documents that ask for it: guide, overview, strategy-1 to strategy-11, ports, design.
"""

from __future__ import annotations


def _control(title, severity, why, sources, fix):
    return dict(title=title, severity=severity, why=why, sources=sources, fix=fix)


CONTROLS = {
    "RH-NET-01": _control(
        "Redis ports are closed to everyone but the named sources",
        "critical",
        "An open Redis port is found by scanners within hours and is enough to take over the host.",
        ["guide", "overview", "ports", "strategy-3"],
        "Run site.yml; its firewall role closes the port. Name clients in redis_allowed_sources.",
    ),
    "RH-NET-02": _control(
        "Named clients reach Redis",
        "high",
        "A firewall that cuts the application off gets switched off.",
        ["guide"],
        "Add the client's address to redis_allowed_sources and the address it uses to redis_bind.",
    ),
    "RH-NET-03": _control(
        "The kernel's rules hold the Redis ports closed, in front of all others",
        "critical",
        "UFW's rules do not see ports that Docker publishes, and its reload opens everything for a second.",
        ["guide", "ports"],
        "Run site.yml; its firewall role puts the chain back in front, for IPv4 and IPv6.",
    ),
    "RH-NET-04": _control(
        "Redis listens on the declared addresses only",
        "high",
        "What does not listen on an address can't be reached there, whatever the firewall does.",
        ["guide", "overview", "strategy-3"],
        "Set redis_bind and run site.yml.",
    ),
    "RH-NET-05": _control(
        "Protected mode is on",
        "medium",
        "It refuses remote clients when every other protection has been taken away.",
        ["overview"],
        "Set redis_protected_mode: true and run site.yml.",
    ),
    "RH-NET-06": _control(
        "Redis in containers is closed to everyone but the named sources",
        "critical",
        "Docker publishes ports past UFW, and a container's own address can be reached without a published port.",
        ["guide", "overview", "ports", "strategy-3"],
        "Start the container without the published port, or run site.yml; its firewall role closes the port.",
    ),
    "RH-NET-07": _control(
        "No Compose file publishes a Redis port",
        "critical",
        "A published port is open to the internet past UFW, and comes back with every docker compose up.",
        ["guide"],
        "In the Compose file, write the line that the finding names, and run docker compose up -d.",
    ),
    "RH-ACL-01": _control(
        "Clients that have not logged in are refused",
        "critical",
        "Without a login whoever reaches the port owns the data and, with CONFIG, the host.",
        ["guide", "overview", "strategy-1"],
        "Run site.yml; it switches the user 'default' off and writes it into the ACL file.",
    ),
    "RH-ACL-02": _control(
        "The user 'default' is off, or has a password",
        "critical",
        "An ACL file without this user leaves it on, without a password, with every command.",
        ["overview", "strategy-1", "strategy-2"],
        "Run site.yml; to keep the user, declare 'default' in redis_users with a password.",
    ),
    "RH-ACL-03": _control(
        "The users are exactly the declared ones, with exactly the declared rights",
        "high",
        "An extra user or an extra grant is how an intruder stays and how least privilege wears off.",
        ["overview", "strategy-2"],
        "Run site.yml, or declare the user or the right in redis_users.",
    ),
    "RH-ACL-04": _control(
        "Wrong passwords are refused",
        "critical",
        "A user that takes any password is an open door with a sign on it.",
        ["strategy-1"],
        "Run site.yml; it gives every user passwords and removes 'nopass'.",
    ),
    "RH-ACL-05": _control(
        "Users are denied what the policy denies them, and allowed what it allows",
        "high",
        "Rules that read well may act otherwise; what counts is what the server decides.",
        ["overview", "strategy-2"],
        "Correct the commands, keys and channels of the user in redis_users and run site.yml.",
    ),
    "RH-ACL-06": _control(
        "Scripting is denied to users that do not need it",
        "high",
        "Most of Redis' remote code executions went through Lua.",
        ["strategy-4"],
        "End the user's commands in redis_users with -@scripting (+@write alone grants FUNCTION LOAD), or set "
        "allow_scripting: true.",
    ),
    "RH-ACL-07": _control(
        "Who runs scripts is known",
        "low",
        "Before EVAL can be denied one has to know who would miss it.",
        ["strategy-4"],
        "Look at ACL LOG and INFO commandstats; move the scripts into the application.",
    ),
    "RH-CMD-01": _control(
        "Disabled commands are gone",
        "high",
        "A command that does not exist can't be used by a stolen password either.",
        ["overview", "strategy-5"],
        "Run site.yml; renames take a restart of the server, which it does.",
    ),
    "RH-CMD-02": _control(
        "Renamed commands answer only under their new names",
        "medium",
        "A rename that was not applied everywhere gives a false sense of safety.",
        ["overview", "strategy-5"],
        "Check redis_renamed_commands and run site.yml.",
    ),
    "RH-CMD-03": _control(
        "Disabled commands have no back door",
        "high",
        "With EVAL gone, SCRIPT LOAD and EVALSHA still run scripts; SLAVEOF is REPLICAOF by its old name.",
        ["strategy-4", "strategy-5"],
        "Disable the commands named in the finding as well, in redis_renamed_commands.",
    ),
    "RH-CMD-04": _control(
        "DEBUG, MODULE and protected settings are locked",
        "high",
        "CONFIG SET dir and a module load turn a login into code on the host.",
        ["overview", "strategy-5"],
        "Run site.yml; it sets enable-debug-command, enable-module-command and enable-protected-configs to no.",
    ),
    "RH-CFG-01": _control(
        "Memory is bounded and the eviction policy is the declared one",
        "medium",
        "A Redis that eats the host's memory takes the host down with it.",
        ["strategy-6", "design"],
        "Set redis_maxmemory and redis_maxmemory_policy and run site.yml.",
    ),
    "RH-CFG-02": _control(
        "Client connections are bounded",
        "medium",
        "One client must not use up all connections.",
        ["strategy-7"],
        "Set redis_maxclients and run site.yml.",
    ),
    "RH-CFG-03": _control(
        "Idle connections are closed",
        "low",
        "Connections that are held open and idle cost memory and slots.",
        ["strategy-8"],
        "Set redis_timeout above 0 and run site.yml.",
    ),
    "RH-CFG-04": _control(
        "The server writes its log where it is declared",
        "low",
        "What is not written down can't be looked into.",
        ["overview", "design"],
        "Set redis_logfile and run site.yml.",
    ),
    "RH-CFG-05": _control(
        "All other settings are the declared ones",
        "medium",
        "A setting that somebody changed live is gone at the next restart, or worse, stays.",
        ["overview"],
        "Run site.yml.",
    ),
    "RH-HST-01": _control(
        "Configuration, ACL file, data and log can't be read by other users",
        "high",
        "They hold password hashes and the data itself.",
        ["overview"],
        "Run site.yml; it sets owner, group and mode.",
    ),
    "RH-HST-02": _control(
        "The server runs as its own user in systemd's sandbox",
        "high",
        "A server that can write to /root/.ssh or cron can be made to.",
        ["design"],
        "Run site.yml; it writes the unit's drop-in and restarts the server.",
    ),
    "RH-HST-03": _control(
        "The kernel's settings are those that Redis needs",
        "low",
        "Without memory overcommit a save in the background fails, and with it persistence.",
        ["design"],
        "Run site.yml; in a container set them on the machine that carries it.",
    ),
    "RH-HST-04": _control(
        "No Compose file holds a Redis password",
        "high",
        "Compose files are committed and copied, and docker inspect shows arguments and variables to whoever may ask.",
        ["guide", "design"],
        "In the Compose file, write the line that the finding names, and give the server new passwords.",
    ),
    "RH-TLS-01": _control(
        "TLS 1.2 and 1.3 are offered, and nothing older",
        "high",
        "Older versions have known weaknesses that let an attacker on the path read or change traffic.",
        ["overview", "strategy-9", "design"],
        "Run site.yml; it sets tls-protocols. A finding about 1.2 or 1.3 names what the server said.",
    ),
    "RH-TLS-02": _control(
        "The server shows the certificate that the policy gave it",
        "high",
        "A renewed certificate that was not loaded expires all the same; a foreign one is somebody else's.",
        ["strategy-9"],
        "Run site.yml; it makes the server load the files again, without a restart.",
    ),
    "RH-TLS-03": _control(
        "The certificate verifies against the CA and names the host",
        "high",
        "Clients that can't verify the server switch the check off, and then talk to anyone.",
        ["overview", "strategy-9"],
        "List the name or address in pki_names and run site.yml; with files of your own, give one that carries it.",
    ),
    "RH-TLS-04": _control(
        "The certificate stays valid for long enough",
        "high",
        "On the day it expires all clients are cut off at once.",
        ["strategy-9"],
        "Run site.yml, which renews it when pki_renew_before is reached, or give new files.",
    ),
    "RH-TLS-05": _control(
        "Client certificates are demanded as declared",
        "high",
        "With them a stolen password alone opens nothing.",
        ["strategy-9", "strategy-11", "design"],
        "Set redis_tls_auth_clients and run site.yml.",
    ),
    "RH-TLS-06": _control(
        "Plain text gets no answer where TLS is required",
        "critical",
        "Passwords and data that cross the network in plain text are read by whoever is on the path.",
        ["overview", "strategy-9", "design"],
        "Set redis_tls: required and run site.yml; it closes the plaintext port.",
    ),
    "RH-TLS-07": _control(
        "The server's key can't be read by other users",
        "high",
        "Whoever has the key can pose as the server.",
        ["strategy-9"],
        "Run site.yml; it sets owner, group and mode. If others had access, run rotate_certificates.yml as well.",
    ),
    "RH-CLU-01": _control(
        "Every node of the cluster says that it serves all slots",
        "high",
        "A slot without an owner makes its keys unavailable, and by default the whole cluster with them.",
        ["guide", "design"],
        "Start the nodes that are down and run site.yml, which gives slots that nobody has to a master.",
    ),
    "RH-CLU-02": _control(
        "All nodes of the cluster see the same members, masters and slots",
        "high",
        "Nodes that disagree send clients in circles, and may take writes for the same key in two places.",
        ["guide", "design"],
        "Wait for a failover to end; if it stays so, open the bus ports between the nodes and run site.yml.",
    ),
    "RH-CLU-03": _control(
        "The members of the cluster are the declared nodes",
        "critical",
        "A member needs no password: it can claim slots, and is sent the keys and the clients of others.",
        ["overview", "design"],
        "Find out who let it in, close the bus, and remove it with state absent in the cluster's nodes.",
    ),
    "RH-CLU-04": _control(
        "Every master has its replicas, in other zones than its own",
        "medium",
        "A master without a replica elsewhere takes its slots with it when its host fails.",
        ["overview", "design"],
        "Run site.yml; it moves replicas. With too few hosts, add one.",
    ),
    "RH-CLU-05": _control(
        "The cluster bus takes only nodes with a certificate of the CA",
        "critical",
        "The bus knows no passwords: whoever is let in can make himself a member with CLUSTER MEET.",
        ["overview", "strategy-9", "design"],
        "Set redis_tls to required or optional and run site.yml; the firewall role closes the bus to strangers.",
    ),
    "RH-CLU-06": _control(
        "The nodes of the cluster have the same cluster settings",
        "low",
        "After a failover the cluster would behave as the new master's settings say.",
        ["design"],
        "Give all nodes the same cluster settings and run site.yml.",
    ),
    "RH-VER-01": _control(
        "The installed package has the known fixes",
        "critical",
        "Several of the fixed faults let a logged-in client run code on the host.",
        ["overview", "design"],
        "Run apt-get update and apt-get install --only-upgrade for the package the finding names.",
    ),
    "RH-AUD-01": _control(
        "Every check gave a result",
        "high",
        "A host that nobody could look at has not been proved safe.",
        ["overview"],
        "Mend what the finding says, or make the host reachable for Ansible, and run verify.yml again.",
    ),
}
