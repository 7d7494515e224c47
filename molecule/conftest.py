"""Fixtures of the scenarios' tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "shared"))

from neighbours import cli, neighbour

SCENARIO = os.environ.get("MOLECULE_SCENARIO_NAME", "default")


@pytest.fixture(scope="session")
def outsider():
    return neighbour(SCENARIO, "outsider")


@pytest.fixture(scope="session")
def app():
    return neighbour(SCENARIO, "app")


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture
def addresses(variables):
    """The droplet's addresses on the network that it shares with outsider and app."""
    return variables["ansible_host"], "[%s]" % variables["lab_ipv6"]


@pytest.fixture
def password(variables):
    """A function: the password of a user, from the controller's own files."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "credentials", variables["inventory_hostname"])
    return lambda user: (folder / user).read_text().strip()


@pytest.fixture
def admin(host, password):
    """A function: run a command as the admin on the droplet itself."""
    return lambda *command: cli(host, "127.0.0.1", "admin", password("admin"), *command)


@pytest.fixture
def as_app(app, variables, password):
    """A function: run a command as the user app, from the neighbour app."""
    return lambda *command: cli(app, variables["ansible_host"], "app", password("app"), *command)
