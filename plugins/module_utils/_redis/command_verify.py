# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which commands of a server answer, and under which name: what to ask, and what the answers mean.

Pure functions. Four witnesses, of which only the last one is a command that could do harm, and it is sent only to names
that the first one calls absent, with arguments with which it can't run even if it is there after all:

- COMMAND INFO looks names up as the server does when a client calls them, and tells which command is behind a new name.
- COMMAND LIST has the original name of every command that exists under whatever name: it betrays hidden ones.
- ACL CAT has the original name of every command the server was built with: it betrays misspelt ones.
- The name itself, called: "unknown command", or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .._audit.findings import finding, verdict

PROBE = "__probe__"

# With one argument too many these end in a wrong number of arguments, a syntax error or an unknown subcommand.
_INERT_WITH_ARGUMENT = frozenset(
    """
    BGREWRITEAOF BGSAVE COMMAND DBSIZE FAILOVER FLUSHALL FLUSHDB LASTSAVE MONITOR PFSELFTEST RANDOMKEY REPLCONF ROLE
    SAVE SHUTDOWN SYNC
    """.split()  # noqa: SIM905
)
# Without any argument these end in a wrong number of arguments, which every server checks before it runs anything.
_INERT_BARE = frozenset(
    """
    ACL CLIENT CLUSTER CONFIG COPY DEBUG DUMP EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO FUNCTION KEYS LATENCY
    MEMORY MIGRATE MODULE MOVE OBJECT PFDEBUG PSUBSCRIBE PSYNC REPLICAOF RESTORE RESTORE-ASKING SCAN SCRIPT
    SLAVEOF SLOWLOG SORT SORT_RO SWAPDB
    """.split()  # noqa: SIM905
)

_SCRIPTING = ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO", "FUNCTION", "SCRIPT")
# What still does the work of a command that is gone.
BACK_DOORS = {
    "EVAL": _SCRIPTING[1:],
    "EVALSHA": _SCRIPTING[:1] + _SCRIPTING[2:],
    "FCALL": ("FCALL_RO",),
    "FLUSHALL": ("FLUSHDB",),
    "FLUSHDB": ("FLUSHALL",),
    "PSYNC": ("SYNC",),
    "REPLICAOF": ("SLAVEOF",),
    "RESTORE": ("RESTORE-ASKING",),
    "SLAVEOF": ("REPLICAOF",),
    "SYNC": ("PSYNC",),
}

# Behind the name is a command, but the server did not say which.
SOMETHING = "?"


@dataclass
class Evidence:
    """What the witnesses said; all names in upper case. None: this witness could not be heard."""

    bound: dict  # name -> the command it runs, SOMETHING, or None where no command has this name
    existing: set | None = None  # commands that exist under some name
    known: set | None = None  # commands the server was built with, removed ones included
    answered: dict = field(default_factory=dict)  # name -> whether a call of it was answered by a command


def names_to_ask(policy):
    """Return every name whose binding matters: declared commands, their new names, and their back doors.

    policy: command -> new name, or "" for a command that must not exist; checked, all names in upper case.
    """
    names = set(policy) | {new for new in policy.values() if new}
    for command in policy:
        names.update(BACK_DOORS.get(command, ()))
    return sorted(names)


def inert_call(command):
    """Return the call of a command, as a list, that can't run it whoever sends it; None where none is known."""
    if command in _INERT_WITH_ARGUMENT:
        return [command, PROBE]
    if command in _INERT_BARE:
        return [command]
    return None


def read_bindings(names, reply):
    """Turn the reply to COMMAND INFO for names into name -> command, or None."""
    return {name: _upper(entry[0]) if entry else None for name, entry in zip(names, reply, strict=True)}


def read_dry_runs(names, replies):
    """Turn the replies to ACL DRYRUN, errors as exceptions, into name -> SOMETHING or None."""
    return {
        name: None if isinstance(reply, Exception) and "not found" in str(reply) else SOMETHING
        for name, reply in zip(names, replies, strict=True)
    }


def is_refusal(reply):
    """Tell whether the server would not do an ACL DRYRUN at all."""
    text = str(reply).lower() if isinstance(reply, Exception) else ""
    return bool(text) and ("subcommand" in text or not ("not found" in text or "wrong number of arguments" in text))


def read_names(*replies):
    """Join lists of names into one set; None when a list is missing (an error)."""
    if any(not isinstance(reply, list) for reply in replies):
        return None
    return {_upper(name) for reply in replies for name in reply}


def is_answer(reply):
    """Tell whether a reply, errors as exceptions, shows that a command has the name that was called."""
    return not (isinstance(reply, Exception) and "unknown command" in str(reply).lower())


def state_of(command, policy, evidence):
    """Return present, renamed, hidden (under a name that is not declared), unknown or removed."""
    new = policy.get(command)
    if _own_name_answers(command, policy, evidence):
        return "present"
    if new and evidence.bound.get(new) in (command, SOMETHING):
        return "renamed"
    if evidence.existing is not None and command in evidence.existing:
        return "hidden"
    if evidence.known is not None and command not in evidence.known:
        return "unknown"
    return "removed"


def _own_name_answers(command, policy, evidence):
    behind = evidence.bound.get(command)
    if behind is None:
        return evidence.answered.get(command, False)
    # A policy may give the name of one command to another one.
    if behind == SOMETHING:
        return command not in policy.values()
    return behind == command or policy.get(behind) != command


def judge(policy, evidence, instance):
    """Return the findings for a checked policy: one per command, and one per command that has back doors."""
    if not policy:
        expected = "commands that are disabled or renamed"
        return [finding("RH-CMD-01", "skipped", expected, "none are declared", instance=instance)]
    guarded = sorted(policy.keys() & BACK_DOORS)
    return [
        *(_judge_command(command, policy, evidence, instance) for command in sorted(policy)),
        *(_judge_back_doors(command, policy, evidence, instance) for command in guarded),
    ]


def _judge_command(command, policy, evidence, instance):
    new = policy[command]
    control, wanted = ("RH-CMD-02", "renamed") if new else ("RH-CMD-01", "removed")
    expected = "answers under its new name only" if new else "does not exist"
    state = state_of(command, policy, evidence)
    details = dict(instance=instance, subject=command)
    if state == "unknown":
        actual = "this server has no such command, so nothing is proved: a misspelling, or a command of another version"
        return finding(control, "error", expected, actual, remediation="Correct renamed_commands.", **details)
    return verdict(control, state == wanted, expected, _describe(command, new, state, evidence), **details)


def _describe(command, new, state, evidence):
    behind = evidence.bound.get(command)
    if state == "present":
        if behind in (command, SOMETHING):
            return "answers under its own name"
        return (
            "its name runs %s" % behind
            if behind
            else "answers under its own name, although COMMAND INFO does not know it"
        )
    if state == "renamed":
        return "answers under its new name only"
    if state == "hidden":
        actual = "gone under its own name, but the server has it under another one that is not declared"
    else:
        # Without COMMAND LIST a command under a name that is not declared can't be told from a removed one.
        gone = "does not exist" if evidence.existing is not None else "does not answer to its own name"
        actual = "gone altogether" if new and evidence.existing is not None else gone
    if new and evidence.bound.get(new):
        actual += "; its new name runs %s" % evidence.bound[new]
    return actual


def _judge_back_doors(command, policy, evidence, instance):
    doors = []
    for door in BACK_DOORS[command]:
        state = state_of(door, policy, evidence)
        if state == "present":
            doors.append(door)
        elif state == "hidden":
            doors.append("%s (under a name that is not declared)" % door)
    return verdict(
        "RH-CMD-03",
        not doors,
        "nothing else does the work of %s" % command,
        "%s can be called" % ", ".join(doors) if doors else "nothing else does",
        instance=instance,
        subject=command,
        remediation="Disable or rename them as well, in redis_renamed_commands: %s." % ", ".join(doors),
    )


def _upper(name):
    return (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)).upper()
