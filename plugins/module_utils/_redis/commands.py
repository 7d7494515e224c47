# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renamed and disabled commands: is the declared set possible, and what does a running server answer to.

A set is a dict: original command -> new name, or "" for a command that is disabled.
"""

from __future__ import annotations

import re

# All commands of Redis 6.0 to 8.0 and Valkey 8.1. Needed without a server: a new name must not be one of these.
COMMANDS = frozenset(
    """
    ACL APPEND ASKING AUTH BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMOVE BLMPOP BLPOP BRPOP
    BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CLUSTER COMMAND COMMANDLOG CONFIG COPY DBSIZE DEBUG DECR DECRBY DEL
    DISCARD DUMP ECHO EVAL EVALSHA EVALSHA_RO EVAL_RO EXEC EXISTS EXPIRE EXPIREAT EXPIRETIME FAILOVER FCALL FCALL_RO
    FLUSHALL FLUSHDB FUNCTION GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO
    GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HELLO HEXISTS HEXPIRE HEXPIREAT
    HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT
    HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS INCR INCRBY INCRBYFLOAT INFO KEYS
    LASTSAVE LATENCY LCS LINDEX LINSERT LLEN LMOVE LMPOP LOLWUT LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MEMORY
    MGET MIGRATE MODULE MONITOR MOVE MSET MSETNX MULTI OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT
    PFDEBUG PFMERGE PFSELFTEST PING PSETEX PSUBSCRIBE PSYNC PTTL PUBLISH PUBSUB PUNSUBSCRIBE QUIT RANDOMKEY READONLY
    READWRITE RENAME RENAMENX REPLCONF REPLICAOF RESET RESTORE RESTORE-ASKING ROLE RPOP RPOPLPUSH RPUSH RPUSHX SADD
    SAVE SCAN SCARD SCRIPT SDIFF SDIFFSTORE SELECT SET SETBIT SETEX SETNX SETRANGE SHUTDOWN SINTER SINTERCARD
    SINTERSTORE SISMEMBER SLAVEOF SLOWLOG SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SPUBLISH SRANDMEMBER SREM SSCAN
    SSUBSCRIBE STRALGO STRLEN SUBSCRIBE SUBSTR SUNION SUNIONSTORE SUNSUBSCRIBE SWAPDB SYNC TIME TOUCH TTL TYPE UNLINK
    UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO XLEN XPENDING XRANGE XREAD
    XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE
    ZLEXCOUNT ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM
    ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE
    ZUNION ZUNIONSTORE
    """.split()  # noqa: SIM905
)

# What a configuration line carries unquoted, without '|', which crashes the server at start.
_NAME = re.compile(r"[!-~]+")
_FORBIDDEN = set("|\"'\\")


def rename_problems(renamed):
    """Return what is wrong with the set, one sentence each; an empty list when the server would take it."""
    problems, targets = [], {}
    originals = _upper(renamed)
    if len(originals) != len(renamed or {}):
        problems.append("A command is listed twice, in upper and in lower case.")
    for original, new in originals.items():
        if not isinstance(new, str):
            problems.append('%s: the new name must be text, or "" to disable the command.' % original)
            continue
        if "|" in original:
            problems.append("%s: only whole commands can be renamed, not subcommands." % original)
        elif not _plain(original):
            problems.append("%r is not the name of a command." % original)
        if new == "":
            continue
        if not _plain(new):
            problems.append(
                "%s: the new name %r must be printable ASCII without blanks, quotes, '\\' and '|'." % (original, new)
            )
        target = new.upper()
        if target == original:
            problems.append("%s is renamed to itself: leave it out." % original)
        elif target in COMMANDS and target not in originals:
            problems.append("%s: the new name %s is a command that exists: choose another name." % (original, new))
        elif target in targets:
            problems.append("%s and %s have the same new name %s." % (targets[target], original, new))
        targets[target] = original
    if not problems and _ordered(originals) is None:
        problems.append("Commands take each other's names in a circle, which the server refuses: use new names.")
    return problems


def normalise(renamed):
    """Return the set with upper-case originals; raise ValueError naming everything that is wrong with it."""
    problems = rename_problems(renamed)
    if problems:
        raise ValueError("renamed_commands: " + " ".join(problems))
    return _upper(renamed)


def rename_lines(renamed):
    """Return the rename-command lines of a configuration file, in an order that the server takes."""
    renamed = normalise(renamed)
    return ["rename-command %s %s" % (original, renamed[original] or '""') for original in _ordered(renamed)]


def _upper(renamed):
    return {str(original).upper(): new for original, new in (renamed or {}).items()}


def _plain(name):
    return bool(_NAME.fullmatch(name)) and not _FORBIDDEN & set(name)


def _ordered(renamed):
    """Return the originals so that a name is free before it is taken; None when that is impossible."""
    waiting, order = sorted(renamed), []
    while waiting:
        ready = [name for name in waiting if (renamed[name] or "").upper() not in waiting]
        if not ready:
            return None
        order += ready
        waiting = [name for name in waiting if name not in ready]
    return order
