"""Servers that want a client to hang or to run out of memory, for each way to a server and each library."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._acl.probe import try_wrong_passwords
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    connection as redis_connection,
    reader as redis_reader,
    resp as redis_resp,
)

SECONDS = 0.3
# Of a whole exchange, and then some for a busy machine.
AT_MOST = SECONDS * redis_reader.EXCHANGE_TIMES + 3
MEGABYTES = 100
REFUSED = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


@pytest.fixture(params=["redis-py", "own"])
def library(request, monkeypatch):
    """With redis-py, and as on a host without it."""
    if request.param == "own":
        monkeypatch.setattr(redis_connection, "redis", redis_resp)
        monkeypatch.setattr(redis_connection, "LIBRARY_MISSING", True)
        monkeypatch.setattr(redis_connection, "REDIS_PY_VERSION", (0, 0))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-subj", "/CN=x", "-days", "2", "-keyout", folder / "key", "-out", folder / "crt"]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


def chunks(*parts, pause=0.0):
    """Give the parts, of which the last is repeated for ever."""
    for part in itertools.chain(parts[:-1], itertools.repeat(parts[-1])):
        yield part
        time.sleep(pause)


@contextlib.contextmanager
def server(answers, context=None, path=None):
    """Answer what is received first with the first of answers, and so on, the last again and again; give the options
    of the connection. An answer is bytes or a function that returns chunks."""
    listener = socket.create_server(("127.0.0.1", 0)) if path is None else socket.socket(socket.AF_UNIX)
    if path is not None:
        listener.bind(str(path))
        listener.listen()
    over = threading.Event()

    def talk(client):
        with contextlib.suppress(OSError, ValueError), client:
            client = context.wrap_socket(client, server_side=True) if context else client
            for answer in itertools.chain(answers[:-1], itertools.repeat(answers[-1])):
                if not client.recv(1 << 16):
                    return
                for part in [answer] if isinstance(answer, bytes) else answer():
                    client.sendall(part)
                    if over.is_set():
                        return

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _address = listener.accept()
                threading.Thread(target=talk, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    options = {"login_host": "127.0.0.1", "login_port": 0, "login_timeout": SECONDS, "validate_certs": False}
    options.update({"tls": True} if context else {})
    options.update({"login_unix_socket": str(path)} if path else {"login_port": listener.getsockname()[1]})
    try:
        yield options
    finally:
        over.set()
        listener.close()


@contextlib.contextmanager
def within(seconds=AT_MOST, megabytes=MEGABYTES):
    begun = time.monotonic()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < seconds


DRIPS = {
    "line": (b"+", b"x"),
    "bulk": (b"$1000\r\n", b"x"),
    "list": (b"*1000\r\n", b":1\r\n"),
}


@pytest.mark.parametrize("way", ["tcp", "tls", "unix"])
@pytest.mark.parametrize("parts", DRIPS.values(), ids=DRIPS)
def test_a_little_at_a_time(library, certificate, tmp_path, way, parts):
    options = {"tls": {"context": certificate}, "unix": {"path": tmp_path / "s"}}.get(way, {})
    with server([lambda: chunks(*parts, pause=0.1)], **options) as login, within():
        with pytest.raises(redis_connection.ConnectionProblem, match="not complete after 1.2 s") as problem:
            redis_connection.open_client(login)
        assert problem.value.kind == "timeout"


FLOODS = {
    "a line without end": ((b"+", b"x" * 65536), "a line of more than 65536 bytes"),
    "2 GB": ((b"$2000000000\r\n", b"x" * 65536), "more than 33554432 bytes"),
    "a list of everything": ((b"*2147483647\r\n", b":1\r\n" * 16384), "more than 250000 entries"),
    "beyond 32 bits": ((b"*9223372036854775807\r\n", b":1\r\n" * 16384), "more than 250000 entries"),
    "lists in lists": ((b"*1\r\n" * 16384,), "lists more than 16 deep"),
    "lists of lists": ((b"*249999\r\n", b"*2\r\n:1\r\n:1\r\n" * 4096), "more than 250000 entries"),
    "many texts": ((b"*200000\r\n", (b"$65535\r\n" + b"x" * 65535 + b"\r\n")), "more than 33554432 bytes"),
}


@pytest.mark.parametrize(("parts", "says"), FLOODS.values(), ids=FLOODS)
def test_too_much(library, parts, says):
    with server([lambda: chunks(*parts)]) as login, within(seconds=20):
        with pytest.raises(redis_connection.ConnectionProblem, match=says) as problem:
            redis_connection.open_client(dict(login, login_timeout=4))
        assert problem.value.kind == "protocol"


def test_a_list_of_errors_which_take_the_most_room_for_a_byte(library):
    flood = b"*25000\r\n" + b"-\r\n" * 25000
    with server([b"+PONG\r\n", flood]) as login, within(seconds=20, megabytes=MEGABYTES // 10):
        client = redis_connection.open_client(dict(login, login_timeout=4))
        [reply] = redis_connection.pipeline(client, [["X"]])
        assert len(reply) == 25000


def test_many_commands_that_are_answered_slowly(library):
    with server([b"+PONG\r\n", lambda: chunks(b"+OK\r\n", pause=0.1)]) as login, within():
        client = redis_connection.open_client(login)
        with pytest.raises(redis_connection.redis.TimeoutError, match="not complete"):
            redis_connection.pipeline(client, [["X"]] * 1000)


def test_many_commands_with_much_for_an_answer(library):
    with server([b"+PONG\r\n", lambda: chunks(b"$999998\r\n" + b"x" * 999998 + b"\r\n")]) as login, within(seconds=20):
        client = redis_connection.open_client(dict(login, login_timeout=4))
        with pytest.raises(redis_connection.redis.InvalidResponse, match="more than"):
            redis_connection.pipeline(client, [["X"]] * 1000)


def test_each_exchange_has_limits_of_its_own(library):
    with server([b"+PONG\r\n", b"$1999998\r\n" + b"x" * 1999998 + b"\r\n"]) as login:
        client = redis_connection.open_client(login)
        for _exchange in range(20):
            assert len(client.execute_command("X")) == 1999998
        time.sleep(SECONDS * redis_reader.EXCHANGE_TIMES + 0.1)
        assert len(client.execute_command("X")) == 1999998


def test_a_server_that_is_merely_slow_is_waited_for(library):
    def slowly():
        for part in (b"$4\r\n", b"ab", b"cd\r\n"):
            time.sleep(0.25)
            yield part

    with server([b"+PONG\r\n", slowly]) as login:
        assert redis_connection.open_client(login).execute_command("X") == b"abcd"


def test_an_error_holds_nothing_that_a_terminal_obeys(library):
    with server([b"+PONG\r\n", b"-ERR \x1b]0;x\x07" + b"x" * 60000 + b"\r\n"]) as login:
        [reply] = redis_connection.pipeline(redis_connection.open_client(login), [["X"]])
    assert str(reply).startswith("?]0;x?xxx")
    assert len(str(reply)) <= redis_reader.ERROR_CHARACTERS


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: chunks(b"-WRONGPASS ", b"x" * 65536), "protocol"),
        (lambda: chunks(b"-WRONGPASS ", b"x", pause=0.1), "timeout"),
    ],
    ids=["endless", "drip"],
)
def test_logins_with_wrong_passwords(library, answer, kind):
    with server([b"+PONG\r\n", REFUSED, answer]) as login, within(seconds=AT_MOST + 3):
        with pytest.raises(redis_connection.ConnectionProblem) as problem:
            try_wrong_passwords(login, ["a", "b", "c"], anonymous=True)
        assert problem.value.kind == kind
