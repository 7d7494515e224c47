"""The client for hosts without redis-py, against servers that answer badly."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    reader as redis_reader,
    resp as redis_resp,
)


@pytest.fixture
def ask():
    """Return what becomes of a PING that is answered with these parts, one after the other."""
    ends = []

    def served(parts, pause=0.0, seconds=0.5, commands=1):
        listener = socket.create_server(("127.0.0.1", 0))
        ends.append(listener)

        def serve():
            client, _address = listener.accept()
            ends.append(client)
            client.recv(4096)
            try:
                for part in parts:
                    client.sendall(part)
                    time.sleep(pause)
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        client = redis_resp.Redis(host="127.0.0.1", port=listener.getsockname()[1], socket_timeout=seconds)
        batch = client.pipeline(transaction=False)
        for _number in range(commands):
            batch.execute_command("PING", 1, 0.5, b"\xff")
        try:
            return batch.execute(raise_on_error=False)
        finally:
            client.close()

    yield served
    for end in ends:
        end.close()


def test_replies_of_every_kind(ask):
    nested = b"*4\r\n$3\r\na\r\n\r\n:-7\r\n*-1\r\n*1\r\n-NOPERM this user has no permissions\r\n"
    replies = ask([b"+PO", b"NG\r\n$-1\r\n$0\r\n\r\n", nested, b"-ERR unknown command 'x'\r\n"], commands=5)
    assert replies[:3] == [b"PONG", None, b""]
    assert replies[3][:3] == [b"a\r\n"[:3], -7, None]
    assert isinstance(replies[3][3][0], redis_resp.NoPermissionError)
    assert str(replies[3][3][0]) == "this user has no permissions"
    assert isinstance(replies[4], redis_resp.ResponseError)
    assert str(replies[4]) == "unknown command 'x'"


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([b"HTTP/1.1 400 Bad\r\n"], redis_resp.InvalidResponse),
        ([b":x\r\n"], redis_resp.InvalidResponse),
        ([b"$9" + b"9" * 30 + b"\r\n"], redis_resp.InvalidResponse),
        ([b"*1\r\n" * 40], redis_resp.InvalidResponse),
        ([b"*2000000\r\n"], redis_resp.InvalidResponse),
        ([b"$99999999\r\n"], redis_resp.InvalidResponse),
        ([b"x" * 200000], redis_resp.InvalidResponse),
        ([b"-NOAUTH Authentication required.\r\n"], redis_resp.AuthenticationError),
        ([b"-LOADING Redis is loading\r\n"], redis_resp.BusyLoadingError),
        ([b"-ERR max number of clients reached\r\n"], redis_resp.ConnectionError),
        ([b"$5\r\nab"], redis_resp.TimeoutError),
    ],
)
def test_what_ends_a_connection(ask, parts, kind):
    with pytest.raises(kind):
        ask(parts)


def test_a_server_that_sends_byte_by_byte_has_a_limit_of_time(ask):
    begun = time.monotonic()
    with pytest.raises(redis_resp.TimeoutError):
        ask([b"$100\r\n", *([b"x"] * 100)], pause=0.1)
    assert time.monotonic() - begun < 5


def test_a_reply_that_is_too_big_is_not_read(ask, monkeypatch):
    monkeypatch.setattr(redis_reader, "EXCHANGE_BYTES", 1000)
    with pytest.raises(redis_resp.InvalidResponse, match="more than 1000 bytes"):
        ask([b"*3\r\n" + b"$400\r\n" + b"x" * 400 + b"\r\n", b"$700\r\n"])
