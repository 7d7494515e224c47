# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that are swapped under running servers, and clients that must not notice."""

from __future__ import annotations

import os
import shutil
import threading

import pytest
import redis
from tls_lab import Authority, ask, shown
from waiting import wait_for

ADMIN = "user admin on >canary-of-the-admin +@all ~* &*\nuser default off resetpass\n"


@pytest.fixture
def place(server):
    """The directory that redis_certificate would have made, beside the server's own."""
    folder = server.folder / "tls"
    folder.mkdir()
    return folder


@pytest.fixture
def authority(server):
    return Authority(server.folder / "authority")


def options(server, place, **more):
    return {
        "login_host": server.host,
        "login_port": server.tls_port,
        "login_user": "admin",
        "login_password": "canary-of-the-admin",
        "ca_certs": f"{place}/ca.crt",
        "client_cert_file": f"{place}/redis.crt",
        "client_key_file": f"{place}/redis.key",
        "ca_file": f"{place}/ca.crt",
        "certificate_file": f"{place}/redis.crt",
        "key_file": f"{place}/redis.key",
        "plaintext_port": server.port,
    } | more


def lines(place, *more):
    names = {"ca-cert": "ca.crt", "cert": "redis.crt", "key": "redis.key"}
    return "\n".join([*(f"tls-{which}-file {place}/{name}" for which, name in names.items()), *more])


def tls_client(server, place, **more):
    return redis.Redis(
        **dict(host=server.host, port=server.tls_port, username="admin", password="canary-of-the-admin"),
        **dict(ssl=True, ssl_ca_certs=f"{place}/ca.crt", ssl_certfile=f"{place}/redis.crt"),
        **dict(ssl_keyfile=f"{place}/redis.key", socket_timeout=5, **more),
    )


class Client(threading.Thread):
    """A client that holds a connection, and one that comes anew each time; both count, and keep their first error."""

    def __init__(self, held, fresh):
        super().__init__(daemon=True)
        self.held, self.fresh, self.stop, self.error, self.count = held, fresh, threading.Event(), None, 0

    def run(self):
        connection = self.held()
        number = connection.client_id()
        try:
            while not self.stop.is_set():
                connection.set("key", "value")
                assert connection.client_id() == number, "the held connection was replaced"
                with self.fresh() as other:
                    other.get("key")
                self.count += 1
                # The module needs the processor, too.
                self.stop.wait(0.02)
        except Exception as error:
            self.error = error


def test_a_rotation_is_not_noticed_by_clients(server, place, authority, run_module):
    authority.issue(place)
    server.start(lines(place), ADMIN)
    clients = Client(
        lambda: tls_client(server, place, single_connection_client=True), lambda: tls_client(server, place)
    )
    clients.start()
    seen = {shown(server)}
    for _round in range(4):
        before = clients.count
        authority.issue(place)
        predicted = run_module("redis_tls", options(server, place), check=True, diff=True)
        assert shown(server) in seen and predicted["changed"] and not predicted["loaded"]
        done = run_module("redis_tls", options(server, place), diff=True)
        assert done["changed"] and done["loaded"] and done["diff"] == predicted["diff"], done
        assert done["fingerprint"] == shown(server) and done["fingerprint"] not in seen
        seen.add(shown(server))
        again = run_module("redis_tls", options(server, place))
        assert not again["changed"]
        wait_for(lambda: clients.error or clients.count > before + 5)  # noqa: B023
    clients.stop.set()
    clients.join()
    assert clients.error is None


def test_tls_is_opened_on_a_server_without_it(server, place, authority, run_module):
    authority.issue(place)
    server.start("tls-port 0", ADMIN)
    predicted = run_module("redis_tls", options(server, place), check=True)
    assert predicted["plaintext_only"] and predicted["changed"] and shown(server) is None
    done = run_module("redis_tls", options(server, place))
    assert done["changed"] and not done["plaintext_only"]
    assert done["fingerprint"] == shown(server) == authority.fingerprint(place)
    assert ask(server.port) == "-NOAUTH Authentication required."
    assert not run_module("redis_tls", options(server, place))["changed"]


def test_check_mode_before_there_is_a_certificate(server, place, run_module):
    server.start("tls-port 0", ADMIN)
    predicted = run_module("redis_tls", options(server, place), check=True)
    assert predicted["changed"] and predicted["plaintext_only"]
    failed = run_module("redis_tls", options(server, place))
    assert failed["failed"] and "redis.crt" in failed["msg"]


def test_no_server_is_no_error(server, place, authority, run_module):
    authority.issue(place)
    done = run_module("redis_tls", options(server, place))
    assert not done["changed"] and not done["running"]


def test_a_key_that_does_not_fit_changes_nothing(server, place, authority, run_module):
    authority.issue(place)
    server.start(lines(place), ADMIN)
    before = shown(server)
    good = (place / "redis.crt").read_text(), (place / "redis.key").read_text()
    authority.issue(place)
    (place / "redis.key").write_text(good[1])
    # The client's pair must fit, or there is no login.
    other = place.parent / "client"
    other.mkdir()
    authority.issue(other)
    pair = {"client_cert_file": f"{other}/redis.crt", "client_key_file": f"{other}/redis.key"}
    failed = run_module("redis_tls", options(server, place, **pair))
    assert failed["failed"] and "goes on with what it has" in failed["msg"]
    assert shown(server) == before


def test_an_expired_certificate_is_replaced(server, place, authority, run_module):
    authority.issue(place, days=-1)
    server.start(lines(place), ADMIN)
    authority.issue(place)
    done = run_module("redis_tls", options(server, place, plaintext_port=None))
    assert done["changed"] and shown(server) == authority.fingerprint(place)


def test_another_ca_takes_over_where_the_previous_pair_is_kept(server, place, authority, run_module):
    authority.issue(place)
    server.start(lines(place), ADMIN)
    shutil.copytree(place, f"{place}.previous")
    Authority(server.folder / "other").issue(place)
    done = run_module("redis_tls", options(server, place, plaintext_port=None))
    assert done["changed"], done
    assert shown(server) == authority.fingerprint(place)
    shutil.rmtree(f"{place}.previous")
    assert not run_module("redis_tls", options(server, place, plaintext_port=None))["changed"]


def test_without_any_pair_that_the_server_takes_nothing_is_changed(server, place, authority, run_module):
    authority.issue(place)
    server.start(lines(place), ADMIN)
    before = shown(server)
    Authority(server.folder / "other").issue(place)
    failed = run_module("redis_tls", options(server, place, plaintext_port=None))
    assert failed["failed"] and failed["connection_problem"] in ("tls", "unreachable"), failed
    assert shown(server) == before
    # By the plaintext port, where that is open, it can be fixed.
    assert run_module("redis_tls", options(server, place))["changed"]


def test_a_new_ca_alone_is_loaded(server, place, authority, run_module):
    authority.issue(place)
    server.start(lines(place), ADMIN)
    other = Authority(server.folder / "other")
    guest = server.folder / "guest"
    guest.mkdir()
    other.issue(guest)
    assert ask(server.tls_port, guest) is None
    with open(place / "ca.crt", "a") as handle:
        handle.write(other.certificate)
    # Files that are newer than the server are loaded, whether somebody asks for it or not.
    quiet = run_module("redis_tls", options(server, place))
    assert quiet["loaded"] and not quiet["changed"]
    assert ask(server.tls_port, guest) == "-NOAUTH Authentication required."
    os.utime(place / "ca.crt", (1, 1))
    assert not run_module("redis_tls", options(server, place))["loaded"]
    assert run_module("redis_tls", options(server, place, reload=True))["changed"]


def test_config_by_another_name(server, place, authority, run_module):
    authority.issue(place)
    server.start(lines(place, "rename-command CONFIG CONFIG_canary"), ADMIN)
    authority.issue(place)
    renamed = {"renamed_commands": {"CONFIG": "CONFIG_canary"}}
    assert run_module("redis_tls", options(server, place, **renamed))["changed"]
    assert shown(server) == authority.fingerprint(place)


def test_a_server_that_is_taken_over(server, place, authority, run_module):
    authority.issue(place)
    server.start("tls-port 0")
    done = run_module("redis_tls", options(server, place, take_over=True))
    assert done["changed"] and shown(server) == authority.fingerprint(place)
