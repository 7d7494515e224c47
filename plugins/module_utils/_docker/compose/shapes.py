# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a password stands in a text, by shape: URLs, connection strings, options, directives, shell. Pure functions.

What is Redis's for certain (an option of the server, a redis:// URL, a variable of that name) counts even where the
value is ${VARIABLE}: `ps` and `docker inspect` show what that was. What only looks so needs a password in the file
itself, and some sign that it is Redis's: programs have passwords for other things, too. All texts come from reveal();
hostile ones must not take long, so that what may repeat has a limit.
"""

from __future__ import annotations

import re

from .variables import REFERENCE

# USER:PASSWORD@, :PASSWORD@ in which a slash may stand, and a lone word, which some clients take for the password.
_URL = re.compile(
    r"(?<![\w+.-])([A-Za-z][\w+.-]{0,40}):/{2,3}"
    r"(?:[^\s/@:]{1,200}:([^\s/@]{1,400})|:([^\s@]{1,400})|([^\s/@:?#]{1,200}))@([^\s/,;?@]{0,200})"
)
_REDIS_SCHEME = re.compile(r"redis|valkey|keydb|redict|sentinel", re.IGNORECASE)
# What belongs to servers of other kinds, unless something says Redis.
_OTHER_SCHEME = re.compile(
    r"(?:https?|wss?|s?ftps?|ssh|git|rsync|smtps?|imaps?|pop3s?|ldaps?|amqps?|mqtts?|nats|kafka|stomp|socks\w*|rtsp|rtmp|"
    r"postgres\w*|pg\w*|mysql\w*|mariadb\w*|mongodb\w*|mssql\w*|sqlserver|oracle|clickhouse\w*|couchdb|neo4j\w*|bolt\w*|"
    r"cockroachdb|cassandra|influxdb|elasticsearch|opensearch|snowflake|redshift|trino|db2|s3|smb|cifs|memcached?)(?:\+\w+)?",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![\w.@-])([\w.-]{0,100}):([^\s/@:,;]{1,200})@(?!sha\d)[\w.-]{1,200}")
# redis-commander: label:host:port:database:password.
_COLONS = re.compile(r"(?<![^\s,])[^\s:,]{1,100}:[^\s:,]{1,200}:\d{2,5}:\d{1,3}:([^\s:,]{1,200})")
_PAIR = re.compile(
    r"(?<![\w.\[\]-])([A-Za-z][\w.\[\]-]{0,100})(?:[\"']?\s{0,4}=\s{0,4}|[\"']\s{0,4}:\s{0,4}|:\s{1,4})[\"']?"
    r"([^\s\"',;&|<>]{1,200})"
)
# The last is how StackExchange.Redis writes its servers.
_ABOUT_REDIS = re.compile(
    r"redis|valkey|keydb|redict|sentinel|(?<!\d)(?:6379|6380|26379)(?!\d)|^[\w.-]{1,200}:\d{2,5},", re.IGNORECASE
)
_CLI = re.compile(r"(?:^|/)(?:redis|valkey|keydb)-(?:cli|benchmark)$")
# Options of redis-cli, which mean something else to other programs.
_CLI_OPTIONS = frozenset(("-a", "--pass"))
# Of the server's configuration, its arguments and CONFIG SET: how many words later the password stands.
_DIRECTIVES = {
    **dict.fromkeys(("requirepass", "masterauth", "primaryauth", "sentinel-pass"), 1),
    **dict.fromkeys(("tls-key-file-pass", "tls-client-key-file-pass"), 1),
    "auth-pass": 2,
}
_OF_SERVER = re.compile(r"PASS(?!IVE)|REDISCLI_AUTH|SECRET|PWD$|AUTH$|TOKEN$", re.IGNORECASE)
_OF_CLIENT = re.compile(
    r"(?<!BY)PASS(?!IVE|PORT|THR|AGE|ING)|SECRET|PWD\d*$|(?<!O)AUTH$|TOKEN$|ACCESS_?KEY$|CREDENTIALS?$", re.IGNORECASE
)
_BRAND = re.compile(r"redis|valkey|keydb|redict", re.IGNORECASE)
# A file's name, or a switch, is no secret.
_HARMLESS = re.compile(
    r"(?:FILE|PATH|DIR|NAME|ENABLED?|DISABLED?|REQUIRED|LENGTH|TTL|TIMEOUT|PREFIX)$|^ALLOW_EMPTY_|^FILE__",
    re.IGNORECASE,
)
_SWITCH = re.compile(r"(?:true|false|yes|no|on|off|none|null)$", re.IGNORECASE)
_IN_FILE = re.compile(r"(?:file:(?://)?)?/(?:run|etc|usr|var|opt|data|conf|config|tmp|secrets)/")
_LAST_WORD = re.compile(
    r"(?:(?<!ask)(?<!by)(?<!com)pass(?:word|wd|phrase|code)?|pwd|^pw|(?<!o)auth|^secret|^token|^credentials?)$"
)


def counts(value):
    """Return whether a value is a password, or a variable that holds one."""
    # Neither what a shell does with the words before, nor what printf fills in.
    return bool(re.sub(r"%s|\\n|[|&;<>]+", "", value)) and not _from_container(value) and not _IN_FILE.match(value)


def is_literal(value):
    """Return whether a value is a password that stands in the file itself."""
    bare = value.strip("\\;(){}[]\"'")
    return counts(bare) and REFERENCE not in bare and not _SWITCH.match(bare) and bare[0] != "<"


def _from_container(value):
    """Return whether the container works out the value when it runs: $$(cat FILE), $$NAME or `cat FILE`."""
    return "$$" in value or "`" in value


def is_about_redis(text):
    return bool(_ABOUT_REDIS.search(text))


def is_secret_variable(name, server):
    """Return whether a variable of this name holds a password of Redis, in a server or in one of its clients."""
    if _HARMLESS.search(name):
        return False
    if server or name.upper() == "REDISCLI_AUTH":
        return bool(_OF_SERVER.search(name))
    return bool(_BRAND.search(name) and _OF_CLIENT.search(name))


def is_secret_value(name, value, server):
    """Return whether a variable that is_secret_variable() has a password. None comes from Compose's own shell."""
    if value is None:
        return True
    # "true" may be a password, but not of what is called AUTH.
    return counts(value) and (not _SWITCH.match(value) or bool(re.search(r"pass(?:word|wd)?\d*$", name, re.IGNORECASE)))


def _is_secret_key(name, server, about_redis):
    """Return whether an option or a key has a password of Redis as its value, by the last of its words."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    if not words or words[0] in ("no", "enable", "disable", "use", "require"):
        return False
    if not _LAST_WORD.search(words[-1]) and words[-2:] != ["access", "key"]:
        return False
    plain = all(_LAST_WORD.search(word) for word in words) or words == ["access", "key"]
    return server or bool(_BRAND.search(name)) or (plain and about_redis)


def in_text(text, server, name="", about_redis=False):
    """Return where in a text a password stands, in words, or None.

    name: of the variable that has the text. about_redis: whether what stands around it speaks of Redis.
    """
    if any(_is_password_of_url(name, *parts) for parts in _URL.findall(text)):
        return "after the user of the URL"
    about_redis = about_redis or is_about_redis(name) or is_about_redis(text)
    without_urls = re.sub(r"[\w+.-]{1,40}:/{2,3}[^\s,;]{0,600}", " ", text)
    bare = [value for user, value in _BARE.findall(without_urls) if user != "mailto"]
    if about_redis and any(map(is_literal, bare + _COLONS.findall(without_urls))):
        return "in a connection string"
    if any(_is_secret_key(key, server, about_redis) and is_literal(value) for key, value in _PAIR.findall(text)):
        return "in a connection string"
    return None


def _is_password_of_url(name, scheme, password, only_password, lone, host):
    sure = bool(_REDIS_SCHEME.search(scheme))
    if lone:
        return sure and lone != "default" and is_literal(lone)
    if sure:
        return counts(password or only_password)
    others = _OTHER_SCHEME.fullmatch(scheme) and not is_about_redis(name) and not is_about_redis(host)
    return not others and is_literal(password or only_password)


def in_words(words, server, about_redis=False):
    """Yield (line, where) for each password in a command line or another text, given as (line, word)."""
    texts = [word for _line, word in words]
    about_redis = about_redis or is_about_redis(" ".join(texts))
    asks = any(_CLI.search(word) for word in texts)
    cli = acl = False
    taken = -1
    for index, (line, word) in enumerate(words):
        if index <= taken:
            # Never to be taken for a name, which is shown.
            continue
        option, equals, value = word.partition("=")
        key = option.lower().lstrip("-")
        cli, acl = cli or bool(_CLI.search(word)), acl or key in ("user", "setuser")
        distance = _DIRECTIVES.get(key, 1)
        following = texts[index + distance] if index + distance < len(texts) else ""
        is_directive = key in _DIRECTIVES or (cli and option in _CLI_OPTIONS) or (asks and option.upper() == "AUTH")
        if is_directive or (option.startswith("-") and _is_secret_key(_name_of(option), server, about_redis)):
            given = value if equals else "" if following.startswith("--") else following
            if counts(given) if is_directive else is_literal(given):
                taken = index if equals else index + distance
                yield line, "after %s" % option
        elif equals and option.upper() == "REDISCLI_AUTH":
            if counts(value):
                yield line, "after %s" % option
        elif equals and re.fullmatch(r"[A-Za-z_]\w*", option) and is_secret_variable(option, server):
            if is_literal(value):
                yield line, "after %s" % option
        elif acl and re.match(r">[^>\s/&]", word) and is_literal(word[1:]):
            yield line, "in a rule of an ACL"


def _name_of(option):
    """Return the name of an option, without the mark of Java's (-Dname=value)."""
    return re.sub(r"^-D(?=[a-z])|^-+", "", option)
