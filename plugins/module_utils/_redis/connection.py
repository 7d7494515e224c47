# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way in which this collection's modules talk to a Redis or Valkey server."""

from __future__ import annotations

import contextlib
import inspect
import os
import traceback

from ansible.module_utils.basic import missing_required_lib

from .limited import limit
from .reader import Reader

MINIMUM_REDIS_PY = (4, 3)
REDIS_PY_IMPORT_ERROR = None
REDIS_PY_VERSION: tuple[int, ...] = (0, 0)
try:
    import redis
    import redis.connection
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    REDIS_PY_VERSION = tuple(int(part) for part in redis.__version__.split(".")[:2])
except ImportError:
    from . import resp as redis  # type: ignore[no-redef]

    REDIS_PY_IMPORT_ERROR = traceback.format_exc()
# Without redis-py there is only what proofs need; what changes something asks for the library.
LIBRARY_MISSING = REDIS_PY_IMPORT_ERROR is not None


class ConnectionProblem(Exception):
    """The server can't be used as asked; the text names the cause and the fix.

    kind is one of library, unreachable, loading, timeout, tls, auth, permission, protocol.
    """

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def redis_argument_spec() -> dict:
    """Return the connection options that all modules share (doc fragment `connection`)."""
    return dict(
        login_host=dict(type="str", default="127.0.0.1"),
        login_port=dict(type="int", default=6379),
        login_unix_socket=dict(type="path"),
        login_user=dict(type="str"),
        login_password=dict(type="str", no_log=True),
        login_password_file=dict(type="path", no_log=False),
        login_password_env=dict(type="str", no_log=False),
        login_previous_password=dict(type="str", no_log=True),
        current_password=dict(type="str", no_log=True),
        tls=dict(type="bool", default=False),
        ca_certs=dict(type="path"),
        client_cert_file=dict(type="path"),
        client_key_file=dict(type="path", no_log=False),
        validate_certs=dict(type="bool", default=True),
        check_hostname=dict(type="bool", default=True),
        login_timeout=dict(type="float", default=5.0),
    )


# Keyword arguments of AnsibleModule that go with redis_argument_spec().
CONNECTION_RULES = dict(
    mutually_exclusive=[("login_password", "login_password_file", "login_password_env")],
    required_together=[("client_cert_file", "client_key_file")],
)


def require_library(module) -> None:
    """End the module with a clear message when redis-py is missing or too old."""
    if LIBRARY_MISSING:
        module.fail_json(msg=missing_required_lib("redis (Debian: python3-redis)"), exception=REDIS_PY_IMPORT_ERROR)
    if REDIS_PY_VERSION < MINIMUM_REDIS_PY:
        module.fail_json(
            msg="The Python library redis is %s in %s; this needs 4.3 or later (Debian: python3-redis)."
            % (redis.__version__, redis.__file__)
        )


def endpoint(params: dict) -> str:
    """Name the server for messages: 'host:port' or the socket's path."""
    return params.get("login_unix_socket") or "%s:%s" % (params["login_host"], params["login_port"])


def password_of(params: dict) -> str | None:
    """Return the password from the option, the file or the environment; None when none is given.

    Raises ConnectionProblem(auth) for a file or variable that is named but holds nothing.
    """
    if params.get("login_password") is not None:
        return params["login_password"]
    if params.get("login_password_file"):
        path = params["login_password_file"]
        try:
            with open(path, encoding="utf-8") as handle:
                password = handle.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConnectionProblem("auth", "login_password_file %s can't be read: %s" % (path, error)) from error
        if not password:
            raise ConnectionProblem("auth", "login_password_file %s has an empty first line." % path)
        return password
    if params.get("login_password_env"):
        given = os.environ.get(params["login_password_env"])
        if not given:
            raise ConnectionProblem(
                "auth", "login_password_env names %s, which is not set on the host." % params["login_password_env"]
            )
        return given
    return None


def open_client(params, anonymous=False):
    """Open one authenticated connection and PING it.

    params: the options of redis_argument_spec(). anonymous: ignore user and password. Where the password is refused,
    the one that the user had before (login_previous_password) is tried.
    Returns a redis.Redis whose execute_command() gives raw RESP2 replies (bytes, lists, ints) without
    redis-py's reshaping, on a single connection, with a limit of time and size for each exchange (reader.py).
    Raises ConnectionProblem.
    """
    arguments = dict(
        socket_timeout=params["login_timeout"],
        socket_connect_timeout=params["login_timeout"],
        single_connection_client=False,
    )
    if not LIBRARY_MISSING:
        # redis-py 6 and later would otherwise retry for seconds on a closed port.
        arguments.update(retry=Retry(NoBackoff(), 0))
    if REDIS_PY_VERSION >= (5, 0):
        # RESP2 everywhere, and no CLIENT SETINFO: a least-privilege user would fill the ACL log with it.
        arguments.update(protocol=2)
        accepted = inspect.signature(redis.Redis).parameters
        unnamed = ("driver_info",) if "driver_info" in accepted else ("lib_name", "lib_version")
        arguments.update({name: None for name in unnamed if name in accepted})
    if not anonymous:
        password = password_of(params)
        if password is not None:
            arguments.update(username=params.get("login_user"), password=password)
    if params.get("login_unix_socket"):
        arguments.update(unix_socket_path=params["login_unix_socket"])
    else:
        arguments.update(host=params["login_host"], port=params["login_port"])
        if params.get("tls"):
            arguments.update(
                ssl=True,
                ssl_ca_certs=params.get("ca_certs"),
                ssl_certfile=params.get("client_cert_file"),
                ssl_keyfile=params.get("client_key_file"),
                ssl_cert_reqs="required" if params.get("validate_certs", True) else "none",
                ssl_check_hostname=bool(params.get("validate_certs", True) and params.get("check_hostname", True)),
            )
    try:
        client = redis.Redis(**arguments)
        client.response_callbacks.clear()
        if not LIBRARY_MISSING:
            limit(client, redis, params["login_timeout"])
        _ping(client)
    except (redis.RedisError, OSError, ValueError) as error:
        problem = explain(error, params)
        client = None if anonymous else _open_as_before(params, problem)
        if client is None:
            raise problem from error
    return client


def _open_as_before(params, problem):
    """Return a client that logged in with the password of before a change of the credentials, None without one."""
    previous = params.get("login_previous_password")
    if problem.kind != "auth" or not previous:
        return None
    before = dict(params, login_password=previous, login_password_file=None, login_password_env=None)
    try:
        return open_client(dict(before, login_previous_password=None))
    except ConnectionProblem:
        return None


def _ping(client):
    try:
        client.execute_command("PING")
    except redis.ResponseError as error:
        # The login has been taken; the server can't save, or is a replica without its master.
        if not str(error).startswith(("MISCONF", "MASTERDOWN")):
            raise


def connect(module):
    """Return a client for the login of the module's options, or end the module with a clear message."""
    require_library(module)
    try:
        return open_client(module.params)
    except ConnectionProblem as problem:
        module.fail_json(msg=str(problem), connection_problem=problem.kind)


def explain(error: Exception, params: dict) -> ConnectionProblem:
    """Turn an exception of redis-py into a ConnectionProblem that names the cause and the fix."""
    where, text = endpoint(params), str(error)
    user = params.get("login_user") or "default"
    if isinstance(error, redis.TimeoutError) and "complete" in text:
        return ConnectionProblem("timeout", "%s kept on answering, but %s: that is no Redis server." % (where, text))
    if isinstance(error, redis.TimeoutError) or "timed out" in text:
        return ConnectionProblem(
            "timeout",
            "%s did not answer within %s s: a firewall that drops, a stopped process, or TLS on that port (tls: true)."
            % (where, params["login_timeout"]),
        )
    # A kind of ConnectionError for redis-py, but the server is there and will be ready without anybody's help.
    if isinstance(error, redis.BusyLoadingError) or text.startswith("LOADING"):
        return ConnectionProblem("loading", "%s is still loading its data: run this again when it is done." % where)
    if "NOAUTH" in text or "Authentication required" in text:
        return ConnectionProblem("auth", "%s wants a login: set login_user and login_password." % where)
    # redis-py strips the code NOPERM from the text.
    if isinstance(error, redis.exceptions.NoPermissionError) or "NOPERM" in text:
        return ConnectionProblem("permission", "User '%s' may not run PING on %s: grant +ping." % (user, where))
    if isinstance(error, redis.AuthenticationError) or "WRONGPASS" in text or "AUTH" in text:
        return ConnectionProblem(
            "auth", "%s refused the login of user '%s': check login_user and login_password (%s)." % (where, user, text)
        )
    if "DENIED" in text:
        return ConnectionProblem(
            "auth", "%s is in protected mode: connect over loopback, or log in. (%s)" % (where, text[:80])
        )
    if "SSL" in text or "certificate" in text.lower():
        return ConnectionProblem(
            "tls", "TLS with %s failed: %s. Check tls, ca_certs, client_cert_file, check_hostname." % (where, text)
        )
    if isinstance(error, (redis.ConnectionError, OSError)):
        return ConnectionProblem(
            "unreachable", "%s can't be reached: %s. Is the server running and listening there?" % (where, text)
        )
    return ConnectionProblem("protocol", "%s did not answer like a Redis server: %s" % (where, text))


def pipeline(client, commands):
    """Send all commands in one go; return their raw replies in order, errors as redis.ResponseError objects.

    commands: a list of argument lists. Nothing is reshaped and nothing is wrapped in MULTI.
    """
    if not commands:
        return []
    batch = client.pipeline(transaction=False)
    batch.response_callbacks = {}
    for command in commands:
        batch.execute_command(*command)
    return batch.execute(raise_on_error=False)


@contextlib.contextmanager
def borrowed(client):
    """Give the connection of a client, connected, for as long as the block takes."""
    pool = client.connection_pool
    connection = pool.get_connection(*(() if REDIS_PY_VERSION >= (5, 3) else ("PING",)))
    try:
        yield connection
    finally:
        pool.release(connection)


def first_lines(client, commands):
    """Send the commands one after the other; give the first line of each reply, which must not have more.

    redis-py takes a refused login for the end of the connection: it closes it, or reads the same refusal again for
    each later reply. Raises as the socket and the library do. The connection is closed afterwards.
    """
    with borrowed(client) as connection:
        reader = Reader(connection._sock, connection._sock.gettimeout(), redis.exceptions, str)
        try:
            for command in commands:
                reader.begin()
                connection._sock.sendall(b"".join(connection.pack_command(*command)))
                yield reader.line()
        finally:
            connection.disconnect()
