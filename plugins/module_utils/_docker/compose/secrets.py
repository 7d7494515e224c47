# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords of Redis in a Compose file: in arguments, which `ps` shows, or in variables, as `docker inspect` does."""

from __future__ import annotations

import re

from . import shapes
from .tree import is_list, line_of
from .variables import reveal

_COMMAND = 'command: ["redis-server", "/etc/redis/redis.conf"], with an aclfile in that configuration'
_TEST = 'test: ["CMD-SHELL", "REDISCLI_AUTH=$$(cat /run/secrets/redis_password) redis-cli ping"]'
_CLIENT = "REDIS_URL_FILE: /run/secrets/redis_url"
_BUILD = "secrets below build, and RUN --mount=type=secret in the Dockerfile"
_CONFIG = "it as a secret, or file in place of content"


def secret_faults(tree, service, server, about_redis=False):
    """Return (line, what is there, what to write instead) for each password of a service.

    tree: reads nodes. service: key -> node. server: whether it is a Redis server, as opposed to a client. about_redis:
    whether its name or its image speaks of Redis.
    """
    found = []
    build = tree.entries(service.get("build"))
    hooks = [tree.entries(hook) for key in ("post_start", "pre_stop") for hook in _listed(service.get(key))]
    instead = _COMMAND if server else _CLIENT
    places = [
        ("command", service.get("command"), instead),
        ("entrypoint", service.get("entrypoint"), instead),
        ("healthcheck", tree.entries(service.get("healthcheck")).get("test"), _TEST),
        ("build", build.get("dockerfile_inline"), _BUILD),
        *(("a hook", hook.get("command"), instead) for hook in hooks),
    ]
    for place, node, instead in places:
        for line, where in _in_texts(_texts(tree.scalars(node)), server, about_redis):
            found.append((line, "%s has a password %s" % (place, where), instead))
    options = tree.entries(service.get("logging")).get("options")
    variables = [("environment", service.get("environment")), *(("a hook", hook.get("environment")) for hook in hooks)]
    variables += [("build", build.get("args")), ("labels", service.get("labels")), ("logging", options)]
    for place, node in variables:
        for line, name, value in tree.named(node):
            if _is_secret(name, value, server):
                # Of a line that is none of NAME=VALUE, no more is shown than may be a name.
                name = re.match(r"[\w.-]*", name)[0] or "it"
                instead = _instead(name, place, node, server and bool(re.search(r"(?:^|\s)--", value or "")))
                found.append((line, "%s has the password in %s" % (place, name), instead))
    return found


def config_faults(tree, config):
    """Return the same for an entry of the file's `configs`."""
    texts = _texts(tree.scalars(tree.entries(config).get("content")))
    return [(line, "its content has a password %s" % where, _CONFIG) for line, where in _in_texts(texts, False)]


def _instead(name, place, node, has_options):
    if place == "build":
        return _BUILD
    if place in ("labels", "logging"):
        return "%s without the password" % name
    if has_options:
        return '"--aclfile /run/secrets/redis_acl" in place of the password\'s option'
    return ("- %s_FILE=/run/secrets/%s" if is_list(node) else "%s_FILE: /run/secrets/%s") % (name, name.lower())


def _is_secret(name, value, server):
    """Return whether an entry of the environment holds a password. value None: it comes from Compose's own shell."""
    value = None if value is None else reveal(value)
    if shapes.is_secret_variable(name, server) and shapes.is_secret_value(name, value, server):
        return True
    # A line without its sign is all name.
    name, text = (name, value) if value is not None else ("", name)
    return any(_in_texts([(0, text)], server, False, name))


def _in_texts(texts, server, about_redis=False, name=""):
    """Yield (line, where) for each password in these (line, text)."""
    # Quotes matter to the shell, not to the question whether there is a password. In a list an empty item is a word,
    # too: --requirepass "" sets none.
    words = [(line, word) for line, text in texts for word in re.sub("[\"']", "", text).split() or [""]]
    about_redis = about_redis or shapes.is_about_redis(" ".join([name, *(text for _line, text in texts)]))
    found = list(shapes.in_words(words, server, about_redis))
    lines = {line for line, _where in found}
    found += [
        (line, where)
        for line, text in texts
        if line not in lines and (where := shapes.in_text(text, server, name, about_redis))
    ]
    return found


def _texts(nodes):
    """Return (line, text) of all lines of these scalars."""
    found = []
    for node in nodes:
        # Only block scalars keep their lines; their text begins in the line after the indicator.
        block = node.style in ("|", ">")
        for offset, text in enumerate(node.value.split("\n")):
            if text or not node.value:
                found.append((line_of(node) + (offset + 1 if block else 0), reveal(text)))
    return found


def _listed(node):
    return node.value if is_list(node) else []
