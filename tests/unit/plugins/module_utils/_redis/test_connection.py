"""What a failed connection is said to be, for a few servers that only seem to be ones."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._redis import (
    connection as redis_connection,
    resp as redis_resp,
)


@pytest.fixture(autouse=True, params=["redis-py", "own"])
def library(request, monkeypatch):
    """With redis-py, and as on a host without it."""
    if request.param == "own":
        monkeypatch.setattr(redis_connection, "redis", redis_resp)
        monkeypatch.setattr(redis_connection, "LIBRARY_MISSING", True)
        monkeypatch.setattr(redis_connection, "REDIS_PY_VERSION", (0, 0))


@contextlib.contextmanager
def server(reply):
    """A listener that answers the first thing it gets with reply, and ends with its only client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            client, _address = listener.accept()
            with client:
                while client.recv(4096):
                    client.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def params(port, **more):
    return {"login_host": "127.0.0.1", "login_port": port, "login_timeout": 0.5, **more}


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading", "still loading"),
        (b"-NOAUTH Authentication required.\r\n", "auth", "set login_user"),
        (b"-NOPERM this user has no permissions to run the 'ping' command\r\n", "permission", r"grant \+ping"),
        (b"-DENIED Redis is running in protected mode\r\n", "auth", "protected mode"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol", "like a Redis server"),
        (b"", "timeout", "did not answer within 0.5 s"),
    ],
)
def test_kind_and_advice(reply, kind, words):
    with server(reply) as port, pytest.raises(redis_connection.ConnectionProblem, match=words) as problem:
        redis_connection.open_client(params(port))
    assert problem.value.kind == kind


def test_wrong_password():
    refusal = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    with server(refusal) as port, pytest.raises(redis_connection.ConnectionProblem, match="user 'app'") as problem:
        redis_connection.open_client(params(port, login_user="app", login_password="canary-of-this-test"))
    assert problem.value.kind == "auth"
    assert "canary" not in str(problem.value)


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(redis_connection.ConnectionProblem, match="can't be reached") as problem:
        redis_connection.open_client(params(port))
    assert problem.value.kind == "unreachable"


def test_password_from_file_and_environment(tmp_path, monkeypatch):
    path = tmp_path / "password"
    path.write_text("from-the-file\nnot this line\n")
    assert redis_connection.password_of({"login_password_file": str(path)}) == "from-the-file"
    monkeypatch.setenv("REDIS_TEST_PASSWORD", "from-the-environment")
    assert redis_connection.password_of({"login_password_env": "REDIS_TEST_PASSWORD"}) == "from-the-environment"
    assert redis_connection.password_of({}) is None


@pytest.mark.parametrize("option", ["login_password_file", "login_password_env"])
def test_password_that_is_named_but_missing(option):
    with pytest.raises(redis_connection.ConnectionProblem, match=option) as problem:
        redis_connection.password_of({option: "/nowhere/at-all"})
    assert problem.value.kind == "auth"


def test_documentation_has_the_options_of_the_code():
    import yaml
    from ansible_collections.celebrum.redis_hardening.plugins.doc_fragments.connection import ModuleDocFragment

    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    spec = redis_connection.redis_argument_spec()
    assert set(documented) == set(spec)
    for name, option in spec.items():
        assert documented[name]["type"] == option["type"], name
        assert documented[name].get("default") == option.get("default"), name


def test_the_password_of_before_is_tried_where_the_new_one_is_refused():
    def answers(words):
        return b"+OK\r\n" if b"before-of-this-test" in words or b"PING" in words else b"-WRONGPASS no\r\n"

    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _attempt in range(5):
                client, _address = listener.accept()
                with client, contextlib.suppress(OSError):
                    while words := client.recv(4096):
                        asked.append(words)
                        client.sendall(answers(words))

        threading.Thread(target=serve, daemon=True).start()
        login = params(listener.getsockname()[1], login_user="admin", login_password="new-one-of-this-test")
        with pytest.raises(redis_connection.ConnectionProblem):
            redis_connection.open_client(login)
        with pytest.raises(redis_connection.ConnectionProblem):
            redis_connection.open_client(dict(login, login_previous_password="neither-of-them"))
        asked.clear()
        redis_connection.open_client(dict(login, login_previous_password="before-of-this-test")).close()
    assert [b"new-one" in words for words in asked if b"AUTH" in words] == [True, False]
