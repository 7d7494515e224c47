# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controls of the catalogue, see _controls. Who gets to a server, and what may be done there."""

from __future__ import annotations

ACCESS = {
    "RH-NET-01": (
        "Redis ports are closed to everyone but the named sources",
        "critical",
        "An open Redis port is found by scanners within hours and is enough to take over the host.",
        ["guide", "overview", "ports", "strategy-3"],
        "Run site.yml; its firewall role closes the port. Name clients in redis_allowed_sources.",
    ),
    "RH-NET-02": (
        "Named clients reach Redis",
        "high",
        "A firewall that cuts the application off gets switched off.",
        ["guide"],
        "Add the client's address to redis_allowed_sources and the address it uses to redis_bind.",
    ),
    "RH-NET-03": (
        "The kernel's rules hold the Redis ports closed, in front of all others",
        "critical",
        "UFW's rules do not see ports that Docker publishes, and its reload opens everything for a second.",
        ["guide", "ports"],
        "Run site.yml; its firewall role puts the chain back in front, for IPv4 and IPv6.",
    ),
    "RH-NET-04": (
        "Redis listens on the declared addresses only",
        "high",
        "What does not listen on an address can't be reached there, whatever the firewall does.",
        ["guide", "overview", "strategy-3"],
        "Set redis_bind and run site.yml.",
    ),
    "RH-NET-05": (
        "Protected mode is on",
        "medium",
        "It refuses remote clients when every other protection has been taken away.",
        ["overview"],
        "Set redis_protected_mode: true and run site.yml.",
    ),
    "RH-NET-06": (
        "Redis in containers is closed to everyone but the named sources",
        "critical",
        "Docker publishes ports past UFW, and a container's own address can be reached without a published port.",
        ["guide", "overview", "ports", "strategy-3"],
        "Start the container without the published port, or run site.yml; its firewall role closes the port.",
    ),
    "RH-NET-07": (
        "No Compose file publishes a Redis port",
        "critical",
        "A published port is open to the internet past UFW, and comes back with every docker compose up.",
        ["guide"],
        "In the Compose file, write the line that the finding names, and run docker compose up -d.",
    ),
    "RH-ACL-01": (
        "Clients that have not logged in are refused",
        "critical",
        "Without a login whoever reaches the port owns the data and, with CONFIG, the host.",
        ["guide", "overview", "strategy-1"],
        "Run site.yml; it switches the user 'default' off and writes it into the ACL file.",
    ),
    "RH-ACL-02": (
        "The user 'default' is off, or has a password",
        "critical",
        "An ACL file without this user leaves it on, without a password, with every command.",
        ["overview", "strategy-1", "strategy-2"],
        "Run site.yml; to keep the user, declare 'default' in redis_users with a password.",
    ),
    "RH-ACL-03": (
        "The users are exactly the declared ones, with exactly the declared rights",
        "high",
        "An extra user or an extra grant is how an intruder stays and how least privilege wears off.",
        ["overview", "strategy-2"],
        "Run site.yml, or declare the user or the right in redis_users.",
    ),
    "RH-ACL-04": (
        "Wrong passwords are refused",
        "critical",
        "A user that takes any password is an open door with a sign on it.",
        ["strategy-1"],
        "Run site.yml; it gives every user passwords and removes 'nopass'.",
    ),
    "RH-ACL-05": (
        "Users are denied what the policy denies them, and allowed what it allows",
        "high",
        "Rules that read well may act otherwise; what counts is what the server decides.",
        ["overview", "strategy-2"],
        "Correct the commands, keys and channels of the user in redis_users and run site.yml.",
    ),
    "RH-ACL-06": (
        "Scripting is denied to users that do not need it",
        "high",
        "Most of Redis' remote code executions went through Lua.",
        ["strategy-4"],
        "End the user's commands in redis_users with -@scripting (+@write alone grants FUNCTION LOAD), or set "
        "allow_scripting: true.",
    ),
    "RH-ACL-07": (
        "Who runs scripts is known",
        "low",
        "Before EVAL can be denied one has to know who would miss it.",
        ["strategy-4"],
        "Look at ACL LOG and INFO commandstats; move the scripts into the application.",
    ),
    "RH-CMD-01": (
        "Disabled commands are gone",
        "high",
        "A command that does not exist can't be used by a stolen password either.",
        ["overview", "strategy-5"],
        "Run site.yml; renames take a restart of the server, which it does.",
    ),
    "RH-CMD-02": (
        "Renamed commands answer only under their new names",
        "medium",
        "A rename that was not applied everywhere gives a false sense of safety.",
        ["overview", "strategy-5"],
        "Check redis_renamed_commands and run site.yml.",
    ),
    "RH-CMD-03": (
        "Disabled commands have no back door",
        "high",
        "With EVAL gone, SCRIPT LOAD and EVALSHA still run scripts; SLAVEOF is REPLICAOF by its old name.",
        ["strategy-4", "strategy-5"],
        "Disable the commands named in the finding as well, in redis_renamed_commands.",
    ),
    "RH-CMD-04": (
        "DEBUG, MODULE and protected settings are locked",
        "high",
        "CONFIG SET dir and a module load turn a login into code on the host.",
        ["overview", "strategy-5"],
        "Run site.yml; it sets enable-debug-command, enable-module-command and enable-protected-configs to no.",
    ),
}
