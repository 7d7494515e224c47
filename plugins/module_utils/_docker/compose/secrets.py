# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords of Redis in a Compose file: in arguments, which `ps` shows, or in variables, as `docker inspect` does."""

from __future__ import annotations

import re

_OPTIONS = frozenset(("--requirepass", "--masterauth", "--primaryauth", "--tls-key-file-pass", "--sentinel-pass"))
# Options of redis-cli, which mean something else to other programs.
_CLI_OPTIONS = frozenset(("-a", "--pass"))
_CLI = re.compile(r"(?:^|/)(?:redis|valkey|keydb)-cli$")
_URL = re.compile(r"\b(?:redis|rediss|valkey|valkeys)(?:\+\w+)?://[^\s/@:]*:([^\s@/]+)@")
_OF_SERVER = re.compile(r"PASS(?!IVE)|REDISCLI_AUTH|SECRET|(?:^|_)AUTH$", re.IGNORECASE)
_OF_CLIENT = re.compile(r"(?:REDIS|VALKEY)\w*(?:PASS|SECRET|AUTH$)|^REDISCLI_AUTH$", re.IGNORECASE)
# A file's name, or a switch, is no secret.
_HARMLESS = re.compile(r"_FILE$|_PATH$|^ALLOW_EMPTY_", re.IGNORECASE)
_COMMAND = 'command: ["redis-server", "/etc/redis/redis.conf"], with an aclfile in that configuration'
_TEST = 'test: ["CMD-SHELL", "REDISCLI_AUTH=$$(cat /run/secrets/redis_password) redis-cli ping"]'


def secret_faults(tree, service, server):
    """Return (line, what is there, what to write instead) for each password of a service.

    tree: reads nodes. service: key -> node. server: whether it is a Redis server, as opposed to a client.
    """
    found = []
    places = [("command", service.get("command")), ("entrypoint", service.get("entrypoint"))]
    places.append(("healthcheck", tree.entries(service.get("healthcheck")).get("test")))
    for place, node in places:
        instead = _TEST if place == "healthcheck" else _COMMAND if server else "REDIS_URL_FILE: /run/secrets/redis_url"
        for line, option in _in_words(_words(tree.scalars(node))):
            found.append((line, "%s has a password after %s" % (place, option), instead))
    environment = service.get("environment")
    listed = isinstance(getattr(environment, "value", None), list) and tree.scalars(environment)
    for line, name, value in tree.named(environment):
        if _secret_variable(name, value, server):
            form = "- %s_FILE=/run/secrets/%s" if listed else "%s_FILE: /run/secrets/%s"
            found.append((line, "environment has the password in %s" % name, form % (name, name.lower())))
    return found


def _secret_variable(name, value, server):
    """Return whether a variable of the environment holds a password. value None: it comes from Compose's own shell."""
    if value is not None and (match := _URL.search(value)):
        return not _from_container(match[1])
    if value == "" or _HARMLESS.search(name):
        return False
    return bool((_OF_SERVER if server else _OF_CLIENT).search(name)) and not _from_container(value or "")


def _in_words(words):
    """Yield (line, option) for each password in a command line."""
    cli = False
    for index, (line, word) in enumerate(words):
        cli = cli or bool(_CLI.search(word))
        option, equals, value = word.partition("=")
        if option in _OPTIONS or (cli and option in _CLI_OPTIONS):
            # After an option stands its value, unless another option does.
            if not equals:
                value = words[index + 1][1] if index + 1 < len(words) else ""
            if value and not value.startswith("--") and not _from_container(value):
                yield line, option
        elif option == "REDISCLI_AUTH" and value and not _from_container(value):
            yield line, option
        elif (match := _URL.search(word)) and not _from_container(match[1]):
            yield line, "the user of the URL"


def _from_container(value):
    """Return whether the container works out the value when it runs: $$(cat FILE), $$NAME or `cat FILE`."""
    return "$$" in value or "`" in value


def _words(nodes):
    """Return (line, word) of all words of these scalars, without quotes."""
    words = []
    for node in nodes:
        # Only block scalars keep their lines; their text begins in the line after the indicator.
        block = node.style in ("|", ">")
        for offset, text in enumerate(node.value.split("\n")):
            line = node.start_mark.line + 1 + (offset + 1 if block else 0)
            # Quotes matter to the shell, not to the question whether there is a password. In a list an empty item is
            # a word, too: --requirepass "" sets none.
            found = re.sub("[\"']", "", text).split() or ([""] if not node.value else [])
            words += [(line, word) for word in found]
    return words
