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
