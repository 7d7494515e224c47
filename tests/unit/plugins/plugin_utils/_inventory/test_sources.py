"""What the entries of an allow-list mean."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._firewall.policy import build_policy
from ansible_collections.celebrum.redis_hardening.plugins.plugin_utils._inventory import sources as inventory_sources
from hypothesis import given, strategies as st

NAMES = {
    "app1.example.org": ["10.0.3.21", "fd00:3::21"],
    "app2": ["10.0.3.22"],
    "round.example.org": ["10.0.9.2", "10.0.9.1"],
    "self.example.org": ["127.0.1.1"],
    "both.example.org": ["10.0.9.5", "::1"],
    "odd.example.org": ["224.0.0.1"],
}
HOSTS = {
    "app1": {"ansible_host": "app1.example.org"},
    "app2": {},
    "app3": {"ansible_host": "192.0.2.3", "firewall_addresses": ["10.0.3.23", "fd00:3::23"]},
    "nat": {"firewall_addresses": ["10.0.4.0/24", "round.example.org"]},
    "container": {"ansible_host": "rh-app"},
    "here": {"ansible_host": "127.0.0.1"},
    "text": {"firewall_addresses": "10.0.3.1"},
    "none": {"firewall_addresses": []},
    "twin": {"ansible_host": "10.0.3.50"},
    "near": {"ansible_host": "fe80::5%eth0"},
    "mistyped": {"ansible_host": "10.0.3.300"},
    "db.example.org": {"ansible_host": "10.0.5.5"},
}
GROUPS = {
    "all": list(HOSTS),
    "apps": ["app3", "app2", "app1"],
    "empty": [],
    "twin": ["app2"],
    "alone": ["alone"],
    "lost": ["app2", "container", "here"],
    "strays": ["web%d" % number for number in range(9)],
}


class Resolver:
    def __init__(self):
        self.asked = []

    def __call__(self, names):
        self.asked.append(names)
        return {name: NAMES.get(name, "Name or service not known") for name in names}


def sources(groups=GROUPS, hosts=HOSTS):
    strays = {name: {"ansible_host": name} for name in GROUPS["strays"]}
    return inventory_sources.Sources(groups, {**hosts, **strays}, Resolver())


@pytest.mark.parametrize(
    ("entries", "addresses"),
    [
        ([], []),
        (["10.0.3.20", "10.0.4.0/24", "fd00:1::/64"], ["10.0.3.20", "10.0.4.0/24", "fd00:1::/64"]),
        (["10.0.4.0/255.255.255.0", "FD00:1:0::5"], ["10.0.4.0/24", "fd00:1::5"]),
        (["10.0.3.20/32", "10.0.3.20"], ["10.0.3.20"]),
        (["apps"], ["10.0.3.21", "10.0.3.22", "10.0.3.23", "fd00:3::21", "fd00:3::23"]),
        (["app3"], ["10.0.3.23", "fd00:3::23"]),
        (["app1"], ["10.0.3.21", "fd00:3::21"]),
        (["nat"], ["10.0.4.0/24", "10.0.9.1", "10.0.9.2"]),
        (["round.example.org"], ["10.0.9.1", "10.0.9.2"]),
        # By which interface the controller reaches it is nothing to the host.
        (["near"], ["fe80::5"]),
        # A host of this name comes before the DNS.
        (["db.example.org"], ["10.0.5.5"]),
        (["10.0.3.100", "10.0.3.20", "9.0.0.1", "app2", "apps", "10.0.3.0/24", "10.0.3.0/25"], None),
    ],
)
def test_entries(entries, addresses):
    found, problems = sources().expand(entries)
    assert problems == []
    if addresses is not None:
        assert found == addresses
    networks = [ipaddress.ip_network(text) for text in found]
    assert networks == sorted(set(networks), key=lambda one: (one.version, one))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("0.0.0.0/0", "0.0.0.0/0 is everyone"),
        ("10.0.0.5/24", "write 10.0.0.0/24 for the network"),
        ("10.0.3.300", "'10.0.3.300' is neither an address nor a network: write it like"),
        # The C library would take these for addresses.
        ("10.0.3", "'10.0.3' is neither"),
        ("167772165", "'167772165' is neither"),
        ("0x0a000005", "'0x0a000005' is no address, network, group or host of the inventory"),
        ("10.0.0x5", "'10.0.0x5' is no address"),
        ("0x7f.1", "'0x7f.1' is no address"),
        ("fe80::1%eth0", "fe80::1%eth0 names an interface"),
        ("::ffff:10.0.0.1", "is an IPv4 address in IPv6 form"),
        ("", "'' is no address"),
        ("a b", "'a b' is no address"),
        ("*.example.org", "'*.example.org' is no address"),
        ("apps:!app1", "'apps:!app1' is neither"),
        ("all", "all is every host of the inventory"),
        ("empty", "the group empty has no hosts: add its hosts"),
        ("twin", "twin is a group and also a host: rename one"),
        ("appz", "'appz' is no address, network, group or host: did you mean apps?"),
        # It could be a name in a search domain, but more likely is a mistyped group.
        (
            "monitoring",
            "'monitoring' is no address, network, group or host of the inventory, nor a DNS name with a dot",
        ),
        ("nowhere.example.org", "the name nowhere.example.org does not resolve (Name or service not known): write"),
        ("self.example.org", "the name self.example.org is 127.0.1.1 on the controller, which is loopback: write"),
        ("both.example.org", "which is loopback"),
        ("odd.example.org", "can't be the source of a connection"),
        (
            "container",
            "container: the name rh-app does not resolve (Name or service not known): set firewall_addresses",
        ),
        ("here", "here: its address is 127.0.0.1, which is loopback: set firewall_addresses for this host, as in"),
        ("text", "text: its firewall_addresses is no list"),
        ("none", "none: its firewall_addresses is no list"),
        ("mistyped", "mistyped: '10.0.3.300' is neither an address nor a network"),
    ],
)
def test_entries_that_mean_nobody(entry, words):
    found, problems = sources().expand(["10.9.9.9", entry])
    assert found == ["10.9.9.9"]
    ((at, problem),) = problems
    assert at == 1
    assert words in problem


def test_a_group_tells_its_hosts_without_an_address():
    found, problems = sources().expand(["lost"])
    assert found == ["10.0.3.22"]
    assert [problem.partition(":")[0] for _at, problem in problems] == [
        "container, of the group lost",
        "here, of the group lost",
    ]


def test_a_long_list_of_hosts_is_cut():
    _found, problems = sources().expand(["strays"])
    assert len(problems) == 4
    assert problems[-1] == (0, "the same goes for 6 more of its hosts")


def test_a_group_that_is_one_host_of_the_same_name_is_no_riddle():
    hosts = {"alone": {"ansible_host": "10.0.0.1"}}
    assert sources({"all": ["alone"], "alone": ["alone"]}, hosts).expand(["alone"]) == (["10.0.0.1"], [])


def test_variables_that_can_not_be_evaluated_are_told():
    class Broken(dict):
        def get(self, name, default=None):
            raise RuntimeError("'nowhere' is undefined")

    _found, ((_at, problem),) = sources({"all": ["h"]}, {"h": Broken()}).expand(["h"])
    assert "h: its variables can't be evaluated: 'nowhere' is undefined: set firewall_addresses" in problem


def test_names_are_asked_for_at_once_and_once():
    known = sources()
    known.expand(["apps", "round.example.org", "10.0.0.1"])
    known.expand(["apps", "nowhere.example.org"])
    known.expand(["nowhere.example.org"])
    assert known.resolve.asked == [["app1.example.org", "app2", "round.example.org"], ["nowhere.example.org"]]


def test_ports():
    ports = [
        {"port": 6379, "sources": ["apps"], "purpose": "data"},
        {"port": 7000},
        {"port": 7001, "sources": ["empty", "10.0.0.1"]},
    ]
    expanded, problems = inventory_sources.expand_ports(ports, sources())
    assert expanded[0]["sources"][:1] == ["10.0.3.21"]
    assert expanded[0]["purpose"] == "data"
    assert expanded[1] == {"port": 7000, "sources": []}
    (problem,) = problems
    assert problem.startswith("firewall_ports[2] (port 7001): sources[0] is refused: the group empty has no hosts")
    assert inventory_sources.expand_ports(ports, sources(), told=["empty", "10.0.0.1"]) == (expanded, [])


@pytest.mark.parametrize("ports", [[6379], [{"port": 6379, "sources": "apps"}]])
def test_ports_of_another_shape_are_refused(ports):
    assert inventory_sources.expand_ports(ports, sources())[1][0].startswith("firewall_ports[0]")


NETWORKS = st.builds(
    lambda number, length: str(ipaddress.ip_network((number, length), strict=False)),
    st.integers(2**24, 223 * 2**24),
    st.integers(8, 32),
)
ENTRIES = st.lists(NETWORKS | st.sampled_from(["apps", "app1", "nat", "round.example.org"]), max_size=6)


@given(ENTRIES, st.randoms())
def test_the_order_of_entries_changes_nothing(entries, random):
    found, problems = sources().expand(entries)
    shuffled = random.sample(entries, len(entries))
    assert sources().expand(shuffled) == (found, problems)
    assert sources().expand(found) == (found, [])


@given(ENTRIES)
def test_the_firewall_takes_all_that_is_found(entries):
    found, _problems = sources().expand(entries)
    policy = build_policy([{"port": 6379, "sources": found, "purpose": "data"}], [], [])
    kept = [inventory_sources.as_text(network) for network in policy.sources[6379]]
    assert kept == [text for text in found if not ipaddress.ip_network(text).is_loopback]


@given(st.lists(st.text(max_size=12) | st.text(alphabet="0123456789abcdefx.:%/-*", max_size=20), max_size=4))
def test_nothing_crashes_on_nonsense(entries):
    found, problems = sources().expand(entries)
    assert len(problems) >= (1 if entries and not found else 0)


def test_the_controllers_own_names_resolve():
    answers = inventory_sources.resolve_names(["localhost", "nowhere.invalid", "a" * 64 + ".org"])
    assert "127.0.0.1" in answers["localhost"] or "::1" in answers["localhost"]
    assert isinstance(answers["nowhere.invalid"], str)
    assert isinstance(answers["a" * 64 + ".org"], str)


@pytest.mark.parametrize(("failures", "answer"), [(0, ["10.0.0.5"]), (1, ["10.0.0.5"]), (2, "not now")])
def test_a_server_that_does_not_answer_is_asked_again(monkeypatch, failures, answer):
    asked = []

    def getaddrinfo(name, port, type):
        asked.append(name)
        if len(asked) <= failures:
            raise socket.gaierror(socket.EAI_AGAIN, "not now")
        return [(socket.AF_INET, type, 6, "", ("10.0.0.5", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert inventory_sources.resolve_names(["app.example.org"]) == {"app.example.org": answer}


def test_a_name_of_several_families(monkeypatch):
    """As the resolver of systemd answers for a host's own name: link-local ones with the controller's interface."""
    found = [("fe80::5%eth0", 0, 0, 2), ("10.0.0.5", 0), ("fd00::5", 0, 0, 0), ("fe80::5%wlan0", 0, 0, 3)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, port, type: [(0, type, 6, "", one) for one in found])
    host = inventory_sources.Sources(
        {"all": ["a"]}, {"a": {"ansible_host": "a.example.org"}}, inventory_sources.resolve_names
    )
    assert host.expand(["a"]) == (["10.0.0.5", "fd00::5", "fe80::5"], [])
    assert host.expand(["b.example.org"]) == (["10.0.0.5", "fd00::5", "fe80::5"], [])


def test_a_name_that_is_unknown_is_asked_for_once(monkeypatch):
    asked = []

    def getaddrinfo(name, port, type):
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert inventory_sources.resolve_names(["app.example.org"]) == {"app.example.org": "unknown"}
    assert asked == ["app.example.org"]
